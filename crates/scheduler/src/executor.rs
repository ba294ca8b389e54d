//! What the scheduler runs: the program's side of the contract.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use uuid::Uuid;

use crate::cancel::CancelToken;
use crate::ids::JobId;
use crate::job::Lane;
use crate::store::StoredTask;

/// A boxed future, the shape of [`Executor::run_io`]'s answer (the same type as the one of `futures-util`).
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the scheduler runs. One implementation for a program: its tasks are plain data (typically an enum with a
/// variant for each kind of job), its outputs plain outcomes. Listeners decide what follows from an outcome.
pub trait Executor: Send + Sync + Sized + 'static {
    /// What a job is to do, as data. Dropping one must not call the scheduler, which may hold its lock then.
    type Task: Send + Sync + 'static;
    /// What came of it, as data. Dropping one must not call the scheduler either.
    type Output: Send + Sync + 'static;

    /// Does the work of a [`Lane::Prompt`](crate::Lane::Prompt) or [`Lane::Bulk`](crate::Lane::Bulk) job, on a worker
    /// thread of the scheduler's own. A long body looks at `ctx.cancel()`.
    ///
    /// # Errors
    /// Whatever the body says; it becomes a `JOB_ERROR` event. A panic becomes one too.
    fn run(&self, task: &Self::Task, ctx: &RunContext) -> Result<Self::Output, JobError>;

    /// Does the work of a [`Lane::Io`](crate::Lane::Io) job, on the tokio runtime given to the builder. It must not
    /// block its thread.
    ///
    /// The default answers that this program has no such jobs.
    fn run_io(
        self: Arc<Self>,
        task: Arc<Self::Task>,
        ctx: RunContext,
    ) -> BoxFuture<'static, Result<Self::Output, JobError>> {
        let _ = (task, ctx);
        Box::pin(async { Err(JobError::from("no io jobs here")) })
    }

    /// A task as data, for a [`JobStore`](crate::JobStore); `None` if tasks like it are not kept.
    ///
    /// The default keeps none.
    fn store(&self, task: &Self::Task) -> Option<StoredTask> {
        let _ = task;
        None
    }

    /// The task that [`store`](Self::store) made this data of, maybe in an earlier process and by an older version.
    ///
    /// # Errors
    /// If this program knows no such kind, or the arguments are not what it needs. The job then stays in the store.
    fn restore(&self, task: &StoredTask) -> Result<Self::Task, JobError> {
        Err(JobError::from(format!("no kind {:?} here", task.kind)))
    }

    /// Whether a task that was [restored](Self::restore) can run in the lane its job was stored with: an earlier version
    /// of the program may have run it elsewhere.
    ///
    /// The default says yes.
    ///
    /// # Errors
    /// If it cannot. The job then stays in the store.
    fn check_lane(&self, task: &Self::Task, lane: Lane) -> Result<(), JobError> {
        let _ = (task, lane);
        Ok(())
    }
}

/// What a body knows about its own run. Clones speak of the same run.
#[derive(Clone)]
pub struct RunContext(CancelToken);

impl RunContext {
    pub(crate) fn new(job_id: JobId, run_id: Uuid) -> Self {
        Self(CancelToken::of_run(job_id, run_id))
    }

    /// The job this run is of.
    #[must_use]
    pub fn job_id(&self) -> &JobId {
        &self.0.shared().job_id
    }

    /// This run's own id, a UUID version 7: ids of later runs sort later, to the microsecond in which they start, unless
    /// the wall clock is set back.
    #[must_use]
    pub fn run_id(&self) -> Uuid {
        self.0.shared().run_id
    }

    /// The token that says when to stop.
    #[must_use]
    pub fn cancel(&self) -> &CancelToken {
        &self.0
    }

    /// Says how far the run is, in a few words for people; `get_jobs` shows it.
    pub fn set_progress(&self, progress: impl Into<String>) {
        let progress = progress.into();
        *self.lock() = Some(progress);
    }

    /// What [`set_progress`](Self::set_progress) said last.
    #[must_use]
    pub fn progress(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        // A string that is replaced as a whole is never half-written, so a poisoned lock holds a good one.
        self.0
            .shared()
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("job_id", self.job_id())
            .field("run_id", &self.run_id())
            .field("cancel", &self.0)
            .finish()
    }
}

/// Why a body failed, in words. What a program wants to *decide* on belongs in its `Output`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JobError {
    /// The reason, lower case, without a full stop.
    pub message: String,
}

impl From<String> for JobError {
    fn from(message: String) -> Self {
        Self { message }
    }
}

impl From<&str> for JobError {
    fn from(message: &str) -> Self {
        Self {
            message: message.to_owned(),
        }
    }
}
