//! What an operator or a listener does to jobs that exist.

use crate::clock::{Due, Now, micros};
use crate::error::{ChangeError, JobLookupError};
use crate::event::EventCode;
use crate::ids::JobId;
use crate::info::JobInfo;
use crate::job::Modification;
use crate::queue::Queue;
use crate::trigger::{Schedule, Trigger};

impl<T> Queue<T> {
    /// Removes a job; answers how it stood.
    pub(crate) fn remove(&mut self, id: &JobId, now: Now) -> Result<JobInfo, JobLookupError> {
        let info = self.look_up(id, now)?;
        if let Some(job) = self.retire(id) {
            self.note(EventCode::JobRemoved, id, &job, now);
        }
        Ok(info)
    }

    /// Removes all jobs; answers how many there were.
    pub(crate) fn remove_all(&mut self, now: Now) -> usize {
        let mut ids: Vec<JobId> = self.jobs.keys().cloned().collect();
        ids.sort();
        for id in &ids {
            if let Some(job) = self.retire(id) {
                self.note(EventCode::JobRemoved, id, &job, now);
            }
        }
        ids.len()
    }

    /// Pauses a job. A one-shot whose run goes on is asked to stop and kept for later; the run of a recurring one goes
    /// on, as in APScheduler.
    pub(crate) fn pause(&mut self, id: &JobId, now: Now) -> Result<JobInfo, JobLookupError> {
        let Some(mut job) = self.jobs.remove(id) else {
            return Err(JobLookupError { id: id.clone() });
        };
        if !job.paused {
            job.paused = true;
            self.agenda.disarm(&mut job);
            if job.schedule.repeats() {
                job.due.clear();
            } else if job.running > 0 {
                // From here on that run is of an earlier job of this id: its end changes nothing here.
                self.stop_runs(id, job.number);
                job.number = self.agenda.number();
                job.running = 0;
                job.due.clear();
                job.due.push_back(Due::Mono(now.mono_us));
            }
            self.agenda.step_out(&mut job);
            self.note(EventCode::JobPaused, id, &job, now);
        }
        self.jobs.insert(id.clone(), job);
        self.look_up(id, now)
    }

    /// Lets a paused job run again. Times that passed meanwhile are not made up for, but a one-shot still runs once.
    pub(crate) fn resume(&mut self, id: &JobId, now: Now) -> Result<JobInfo, JobLookupError> {
        let Some(mut job) = self.jobs.remove(id) else {
            return Err(JobLookupError { id: id.clone() });
        };
        if job.paused {
            job.paused = false;
            job.forced = false;
            if let Some(next) = job.next
                && job.schedule.repeats()
                && next.wait_us(now) == 0
            {
                job.next = job.schedule.elapsed(next, now, true).1;
            }
            // A one-shot that waited for a worker when it was paused is not late for the time it was paused.
            for due in job.due.iter_mut() {
                *due = Due::Mono(now.mono_us);
            }
            self.agenda.arm(id, &mut job);
            self.agenda.line_up(id, &mut job);
            self.note(EventCode::JobResumed, id, &job, now);
            if job.is_spent() {
                // Its calendar ran out while it was paused.
                self.note(EventCode::JobRemoved, id, &job, now);
                return Ok(self.describe(id, &job, now));
            }
        }
        self.jobs.insert(id.clone(), job);
        self.look_up(id, now)
    }

    /// Changes a job; what has started keeps what it started with.
    pub(crate) fn modify(
        &mut self,
        id: &JobId,
        change: Modification<T>,
        now: Now,
    ) -> Result<JobInfo, JobLookupError> {
        let Some(mut job) = self.jobs.remove(id) else {
            return Err(JobLookupError { id: id.clone() });
        };
        if let Some(priority) = change.priority {
            self.agenda.reprioritise(&mut job, priority);
        }
        job.name = change.name.unwrap_or(job.name);
        job.task = change.task.unwrap_or(job.task);
        job.coalesce = change.coalesce.unwrap_or(job.coalesce);
        job.max_instances = change
            .max_instances
            .map_or(job.max_instances, |limit| limit.max(1));
        if let Some(grace) = change.misfire_grace_time {
            job.grace_us = grace.map(micros);
        }
        self.agenda.line_up(id, &mut job);
        self.note(EventCode::JobModified, id, &job, now);
        self.jobs.insert(id.clone(), job);
        self.look_up(id, now)
    }

