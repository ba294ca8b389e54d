//! A store in memory that counts what is asked of it, and can be full, broken or damaged.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jbc_chain::{Block, Checked, EntryId, Hash, Unchecked, leaf_hash};
use jbc_jobs::pool::{PoolChange, PoolKey};
use jbc_jobs::ports::{Store, StoreError};

/// What was asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Room,
    Append(usize),
    Load(u64),
    WriteFile(u64),
    RemoveFilesAbove(u64),
}

/// How a store treats a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Disk {
    #[default]
    Sound,
    Full,
    /// It is full after so many more writes.
    FullAfter(usize),
    /// It has room when asked, and none when it writes.
    FullAtTheLastMoment,
    /// The write fails.
    Broken,
    /// The write panics.
    Panics,
}

type Watcher = Box<dyn Fn(&Call) + Send>;

#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    disk: Disk,
    blocks: BTreeMap<u64, Block<Unchecked>>,
    pool: BTreeMap<PoolKey, Vec<u8>>,
    files: BTreeMap<u64, Hash>,
    files_tip: Option<Hash>,
    /// So many files can be written yet.
    files_left: Option<usize>,
    calls: Vec<Call>,
    watcher: Option<Watcher>,
}

impl Shelves {
    fn note(&mut self, call: Call) {
        if let Some(watcher) = &self.watcher {
            watcher(&call);
        }
        self.calls.push(call);
    }
}

impl MemoryStore {
    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        // A test makes it panic on purpose.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_disk(&self, disk: Disk) {
        self.shelves().disk = disk;
    }

    /// Called with whatever is asked of the store, before it is done.
    pub(crate) fn watch(&self, watcher: impl Fn(&Call) + Send + 'static) {
        self.shelves().watcher = Some(Box::new(watcher));
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shelves().calls.clone()
    }

    pub(crate) fn forget_calls(&self) {
        self.shelves().calls.clear();
    }

    /// A sound disk with the same on it, as a node finds it at its next start.
    pub(crate) fn copy(&self) -> Self {
        let shelves = self.shelves();
        Self(Mutex::new(Shelves {
            blocks: shelves.blocks.clone(),
            pool: shelves.pool.clone(),
            ..Shelves::default()
        }))
    }

    /// The stored blocks in first-seen order, as a restart reads them.
    pub(crate) fn stored(&self) -> Vec<Block<Unchecked>> {
        let shelves = self.shelves();
        let positions = shelves.blocks.keys().copied();
        assert!(
            positions.eq(1..=shelves.blocks.len() as u64),
            "a gap in the store"
        );
        shelves.blocks.values().cloned().collect()
    }

    /// Puts another block, or none, where one is stored.
    pub(crate) fn damage(&self, position: u64, block: Option<Block<Unchecked>>) {
        let mut shelves = self.shelves();
        assert!(
            shelves.blocks.contains_key(&position),
            "nothing is stored there"
        );
        match block {
            Some(block) => shelves.blocks.insert(position, block),
            None => shelves.blocks.remove(&position),
        };
    }

    /// The folder's files, lowest first, without gaps.
    pub(crate) fn files(&self) -> Vec<Hash> {
        let shelves = self.shelves();
        assert!(
            shelves
                .files
                .keys()
                .copied()
                .eq(0..shelves.files.len() as u64),
            "a gap among the files"
        );
        shelves.files.values().copied().collect()
    }

    pub(crate) fn put_file(&self, height: u64, hash: Hash) {
        self.shelves().files.insert(height, hash);
    }

    /// The disk fails after so many more files; `None` heals it.
    pub(crate) fn fail_after_files(&self, count: Option<usize>) {
        self.shelves().files_left = count;
    }

    pub(crate) fn mark_files_tip(&self, tip: Hash) {
        self.shelves().files_tip = Some(tip);
    }
}

fn failed() -> StoreError {
    StoreError::Failed {
        action: "testing",
        reason: "the disk is broken".to_owned(),
    }
}

fn full() -> StoreError {
    StoreError::Full {
        free_bytes: 1,
        needed_bytes: 2,
    }
}

impl Store for MemoryStore {
    fn append(
        &self,
        blocks: &[(EntryId, &Block<Checked>)],
        pool: &PoolChange,
    ) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        shelves.note(Call::Append(blocks.len()));
        match shelves.disk {
            Disk::Sound => {}
            Disk::FullAfter(1) => shelves.disk = Disk::Full,
            Disk::FullAfter(writes) => shelves.disk = Disk::FullAfter(writes - 1),
            Disk::Full | Disk::FullAtTheLastMoment => return Err(full()),
            Disk::Broken => return Err(failed()),
            Disk::Panics => panic!("the database panicked"),
        }
        for (id, block) in blocks {
            let block = (*block).clone().into_unchecked();
            let before = shelves.blocks.insert(id.as_u64(), block);
            assert!(before.is_none(), "position {id} was written before");
        }
        for key in &pool.remove {
            assert!(shelves.pool.remove(key).is_some(), "{key} does not wait");
        }
        for (key, entry) in &pool.add {
            let before = shelves.pool.insert(*key, entry.to_vec());
            assert!(before.is_none(), "{key} was taken before");
        }
        Ok(())
    }

    fn pool(&self) -> Result<Vec<(PoolKey, Vec<u8>)>, StoreError> {
        Ok(self.shelves().pool.clone().into_iter().collect())
    }

    fn blocks_with(&self, leaf: &Hash) -> Result<Vec<EntryId>, StoreError> {
        let shelves = self.shelves();
        let having = shelves.blocks.iter().filter(|(_, block)| {
            let mut entries = block.posted().iter();
            entries.any(|entry| leaf_hash(entry) == *leaf)
        });
        Ok(having
            .filter_map(|(position, _)| EntryId::from_u64(*position))
            .collect())
    }

    fn load(&self, id: EntryId) -> Result<Option<Block<Unchecked>>, StoreError> {
        let mut shelves = self.shelves();
        shelves.note(Call::Load(id.as_u64()));
        Ok(shelves.blocks.get(&id.as_u64()).cloned())
    }

    fn room(&self) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        shelves.note(Call::Room);
        match shelves.disk {
            Disk::Full => Err(full()),
            _ => Ok(()),
        }
    }

    fn miner_data(&self) -> String {
        "mined by a test".to_owned()
    }

    fn write_file(&self, block: &Block<Unchecked>) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        if let Some(left) = &mut shelves.files_left {
            *left = left.checked_sub(1).ok_or_else(failed)?;
        }
        shelves.note(Call::WriteFile(block.index()));
        shelves.files.insert(block.index(), *block.hash());
        Ok(())
    }

    fn remove_files_above(&self, height: u64) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        shelves.note(Call::RemoveFilesAbove(height));
        shelves.files.retain(|&index, _| index <= height);
        Ok(())
    }

    fn files_tip(&self) -> Option<Hash> {
        self.shelves().files_tip
    }

    fn set_files_tip(&self, tip: &Hash) -> Result<(), StoreError> {
        self.shelves().files_tip = Some(*tip);
        Ok(())
    }
}
