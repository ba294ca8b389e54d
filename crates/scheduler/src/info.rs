//! What can be seen of jobs and runs, as data that survives JSON.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::EventCode;
use crate::ids::JobId;
use crate::job::Lane;

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Due, and waiting for a worker.
    Pending,
    /// At least one run goes on.
    Running,
    /// Will not run until it is resumed.
    Paused,
    /// Waiting for its time.
    Scheduled,
}

impl JobState {
    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Scheduled => "scheduled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A job as `get_jobs` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobInfo {
    /// Its id.
    pub id: JobId,
    /// Its kind, for people.
    pub name: Cow<'static, str>,
    /// Where it runs.
    pub lane: Lane,
    /// Higher first.
    pub priority: i32,
    /// Its trigger as text: `interval[0:00:10]`.
    pub trigger: String,
    /// What it is doing.
    pub state: JobState,
    /// When it runs next, in Unix milliseconds; `None` while paused and for a job whose only run goes on.
    pub next_run_time: Option<u64>,
    /// Whether it waits to be resumed. A recurring job may be paused while a run of it goes on.
    pub paused: bool,
    /// The runs that go on.
    pub runs: Vec<RunInfo>,
    /// How many runs may go on at a time.
    pub max_instances: u32,
    /// Whether runs that have become due together are one.
    pub coalesce: bool,
    /// How late a run may start, in milliseconds; `None` is any.
    pub misfire_grace_time_ms: Option<u64>,
    /// How long a run may take, in milliseconds; `None` is any.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// How often it has failed in a row, and is tried again.
    #[serde(default)]
    pub failures: u32,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Cow<'static, str>>,
    /// Whether it outlives the process.
    #[serde(default)]
    pub durable: bool,
}

/// A run that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Its id, a UUID version 7.
    pub run_id: Uuid,
    /// When it started, in Unix milliseconds.
    pub started_at: u64,
    /// What its body says of its progress.
    pub progress: Option<String>,
    /// Which attempt it is, from 1 on.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
}

/// What a run is that says nothing of attempts.
fn first_attempt() -> u32 {
    1
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// The body returned its output.
    Executed,
    /// The body failed or panicked.
    Error,
    /// It was asked to stop before it ended, whatever the body then returned.
    Cancelled,
    /// It would have started too late and did not.
    Missed,
}

impl RunOutcome {
    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
        }
    }

    /// The event that says so.
    pub(crate) fn code(self) -> EventCode {
        match self {
            Self::Executed => EventCode::JobExecuted,
            Self::Error => EventCode::JobError,
            Self::Cancelled => EventCode::JobCancelled,
            Self::Missed => EventCode::JobMissed,
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run that has ended, as the history keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's id; `None` if it never started.
    pub run_id: Option<Uuid>,
    /// The job's id.
    pub job_id: JobId,
    /// The job's kind.
    pub name: Cow<'static, str>,
    /// Where it ran.
    pub lane: Lane,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What the body said of its failure.
    pub message: Option<String>,
    /// When it should have started, in Unix milliseconds.
    pub scheduled_at: u64,
    /// When it started, in Unix milliseconds; `None` if it never did.
    pub started_at: Option<u64>,
    /// When it ended, or was found too late, in Unix milliseconds.
    pub finished_at: u64,
    /// How long it ran, in microseconds by the monotonic clock; `None` if it never did.
    pub elapsed_us: Option<u64>,
    /// Which attempt it was, from 1 on.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
}
