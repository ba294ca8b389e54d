//! A job as the queue keeps it, and a run of it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::{Due, Now};
use crate::event::{Event, EventCode};
use crate::executor::{Executor, RunContext};
use crate::info::{RunOutcome, RunRecord};
use crate::job::{ConflictPolicy, JobSpec, Lane};
use crate::mailbox::Mailbox;
use crate::queue::agenda::{AlarmKey, Seat, WatchKey};
use crate::queue::line::Place;
use crate::store::StoredTask;
use crate::trigger::Schedule;

pub(super) struct Job<E: Executor> {
    /// Tells it from an earlier job of the same id, whose last run may still go on.
    pub(super) number: u64,
    pub(super) spec: JobSpec<E::Task>,
    pub(super) schedule: Schedule,
    /// Its task as data, if a store keeps it.
    pub(super) stored: Option<Box<StoredTask>>,
    /// When it was added or rescheduled, by the wall clock.
    pub(super) anchor_us: u64,
    /// Whether it only sits here until its last event has been told.
    pub(super) gone: bool,
    pub(super) paused: bool,
    /// Whether the run that is due starts although the job is paused: someone asked for just it.
    pub(super) forced: bool,
    /// Times that have come and whose runs have not started, earliest first.
    pub(super) due: SmallVec<[Due; 1]>,
    /// The first time that has not come, without its delay. Kept, but not watched for, while the job is paused.
    pub(super) next: Option<Due>,
    /// By how much the next time is delayed: jitter.
    pub(super) delay_us: u64,
    /// How often it has failed in a row. Runs side by side share this count.
    pub(super) failures: u32,
    /// When it is tried again; nothing that is due starts before.
    pub(super) retry_at: Option<Due>,
    pub(super) place: Option<Place>,
    pub(super) alarm: Option<AlarmKey>,
    pub(super) retry_alarm: Option<AlarmKey>,
    pub(super) cron: Option<u64>,
    /// How many runs go on.
    pub(super) running: u32,
    /// How many runs have this seat, also those of jobs that had it before: their ends are told in this mailbox.
    pub(super) seated_runs: u32,
    /// Where its events wait for their listeners.
    pub(super) mail: Arc<Mailbox<E>>,
}

impl<E: Executor> Job<E> {
    /// A time that failed comes before those that have come since: they wait with it.
    #[inline]
    pub(super) fn may_start(&self) -> bool {
        (!self.paused || self.forced)
            && !self.due.is_empty()
            && self.retry_at.is_none()
            && self.running < self.spec.max_instances
    }

    /// Whether a job that is added under its id only changes it.
    pub(super) fn is_refreshed_by(&self, new: &JobSpec<E::Task>) -> bool {
        new.conflict == ConflictPolicy::Refresh && new.trigger == self.spec.trigger
    }

    /// Whether nothing is left of it: it has run for the last time.
    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        !self.paused
            && self.next.is_none()
            && self.retry_at.is_none()
            && self.due.is_empty()
            && self.running == 0
    }

    /// When its next time is looked at, jitter added.
    pub(super) fn next_delayed(&self) -> Option<Due> {
        self.next.map(|next| next.later(self.delay_us))
    }

    /// When it runs next, as far as is known.
    pub(super) fn next_run(&self, now: Now) -> Option<Due> {
        let next = match self.retry_at {
            // Only a time that is one with it comes before it.
            Some(retry_at) => {
                let next = self.next_delayed().filter(|_| self.spec.coalesce);
                next.into_iter()
                    .chain([retry_at])
                    .min_by_key(|due| due.wait_us(now))
            }
            None => self.due.first().copied().or(self.next_delayed()),
        };
        next.filter(|_| !self.paused || self.forced)
    }

    /// The expression by which tokio-cron-scheduler ticks for this job; it knows no delays.
    pub(super) fn ticked_by_cron(&self) -> Option<&str> {
        match &self.schedule {
            Schedule::Cron(calendar) if self.spec.jitter.is_zero() => calendar.plain(),
            _ => None,
        }
    }

    /// Its times are counted from now on; those that have come are forgotten.
    pub(super) fn begin(&mut self, first: Due) {
        self.due.clear();
        self.forced = false;
        (self.failures, self.retry_at) = (0, None);
        if matches!(self.schedule, Schedule::Now) {
            self.next = None;
            self.due.push(first);
        } else {
            self.next = Some(first);
        }
    }

    /// The record of this time as if no run started for it.
    pub(super) fn record(&self, due: Due, now: Now) -> RunRecord {
        RunRecord {
            run_id: None,
            job_id: self.spec.id.clone(),
            name: self.spec.name.clone(),
            lane: self.spec.lane,
            outcome: RunOutcome::Missed,
            message: None,
            scheduled_at: due.wall_us(now) / 1_000,
            started_at: None,
            finished_at: now.wall_us / 1_000,
            elapsed_us: None,
            attempt: self.failures + 1,
        }
    }

    /// An event about the job as a whole.
    pub(super) fn event(&self, code: EventCode, now: Now) -> Event<E> {
        Event {
            name: self.spec.name.clone(),
            kept: code != EventCode::JobRemoved,
            failures: self.failures,
            is_durable: self.stored.is_some(),
            ..Event::new(
                code,
                self.spec.id.clone(),
                Arc::clone(&self.spec.task),
                now.wall_us,
            )
        }
    }
}

pub(super) struct Run<E: Executor> {
    /// The job it is of, if that still sits there and has this number.
    pub(super) seat: Seat,
    pub(super) job_number: u64,
    pub(super) context: RunContext,
    /// What will be said of its end, but for how and when it ends. Both are made before the body runs, since the end is waited
    /// for.
    pub(super) event: Box<Event<E>>,
    pub(super) record: Box<RunRecord>,
    pub(super) mail: Arc<Mailbox<E>>,
    /// The time it is for.
    pub(super) due: Due,
    pub(super) started: Now,
    /// Set before its token is: what counts when it ends.
    pub(super) stopped: Option<Stop>,
    pub(super) watch: Option<WatchKey>,
}

impl<E: Executor> Run<E> {
    /// One that starts now.
    pub(super) fn new(seat: Seat, job: &Job<E>, due: Due, context: RunContext, now: Now) -> Self {
        let run_id = Some(context.run_id());
        Self {
            seat,
            job_number: job.number,
            event: Box::new(Event {
                run_id,
                ..job.event(EventCode::JobSubmitted, now)
            }),
            record: Box::new(RunRecord {
                run_id,
                started_at: Some(now.wall_us / 1_000),
                ..job.record(due, now)
            }),
            mail: Arc::clone(&job.mail),
            context,
            due,
            started: now,
            stopped: None,
            watch: None,
        }
    }

    /// Whether it is of the job of this number that sits there.
    pub(super) fn is_of(&self, seat: Seat, job_number: u64) -> bool {
        self.seat == seat && self.job_number == job_number
    }
}

/// Why a run was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Someone asked.
    Cancelled,
    /// The scheduler ends, or the runtime of its lane; the job is to run again if a store keeps it.
    Closing,
    /// It took longer than it may.
    TimedOut,
}

/// A run that a worker is to execute.
pub(crate) struct Started<E: Executor> {
    /// Names the run to [`Queue::finished`](super::Queue::finished).
    pub(crate) run: usize,
    pub(crate) task: Arc<E::Task>,
    pub(crate) context: RunContext,
    pub(crate) lane: Lane,
}
