//! What can go wrong, by what was asked.

use crate::ids::JobId;
use crate::job::Lane;
use crate::store::StoreError;
use crate::trigger::BadTrigger;

/// Why a job was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// A job of that id exists, and the policy is [`ConflictPolicy::Exception`](crate::ConflictPolicy::Exception).
    #[error("a job with the id {id} exists")]
    ConflictingId {
        /// The id.
        id: JobId,
    },
    /// As many jobs wait in that lane as the scheduler was built for.
    #[error("{limit} jobs wait in the {lane} lane already")]
    Full {
        /// The lane.
        lane: Lane,
        /// The most that may wait there.
        limit: usize,
    },
    /// The trigger can never fire, or not be read.
    #[error("bad trigger: {field}: {reason}")]
    BadTrigger {
        /// The field of the trigger.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An io job, but the scheduler was built without a tokio runtime, or that has ended.
    #[error("an io job needs a tokio runtime: give the builder one that outlives the scheduler")]
    NoRuntime,
    /// A durable job, but the scheduler was built without a store.
    #[error("a durable job needs a store: give the builder one")]
    NoStore,
    /// A durable job whose task the executor does not turn into data.
    #[error("{id} cannot be durable: jobs like {name:?} are not kept")]
    NotStorable {
        /// The job.
        id: JobId,
        /// Its kind.
        name: String,
    },
    /// The store failed, and the job was not added.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The scheduler is draining or has ended.
    #[error("the scheduler is shutting down")]
    ShuttingDown,
}

/// No job of that id exists (any more).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no job with the id {id}")]
pub struct JobLookupError {
    /// The id asked for.
    pub id: JobId,
}

/// Why an existing job was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No job of that id exists.
    #[error(transparent)]
    NotFound(#[from] JobLookupError),
    /// As [`AddError::BadTrigger`].
    #[error("bad trigger: {field}: {reason}")]
    BadTrigger {
        /// The field of the trigger.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A dead job cannot be requeued while a job of its id exists.
    #[error("a job with the id {id} exists")]
    ConflictingId {
        /// The id.
        id: JobId,
    },
    /// A dead job whose task is unknown to this program.
    #[error("{id} cannot be requeued: {reason}")]
    Unrestorable {
        /// The job.
        id: JobId,
        /// What is unknown.
        reason: String,
    },
    /// As [`AddError::NotStorable`].
    #[error("{id} is durable, and its new task cannot be")]
    NotStorable {
        /// The job.
        id: JobId,
    },
    /// As [`AddError::Full`].
    #[error("{limit} jobs wait in the {lane} lane already")]
    Full {
        /// The lane.
        lane: Lane,
        /// The most that may wait there.
        limit: usize,
    },
    /// The change was made, but the store failed: it will not outlive the process, unless a later write succeeds.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// As [`AddError::NoRuntime`].
    #[error("an io job needs a tokio runtime: give the builder one that outlives the scheduler")]
    NoRuntime,
    /// As many runs of it go on as may.
    #[error("{id} runs {limit} times already")]
    MaxInstances {
        /// The job.
        id: JobId,
        /// Its `max_instances`.
        limit: u32,
    },
    /// The scheduler is draining or has ended.
    #[error("the scheduler is shutting down")]
    ShuttingDown,
}

impl From<BadTrigger> for ChangeError {
    fn from(bad: BadTrigger) -> Self {
        Self::BadTrigger {
            field: bad.field,
            reason: bad.reason,
        }
    }
}

impl From<BadTrigger> for AddError {
    fn from(bad: BadTrigger) -> Self {
        Self::BadTrigger {
            field: bad.field,
            reason: bad.reason,
        }
    }
}

/// A dead job is requeued by adding it: so far as that can fail for a job that was once added.
impl From<AddError> for ChangeError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::ConflictingId { id } => Self::ConflictingId { id },
            AddError::Full { lane, limit } => Self::Full { lane, limit },
            AddError::BadTrigger { field, reason } => Self::BadTrigger { field, reason },
            AddError::NotStorable { id, .. } => Self::NotStorable { id },
            AddError::Store(error) => Self::Store(error),
            AddError::NoRuntime => Self::NoRuntime,
            AddError::NoStore | AddError::ShuttingDown => Self::ShuttingDown,
        }
    }
}

/// Why the scheduler did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A lane would have no worker, so that its jobs would wait for ever.
    #[error("the {lane} lane needs at least one worker")]
    NoWorker {
        /// The lane.
        lane: Lane,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refused a thread.
    #[error("cannot start worker thread {name}: {source}")]
    Thread {
        /// The thread's name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}
