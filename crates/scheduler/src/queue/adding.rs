//! How jobs come in.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::Now;
use crate::error::AddError;
use crate::event::EventCode;
use crate::executor::Executor;
use crate::job::{Added, ConflictPolicy, JobSpec, Lane};
use crate::queue::Queue;
use crate::queue::agenda::Seat;
use crate::queue::durable::Snapshot;
use crate::queue::job::Job;
use crate::queue::jobs::Seated;
use crate::store::{StoredJob, StoredTask};
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

impl<E: Executor> NewJob<E> {
    /// Makes the job, without the lock.
    ///
    /// # Errors
    /// If its trigger will never fire.
    pub(crate) fn make(self, now: Now) -> Result<MadeJob<E>, AddError> {
        let first = self
            .schedule
            .first(now)
            .ok_or_else(|| AddError::BadTrigger {
                field: "expression",
                reason: "no such time will come".to_owned(),
            })?;
        let mut job = Box::new(Job {
            number: 0,
            schedule: self.schedule,
            stored: self.stored,
            anchor_us: self.anchor_us,
            gone: false,
            paused: false,
            forced: false,
            due: SmallVec::new(),
            next: None,
            delay_us: 0,
            failures: 0,
            retry_at: None,
            place: None,
            alarm: None,
            retry_alarm: None,
            cron: None,
            running: 0,
            seated_runs: 0,
            mail: Arc::default(),
            spec: self.spec,
        });
        job.spec.max_instances = job.spec.max_instances.max(1);
        job.begin(first);
        Ok(MadeJob(job))
    }
}

/// A job that sits nowhere yet. It is made, and dropped, without the lock: memory that nobody has used lately is what
/// costs most about a short job.
pub(crate) struct MadeJob<E: Executor>(pub(super) Box<Job<E>>);

/// What becomes of a job that is added.
enum Checked<E: Executor> {
    Done(Added),
    Place(Box<Job<E>>, Option<Seat>),
}

/// What is to be done to add a durable job.
pub(crate) enum Preview<E: Executor> {
    /// Nothing remains to be done.
    Done(Added),
    /// The store is to be written, and the job added.
    Write(MadeJob<E>, Box<StoredJob>),
    /// The job is not durable.
    Place(MadeJob<E>),
}

impl<E: Executor> Queue<E> {
    /// Adds a job.
    pub(crate) fn add(&mut self, new: MadeJob<E>, now: Now) -> Result<Added, AddError> {
        let (job, old) = match self.check(new, now)? {
            Checked::Done(added) => return Ok(added),
            Checked::Place(job, old) => (job, old),
        };
        Ok(self.place(job, old, now))
    }

    /// Whether a durable job may be added now, and how it will stand in the store; or what was done instead. Between this
    /// and [`add_written`](Self::add_written) the store is written.
    pub(crate) fn preview(&mut self, new: MadeJob<E>, now: Now) -> Result<Preview<E>, AddError> {
        let (mut job, old) = match self.check(new, now)? {
            Checked::Done(added) => return Ok(Preview::Done(added)),
            Checked::Place(job, old) => (job, old),
        };
        self.inherit(&mut job, old);
        Ok(match Snapshot::of(&job, &self.runs, now) {
            Some(stored) => Preview::Write(MadeJob(job), Box::new(stored)),
            None => Preview::Place(MadeJob(job)),
        })
    }

    fn check(&mut self, new: MadeJob<E>, now: Now) -> Result<Checked<E>, AddError> {
        let MadeJob(job) = new;
        let old = self.admit(&job.spec)?;
        if let Some(seat) = old {
            match job.spec.conflict {
                ConflictPolicy::DoNothing => return Ok(Checked::Done(Added::AlreadyThere)),
                ConflictPolicy::Refresh if self.jobs[seat].is_refreshed_by(&job.spec) => {
                    self.refresh(seat, *job, now);
                    return Ok(Checked::Done(Added::Refreshed));
                }
                _ => {}
            }
        }
        Ok(Checked::Place(job, old))
    }

    /// Whether a job may be added now, and where the one sits that has its id.
    fn admit(&mut self, spec: &JobSpec<E::Task>) -> Result<Option<Seat>, AddError> {
        if self.closed {
            return Err(AddError::ShuttingDown);
        }
        if spec.lane == Lane::Io && self.io_lost {
            return Err(AddError::NoRuntime);
        }
        let seat = self.seat(&spec.id).ok();
        if seat.is_some() && spec.conflict == ConflictPolicy::Exception {
            return Err(AddError::ConflictingId {
                id: spec.id.clone(),
            });
        }
        let takes_a_place = match seat.map(|seat| &self.jobs[seat]) {
            None => !self.ledger.is_paused(&spec.id),
            Some(old) if old.paused || spec.conflict == ConflictPolicy::DoNothing => false,
            // It only moves, if it stands in a line at all.
            Some(old) if old.is_refreshed_by(spec) => {
                old.place.is_some() && old.spec.lane != spec.lane
            }
            Some(old) => old.place.is_none() || old.spec.lane != spec.lane,
        };
        let limit = self.limits.pending[spec.lane.index()];
        if spec.trigger == Trigger::Now && takes_a_place && self.agenda.len(spec.lane) >= limit {
            return Err(AddError::Full {
                lane: spec.lane,
                limit,
            });
        }
        Ok(seat)
    }

    /// Gives a new job what its id was known for.
    fn inherit(&mut self, job: &mut Job<E>, old: Option<Seat>) {
        job.paused = match old {
            Some(seat) => self.jobs[seat].paused,
            None => self.ledger.is_paused(&job.spec.id),
        };
    }

    fn place(&mut self, mut job: Box<Job<E>>, old: Option<Seat>, now: Now) -> Added {
        job.number = self.agenda.number();
        job.delay_us = self.run_ids.random_to(job.spec.jitter);
        self.inherit(&mut job, old);
        let added = match old {
            Some(seat) => {
                self.evict(seat, now);
                Added::Replaced
            }
            None => Added::New,
        };
        let mut seat = self.jobs.vacant_key();
        if let Some(before) = self.ids.insert(job.spec.id.clone(), seat) {
            // Something is still to be told of the one before, in whose mailbox the events of this one line up.
            match self.jobs.vacate(before) {
                Seated::Whole(before) => {
                    (job.mail, job.seated_runs) = (before.mail, before.seated_runs);
                }
                Seated::Plain(before) => job.mail = before.mail,
                Seated::Dealt => unreachable!("all hands are recalled before an id is given anew"),
            }
            job.mail.take_over();
            // The seat that was left last is given first: runs of the one before find their mailbox there.
            seat = self.jobs.vacant_key();
            self.ids.insert(job.spec.id.clone(), seat);
        }
        self.post.about(&job, EventCode::JobAdded, now);
        self.ledger.pause(&job);
        if !job.paused {
            self.agenda.arm(seat, &mut job);
            self.agenda.line_up(seat, &mut job);
        }
        self.jobs.insert(Seated::Whole(job));
        added
    }

    /// Gives a job whose trigger is the same what else is new.
    fn refresh(&mut self, seat: Seat, new: Job<E>, now: Now) {
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
        // Its jitter may be new, and with it who watches for its next time: one that was delayed by it may have come. Cron
        // asks for such a time when it is armed, an alarm rings at once.
        job.delay_us = self.run_ids.random_to(job.spec.jitter);
        if !job.paused {
            self.agenda.arm(seat, job);
        }
        self.agenda.line_up(seat, job);
        self.ledger.pause(job);
        let job = &self.jobs[seat];
        self.post.about(job, EventCode::JobModified, now);
    }
}
