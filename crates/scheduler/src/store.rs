//! What outlives the process: the jobs that a program marked durable, the dead ones, and which ids are paused.
//!
//! The scheduler writes the state that a job has *now*, not the steps that led to it, so a store holds no log: the last
//! write of an id is the whole truth about it.

mod memory;
#[cfg(feature = "redb")]
mod redb;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::JobId;
use crate::info::{JobInfo, JobState};
use crate::job::{Lane, Retry};
use crate::trigger::Trigger;

pub use memory::MemoryStore;
#[cfg(feature = "redb")]
pub use redb::RedbStore;

/// Keeps durable jobs while no process runs. One scheduler writes it at a time, from one thread at a time.
pub trait JobStore: Send + Sync + 'static {
    /// A name for people and for `JOBSTORE_ADDED`: `memory`, the path of a file.
    fn name(&self) -> &str;

    /// Everything that is kept.
    ///
    /// # Errors
    /// If the store cannot be read at all. A row that cannot be read is no error: it is in [`Stored::damaged`].
    fn load(&self) -> Result<Stored, StoreError>;

    /// Makes all of these changes in this order, or none of them. They are durable when it returns.
    ///
    /// # Errors
    /// If they were not made durable. [`load`](Self::load) then shows all of them or none, and so does a restart,
    /// which may differ: a disk that fails does not say how far it came.
    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError>;
}

/// The contents of a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stored {
    /// Jobs that are to run, by id.
    pub jobs: Vec<StoredJob>,
    /// Jobs that failed for good, oldest first.
    pub dead: Vec<DeadJob>,
    /// Ids of jobs that are not durable themselves, but were paused: a job that comes under one of them is paused.
    pub paused: Vec<JobId>,
    /// Rows that could not be read. They stay in the store.
    pub damaged: Vec<DamagedRow>,
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRow {
    /// Where it is: `jobs/audit`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// One change of a store.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreChange {
    /// Keeps this job, in the place of one of the same id.
    PutJob(Box<StoredJob>),
    /// Forgets a job. Forgetting one that is not there is nothing.
    DeleteJob(JobId),
    /// Keeps this dead job, in the place of one of the same id.
    PutDead(Box<DeadJob>),
    /// Forgets a dead job.
    DeleteDead(JobId),
    /// Keeps that this id is paused.
    PutPause(JobId),
    /// Forgets that this id is paused.
    DeletePause(JobId),
}

/// A job of a store that this program cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unattached {
    /// Its id.
    pub id: JobId,
    /// What the program does not know.
    pub reason: String,
}

/// A store that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job store {store}: cannot {action}: {reason}")]
pub struct StoreError {
    /// Which store.
    pub store: String,
    /// What it was to do: `open`, `read`, `write`.
    pub action: &'static str,
    /// What a program can decide on.
    pub kind: StoreErrorKind,
    /// What the system said.
    pub reason: String,
}

/// What is the matter with a store that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// Another process has it.
    InUse,
    /// A version of the program that this one does not know has written it.
    OtherVersion,
    /// What it holds is no store, or no longer one.
    Damaged,
    /// All else, such as no room, no permission or too many open files. What it holds may be sound.
    Failed,
}

/// A task as data: the name of its kind, and what that kind needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredTask {
    /// The name under which the program knows what to do.
    pub kind: Cow<'static, str>,
    /// The arguments, as JSON.
    pub args: Value,
}

/// A job as a store keeps it. Times are microseconds since the Unix epoch, since only the wall clock outlives a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredJob {
    /// Its id.
    pub id: JobId,
    /// Its kind, for people.
    pub name: Cow<'static, str>,
    /// What to do.
    pub task: StoredTask,
    /// Where it runs.
    pub lane: Lane,
    /// Higher first.
    pub priority: i32,
    /// When it runs.
    pub trigger: Trigger,
    /// When it was added or rescheduled: what its trigger counts from.
    pub anchor_us: u64,
    /// By how much at most each of its times is delayed, in microseconds.
    pub jitter_us: u64,
    /// How late it may start, in microseconds; `None` is any.
    pub misfire_grace_us: Option<u64>,
    /// Whether runs that have become due together are one.
    pub coalesce: bool,
    /// How many runs may go on at a time.
    pub max_instances: u32,
    /// How long a run may take, in microseconds; `None` is any.
    pub timeout_us: Option<u64>,
    /// How often it is tried again.
    pub retry: Option<Retry>,
    /// Its tags.
    pub tags: Vec<Cow<'static, str>>,
    /// Whether it waits to be resumed.
    pub paused: bool,
    /// How often it has failed in a row.
    pub failures: u32,
    /// Times that have come and whose runs have not ended, and when the one that failed is tried again: they are owed, in
    /// this order.
    pub owed_us: Vec<u64>,
    /// The first time that has not come.
    pub next_us: Option<u64>,
}

impl StoredJob {
    /// The job for people, as it stands while no scheduler runs it. One that is owed a run is pending: it starts when a
    /// scheduler does. A next time that has passed was missed.
    #[must_use]
    pub fn info(&self) -> JobInfo {
        let millis = |us: u64| us / 1_000;
        let next_us = self.owed_us.first().copied().or(self.next_us);
        JobInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            lane: self.lane,
            priority: self.priority,
            trigger: self.trigger.to_string(),
            state: if self.paused {
                JobState::Paused
            } else if self.owed_us.is_empty() {
                JobState::Scheduled
            } else {
                JobState::Pending
            },
            next_run_time: next_us.filter(|_| !self.paused).map(millis),
            paused: self.paused,
            runs: Vec::new(),
            max_instances: self.max_instances,
            coalesce: self.coalesce,
            misfire_grace_time_ms: self.misfire_grace_us.map(millis),
            timeout_ms: self.timeout_us.map(millis),
            failures: self.failures,
            tags: self.tags.clone(),
            durable: true,
        }
    }
}

/// A job that failed as often as it may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadJob {
    /// Its id.
    pub id: JobId,
    /// Its kind, for people.
    pub name: Cow<'static, str>,
    /// How often it failed.
    pub failures: u32,
    /// What its body said the last time.
    pub error: String,
    /// When it failed for the last time, in Unix milliseconds.
    pub died_at: u64,
    /// The job as it was, to be requeued after a restart; `None` for one that was not durable.
    pub job: Option<Box<StoredJob>>,
}

/// The order of [`Stored::dead`].
fn oldest_first(mut dead: Vec<DeadJob>) -> Vec<DeadJob> {
    dead.sort_by(|a, b| (a.died_at, &a.id).cmp(&(b.died_at, &b.id)));
    dead
}
