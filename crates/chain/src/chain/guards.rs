//! What an operator holds fast beside the rules, off by default: blocks that must be there, and a depth below which nothing
//! changes any more.

use std::collections::BTreeMap;

use super::{Chain, Entry};
use crate::hash::Hash;
use crate::rules::{Rejected, linked};

/// Checkpoints and a finality depth. Nodes with different ones can come to different chains: that is their purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// The hash that the block of this height must have.
    pub checkpoints: BTreeMap<u64, Hash>,
    /// How many blocks a reorganisation may take off; any number where there is none.
    pub finality_blocks: Option<u64>,
}

/// The chain has another block where a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {index} of this chain is {found}, not {pinned}")]
pub struct CheckpointError {
    /// The checkpoint's height.
    pub index: u64,
    /// The block there.
    pub found: Hash,
    /// The block that should be there.
    pub pinned: Hash,
}

impl Chain {
    /// Holds fast what the operator says, from now on.
    ///
    /// # Errors
    /// [`CheckpointError`] when the best chain has another block at a checkpoint's height. Nothing is held then.
    pub fn guard(&mut self, guards: Guards) -> Result<(), CheckpointError> {
        for (&index, &pinned) in &guards.checkpoints {
            let found = self.find_by_index(index).map(|entry| *entry.hash());
            if let Some(found) = found.filter(|found| *found != pinned) {
                return Err(CheckpointError {
                    index,
                    found,
                    pinned,
                });
            }
        }
        self.guards = guards;
        Ok(())
    }

    /// Whether a block of this hash upon `parent` leaves alone what is held fast.
    pub(super) fn check_guards(&self, hash: &Hash, parent: &Entry) -> Result<(), Rejected> {
        let pinned = self.guards.checkpoints.get(&(parent.height() + 1));
        linked::check_checkpoint(hash, pinned)?;
        let Some(most) = self.guards.finality_blocks else {
            return Ok(());
        };
        let depth = self.tip().height() - self.fork_below(parent.id).height();
        linked::check_final(depth, most)
    }
}
