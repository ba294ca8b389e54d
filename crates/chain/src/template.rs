//! The next block but for its nonce.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::block::{Block, Unchecked, prefix};
use crate::chain::Entry;
use crate::hash::Hash;
use crate::text::{MAX_U64_DIGITS, decimal};
use crate::time::Timestamp;

/// What a miner holds fixed while it searches for a nonce. Plain data, so that a range of nonces can
/// be searched elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateParts {
    /// The height of the block to be.
    pub index: u64,
    /// Its parent's hash; `None` at height 0 only.
    pub prev_hash: Option<Hash>,
    /// Its free text.
    pub data: String,
    /// Its timestamp.
    pub timestamp: Timestamp,
}

impl TemplateParts {
    /// The block after `parent`. A timestamp that the rules allow comes from
    /// [`Chain::earliest_timestamp`](crate::Chain::earliest_timestamp).
    pub fn next(parent: &Entry, data: impl Into<String>, timestamp: Timestamp) -> Self {
        Self {
            index: parent.height() + 1,
            prev_hash: Some(*parent.hash()),
            data: data.into(),
            timestamp,
        }
    }

    /// The first block of a new network.
    pub fn genesis(data: impl Into<String>, timestamp: Timestamp) -> Self {
        Self {
            index: 0,
            prev_hash: None,
            data: data.into(),
            timestamp,
        }
    }

    /// All of the preimage before the nonce: the text that a search runs over.
    pub fn prefix(&self) -> String {
        prefix(
            self.index,
            self.prev_hash.as_ref(),
            &self.data,
            self.timestamp,
        )
    }

    /// The block of this nonce, its hash computed, whether or not it meets a target: it enters by the
    /// same door as everybody's.
    pub fn block(&self, nonce: u64) -> Block<Unchecked> {
        let hash = self.hashes()(nonce);
        Block::new(
            self.index,
            self.prev_hash,
            self.data.clone(),
            self.timestamp,
            nonce,
            hash,
        )
    }

    /// The hash of each nonce, the prefix hashed once.
    pub(crate) fn hashes(&self) -> impl Fn(u64) -> Hash + use<> {
        let start = Sha256::new().chain_update(self.prefix());
        move |nonce| {
            let mut digits = [0; MAX_U64_DIGITS];
            let sha = start.clone().chain_update(decimal(nonce, &mut digits));
            Hash::from_bytes(sha.finalize().into())
        }
    }
}
