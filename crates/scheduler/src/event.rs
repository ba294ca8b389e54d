//! What happens, for those who listen.

use std::borrow::Cow;
use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::system_time;
use crate::executor::Executor;
use crate::ids::JobId;

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:ident $bit:literal;)+) => {
        /// What happened. The names are APScheduler's, where it has them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        #[repr(u32)]
        pub enum EventCode {
            $($(#[doc = $doc])+ $variant = 1 << $bit,)+
        }

        impl EventCode {
            /// The name in capitals: `JOB_EXECUTED`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)+
                }
            }
        }

        impl EventMask {
            $($(#[doc = $doc])+ pub const $name: Self = Self(1 << $bit);)+
        }
    };
}

events! {
    /// The scheduler has started.
    SchedulerStarted SCHEDULER_STARTED 0;
    /// The scheduler has drained.
    SchedulerShutdown SCHEDULER_SHUTDOWN 1;
    /// No job starts until the scheduler is resumed.
    SchedulerPaused SCHEDULER_PAUSED 2;
    /// Jobs start again.
    SchedulerResumed SCHEDULER_RESUMED 3;
    /// `remove_all_jobs` was called.
    AllJobsRemoved ALL_JOBS_REMOVED 4;
    /// A job was added, or replaced one of the same id.
    JobAdded JOB_ADDED 5;
    /// A job was removed by `remove_job`. A job that has run for the last time just ends.
    JobRemoved JOB_REMOVED 6;
    /// A job was modified or rescheduled.
    JobModified JOB_MODIFIED 7;
    /// A run starts.
    JobSubmitted JOB_SUBMITTED 8;
    /// A run returned its output.
    JobExecuted JOB_EXECUTED 9;
    /// A run failed or panicked.
    JobError JOB_ERROR 10;
    /// A run would have started later than its grace time allows, and did not.
    JobMissed JOB_MISSED 11;
    /// A time came while as many runs as allowed went on; that time is skipped.
    JobMaxInstances JOB_MAX_INSTANCES 12;
    /// A run that was asked to stop has ended.
    JobCancelled JOB_CANCELLED 13;
    /// A job was paused.
    JobPaused JOB_PAUSED 14;
    /// A paused job was resumed.
    JobResumed JOB_RESUMED 15;
    /// A run was asked to stop, or took longer than it may, and goes on all the same.
    JobStuck JOB_STUCK 16;
    /// A job has failed as often as it may, and lies in the dead list.
    JobDead JOB_DEAD 17;
    /// A pool of workers has started: one for each lane.
    ExecutorAdded EXECUTOR_ADDED 18;
    /// A pool of workers has ended.
    ExecutorRemoved EXECUTOR_REMOVED 19;
    /// A store keeps the durable jobs.
    JobstoreAdded JOBSTORE_ADDED 20;
    /// The store is let go.
    JobstoreRemoved JOBSTORE_REMOVED 21;
}

impl EventCode {
    /// The mask of just this code.
    #[must_use]
    pub fn mask(self) -> EventMask {
        EventMask(self as u32)
    }
}

impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of [`EventCode`]s: `EventMask::JOB_EXECUTED | EventMask::JOB_ERROR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EventMask(pub u32);

impl EventMask {
    /// No event.
    pub const NONE: Self = Self(0);
    /// Every event.
    pub const ALL: Self = Self(u32::MAX);
    /// The four ways in which a run ends: executed, error, cancelled, missed.
    pub const JOB_ENDED: Self =
        Self(Self::JOB_EXECUTED.0 | Self::JOB_ERROR.0 | Self::JOB_CANCELLED.0 | Self::JOB_MISSED.0);

    /// Whether it holds this code.
    #[must_use]
    pub fn contains(self, code: EventCode) -> bool {
        self.0 & code as u32 != 0
    }
}

impl BitOr for EventMask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for EventMask {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Something that happened to a job.
pub struct Event<E: Executor> {
    /// What happened; one of the `JOB_…` codes.
    pub code: EventCode,
    /// To which job.
    pub job_id: JobId,
    /// The job's kind.
    pub name: Cow<'static, str>,
    /// The run, for events about a run that started.
    pub run_id: Option<Uuid>,
    /// When, by the wall clock.
    pub at: SystemTime,
    /// What the job was to do.
    pub task: Arc<E::Task>,
    /// How long the run took, once it has ended.
    pub elapsed: Option<Duration>,
    /// What the body returned: with `JOB_EXECUTED`, and with `JOB_CANCELLED` if it returned `Ok`.
    pub output: Option<Arc<E::Output>>,
    /// Why it failed: with `JOB_ERROR`, for a panic its text, and with `JOB_CANCELLED` if the body returned an error.
    pub error: Option<String>,
    /// Whether a job of this id exists after this: paused, recurring, to be tried again, or replaced by a newer one.
    pub kept: bool,
    /// How often the job has failed in a row, this time among them.
    pub failures: u32,
    /// With `JOB_ERROR`: when the job is tried again.
    pub retry_at: Option<SystemTime>,
    /// Whether a store keeps the job, so that it is written before this is told.
    pub(crate) is_durable: bool,
}

impl<E: Executor> Event<E> {
    /// One that says no more than what and when.
    pub(crate) fn new(code: EventCode, job_id: JobId, task: Arc<E::Task>, wall_us: u64) -> Self {
        Self {
            code,
            job_id,
            name: Cow::Borrowed(""),
            run_id: None,
            at: system_time(wall_us),
            task,
            elapsed: None,
            output: None,
            error: None,
            kept: true,
            failures: 0,
            retry_at: None,
            is_durable: false,
        }
    }
}

impl<E: Executor> Clone for Event<E> {
    fn clone(&self) -> Self {
        Self {
            code: self.code,
            job_id: self.job_id.clone(),
            name: self.name.clone(),
            run_id: self.run_id,
            at: self.at,
            task: Arc::clone(&self.task),
            elapsed: self.elapsed,
            output: self.output.clone(),
            error: self.error.clone(),
            kept: self.kept,
            failures: self.failures,
            retry_at: self.retry_at,
            is_durable: self.is_durable,
        }
    }
}

impl<E: Executor> fmt::Debug for Event<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("code", &self.code)
            .field("job_id", &self.job_id)
            .field("name", &self.name)
            .field("run_id", &self.run_id)
            .field("elapsed", &self.elapsed)
            .field("error", &self.error)
            .field("kept", &self.kept)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

/// Something that happened to the scheduler as a whole; it is about no job, so it has listeners of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerEvent {
    /// What happened; one of the `SCHEDULER_…`, `EXECUTOR_…` or `JOBSTORE_…` codes, or `ALL_JOBS_REMOVED`.
    pub code: EventCode,
    /// Which pool or store, as APScheduler's `alias`: a lane's name, a store's name.
    pub alias: Option<String>,
    /// When, by the wall clock.
    pub at: SystemTime,
}
