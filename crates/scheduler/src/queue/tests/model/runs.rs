//! How the model's jobs come due, run, fail and die.

use super::{Model, ModelDead, ModelJob, ModelRun, ModelStop, When, name};
use crate::event::EventCode::*;
use crate::ids::JobId;
use crate::job::Lane;
use crate::queue::tests::{IO_LIMIT, STUCK_AFTER_US};

/// What comes due of a job.
#[derive(Clone, Copy)]
enum Due {
    Next,
    Retry,
}

impl Model {
    pub(in super::super) fn fire(&mut self) {
        while self.look_at_a_run() {}
        while !self.paused {
            let Some((_, _, _, id, due)) = self.soonest_due() else {
                return;
            };
            self.with(id, |model, job| match due {
                Due::Next => model.fire_one(job),
                Due::Retry => job.due.splice(0..0, job.retry.take()).for_each(drop),
            });
        }
    }

    /// Of those that have come: the monotonic ones first, then dates; each kind by time.
    fn soonest_due(&self) -> Option<(bool, u64, u64, u8, Due)> {
        let active = self.jobs.iter().filter(|job| !job.paused);
        let times = active.flat_map(|job| {
            let is_date = matches!(job.spec.when, When::Date(_));
            let next = job
                .next
                .map(|at| (is_date, at, job.armed, job.id, Due::Next));
            let retry = job.retry;
            let retry = retry.map(|at| (false, at, job.retry_armed, job.id, Due::Retry));
            next.into_iter().chain(retry)
        });
        times
            .filter(|(_, at, ..)| *at <= self.now)
            .min_by_key(|(is_date, at, armed, ..)| (*is_date, *at, *armed))
    }

    /// Looks at the run that has been due for that longest; answers whether there was one.
    fn look_at_a_run(&mut self) -> bool {
        let watched = self.runs.iter().enumerate();
        let due = watched.filter_map(|(nth, run)| Some((run.watch?, nth)));
        let Some((_, nth)) = due.filter(|((at, _), _)| *at <= self.now).min() else {
            return false;
        };
        let watch = (self.now + STUCK_AFTER_US, self.count());
        let id = self.runs[nth].id;
        let exists = self.index(id).is_some();
        let run = &mut self.runs[nth];
        if run.stopped.is_none() {
            (run.stopped, run.watch) = (Some(ModelStop::TimedOut), Some(watch));
            self.cancelled += 1;
        } else {
            run.watch = None;
            self.said.push((JobStuck, id, exists));
        }
        true
    }

    fn fire_one(&mut self, job: &mut ModelJob) {
        let mut times = Vec::new();
        while let Some(next) = job.next.filter(|next| *next <= self.now) {
            times.push(next);
            job.next = match job.spec.when {
                When::Interval { every, .. } => Some(next + every),
                _ => None,
            };
        }
        job.armed = self.count();
        let full = job.due.is_empty() && job.running >= job.spec.max_instances;
        if full && job.spec.when.repeats() {
            self.said.push((JobMaxInstances, job.id, true));
            return;
        }
        if job.spec.coalesce {
            (job.failures, job.retry) = (0, None);
            job.due = vec![times[times.len() - 1]];
        } else {
            job.due.extend(times);
        }
    }

    /// The job that starts first in this lane.
    pub(in super::super) fn best(&self, lane: Lane) -> Option<u8> {
        let io_running = self.runs.iter().filter(|run| run.lane == Lane::Io).count();
        if self.paused || (lane == Lane::Io && io_running >= IO_LIMIT) {
            return None;
        }
        let waiting = self
            .jobs
            .iter()
            .filter(|job| job.spec.lane == lane && job.may_start());
        waiting
            .min_by_key(|job| (-job.spec.priority, job.since))
            .map(|job| job.id)
    }

    pub(in super::super) fn take(&mut self, lane: Lane) -> Option<u8> {
        while let Some(id) = self.best(lane) {
            if self.start(lane, id) {
                return Some(id);
            }
        }
        None
    }