    /// Gives a job another trigger, counted from now. A pending run of the old one does not start; one that goes on
    /// goes on. A paused job stays paused.
    pub(crate) fn reschedule(
        &mut self,
        id: &JobId,
        trigger: Trigger,
        schedule: Schedule,
        now: Now,
    ) -> Result<JobInfo, ChangeError> {
        let Some(mut job) = self.jobs.remove(id) else {
            return Err(JobLookupError { id: id.clone() }.into());
        };
        let Some(first) = schedule.first(now) else {
            self.jobs.insert(id.clone(), job);
            let reason = "no such time will come".to_owned();
            return Err(ChangeError::BadTrigger {
                field: "expression",
                reason,
            });
        };
        self.agenda.disarm(&mut job);
        self.agenda.step_out(&mut job);
        job.due.clear();
        job.forced = false;
        (job.trigger, job.schedule, job.next) = (trigger, schedule, None);
        if matches!(job.schedule, Schedule::Now) {
            job.due.push_back(first);
        } else {
            job.next = Some(first);
        }
        if !job.paused {
            self.agenda.arm(id, &mut job);
            self.agenda.line_up(id, &mut job);
        }
        self.note(EventCode::JobModified, id, &job, now);
        self.jobs.insert(id.clone(), job);
        Ok(self.look_up(id, now)?)
    }

    /// Runs a job now. A one-shot's only run comes forward (and a paused one is resumed by it); a recurring one runs
    /// once more, also while it is paused, and keeps its times.
    pub(crate) fn run_now(&mut self, id: &JobId, now: Now) -> Result<JobInfo, ChangeError> {
        if self.closed {
            return Err(ChangeError::ShuttingDown);
        }
        let Some(mut job) = self.jobs.remove(id) else {
            return Err(JobLookupError { id: id.clone() }.into());
        };
        if job.running >= job.max_instances {
            let limit = job.max_instances;
            self.jobs.insert(id.clone(), job);
            return Err(ChangeError::MaxInstances {
                id: id.clone(),
                limit,
            });
        }
        if job.schedule.repeats() {
            job.forced = job.paused;
        } else {
            if job.paused {
                job.paused = false;
                self.note(EventCode::JobResumed, id, &job, now);
            }
            self.agenda.disarm(&mut job);
            job.next = None;
        }
        if job.due.is_empty() {
            job.due.push_back(Due::Mono(now.mono_us));
        }
        self.agenda.line_up(id, &mut job);
        self.jobs.insert(id.clone(), job);
        Ok(self.look_up(id, now)?)
    }

    /// Asks the runs of a job that go on to stop; the job stays, if it recurs. Answers how many were not asked before.
    pub(crate) fn cancel_run(&mut self, id: &JobId) -> Result<usize, JobLookupError> {
        let number = match self.jobs.get(id) {
            Some(job) => job.number,
            None => return Err(JobLookupError { id: id.clone() }),
        };
        Ok(self.stop_runs(id, number))
    }

    /// Starts nothing more until [`resume_all`](Self::resume_all). Answers whether that is new.
    pub(crate) fn pause_all(&mut self) -> bool {
        !std::mem::replace(&mut self.paused, true)
    }

    /// Starts jobs again, and those whose time came meanwhile first. Answers whether that is new.
    pub(crate) fn resume_all(&mut self, now: Now) -> bool {
        let was_paused = std::mem::replace(&mut self.paused, false);
        if was_paused {
            self.agenda.recount();
            self.fire_due(now);
            let ticked: Vec<(JobId, u64)> = self
                .jobs
                .iter()
                .filter_map(|(id, job)| Some((id.clone(), job.cron?)))
                .collect();
            for (id, arm) in ticked {
                self.tick(&id, arm, now);
            }
        }
        was_paused
    }

    /// Ends it all: no job is left, none can be added, and every run is asked to stop. Answers how many jobs will not
    /// run (again).
    pub(crate) fn close(&mut self) -> usize {
        self.closed = true;
        let ids: Vec<JobId> = self.jobs.keys().cloned().collect();
        let mut dropped = 0;
        for id in ids {
            if let Some(job) = self.retire(&id)
                && (job.next.is_some() || !job.due.is_empty())
            {
                dropped += 1;
            }
        }
        for run in self.runs.values_mut() {
            run.cancelled = true;
            self.cancel.push(run.context.cancel().clone());
        }
        dropped
    }
}
