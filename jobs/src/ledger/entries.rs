//! The entries that wait for a block, and where each entry is. The pool follows the best chain: what a block of it has leaves,
//! what a reorganisation takes off comes back.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jbc_chain::{Block, Chain, Checked, Entries, EntryId, Hash, UnixMicros, leaf_hash};

use super::Ledger;
use crate::pool::{Pool, PoolChange, Waiting};
use crate::ports::{Store, StoreError};
use crate::task::{Admission, Admitted, EntryState};

/// Bytes of a block's JSON that a miner leaves for all but the pool's entries: the header, and the miner's own words.
const OWN_BYTES: usize = 4 << 10;

impl<S: Store> Ledger<S> {
    /// Takes an entry into the pool. When this says so, the entry survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the disk's state is unknown.
    pub fn admit_entry(&self, entry: &[u8], now: UnixMicros) -> Result<Admitted, StoreError> {
        let leaf = leaf_hash(entry);
        let answer = |admission| Ok(Admitted { leaf, admission });
        let _one_at_a_time = self
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Against the chain's lock, so that no block with this entry comes between the look and the write.
        let chain = self.chain();
        if let Some(state) = self.state_in(&chain, &leaf)? {
            return answer(Admission::Known(state));
        }
        if let Err(full) = self.store.room() {
            return match full {
                StoreError::Full { .. } => answer(Admission::DiskFull),
                failed => Err(failed),
            };
        }
        let change = {
            let pool = self.pool();
            if pool.is_full(entry.len()) {
                return answer(Admission::PoolFull);
            }
            pool.addition(entry)
        };
        self.store.append(&[], &change)?;
        self.pool().apply(&change, now);
        answer(Admission::Taken)
    }

    /// Where the entry of this name is; `None` for one that is neither on the best chain nor waiting.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the store cannot be read.
    pub fn entry_state(&self, leaf: &Hash) -> Result<Option<EntryState>, StoreError> {
        self.state_in(&self.chain(), leaf)
    }

    fn state_in(&self, chain: &Chain, leaf: &Hash) -> Result<Option<EntryState>, StoreError> {
        if self.pool().contains(leaf) {
            return Ok(Some(EntryState::Pending));
        }
        let genesis = &self.network.genesis;
        if leaves(genesis.entries()).any(|known| known == *leaf) {
            return Ok(Some(EntryState::Confirmed {
                index: 0,
                hash: *genesis.hash(),
                confirmations: chain.tip().height() + 1,
            }));
        }
        let positions = self.store.blocks_with(leaf)?;
        let on_best = positions
            .into_iter()
            .filter_map(|id| chain.entry(id))
            .filter(|block| chain.is_on_best_chain(block));
        let first = on_best.min_by_key(|block| block.height());
        Ok(first.map(|block| EntryState::Confirmed {
            index: block.height(),
            hash: *block.hash(),
            confirmations: chain.tip().height() - block.height() + 1,
        }))
    }

    /// What the block after the tip is to carry, oldest first.
    pub fn next_entries(&self) -> Entries {
        let room = self.network.rules.max_block_bytes() - OWN_BYTES;
        self.pool().oldest(room)
    }

    /// As [`next_entries`](Self::next_entries), with the tip it is for.
    pub fn gather(&self) -> (Hash, Entries) {
        let chain = self.chain();
        (*chain.tip().hash(), self.next_entries())
    }

    /// The entries of these names that still wait.
    pub fn waiting(&self, leaves: &[Hash]) -> Vec<Arc<[u8]>> {
        let pool = self.pool();
        let waiting = leaves.iter().filter_map(|leaf| pool.get(leaf));
        waiting.map(|waiting| Arc::clone(&waiting.entry)).collect()
    }

    /// Of the entries that have been waiting since before `since`, in portions of `count` and begun anew when all had their
    /// turn, the portion of this turn.
    pub fn waiting_since(&self, since: UnixMicros, turn: usize, count: usize) -> Vec<Arc<[u8]>> {
        let pool = self.pool();
        let old: Vec<&Waiting> = pool
            .iter()
            .filter(|waiting| waiting.since < since)
            .collect();
        let portions = old.len().div_ceil(count).max(1);
        let portion = old.chunks(count).nth(turn % portions).unwrap_or_default();
        portion
            .iter()
            .map(|waiting| Arc::clone(&waiting.entry))
            .collect()
    }

    /// Entries waiting, and their bytes.
    pub fn pool_size(&self) -> (usize, usize) {
        let pool = self.pool();
        (pool.len(), pool.bytes())
    }

    /// What the way from the tip `before` to the chain's tip does to the pool. Of the blocks, `accepted` are not stored yet.
    pub(super) fn pool_change(
        &self,
        chain: &Chain,
        before: &Hash,
        accepted: &[(EntryId, Block<Checked>)],
    ) -> Result<PoolChange, StoreError> {
        let branch = chain.branch(before, chain.tip().hash());
        let Some(branch) = branch.filter(|_| self.network.rules.is_v2()) else {
            return Ok(PoolChange::default());
        };
        let mut included = Vec::new();
        for id in branch.attached {
            let new = accepted.iter().find(|(new, _)| *new == id);
            match new {
                Some((_, block)) => included.extend(leaves(block.posted())),
                None => included.extend(leaves(self.block(id)?.posted())),
            }
        }
        let mut returned = Vec::new();
        let mut on_chain: HashSet<Hash> = included.iter().copied().collect();
        for id in branch.detached {
            for entry in self.block(id)?.posted() {
                let leaf = leaf_hash(entry);
                // An empty one nobody posted: peers would refuse it.
                if !entry.is_empty()
                    && on_chain.insert(leaf)
                    && !self.is_below(chain, branch.fork, &leaf)?
                {
                    returned.push((leaf, entry.clone()));
                }
            }
        }
        Ok(self.pool().exchange(&included, returned))
    }

    /// Whether the best chain has an entry of this name up to the block `fork`: a dishonest miner may have repeated it.
    fn is_below(&self, chain: &Chain, fork: EntryId, leaf: &Hash) -> Result<bool, StoreError> {
        let fork = chain.entry(fork).map_or(0, jbc_chain::Entry::height);
        let mut blocks = self.store.blocks_with(leaf)?.into_iter();
        Ok(blocks.any(|id| {
            let block = chain.entry(id);
            block.is_some_and(|block| block.height() <= fork && chain.is_on_best_chain(block))
        }))
    }

    pub(super) fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stored_pool(store: &S, now: UnixMicros) -> Result<Mutex<Pool>, StoreError> {
        Ok(Mutex::new(Pool::of(store.pool()?, now)))
    }
}

fn leaves(entries: &[Vec<u8>]) -> impl Iterator<Item = Hash> {
    entries.iter().map(|entry| leaf_hash(entry))
}
