//! How a running job is asked to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::ids::JobId;

/// A request to stop, shared between a run and whoever may stop it. Once set it stays set.
///
/// A thread cannot be stopped from outside, so a body that runs long looks at its token: a hashing loop reads
/// [`flag`](Self::flag) every few thousand rounds, an IO body selects on [`cancelled`](Self::cancelled).
#[derive(Clone)]
pub struct CancelToken(Arc<Shared>);

/// What the token and the context of a run share: one allocation for both.
pub(crate) struct Shared {
    flag: AtomicBool,
    waiters: Notify,
    pub(crate) job_id: JobId,
    pub(crate) run_id: Uuid,
    pub(crate) progress: Mutex<Option<String>>,
}

impl CancelToken {
    /// A token that nobody has cancelled, of no run.
    #[must_use]
    pub fn new() -> Self {
        Self::of_run(JobId::from(""), Uuid::nil())
    }

    pub(crate) fn of_run(job_id: JobId, run_id: Uuid) -> Self {
        Self(Arc::new(Shared {
            flag: AtomicBool::new(false),
            waiters: Notify::new(),
            job_id,
            run_id,
            progress: Mutex::new(None),
        }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Asks the run to stop. Repeating it changes nothing.
    pub fn cancel(&self) {
        self.0.flag.store(true, Ordering::Release);
        self.0.waiters.notify_waiters();
    }

    /// Whether the run was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::Acquire)
    }

    /// The bare flag, for loops that know nothing of schedulers; true means stop.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.0.flag
    }

    /// Returns when the run is asked to stop, at once if it was already.
    pub async fn cancelled(&self) {
        let mut waiter = std::pin::pin!(self.0.waiters.notified());
        // Registered before the flag is read, so that a cancel between the two is not lost.
        waiter.as_mut().enable();
        if !self.is_cancelled() {
            waiter.await;
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CancelToken")
            .field(&self.is_cancelled())
            .finish()
    }
}
