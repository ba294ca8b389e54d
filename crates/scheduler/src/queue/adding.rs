//! How jobs come in.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Now;
use crate::error::AddError;
use crate::event::EventCode;
use crate::executor::Executor;
use crate::job::{Added, ConflictPolicy, JobSpec};
use crate::mailbox::Mailbox;
use crate::queue::Queue;
use crate::queue::agenda::Seat;
use crate::queue::job::Job;
use crate::store::StoredTask;
use crate::trigger::{Schedule, Trigger};

/// A job to add: what was asked for, checked.
pub(crate) struct NewJob<E: Executor> {
    pub(crate) spec: JobSpec<E::Task>,
    /// Its trigger.
    pub(crate) schedule: Schedule,
    /// Its task as data, if it is durable.
    pub(crate) stored: Option<Box<StoredTask>>,
    /// What its trigger counts from, by the wall clock.
    pub(crate) anchor_us: u64,
}

/// A job that can be added, or what was done instead.
pub(crate) enum Prepared<E: Executor> {
    /// Nothing remains to be done.
    Done(Added),
    /// To be [inserted](Queue::insert).
    Job(PreparedJob<E>),
}

/// A job that sits nowhere yet.
pub(crate) struct PreparedJob<E: Executor>(pub(super) Box<Job<E>>);

impl<E: Executor> Queue<E> {
    /// Adds a job.
    pub(crate) fn add(&mut self, new: NewJob<E>, now: Now) -> Result<Added, AddError> {
        match self.prepare(new, now)? {
            Prepared::Done(added) => Ok(added),
            Prepared::Job(job) => self.insert(job, now),
        }
    }

    /// Makes a job of it, if it may be added now. Between this and [`insert`](Self::insert) a store can be written.
    pub(crate) fn prepare(&mut self, new: NewJob<E>, now: Now) -> Result<Prepared<E>, AddError> {
        let old = self.admit(&new.spec)?;
        if let Some(seat) = old {
            match new.spec.conflict {
                ConflictPolicy::DoNothing => return Ok(Prepared::Done(Added::AlreadyThere)),
                ConflictPolicy::Refresh if self.jobs[seat].spec.trigger == new.spec.trigger => {
                    self.refresh(seat, new, now);
                    return Ok(Prepared::Done(Added::Refreshed));
                }
                _ => {}
            }
        }
        let first = new
            .schedule
            .first(now)
            .ok_or_else(|| AddError::BadTrigger {
                field: "expression",
                reason: "no such time will come".to_owned(),
            })?;
        let mut job = Box::new(Job {
            number: self.agenda.number(),
            schedule: new.schedule,
            stored: new.stored,
            anchor_us: new.anchor_us,
            gone: false,
            paused: old.is_some_and(|seat| self.jobs[seat].paused)
                || self.ledger.is_paused(&new.spec.id),
            forced: false,
            due: VecDeque::new(),
            next: None,
            delay_us: self.run_ids.random_to(new.spec.jitter),
            failures: 0,
            retry_at: None,
            place: None,
            alarm: None,
            retry_alarm: None,
            cron: None,
            running: 0,
            seated_runs: 0,
            mail: Arc::new(Mailbox::new()),
            spec: new.spec,
        });
        job.spec.max_instances = job.spec.max_instances.max(1);
        job.begin(first);
        Ok(Prepared::Job(PreparedJob(job)))
    }

    /// Whether a job may be added now, and where the one sits that has its id.
    fn admit(&self, spec: &JobSpec<E::Task>) -> Result<Option<Seat>, AddError> {
        if self.closed {
            return Err(AddError::ShuttingDown);
        }
        let seat = self.seat(&spec.id).ok();
        if seat.is_some() && spec.conflict == ConflictPolicy::Exception {
            return Err(AddError::ConflictingId {
                id: spec.id.clone(),
            });
        }
        let old = seat.map(|seat| &self.jobs[seat]);
        let takes_a_place = old.is_none_or(|old| {
            !old.paused
                && (old.place.is_none() || old.spec.lane != spec.lane)
                && spec.conflict != ConflictPolicy::DoNothing
        });
        let limit = self.limits.pending[spec.lane.index()];
        if spec.trigger == Trigger::Now && takes_a_place && self.agenda.len(spec.lane) >= limit {
            return Err(AddError::Full {
                lane: spec.lane,
                limit,
            });
        }
        Ok(seat)
    }

    /// Seats a job that was prepared, in the place of the one that has its id.
    pub(crate) fn insert(&mut self, job: PreparedJob<E>, now: Now) -> Result<Added, AddError> {
        let PreparedJob(mut job) = job;
        let old = self.admit(&job.spec)?;
        let added = match old {
            Some(seat) => {
                // Paused since it was prepared, or not any more.
                job.paused = self.jobs[seat].paused;
                self.evict(seat, now);
                Added::Replaced
            }
            None => Added::New,
        };
        let mut seat = self.jobs.vacant_key();
        if let Some(before) = self.ids.insert(job.spec.id.clone(), seat) {
            // Something is still to be told of the one before, in whose mailbox the events of this one line up.
            let before_it = self.jobs.remove(before);
            (job.mail, job.seated_runs) = (before_it.mail, before_it.seated_runs);
            // The seat that was left last is given first: runs of the one before find their mailbox there.
            seat = self.jobs.vacant_key();
            self.ids.insert(job.spec.id.clone(), seat);
        }
        job.mail.take_over();
        self.post.about(&job, EventCode::JobAdded, now);
        self.ledger.pause(&job);
        if !job.paused {
            self.agenda.arm(seat, &mut job);
            self.agenda.line_up(seat, &mut job);
        }
        self.jobs.insert(job);
        Ok(added)
    }

    /// Gives a job whose trigger is the same what else is new.
    fn refresh(&mut self, seat: Seat, new: NewJob<E>, now: Now) {
        let job = &mut self.jobs[seat];
        self.agenda.step_out(job);
        let (old, spec) = (&mut job.spec, new.spec);
        *old = JobSpec {
            id: old.id.clone(),
            max_instances: spec.max_instances.max(1),
            ..spec
        };
        // One that is no longer durable leaves the store.
        self.ledger.touch(job);
        job.stored = new.stored;
        // Its jitter may be new, and with it who watches for its next time.
        if !job.paused {
            self.agenda.arm(seat, job);
        }
        self.agenda.line_up(seat, job);
        self.ledger.pause(job);
        let job = &self.jobs[seat];
        self.post.about(job, EventCode::JobModified, now);
    }
}
