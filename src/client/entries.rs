//! The data that a `v2` node takes in: entries, and what became of them.

use std::time::Duration;

use jbc_chain::Hash;
use jbc_jobs::task::{EntryState, LocatedEntry};

use super::{ClientError, LONG_TIMEOUT_MS, NodeClient, SMALL_REPLY_BYTES};

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

    /// `GET /entries/{leaf}`: what became of the entry of this leaf hash; `None` of one that the node does not know.
    ///
    /// # Errors
    /// [`ClientError`]: 404 of a node whose network is classic.
    pub async fn entry(&self, leaf: &Hash) -> Result<Option<EntryState>, ClientError> {
        let path = format!("/entries/{leaf}");
        let response = match self.send(self.request(&path), &path).await {
            Err(error) if error.is_not_found() && error.field() == Some("leaf") => {
                return Ok(None);
            }
            response => response?,
        };
        let body = self.body(response, &path, SMALL_REPLY_BYTES).await?;
        self.state(&body, &path, leaf).map(Some)
    }

    fn state(&self, body: &[u8], path: &str, asked: &Hash) -> Result<EntryState, ClientError> {
        let reply: LocatedEntry = self.parse(body, path)?;
        if reply.leaf != *asked {
            let reason = format!("of the entry {}, not of {asked}", reply.leaf);
            return Err(self.nonsense(path, reason));
        }
        Ok(reply.state)
    }
}
