//! What a node's API says of its chain: blocks, headers, branches beside it, and the network.

use jbc_chain::{Block, Hash, Header, Network, Unchecked, Work};
use jbc_jobs::ports::HeaderClaim;
use serde::Deserialize;

use super::{ClientError, LIST_REPLY_BYTES, NodeClient, SMALL_REPLY_BYTES};

/// Blocks asked for at once: the most a node gives (docs/protocol.md, "M at most 500").
pub const BLOCKS_AT_ONCE: u64 = 500;
/// Headers asked for at once: the most a node gives (docs/protocol.md, "M at most 2000").
pub const HEADERS_AT_ONCE: u64 = 2_000;
/// Cap on one block, in bytes: twice what the rules allow, for another spelling of the same.
const BLOCK_REPLY_BYTES: usize = 2 * jbc_chain::MAX_V2_BLOCK_BYTES;

/// A branch beside the best chain, as `GET /forks` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fork {
    /// Height of the best chain's block that it leaves from.
    pub fork_index: u64,
    /// That block's hash.
    pub fork_hash: Hash,
    /// Height of its last block.
    pub tip_index: u64,
    /// Its last block's hash.
    pub tip_hash: Hash,
    /// The work of all blocks up to its last.
    pub work: Work,
    /// The hashes of its blocks above the fork, oldest first; of a long branch only some.
    pub blocks: Vec<Hash>,
}

impl NodeClient {
    /// `GET /blocks`: blocks of the best chain from height `from` on, at most `count` and at most
    /// [`BLOCKS_AT_ONCE`]. Fewer come where the chain ends, or where they are large; none above the tip.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn blocks(
        &self,
        from: u64,
        count: u64,
    ) -> Result<Vec<Block<Unchecked>>, ClientError> {
        let path = format!("/blocks?from={from}&count={}", count.min(BLOCKS_AT_ONCE));
        let body = self.long_body(&path, LIST_REPLY_BYTES).await?;
        Block::list_from_json(&body).map_err(|error| self.nonsense(&path, error))
    }

    /// `GET /blocks/{index or hash}`. That it is the block that was asked for is the caller's to check.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn block(&self, name: &str) -> Result<Block<Unchecked>, ClientError> {
        let path = format!("/blocks/{name}");
        let body = self.long_body(&path, BLOCK_REPLY_BYTES).await?;
        Block::from_json(&body).map_err(|error| self.nonsense(&path, error))
    }

    /// `GET /headers` of a `v2` node: headers of the best chain from height `from` on, at most `count` and at most
    /// [`HEADERS_AT_ONCE`]; none above the tip.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn headers(&self, from: u64, count: u64) -> Result<Vec<Header>, ClientError> {
        let path = headers_path(from, count);
        let body = self.long_body(&path, LIST_REPLY_BYTES).await?;
        self.parse(&body, &path)
    }

    /// `GET /headers` of any node, of which only heights and hashes are read.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn hashes(&self, from: u64, count: u64) -> Result<Vec<HeaderClaim>, ClientError> {
        let path = headers_path(from, count);
        let body = self.long_body(&path, LIST_REPLY_BYTES).await?;
        self.parse(&body, &path)
    }

    /// `GET /network`: the network as the node has it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn network(&self) -> Result<Network, ClientError> {
        let path = "/network";
        let body = self.long_body(path, BLOCK_REPLY_BYTES).await?;
        Network::from_json(&body).map_err(|error| self.nonsense(path, error))
    }

    /// `GET /forks`: the branches beside the best chain, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn forks(&self) -> Result<Vec<Fork>, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            forks: Vec<Fork>,
        }
        Ok(self.get::<Reply>("/forks", SMALL_REPLY_BYTES).await?.forks)
    }
}

fn headers_path(from: u64, count: u64) -> String {
    format!("/headers?from={from}&count={}", count.min(HEADERS_AT_ONCE))
}
