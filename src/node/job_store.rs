//! Opens `jobs.redb`: the recurring jobs, the dead list and the operator's pauses, from one run of the node to the next.
//!
//! It is never a reason not to start: the chain does not depend on it.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use jbc_scheduler::{
    JobId, JobStore, MemoryStore, RedbStore, StoreChange, StoreError as JobStoreError, Stored,
};
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::open::move_aside;
use crate::store::{OpenError, check_room};

/// File name of the job store.
pub const JOBS_FILE: &str = "jobs.redb";

/// Where this run of the node keeps its jobs.
#[derive(Debug)]
pub(super) enum NodeJobStore {
    /// In this folder.
    File(RedbStore, PathBuf),
    /// Nowhere, since the disk does not take them.
    Memory(MemoryStore),
}

impl JobStore for NodeJobStore {
    fn name(&self) -> &str {
        match self {
            Self::File(store, _) => store.name(),
            Self::Memory(store) => store.name(),
        }
    }

    fn load(&self) -> Result<Stored, JobStoreError> {
        match self {
            Self::File(store, _) => store.load(),
            Self::Memory(store) => store.load(),
        }
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), JobStoreError> {
        match self {
            Self::File(store, folder) => {
                // A write that meets a full disk would be the store's last. One that waits is made up for by the
                // scheduler when there is room again.
                check_room(folder).map_err(|error| JobStoreError {
                    store: store.name().to_owned(),
                    action: "write",
                    reason: error.to_string(),
                })?;
                store.apply(changes)
            }
            Self::Memory(store) => store.apply(changes),
        }
    }
}

/// Opens the folder's job store, or makes one. A damaged one is moved aside, in full view.
///
/// # Errors
/// If another process has it.
pub(super) fn open(folder: &Path) -> Result<NodeJobStore, OpenError> {
    let path = folder.join(JOBS_FILE);
    let error = match RedbStore::create(&path) {
        Ok(store) => return Ok(NodeJobStore::File(store, folder.to_owned())),
        Err(error) => error,
    };
    if is_in_use(&path) {
        let folder = folder.to_owned();
        return Err(OpenError::InUse { folder });
    }
    // A store that can be read is sound: then it is the disk that does not take changes, for want of room for instance.
    if let Ok(stored) = RedbStore::read(&path)
        && let Ok(store) = in_memory(stored)
    {
        tracing::error!("{error}; its jobs go on, but changes of them are forgotten with this run");
        return Ok(NodeJobStore::Memory(store));
    }
    Ok(anew(folder, &error))
}

/// A store in the place of one that cannot be read.
fn anew(folder: &Path, error: &JobStoreError) -> NodeJobStore {
    tracing::error!("THE JOB STORE IS DAMAGED ({})", error.reason);
    let made = match move_aside(folder, JOBS_FILE) {
        Ok(aside) => {
            let aside = aside.display();
            tracing::error!("it is kept as {aside}; pauses and dead jobs are forgotten");
            RedbStore::create(folder.join(JOBS_FILE)).map_err(|error| error.to_string())
        }
        Err(error) => Err(format!("it cannot be moved aside: {error}")),
    };
    match made {
        Ok(store) => NodeJobStore::File(store, folder.to_owned()),
        Err(reason) => {
            tracing::error!("{reason}; pauses and dead jobs are forgotten with this run");
            NodeJobStore::Memory(MemoryStore::new())
        }
    }
}

/// Whether another process holds the file, by the lock that redb takes.
fn is_in_use(path: &Path) -> bool {
    let locked = || -> io::Result<bool> {
        let file = FileBackend::new(File::open(path)?).map_err(io::Error::other)?;
        let free = file.try_lock_shared_range(Bound::Unbounded, Bound::Unbounded);
        Ok(!free.map_err(io::Error::other)?)
    };
    // A file that cannot even be opened is held by nobody whom one could stop.
    locked().unwrap_or(false)
}

/// The same contents, for one run.
fn in_memory(stored: Stored) -> Result<MemoryStore, JobStoreError> {
    let jobs = stored.jobs.into_iter().map(Box::new);
    let dead = stored.dead.into_iter().map(Box::new);
    let changes: Vec<StoreChange> = jobs
        .map(StoreChange::PutJob)
        .chain(dead.map(StoreChange::PutDead))
        .chain(stored.paused.into_iter().map(StoreChange::PutPause))
        .collect();
    let store = MemoryStore::new();
    store.apply(&changes)?;
    Ok(store)
}

/// The ids that the operator has paused, sorted.
pub(super) fn paused(stored: &Stored) -> Vec<JobId> {
    let jobs = stored.jobs.iter().filter(|job| job.paused);
    let mut ids: Vec<JobId> = jobs.map(|job| job.id.clone()).collect();
    ids.extend(stored.paused.iter().cloned());
    ids.sort();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(id: &str) -> StoreChange {
        StoreChange::PutPause(id.into())
    }

    #[test]
    fn what_was_written_is_there_when_the_folder_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        store.apply(&[pause("poll"), pause("mining")]).unwrap();
        drop(store);
        let stored = open(folder.path()).unwrap().load().unwrap();
        assert_eq!(paused(&stored), ["mining", "poll"]);
    }

    #[test]
    fn a_store_that_another_holds_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let _held = RedbStore::create(folder.path().join(JOBS_FILE)).unwrap();
        let error = open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    }

    #[test]
    fn what_is_no_store_at_all_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(JOBS_FILE)).unwrap();
        let store = open(folder.path()).unwrap();
        assert!(matches!(store, NodeJobStore::File(..)), "{store:?}");
        assert!(folder.path().join(JOBS_FILE).is_file());
    }

    #[test]
    fn a_node_starts_without_a_file_where_none_can_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere");
        let store = open(&nowhere).unwrap();
        assert!(matches!(store, NodeJobStore::Memory(_)), "{store:?}");
        store.apply(&[pause("mining")]).unwrap();
        assert_eq!(paused(&store.load().unwrap()), ["mining"]);
    }

    #[test]
    fn a_store_in_memory_holds_what_the_file_held() {
        let stored = Stored {
            paused: vec!["mining".into()],
            ..Stored::default()
        };
        assert_eq!(in_memory(stored.clone()).unwrap().load().unwrap(), stored);
    }
}
