//! Opens `jobs.redb`: the recurring jobs, the dead list and the operator's pauses, from one run of the node to the next.
//!
//! It is never a reason not to start: the chain does not depend on it.

use std::path::{Path, PathBuf};

use jbc_scheduler::{
    JobId, JobStore, MemoryStore, RedbStore, StoreChange, StoreError as JobStoreError,
    StoreErrorKind, Stored,
};

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
                    kind: StoreErrorKind::Failed,
                    reason: error.to_string(),
                })?;
                store.apply(changes)
            }
            Self::Memory(store) => store.apply(changes),
        }
    }
}

/// Opens the folder's job store, or makes one. A damaged one is moved aside, in full view. One that cannot be used for
/// another reason stays where it is, and the node keeps its jobs in memory.
///
/// # Errors
/// If another process has it.
pub(super) fn open(folder: &Path) -> Result<NodeJobStore, OpenError> {
    let path = folder.join(JOBS_FILE);
    let error = match RedbStore::create(&path) {
        Ok(store) => return Ok(NodeJobStore::File(store, folder.to_owned())),
        Err(error) => error,
    };
    match error.kind {
        StoreErrorKind::InUse => {
            let folder = folder.to_owned();
            Err(OpenError::InUse { folder })
        }
        StoreErrorKind::Damaged => Ok(anew(folder, &error)),
        StoreErrorKind::OtherVersion | StoreErrorKind::Failed => Ok(for_this_run(&path, &error)),
    }
}

/// A store in memory, in the place of a file that is left alone. What can be read of the file goes on.
fn for_this_run(path: &Path, error: &JobStoreError) -> NodeJobStore {
    // Then it is the disk that does not take changes, for want of room for instance.
    if let Ok(stored) = RedbStore::read(path)
        && let Ok(store) = in_memory(stored)
    {
        tracing::error!("{error}; its jobs go on, but changes of them are forgotten with this run");
        return NodeJobStore::Memory(store);
    }
    tracing::error!(
        "{error}; it is left as it is. Its pauses and dead jobs do not count in this run, and those of this run are \
         forgotten with it"
    );
    NodeJobStore::Memory(MemoryStore::new())
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

    /// Opens it, and says whether it was left alone.
    fn is_left_alone(folder: &Path) -> bool {
        let store = open(folder).unwrap();
        let names = std::fs::read_dir(folder).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        matches!(store, NodeJobStore::Memory(_)) && names == [JOBS_FILE]
    }

    #[test]
    fn a_store_of_a_newer_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        let path = folder.path().join(JOBS_FILE);
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let meta = redb::TableDefinition::<&str, u64>::new("job_store");
        let mut table = transaction.open_table(meta).unwrap();
        table.insert("format", 1_000).unwrap();
        drop(table);
        transaction.commit().unwrap();
        drop(database);
        assert!(is_left_alone(folder.path()));
    }

    #[cfg(unix)]
    #[test]
    fn a_store_that_cannot_be_reached_now_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        // As on a disk that is not mounted.
        std::os::unix::fs::symlink("nowhere/jobs.redb", folder.path().join(JOBS_FILE)).unwrap();
        assert!(is_left_alone(folder.path()));
    }

    #[test]
    fn what_is_damaged_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(JOBS_FILE), "no database").unwrap();
        let store = open(folder.path()).unwrap();
        assert!(matches!(store, NodeJobStore::File(..)), "{store:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
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
