//! A store that lasts as long as the process: for tests, and for programs that want to see what they would keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DeadJob, JobStore, StoreChange, StoreError, Stored, StoredJob, oldest_first};
use crate::ids::JobId;

/// Keeps jobs in memory. Clones share their contents, so a scheduler that starts with a clone finds what an earlier one
/// left behind, as after a restart.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    jobs: BTreeMap<JobId, StoredJob>,
    dead: BTreeMap<JobId, DeadJob>,
    paused: BTreeSet<JobId>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Only plain data is moved under the lock, none of it by code that panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobStore for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        let contents = self.lock();
        Ok(Stored {
            jobs: contents.jobs.values().cloned().collect(),
            dead: oldest_first(contents.dead.values().cloned().collect()),
            paused: contents.paused.iter().cloned().collect(),
            damaged: Vec::new(),
        })
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        let mut contents = self.lock();
        for change in changes {
            match change {
                StoreChange::PutJob(job) => {
                    contents.jobs.insert(job.id.clone(), (**job).clone());
                }
                StoreChange::DeleteJob(id) => {
                    contents.jobs.remove(id);
                }
                StoreChange::PutDead(dead) => {
                    contents.dead.insert(dead.id.clone(), (**dead).clone());
                }
                StoreChange::DeleteDead(id) => {
                    contents.dead.remove(id);
                }
                StoreChange::PutPause(id) => {
                    contents.paused.insert(id.clone());
                }
                StoreChange::DeletePause(id) => {
                    contents.paused.remove(id);
                }
            }
        }
        Ok(())
    }
}
