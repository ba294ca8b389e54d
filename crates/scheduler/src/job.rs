//! What is asked of the scheduler: a job's description, and changes to it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::trigger::Trigger;

/// Where a job runs, and what it may keep waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Short work that others wait for. Every worker takes it before anything else; some workers take nothing else.
    Prompt,
    /// Long work such as mining. The workers reserved for [`Prompt`](Self::Prompt) never take it.
    Bulk,
    /// Waiting for sockets and the like, on tokio, with a cap of its own on how many run at a time.
    Io,
}

impl Lane {
    pub(crate) const COUNT: usize = 3;

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Prompt => "prompt",
            Self::Bulk => "bulk",
            Self::Io => "io",
        })
    }
}

/// What `add_job` does when a job of that id exists, as in APScheduler 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConflictPolicy {
    /// Refuses with [`AddError::ConflictingId`](crate::AddError::ConflictingId).
    #[default]
    Exception,
    /// The new job takes the old one's place. A pending run of the old one never starts; a running one is cancelled,
    /// and the new job does not wait for it to end. A paused id stays paused, with the new task.
    Replace,
    /// Leaves the old one and answers [`Added::AlreadyThere`].
    DoNothing,
    /// For jobs that a program adds at each start: as [`Replace`](Self::Replace) if the trigger is another one. If it is
    /// the same, the job is modified instead: its times, its pause, its runs and what it owes from before stay.
    Refresh,
}

/// What `add_job` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// No job of that id existed.
    New,
    /// It took the place of one of the same id.
    Replaced,
    /// One of the same id exists and stays as it is.
    AlreadyThere,
    /// One of the same id and trigger existed; it goes on with what is new.
    Refreshed,
}

/// How a job that failed is tried again: after `wait`, then twice that, and so on, each at most `max_wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How many runs there may be for one time of the job, the first among them; 0 counts as 1. Runs side by side share
    /// them.
    pub max_attempts: u32,
    /// The wait after the first failure.
    pub wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
}

impl Retry {
    /// So many attempts, the first wait a second and the longest five minutes.
    #[must_use]
    pub fn attempts(max_attempts: u32) -> Self {
        Self {
            max_attempts,
            wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(300),
        }
    }

    /// Sets the first and the longest wait.
    #[must_use]
    pub fn waits(mut self, wait: Duration, max_wait: Duration) -> Self {
        (self.wait, self.max_wait) = (wait, max_wait);
        self
    }

    /// The wait after so many failures in a row; `None` if that was the last attempt.
    #[must_use]
    pub fn wait_after(&self, failures: u32) -> Option<Duration> {
        if failures >= self.max_attempts {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(31);
        Some(self.wait.saturating_mul(1 << doublings).min(self.max_wait))
    }
}

/// A job to add. The builder methods say what differs from the defaults: [`Lane::Prompt`], priority 0, run now, once;
/// an id that exists is an error; never too late to run; missed runs coalesce; one run at a time, as long as it takes;
/// a failure is final; forgotten with the process.
#[derive(Debug)]
pub struct JobSpec<T> {
    /// Its id, unique among the jobs that exist.
    pub id: JobId,
    /// Its kind, for people: `mine`, `validate`.
    pub name: Cow<'static, str>,
    /// What to do, given to the executor.
    pub task: Arc<T>,
    /// Where it runs.
    pub lane: Lane,
    /// Higher first within its lane; first in, first out among equals, but that of two prompt ones the second may start up to
    /// 50 µs and a body earlier, on another worker.
    pub priority: i32,
    /// When it runs.
    pub trigger: Trigger,
    /// What to do if the id exists.
    pub conflict: ConflictPolicy,
    /// A run that starts later than this after its time is dropped with `JOB_MISSED`; `None` runs it however late.
    pub misfire_grace_time: Option<Duration>,
    /// Whether several runs that have become due together are one run (the latest).
    pub coalesce: bool,
    /// How many runs of it may go on at a time, at least 1. A time that comes while so many run is skipped with
    /// `JOB_MAX_INSTANCES`.
    pub max_instances: u32,
    /// Each time is delayed by a random part of this, so that jobs of one time do not start at once. An interval keeps
    /// its grid. Retries are delayed too.
    pub jitter: Duration,
    /// How long a run may take. After that it is asked to stop and counts as failed; if it ignores that, `JOB_STUCK`
    /// says so.
    pub timeout: Option<Duration>,
    /// How it is tried again when it fails; `None` gives up at once. One that has failed as often as it may lies in the
    /// dead list.
    pub retry: Option<Retry>,
    /// For finding jobs that belong together.
    pub tags: Vec<Cow<'static, str>>,
    /// Whether it outlives the process, in the scheduler's store.
    pub durable: bool,
}

impl<T> JobSpec<T> {
    /// A job that runs once, as soon as a worker is free.
    pub fn new(
        id: impl Into<JobId>,
        name: impl Into<Cow<'static, str>>,
        task: impl Into<Arc<T>>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            task: task.into(),
            lane: Lane::Prompt,
            priority: 0,
            trigger: Trigger::Now,
            conflict: ConflictPolicy::Exception,
            misfire_grace_time: None,
            coalesce: true,
            max_instances: 1,
            jitter: Duration::ZERO,
            timeout: None,
            retry: None,
            tags: Vec::new(),
            durable: false,
        }
    }

