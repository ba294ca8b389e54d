//! One chain, read from its first block on, each block checked by every rule.

use std::collections::BTreeMap;

use jbc_chain::{
    Chain, CheckpointError, Entry, Guards, Hash, Header, Network, Refusal, Rejected, UnixMicros,
    Work,
};

use super::lines::Item;

/// Why a block does not go on from the one before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {index}: refused by rule `{}`: field `{}`: {}", .rejected.rule, .rejected.field, .rejected.reason)]
pub(in crate::commands) struct Broken {
    /// Its height, as it states it.
    pub(in crate::commands) index: u64,
    /// The rule it breaks.
    pub(in crate::commands) rejected: Rejected,
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) struct End {
    /// Its last block's height.
    pub(in crate::commands) height: u64,
    /// The work of all of it.
    pub(in crate::commands) work: Work,
}

/// How the chain that was followed before and the one that is followed now part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Parting {
    /// The height of the last block that both have.
    pub(in crate::commands) fork: u64,
    /// The one that was followed before.
    pub(in crate::commands) old: End,
    /// The one that is followed now.
    pub(in crate::commands) new: End,
}

/// Follows a chain block by block, or header by header. It begins with the network's own first block and nothing else:
/// whoever makes a chain at home, with a first block or a target of his own choice, gets no further than that.
///
/// What was followed can be left from some block on, for another branch. It stays in memory (see [`Chain`]), so that of the
/// two the one with more work is known.
#[derive(Debug)]
pub(in crate::commands) struct Follower {
    network: Network,
    chain: Chain,
    now: UnixMicros,
    /// How many blocks were taken, and the last of them.
    taken: u64,
    last: Hash,
    /// The height of the highest block that is pinned.
    last_checkpoint: Option<u64>,
}

impl Follower {
    pub(in crate::commands) fn new(network: Network, now: UnixMicros) -> Self {
        Self {
            chain: Chain::new(&network),
            last: *network.genesis.hash(),
            network,
            now,
            taken: 0,
            last_checkpoint: None,
        }
    }

    /// Follows only chains that have these blocks, from now on.
    ///
    /// # Errors
    /// When the network's first block is pinned to another.
    pub(in crate::commands) fn pin(
        &mut self,
        checkpoints: BTreeMap<u64, Hash>,
    ) -> Result<(), CheckpointError> {
        self.last_checkpoint = checkpoints.last_key_value().map(|(&index, _)| index);
        self.chain.guard(Guards {
            checkpoints,
            finality_blocks: None,
        })
    }

    pub(in crate::commands) fn network(&self) -> &Network {
        &self.network
    }

    /// How many blocks were taken; also the height of the next.
    pub(in crate::commands) fn taken(&self) -> u64 {
        self.taken
    }

    /// The hash of the last block taken; before the first that of the first.
    pub(in crate::commands) fn last(&self) -> Hash {
        self.last
    }

    /// Takes the next block.
    ///
    /// # Errors
    /// [`Broken`] with the first rule it breaks. It was not taken then.
    pub(in crate::commands) fn take(&mut self, item: &Item) -> Result<(), Broken> {
        match item {
            Item::Header(header) => self.take_header(header),
            Item::Block(block) => {
                let broken = |rejected| Broken {
                    index: block.index(),
                    rejected,
                };
                self.check_place(item.index(), item.prev_hash(), item.hash())?;
                let block = block.clone().check(&self.network.rules).map_err(broken)?;
                let accepted = self.chain.accept(&block, self.now);
                self.took(item.index(), item.hash(), accepted.map(|_| ()))
            }
        }
    }

    /// Takes the next header.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(in crate::commands) fn take_header(&mut self, header: &Header) -> Result<(), Broken> {
        self.check_place(header.index, header.prev_hash, header.hash)?;
        let accepted = self.chain.accept_header(header, self.now);
        self.took(header.index, header.hash, accepted.map(|_| ()))
    }

    fn took(&mut self, index: u64, hash: Hash, done: Result<(), Refusal>) -> Result<(), Broken> {
        match done {
            Ok(()) => {
                (self.taken, self.last) = (self.taken + 1, hash);
                Ok(())
            }
            Err(Refusal::Rejected(rejected)) => Err(Broken { index, rejected }),
            Err(Refusal::Orphan { .. }) => Err(unlinked(index)),
        }
    }

    /// That it is the first block where that is due, and else the one after the last.
    fn check_place(&self, index: u64, prev_hash: Option<Hash>, hash: Hash) -> Result<(), Broken> {
        if self.taken == 0 {
            if hash == *self.network.genesis.hash() {
                return Ok(()); // the rules find out whether it is of this text, too
            }
            let reason = format!(
                "the chain must begin with the first block of {}",
                self.network.describe()
            );
            return Err(broken(index, "genesis", "hash", reason));
        }
        if index != self.taken {
            let reason = format!("must be {}, one more than the one before", self.taken);
            return Err(broken(index, "index", "index", reason));
        }
        if prev_hash != Some(self.last) {
            return Err(unlinked(index));
        }
        Ok(())
    }

    /// The hash of the block of this height, among those taken.
    pub(in crate::commands) fn hash_at(&self, index: u64) -> Option<Hash> {
        if index >= self.taken {
            return None;
        }
        let mut entry = self.chain.find_by_hash(&self.last)?;
        while entry.height() > index {
            entry = self.chain.entry(entry.parent()?)?;
        }
        Some(*entry.hash())
    }

    /// Leaves all blocks from this height on; at least the first stays.
    pub(in crate::commands) fn rewind(&mut self, taken: u64) {
        let taken = taken.max(1);
        if let Some(last) = self.hash_at(taken - 1) {
            (self.taken, self.last) = (taken, last);
        }
    }

    /// How the chain up to this block, which was taken once, and the one up to the last part.
    pub(in crate::commands) fn parting(&self, before: &Hash) -> Option<Parting> {
        let branch = self.chain.branch(before, &self.last)?;
        let end = |hash: &Hash| {
            let entry = self.chain.find_by_hash(hash)?;
            let (height, work) = (entry.height(), entry.work());
            Some(End { height, work })
        };
        Some(Parting {
            fork: self.chain.entry(branch.fork)?.height(),
            old: end(before)?,
            new: end(&self.last)?,
        })
    }

    /// All that was read; its best branch is the one that was followed last.
    ///
    /// # Errors
    /// In words, that nothing was read, that a branch that was left had as much work, or that it ends before a checkpoint.
    pub(in crate::commands) fn into_chain(self) -> Result<Chain, String> {
        if self.taken == 0 {
            return Err("it holds no block".to_owned());
        }
        let tip: &Entry = self.chain.tip();
        if *tip.hash() != self.last {
            return Err(format!(
                "its last branch, up to block {}, has no more work than the one up to block {} that it left",
                self.taken - 1,
                tip.height()
            ));
        }
        match self.last_checkpoint {
            Some(pinned) if pinned >= self.taken => Err(format!(
                "it ends with block {}, before the checkpoint of block {pinned}",
                tip.height()
            )),
            _ => Ok(self.chain),
        }
    }
}

fn unlinked(index: u64) -> Broken {
    let reason = "is not the hash of the block before it".to_owned();
    broken(index, "parent", "prev_hash", reason)
}

fn broken(index: u64, rule: &'static str, field: &'static str, reason: String) -> Broken {
    let rejected = Rejected {
        rule,
        field,
        reason: reason.into(),
    };
    Broken { index, rejected }
}

#[cfg(test)]
mod tests;
