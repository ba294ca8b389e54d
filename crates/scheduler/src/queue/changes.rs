//! What an operator or a listener does to jobs that exist.

use crate::clock::Now;
use crate::error::{ChangeError, JobLookupError};
use crate::event::EventCode;
use crate::executor::Executor;
use crate::ids::JobId;
use crate::info::JobInfo;
use crate::job::Modification;
use crate::queue::Queue;
use crate::queue::agenda::Seat;
use crate::queue::job::Stop;
use crate::queue::jobs::Seated;
use crate::store::StoredTask;
use crate::trigger::{Schedule, Trigger};

impl<E: Executor> Queue<E> {
    /// Removes a job; answers how it stood.
    pub(crate) fn remove(&mut self, id: &JobId, now: Now) -> Result<JobInfo, ChangeError> {
        let seat = self.seat(id)?;
        let info = self.describe(&self.jobs[seat], now);
        self.remove_seat(seat, now);
        Ok(info)
    }

    /// Removes all jobs; answers how many there were.
    pub(crate) fn remove_all(&mut self, now: Now) -> usize {
        let mut seats: Vec<(JobId, Seat)> = self.seats();
        seats.sort();
        for (_, seat) in &seats {
            self.remove_seat(*seat, now);
        }
        seats.len()
    }

    fn remove_seat(&mut self, seat: Seat, now: Now) {
        let Some(job) = self.jobs.whole(seat) else {
            return;
        };
        self.ledger.forget_pause(&job.spec.id);
        self.post.about(job, EventCode::JobRemoved, now);
        self.evict(seat, now);
    }

    fn seats(&self) -> Vec<(JobId, Seat)> {
        self.seated()
            .filter_map(|(seat, job)| Some((job.id()?.clone(), seat)))
            .collect()
    }

    /// Pauses a job. A one-shot whose run goes on is asked to stop and kept for later; the run of a recurring one goes
    /// on, as in APScheduler.
    pub(crate) fn pause(&mut self, id: &JobId, now: Now) -> Result<JobInfo, ChangeError> {
        let seat = self.seat(id)?;
        let job = &mut self.jobs[seat];
        if !job.paused {
            job.paused = true;
            self.agenda.disarm(job);
            self.agenda.step_out(job);
            if job.schedule.repeats() {
                job.due.clear();
                (job.failures, job.retry_at) = (0, None);
            } else if job.running > 0 {
                // From here on that run is of an earlier job of this id: its end changes nothing here.
                let number = job.number;
                job.number = self.agenda.number();
                self.stop_runs(|run| run.is_of(seat, number), Stop::Cancelled, now);
                let job = &mut self.jobs[seat];
                job.running = 0;
                job.due.clear();
                job.due.push(now.after(0));
            }
            let job = &self.jobs[seat];
            self.ledger.pause(job);
            self.post.about(job, EventCode::JobPaused, now);
        }
        Ok(self.describe(&self.jobs[seat], now))
    }

    /// Lets a paused job run again. Times that passed meanwhile are not made up for, but a one-shot still runs once. If
    /// there is no such job, at least none that is added under this id will be paused.
    pub(crate) fn resume(&mut self, id: &JobId, now: Now) -> Result<JobInfo, ChangeError> {
        let Ok(seat) = self.seat(id) else {
            self.ledger.forget_pause(id);
            return Err(JobLookupError { id: id.clone() }.into());
        };
        let job = &mut self.jobs[seat];
        if job.paused {
            (job.paused, job.forced) = (false, false);
            if let (Some(next), Some(delayed)) = (job.next, job.next_delayed())
                && job.schedule.repeats()
                && delayed.wait_us(now) == 0
            {
                let then = now.earlier(job.delay_us);
                job.next = job.schedule.elapsed(next, then, true).1;
            }
            // A one-shot that waited for a worker when it was paused is not late for the time it was paused.
            for due in &mut job.due {
                *due = now.after(0);
            }
            self.agenda.arm(seat, job);
            self.agenda.line_up(seat, job);
            self.ledger.pause(job);
            self.post.about(job, EventCode::JobResumed, now);
            if job.is_spent() {
                // Its calendar ran out while it was paused.
                let info = self.describe(&self.jobs[seat], now);
                self.remove_seat(seat, now);
                return Ok(info);
            }
        }
        Ok(self.describe(&self.jobs[seat], now))
    }