    /// Sets [`lane`](Self::lane).
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// Sets [`priority`](Self::priority).
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets [`trigger`](Self::trigger).
    #[must_use]
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// Sets [`conflict`](Self::conflict).
    #[must_use]
    pub fn conflict(mut self, conflict: ConflictPolicy) -> Self {
        self.conflict = conflict;
        self
    }

    /// Sets [`misfire_grace_time`](Self::misfire_grace_time).
    #[must_use]
    pub fn misfire_grace_time(mut self, grace: impl Into<Option<Duration>>) -> Self {
        self.misfire_grace_time = grace.into();
        self
    }

    /// Sets [`coalesce`](Self::coalesce).
    #[must_use]
    pub fn coalesce(mut self, coalesce: bool) -> Self {
        self.coalesce = coalesce;
        self
    }

    /// Sets [`max_instances`](Self::max_instances); 0 counts as 1.
    #[must_use]
    pub fn max_instances(mut self, max_instances: u32) -> Self {
        self.max_instances = max_instances;
        self
    }

    /// Sets [`jitter`](Self::jitter).
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Sets [`retry`](Self::retry).
    #[must_use]
    pub fn retry(mut self, retry: impl Into<Option<Retry>>) -> Self {
        self.retry = retry.into();
        self
    }

    /// Adds a [tag](Self::tags).
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Cow<'static, str>>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Sets [`durable`](Self::durable).
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }
}

impl<T> Clone for JobSpec<T> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            name: self.name.clone(),
            task: Arc::clone(&self.task),
            lane: self.lane,
            priority: self.priority,
            trigger: self.trigger.clone(),
            conflict: self.conflict,
            misfire_grace_time: self.misfire_grace_time,
            coalesce: self.coalesce,
            max_instances: self.max_instances,
            jitter: self.jitter,
            timeout: self.timeout,
            retry: self.retry,
            tags: self.tags.clone(),
            durable: self.durable,
        }
    }
}

/// What `modify_job` changes; `None` leaves a thing as it is. A run that has started keeps what it started with.
#[derive(Debug)]
pub struct Modification<T> {
    /// New priority; a pending run moves to its new place at once.
    pub priority: Option<i32>,
    /// New name.
    pub name: Option<Cow<'static, str>>,
    /// New limit of runs at a time; 0 counts as 1.
    pub max_instances: Option<u32>,
    /// New grace time; `Some(None)` takes the limit away.
    pub misfire_grace_time: Option<Option<Duration>>,
    /// New rule for several due runs.
    pub coalesce: Option<bool>,
    /// New task, from the next run on.
    pub task: Option<Arc<T>>,
    /// New limit of a run's time, from the next run on; `Some(None)` takes the limit away.
    pub timeout: Option<Option<Duration>>,
    /// New rule for failures; `Some(None)` gives up at once.
    pub retry: Option<Option<Retry>>,
    /// New tags, in the place of all old ones.
    pub tags: Option<Vec<Cow<'static, str>>>,
}

impl<T> Default for Modification<T> {
    fn default() -> Self {
        Self {
            priority: None,
            name: None,
            max_instances: None,
            misfire_grace_time: None,
            coalesce: None,
            task: None,
            timeout: None,
            retry: None,
            tags: None,
        }
    }
}
