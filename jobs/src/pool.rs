//! Entries that wait for a block, oldest first. Pure: what must outlive a power cut is the [store](crate::ports::Store)'s.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jbc_chain::{Entries, Hash, UnixMicros, entry_json_bytes, leaf_hash};

/// Entries that posts may fill the pool with: some forty full blocks of short ones.
pub const POOL_ENTRIES_MAX: usize = 10_000;
/// Bytes that posts may fill the pool with: ten full blocks or so; it is held in memory.
pub const POOL_BYTES_MAX: usize = 8 << 20;

/// The place of an entry in the pool's order, also in the store: entries that come back from a block that was taken off go
/// before all others, so the first place lies in the middle of the numbers.
pub type PoolKey = u64;
const FIRST_KEY: PoolKey = 1 << 63;

/// An entry that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its name.
    pub leaf: Hash,
    /// Itself.
    pub entry: Arc<[u8]>,
    /// Since when it waits, as far as this run of the node knows.
    pub since: UnixMicros,
}

/// What a write does to the stored pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolChange {
    /// Entries that come in.
    pub add: Vec<(PoolKey, Arc<[u8]>)>,
    /// Entries that leave.
    pub remove: Vec<PoolKey>,
}

impl PoolChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// The entries that wait, by their order and by their names.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    order: BTreeMap<PoolKey, Waiting>,
    keys: HashMap<Hash, PoolKey>,
    bytes: usize,
}

impl Pool {
    /// A pool of stored entries.
    pub fn of(stored: impl IntoIterator<Item = (PoolKey, Vec<u8>)>, now: UnixMicros) -> Self {
        let mut pool = Self::default();
        for (key, entry) in stored {
            pool.insert(key, entry.into(), now);
        }
        pool
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The bytes of all entries.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether another entry of so many bytes is one too many.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.len() >= POOL_ENTRIES_MAX || self.bytes + bytes > POOL_BYTES_MAX
    }

    /// Whether this entry waits.
    pub fn contains(&self, leaf: &Hash) -> bool {
        self.keys.contains_key(leaf)
    }

    /// The entry of this name.
    pub fn get(&self, leaf: &Hash) -> Option<&Waiting> {
        self.order.get(self.keys.get(leaf)?)
    }

    /// What waits, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.order.values()
    }

    /// What adding an entry behind all others does to the store. Nothing is added yet.
    pub fn addition(&self, entry: &[u8]) -> PoolChange {
        let next = self
            .order
            .keys()
            .next_back()
            .map_or(FIRST_KEY, |last| last + 1);
        PoolChange {
            add: vec![(next, entry.into())],
            remove: Vec::new(),
        }
    }

    /// What a reorganisation, or a block more, does to the store: `included` leave, and `returned` (oldest first) come back
    /// before all others, but for those that are included again or wait already. Nothing is changed yet.
    pub fn exchange(&self, included: &[Hash], returned: Vec<(Hash, Vec<u8>)>) -> PoolChange {
        let first = self.order.keys().next().copied().unwrap_or(FIRST_KEY);
        let back: Vec<_> = returned
            .into_iter()
            .filter(|(leaf, _)| !self.contains(leaf))
            .collect();
        // A dishonest miner may have included one twice.
        let leaving: BTreeSet<_> = included
            .iter()
            .filter_map(|leaf| self.keys.get(leaf).copied())
            .collect();
        let start = first.saturating_sub(back.len() as u64);
        PoolChange {
            add: (start..)
                .zip(back.into_iter().map(|(_, entry)| entry.into()))
                .collect(),
            remove: Vec::from_iter(leaving),
        }
    }

    /// Carries out a change that is stored.
    pub fn apply(&mut self, change: &PoolChange, now: UnixMicros) {
        for key in &change.remove {
            if let Some(waiting) = self.order.remove(key) {
                self.bytes -= waiting.entry.len();
                self.keys.remove(&waiting.leaf);
            }
        }
        for (key, entry) in &change.add {
            self.insert(*key, Arc::clone(entry), now);
        }
    }

    fn insert(&mut self, key: PoolKey, entry: Arc<[u8]>, now: UnixMicros) {
        let leaf = leaf_hash(&entry);
        if self.keys.insert(leaf, key).is_none() {
            self.bytes += entry.len();
            let since = now;
            self.order.insert(key, Waiting { leaf, entry, since });
        }
    }

    /// What a miner puts behind its own entry: the oldest, as many as fit into so many bytes of a block's JSON.
    pub fn oldest(&self, json_bytes: usize) -> Entries {
        let mut left = json_bytes;
        let fitting = self.iter().take_while(|waiting| {
            let needed = entry_json_bytes(waiting.entry.len()) + 1; // and a comma
            let fits = needed <= left;
            left = left.saturating_sub(needed);
            fits
        });
        fitting.map(|waiting| waiting.entry.to_vec()).collect()
    }
}
