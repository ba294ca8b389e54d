//! What can go wrong, by what was asked.

use crate::ids::JobId;
use crate::job::Lane;

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
    /// An io job, but the scheduler was built without a tokio runtime.
    #[error("an io job needs a tokio runtime: give the builder one")]
    NoRuntime,
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

/// Why an existing job was not rescheduled or run.
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

/// Why the scheduler did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A lane would have no worker, so that its jobs would wait for ever.
    #[error("the {lane} lane needs at least one worker")]
    NoWorker {
        /// The lane.
        lane: Lane,
    },
    /// The operating system refused a thread.
    #[error("cannot start worker thread {name}")]
    Thread {
        /// The thread's name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}
