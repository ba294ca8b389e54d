//! Who writes the store: one thread at a time, with how things stand then.

use std::sync::{Arc, PoisonError};

use crate::error::AddError;
use crate::executor::Executor;
use crate::job::Added;
use crate::queue::{MadeJob, Preview};
use crate::runner::{By, Shared};
use crate::store::{JobStore, StoreChange, StoreError};
use crate::sync::Mutex;

/// The store and its turn.
pub(crate) struct Keeper {
    pub(crate) store: Arc<dyn JobStore>,
    /// Held while the store is written, and never asked for under the scheduler's lock. It guards whether the last write
    /// failed, so that a store that fails for an hour is said once.
    turn: Mutex<bool>,
}

impl Keeper {
    pub(crate) fn new(store: Arc<dyn JobStore>) -> Self {
        Self {
            store,
            turn: Mutex::new(false),
        }
    }

    /// Writes all that has changed. Who comes while another writes waits, and finds its change written.
    pub(crate) fn write<E: Executor>(&self, shared: &Arc<Shared<E>>) -> Result<(), StoreError> {
        // Nothing is half done if a store panics: what was to be written is still in the ledger, or in the store.
        let mut failed = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = shared.lock().queue.changes(shared.now());
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.store.apply(&changes);
        let mut state = shared.lock();
        match &written {
            Ok(()) => {
                state.queue.written();
                if std::mem::take(&mut *failed) {
                    tracing::info!(store = self.store.name(), "the job store is written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut *failed, true) {
                    tracing::error!(%error, changes = changes.len(), "the job store failed and is tried again");
                }
                let now = shared.now();
                state.queue.unwritten(changes, now);
                let _ = shared.settle(state, now, By::Hurried);
            }
        }
        written
    }

    /// Adds a durable job: it is in the store before it is anywhere else.
    pub(crate) fn add<E: Executor>(
        &self,
        shared: &Arc<Shared<E>>,
        job: MadeJob<E>,
    ) -> Result<Added, AddError> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = shared.now();
        let mut state = shared.lock();
        let (job, stored) = match state.queue.preview(job, now)? {
            Preview::Write(job, stored) => (job, stored),
            Preview::Place(job) => {
                let added = state.queue.add(job, now);
                drop(turn);
                shared.settle(state, now, By::Caller)?;
                return added;
            }
            Preview::Done(added) => {
                drop(turn);
                let by = match added {
                    Added::Refreshed => By::Caller,
                    _ => By::Unconcerned,
                };
                shared.settle(state, now, by)?;
                return Ok(added);
            }
        };
        drop(state);
        let changes = vec![StoreChange::PutJob(stored.clone())];
        let written = self.store.apply(&changes);
        let now = shared.now();
        let mut state = shared.lock();
        if let Err(error) = written {
            // A disk that fails may hold it all the same: it is told again how things stand.
            state.queue.unwritten(changes, now);
            let _ = shared.settle(state, now, By::Hurried);
            return Err(error.into());
        }
        let added = state.queue.add_written(job, &stored, now);
        drop(turn);
        // The job itself is written; what else could not be is in the log, and written again later.
        let _ = shared.settle(state, now, By::Caller);
        added
    }
}