    /// Changes a job; what has started keeps what it started with. `stored` is the new task as data, if there is one and
    /// the job is durable.
    pub(crate) fn modify(
        &mut self,
        id: &JobId,
        change: Modification<E::Task>,
        stored: Option<Box<StoredTask>>,
        now: Now,
    ) -> Result<JobInfo, ChangeError> {
        let seat = self.seat(id)?;
        let job = &mut self.jobs[seat];
        if change.task.is_some() && job.stored.is_some() {
            let stored = stored.ok_or_else(|| ChangeError::NotStorable { id: id.clone() })?;
            job.stored = Some(stored);
        }
        if let Some(priority) = change.priority {
            self.agenda.reprioritise(job, priority);
        }
        let spec = &mut job.spec;
        replace(&mut spec.name, change.name);
        replace(&mut spec.task, change.task);
        replace(&mut spec.coalesce, change.coalesce);
        replace(
            &mut spec.max_instances,
            change.max_instances.map(|limit| limit.max(1)),
        );
        replace(&mut spec.misfire_grace_time, change.misfire_grace_time);
        replace(&mut spec.timeout, change.timeout);
        replace(&mut spec.retry, change.retry);
        replace(&mut spec.tags, change.tags);
        self.agenda.line_up(seat, job);
        self.ledger.touch(job);
        let job = &self.jobs[seat];
        self.post.about(job, EventCode::JobModified, now);
        Ok(self.describe(job, now))
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
        let seat = self.seat(id)?;
        let first = schedule.first(now).ok_or_else(|| ChangeError::BadTrigger {
            field: "expression",
            reason: "no such time will come".to_owned(),
        })?;
        let job = &mut self.jobs[seat];
        self.agenda.disarm(job);
        self.agenda.step_out(job);
        (job.spec.trigger, job.schedule) = (trigger, schedule);
        job.delay_us = self.run_ids.random_to(job.spec.jitter);
        job.anchor_us = now.wall_us;
        job.begin(first);
        if !job.paused {
            self.agenda.arm(seat, job);
            self.agenda.line_up(seat, job);
        }
        self.ledger.touch(job);
        let job = &self.jobs[seat];
        self.post.about(job, EventCode::JobModified, now);
        Ok(self.describe(job, now))
    }

    /// Runs a job now. A one-shot's only run comes forward (and a paused one is resumed by it); a recurring one runs
    /// once more, also while it is paused, and keeps its times.
    pub(crate) fn run_now(&mut self, id: &JobId, now: Now) -> Result<JobInfo, ChangeError> {
        if self.closed {
            return Err(ChangeError::ShuttingDown);
        }
        let seat = self.seat(id)?;
        let job = &mut self.jobs[seat];
        if job.running >= job.spec.max_instances {
            let limit = job.spec.max_instances;
            return Err(ChangeError::MaxInstances {
                id: id.clone(),
                limit,
            });
        }
        self.agenda.disarm_retry(job);
        let is_retried = job.retry_at.take().is_some();
        if job.schedule.repeats() {
            job.forced = job.paused;
        } else {
            if job.paused {
                job.paused = false;
                self.ledger.pause(job);
                self.post.about(job, EventCode::JobResumed, now);
            }
            self.agenda.disarm_next(job);
            job.next = None;
        }
        if is_retried || job.due.is_empty() {
            job.due.insert(0, now.after(0));
        }
        self.agenda.line_up(seat, job);
        self.ledger.touch(job);
        Ok(self.describe(&self.jobs[seat], now))
    }

    /// Asks the runs of a job that go on to stop; the job stays, if it recurs. Answers how many were not asked before.
    pub(crate) fn cancel_run(&mut self, id: &JobId, now: Now) -> Result<usize, ChangeError> {
        let seat = self.seat(id)?;
        let number = self.jobs[seat].number;
        Ok(self.stop_runs(|run| run.is_of(seat, number), Stop::Cancelled, now))
    }

    /// The ids of the jobs that carry this tag, sorted.
    pub(crate) fn tagged(&self, tag: &str) -> Vec<JobId> {
        let tagged = self.seated().filter_map(|(_, job)| match job {
            Seated::Whole(job) if job.spec.tags.iter().any(|own| own == tag) => Some(&job.spec.id),
            // A plain job has none.
            _ => None,
        });
        let mut ids: Vec<JobId> = tagged.cloned().collect();
        ids.sort();
        ids
    }

    /// Starts nothing more until [`resume_all`](Self::resume_all). Answers whether that is new.
    pub(crate) fn pause_all(&mut self) -> bool {
        !std::mem::replace(&mut self.paused, true)
    }

    /// Starts jobs again, and those whose time came meanwhile first. Answers whether that is new.
    pub(crate) fn resume_all(&mut self, now: Now) -> bool {
        let was_paused = std::mem::replace(&mut self.paused, false);
        if was_paused {
            // The timer thread has waited for nothing.
            self.agenda.sooner = true;
            self.fire_due(now);
            for (_, seat) in self.seats() {
                self.catch_up(seat, now);
            }
        }
        was_paused
    }

    /// Ends it all: nothing starts, nothing can be added, and no job is left but those that a store keeps. Answers how
    /// many will not run (again), and how many wait in the store.
    pub(crate) fn close(&mut self) -> (usize, usize) {
        self.closed = true;
        // There may be no later: what the store lacks is written now, and each end as it comes.
        self.ledger.try_again();
        let (mut dropped, mut stored) = (0, 0);
        for (_, seat) in self.seats() {
            let Some(job) = self.jobs.whole(seat) else {
                continue;
            };
            if job.stored.is_some() {
                stored += 1;
                continue;
            }
            let waits = job.next.is_some() || job.retry_at.is_some() || !job.due.is_empty();
            dropped += usize::from(waits);
            self.part(seat);
        }
        (dropped, stored)
    }

    /// Asks every run to stop, after [`close`](Self::close).
    pub(crate) fn stop_all(&mut self, now: Now) {
        self.stopping = true;
        self.stop_runs(|_| true, Stop::Closing, now);
    }
}

fn replace<V>(place: &mut V, new: Option<V>) {
    if let Some(new) = new {
        *place = new;
    }
}
