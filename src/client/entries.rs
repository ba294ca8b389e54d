//! The data that a `v2` node takes in: entries, and what became of them.

use std::time::Duration;

use jbc_chain::Hash;
use serde::Deserialize;

use super::{ClientError, LONG_TIMEOUT_MS, NodeClient, SMALL_REPLY_BYTES};

/// What a node says of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// It has it, and no block of its best chain does.
    Pending,
    /// It is in a block of the best chain.
    Confirmed {
        /// The block's height.
        index: u64,
        /// The block's hash.
        hash: Hash,
        /// How many blocks deep, 1 in the tip.
        confirmations: u64,
    },
    /// It does not have it.
    Unknown,
}

/// An answer of `/entries`.
#[derive(Deserialize)]
struct Reply {
    leaf: Hash,
    #[serde(flatten)]
    state: State,
}

#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    Pending,
    Confirmed {
        index: u64,
        hash: Hash,
        confirmations: u64,
    },
    Unknown,
}

impl NodeClient {
    /// `POST /entries`: hands over a text for the chain. Answered once the node has it for good; posting it again does no
    /// harm.
    ///
    /// # Errors
    /// [`ClientError`]: 404 of a node whose network is classic, 503 or 429 when it takes no more just now.
    pub async fn post_entry(&self, text: &str) -> Result<EntryState, ClientError> {
        let path = "/entries";
        let request = self
            .http
            .post(self.address(path))
            .header("content-type", "application/json")
            .body(serde_json::json!({ "text": text }).to_string())
            .timeout(Duration::from_millis(LONG_TIMEOUT_MS));
        let response = self.send(request, path).await?;
        let body = self.body(response, path, SMALL_REPLY_BYTES).await?;
        self.state(&body, path, &jbc_chain::leaf_hash(text.as_bytes()))
    }

    /// `GET /entries/{leaf}`: what became of the entry of this leaf hash.
    ///
    /// # Errors
    /// [`ClientError`]: 404 of a node whose network is classic.
    pub async fn entry(&self, leaf: &Hash) -> Result<EntryState, ClientError> {
        let path = format!("/entries/{leaf}");
        let response = match self.send(self.request(&path), &path).await {
            Err(error) if error.is_not_found() && error.field() == Some("leaf") => {
                return Ok(EntryState::Unknown);
            }
            response => response?,
        };
        let body = self.body(response, &path, SMALL_REPLY_BYTES).await?;
        self.state(&body, &path, leaf)
    }

    fn state(&self, body: &[u8], path: &str, asked: &Hash) -> Result<EntryState, ClientError> {
        let reply: Reply = self.parse(body, path)?;
        if reply.leaf != *asked {
            let reason = format!("of the entry {}, not of {asked}", reply.leaf);
            return Err(self.nonsense(path, reason));
        }
        Ok(match reply.state {
            State::Pending => EntryState::Pending,
            State::Unknown => EntryState::Unknown,
            State::Confirmed {
                index,
                hash,
                confirmations,
            } => EntryState::Confirmed {
                index,
                hash,
                confirmations,
            },
        })
    }
}