    /// Starts the job of this id, which a worker was dealt: there is none of a higher priority unless that came since.
    pub(in super::super) fn take_this(&mut self, lane: Lane, id: &JobId, may_be_overtaken: bool) {
        let best = self.best(lane).and_then(|id| self.index(id));
        let best = best.map(|at| self.jobs[at].spec.priority);
        let waiting = self.jobs.iter().filter(|job| job.may_start());
        let job = waiting.into_iter().find(|job| name(job.id) == *id);
        let job = job.expect("what begins was waiting");
        assert!(may_be_overtaken || best == Some(job.spec.priority));
        let id = job.id;
        assert!(self.start(lane, id), "what is plain is never late");
    }

    /// Starts the first run of a job, unless it is too late; answers whether it has started.
    fn start(&mut self, lane: Lane, id: u8) -> bool {
        let mut started = false;
        self.with(id, |model, job| {
            let due = job.due.remove(0);
            job.forced &= !job.due.is_empty();
            let late = model.now.saturating_sub(due);
            started = job.spec.grace.is_none_or(|grace| late <= grace);
            if started {
                job.running += 1;
                let timeout = job.spec.timeout.map(|us| (model.now + us, model.count()));
                let run = ModelRun {
                    id,
                    job_number: job.number,
                    due,
                    stopped: None,
                    lane,
                    watch: timeout,
                };
                model.runs.push(run);
                model.said.push((JobSubmitted, id, true));
            } else {
                model.said.push((JobMissed, id, !job.is_spent()));
            }
            // With another run to start it stands at the end of its line.
            job.since = model.count();
        });
        self.jobs.retain(|job| !job.is_spent());
        started
    }

    pub(in super::super) fn finish(&mut self, nth: usize, failed: bool) {
        let run = self.runs.remove(nth);
        let code = match run.stopped {
            Some(ModelStop::Cancelled) => JobCancelled,
            Some(ModelStop::TimedOut) => JobError,
            None if failed => JobError,
            None => JobExecuted,
        };
        let mut dead = None;
        self.with(run.id, |model, job| {
            if job.number == run.job_number {
                job.running -= 1;
                match code {
                    JobExecuted if job.retry.is_none() => job.failures = 0,
                    JobError => dead = model.fail(job, run.due),
                    _ => {}
                }
            }
        });
        self.jobs.retain(|job| !job.is_spent());
        let exists = self.index(run.id).is_some();
        self.said.push((code, run.id, exists));
        if let Some(dead) = dead {
            self.said.push((JobDead, run.id, exists));
            self.dead.retain(|other| other.id != dead.id);
            self.dead.push(dead);
        }
    }

    /// It is tried again, or dead, or that was it.
    fn fail(&mut self, job: &mut ModelJob, due: u64) -> Option<ModelDead> {
        job.failures += 1;
        let failures = job.failures;
        let Some(again) = job.spec.retry else {
            job.failures = 0;
            return None;
        };
        if failures >= again.attempts {
            job.failures = 0;
            let (id, spec) = (job.id, job.spec.clone());
            return Some(ModelDead { id, failures, spec });
        }
        if job.paused && job.spec.when.repeats() {
            job.failures = 0;
            return None;
        }
        if job.retry.is_some() {
            job.due.insert(0, due);
            return None;
        }
        let mut wait = again.wait;
        for _ in 1..failures {
            wait *= 2;
        }
        job.retry = Some(self.now + wait.min(again.longest));
        job.retry_armed = self.count();
        None
    }

    pub(in super::super) fn requeue(&mut self, id: u8) {
        let Some(at) = self.dead.iter().position(|dead| dead.id == id) else {
            return;
        };
        if let Some(exists) = self.index(id) {
            let job = &self.jobs[exists];
            if !job.spec.when.repeats() || job.running >= job.spec.max_instances {
                return;
            }
            self.run_now(id);
        } else {
            let mut spec = self.dead[at].spec.clone();
            if !spec.when.repeats() {
                spec.when = When::Now;
            }
            self.add(spec);
        }
        self.dead.remove(at);
    }

    pub(in super::super) fn forget(&mut self, id: u8) {
        self.dead.retain(|dead| dead.id != id);
    }
}
