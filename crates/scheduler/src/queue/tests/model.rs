//! A naive model of the queue: a list of jobs that is searched from end to end for everything, without lines, timers or
//! counters. Here are the jobs and what is done to them, in `runs` how they run and fail.

mod runs;

use std::time::Duration;

use super::{EPOCH_US, STUCK_AFTER_US};
use crate::clock::system_time;
use crate::event::EventCode::{self, *};
use crate::ids::JobId;
use crate::info::JobState;
use crate::job::{ConflictPolicy, Lane};
use crate::trigger::Trigger;

/// A trigger in round numbers, so that times meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Now,
    /// At this time of the run, also past ones.
    Date(u64),
    Interval {
        every: u64,
        start_after: u64,
    },
}

impl When {
    pub(super) fn trigger(self) -> Trigger {
        match self {
            Self::Now => Trigger::Now,
            Self::Date(us) => Trigger::Date(system_time(EPOCH_US + us)),
            Self::Interval { every, start_after } => Trigger::Interval {
                every: Duration::from_micros(every),
                start_after: Some(Duration::from_micros(start_after)),
            },
        }
    }

    fn first(self, now: u64) -> u64 {
        match self {
            Self::Now => now,
            Self::Date(us) => us,
            Self::Interval { start_after, .. } => now + start_after,
        }
    }

    fn repeats(self) -> bool {
        matches!(self, Self::Interval { .. })
    }
}

/// How a job is tried again, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    pub(super) attempts: u32,
    pub(super) wait: u64,
    pub(super) longest: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Added {
    pub(super) id: u8,
    pub(super) lane: Lane,
    pub(super) priority: i32,
    pub(super) when: When,
    pub(super) conflict: ConflictPolicy,
    pub(super) grace: Option<u64>,
    pub(super) coalesce: bool,
    pub(super) max_instances: u32,
    pub(super) retry: Option<Again>,
    pub(super) timeout: Option<u64>,
}

pub(super) struct ModelJob {
    pub(super) id: u8,
    pub(super) number: u64,
    pub(super) spec: Added,
    pub(super) paused: bool,
    pub(super) forced: bool,
    pub(super) due: Vec<u64>,
    pub(super) next: Option<u64>,
    /// When it last began to wait, as a number that grows: the order among equals.
    pub(super) since: u64,
    /// When its next time was last set, as such a number.
    pub(super) armed: u64,
    pub(super) failures: u32,
    pub(super) retry: Option<u64>,
    /// When that was last set, as such a number.
    pub(super) retry_armed: u64,
    pub(super) running: u32,
}

impl ModelJob {
    pub(super) fn may_start(&self) -> bool {
        (!self.paused || self.forced)
            && !self.due.is_empty()
            && self.retry.is_none()
            && self.running < self.spec.max_instances
    }

    fn is_spent(&self) -> bool {
        let waits = self.next.is_some() || self.retry.is_some() || !self.due.is_empty();
        !self.paused && !waits && self.running == 0
    }

    fn state(&self) -> JobState {
        if self.paused {
            JobState::Paused
        } else if self.running > 0 {
            JobState::Running
        } else if self.due.is_empty() || self.retry.is_some() {
            JobState::Scheduled
        } else {
            JobState::Pending
        }
    }
}

