//! Who writes the store: one thread at a time, with how things stand then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, TryLockError};

use crate::error::AddError;
use crate::executor::Executor;
use crate::job::Added;
use crate::panic_text;
use crate::queue::{MadeJob, Preview};
use crate::runner::{By, Shared};
use crate::store::{JobStore, StoreChange, StoreError, StoreErrorKind};
use crate::sync::{Mutex, MutexGuard};

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

    /// Lets the store make these changes. One that panics has failed, and its thread goes on.
    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        let applied = catch_unwind(AssertUnwindSafe(|| self.store.apply(changes)));
        applied.unwrap_or_else(|panic| {
            Err(StoreError {
                store: self.store.name().to_owned(),
                action: "write",
                kind: StoreErrorKind::Failed,
                reason: format!("it panicked: {}", panic_text(&*panic)),
            })
        })
    }

    /// Writes all that has changed. Who comes while another writes waits, and finds its change written.
    pub(crate) fn write<E: Executor>(&self, shared: &Arc<Shared<E>>) -> Result<(), StoreError> {
        // Nothing under it panics that leaves anything half done.
        let failed = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_in_turn(shared, failed)
    }

    /// As [`write`](Self::write), unless another thread is at it, which may hang there. A store that failed is in the log.
    pub(crate) fn write_if_free<E: Executor>(&self, shared: &Arc<Shared<E>>) {
        let turn = match self.turn.try_lock() {
            Ok(failed) => failed,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let _ = self.write_in_turn(shared, turn);
    }

    fn write_in_turn<E: Executor>(
        &self,
        shared: &Arc<Shared<E>>,
        mut failed: MutexGuard<'_, bool>,
    ) -> Result<(), StoreError> {
        let changes = shared.lock().queue.changes(shared.now());
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.apply(&changes);
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
                let _ = shared.settle(state, now, By::Unconcerned);
                return added;
            }
            Preview::Done(added) => {
                drop(turn);
                // A refreshed job goes on with what is new, and that is in the store at the latest when that has recovered:
                // an error would say that nothing has changed.
                let _ = shared.settle(state, now, By::Unconcerned);
                return Ok(added);
            }
        };
        drop(state);
        let changes = vec![StoreChange::PutJob(stored.clone())];
        let written = self.apply(&changes);
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
        let _ = shared.settle(state, now, By::Unconcerned);
        added
    }
}