/// A run that goes on.
pub(super) struct ModelRun {
    id: u8,
    job_number: u64,
    /// The time it is for.
    due: u64,
    stopped: Option<ModelStop>,
    lane: Lane,
    /// When it is looked at, and when that was set, as a number that grows.
    watch: Option<(u64, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ModelStop {
    Cancelled,
    TimedOut,
}

/// A dead job.
pub(super) struct ModelDead {
    pub(super) id: u8,
    pub(super) failures: u32,
    spec: Added,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) jobs: Vec<ModelJob>,
    /// In the order of their starts.
    pub(super) runs: Vec<ModelRun>,
    pub(super) dead: Vec<ModelDead>,
    pub(super) counter: u64,
    pub(super) paused: bool,
    pub(super) now: u64,
    pub(super) said: Vec<(EventCode, u8, bool)>,
    pub(super) cancelled: usize,
}

impl Model {
    pub(super) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn index(&self, id: u8) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == id)
    }

    pub(super) fn stop(&mut self, id: u8, number: u64) {
        for run in &mut self.runs {
            if run.id == id && run.job_number == number && run.stopped.is_none() {
                self.counter += 1;
                run.stopped = Some(ModelStop::Cancelled);
                run.watch = Some((self.now + STUCK_AFTER_US, self.counter));
                self.cancelled += 1;
            }
        }
    }

    /// Does something to a job, and sees to its place in the order of waiting.
    pub(super) fn with(&mut self, id: u8, change: impl FnOnce(&mut Self, &mut ModelJob)) {
        let Some(at) = self.index(id) else { return };
        let mut job = self.jobs.remove(at);
        let waited = job.may_start();
        change(self, &mut job);
        if job.may_start() && !waited {
            job.since = self.count();
        }
        self.jobs.push(job);
    }

    fn begin(&mut self, job: &mut ModelJob) {
        let first = job.spec.when.first(self.now);
        (job.next, job.retry, job.failures) = (None, None, 0);
        job.due.clear();
        if matches!(job.spec.when, When::Now) {
            job.due.push(first);
        } else {
            job.next = Some(first);
            job.armed = self.count();
        }
    }

    pub(super) fn add(&mut self, spec: Added) {
        let mut paused = false;
        if let Some(at) = self.index(spec.id) {
            match spec.conflict {
                ConflictPolicy::Replace => {}
                ConflictPolicy::Refresh if self.jobs[at].spec.when == spec.when => {
                    return self.refresh(spec);
                }
                ConflictPolicy::Refresh => {}
                _ => return,
            }
            let old = self.jobs.remove(at);
            self.stop(old.id, old.number);
            paused = old.paused;
        }
        let mut job = ModelJob {
            id: spec.id,
            number: self.count(),
            spec,
            paused,
            forced: false,
            due: vec![],
            next: None,
            since: 0,
            armed: 0,
            failures: 0,
            retry: None,
            retry_armed: 0,
            running: 0,
        };
        self.begin(&mut job);
        job.since = self.count();
        self.said.push((JobAdded, job.id, true));
        self.jobs.push(job);
    }

    fn refresh(&mut self, spec: Added) {
        let id = spec.id;
        self.with(id, |model, job| {
            job.spec = spec;
            (job.armed, job.retry_armed) = (model.count(), model.count());
            model.said.push((JobModified, id, true));
        });
        self.stand_at_the_end(id);
    }

    pub(super) fn remove(&mut self, id: u8) {
        if let Some(at) = self.index(id) {
            let job = self.jobs.remove(at);
            self.stop(id, job.number);
            self.said.push((JobRemoved, id, false));
        }
    }

    pub(super) fn pause(&mut self, id: u8) {
        self.with(id, |model, job| {
            if job.paused {
                return;
            }
            job.paused = true;
            if job.spec.when.repeats() {
                job.due.clear();
                (job.failures, job.retry) = (0, None);
            } else if job.running > 0 {
                model.stop(id, job.number);
                job.number = model.count();
                job.running = 0;
                job.due = vec![model.now];
            }
            model.said.push((JobPaused, id, true));
        });
    }

    pub(super) fn resume(&mut self, id: u8) {
        self.with(id, |model, job| {
            if !job.paused {
                return;
            }
            (job.paused, job.forced) = (false, false);
            if let When::Interval { every, .. } = job.spec.when {
                while job.next.is_some_and(|next| next <= model.now) {
                    job.next = job.next.map(|next| next + every);
                }
            }
            for due in &mut job.due {
                *due = model.now;
            }
            (job.armed, job.retry_armed) = (model.count(), model.count());
            model.said.push((JobResumed, id, true));
        });
    }

    pub(super) fn run_now(&mut self, id: u8) {
        self.with(id, |model, job| {
            if job.running >= job.spec.max_instances {
                return;
            }
            let retry = job.retry.take();
            if job.spec.when.repeats() {
                job.forced = job.paused;
            } else {
                if job.paused {
                    job.paused = false;
                    model.said.push((JobResumed, id, true));
                }
                job.next = None;
            }
            if retry.is_some() || job.due.is_empty() {
                job.due.insert(0, model.now);
            }
        });
    }

    pub(super) fn reschedule(&mut self, id: u8, when: When) {
        self.with(id, |model, job| {
            job.forced = false;
            job.spec.when = when;
            model.begin(job);
            model.said.push((JobModified, id, true));
        });
        self.stand_at_the_end(id);
    }

    /// It starts to wait anew, also if it waited before.
    fn stand_at_the_end(&mut self, id: u8) {
        let since = self.count();
        if let Some(at) = self.index(id) {
            self.jobs[at].since = since;
        }
    }

    pub(super) fn states(&self) -> Vec<(JobId, JobState, Option<u64>, usize, u32)> {
        let state = |job: &ModelJob| {
            let next = match (job.retry, job.next) {
                (Some(retry), Some(next)) if job.spec.coalesce => Some(
                    if next.saturating_sub(self.now) <= retry.saturating_sub(self.now) {
                        next
                    } else {
                        retry
                    },
                ),
                (Some(retry), _) => Some(retry),
                (None, next) => job.due.first().copied().or(next),
            };
            let next = next.filter(|_| !job.paused || job.forced);
            let next_ms = next.map(|next| (EPOCH_US + next) / 1_000);
            let runs = job.running as usize;
            (name(job.id), job.state(), next_ms, runs, job.failures)
        };
        let mut states: Vec<_> = self.jobs.iter().map(state).collect();
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    }
}

pub(super) fn name(id: u8) -> JobId {
    JobId::from(format!("job-{id}"))
}
