//! What a worker holds of the queue: plain jobs that it runs without the lock, one after the other.
//!
//! To everybody else the queue is as if each of them had been taken when it began and had ended when it did: `deals` is how
//! jobs come into a hand and back.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::{Now, system_time};
use crate::event::{Event, EventCode, EventMask};
use crate::executor::{Executor, RunContext};
use crate::ids::RunIds;
use crate::info::RunRecord;
use crate::mailbox::Mailbox;
use crate::queue::agenda::Seat;
use crate::queue::plain::Plain;

/// A worker's hand.
pub(crate) struct Hand<E: Executor> {
    /// Dealt, and not begun; the first is next.
    pub(super) waiting: VecDeque<(Seat, Box<Plain<E>>)>,
    pub(super) current: Current<E>,
    /// Ended, and not booked.
    pub(super) ended: Vec<Ending<E>>,
    /// Records that the history has let go of, to be written anew.
    #[expect(clippy::vec_box, reason = "the history keeps them as they are")]
    pub(super) old_records: Vec<Box<RunRecord>>,
    run_ids: RunIds,
    /// When these jobs were dealt, by the monotonic clock, and whether one of them has begun.
    since_us: u64,
    has_begun: bool,
}

/// The run that goes on.
pub(super) enum Current<E: Executor> {
    Nothing,
    Own(Going<E>),
    /// It was recalled, and is this run of the queue's.
    Recalled(usize),
}

/// A run that only its worker knows of.
pub(super) struct Going<E: Executor> {
    pub(super) seat: Seat,
    pub(super) job: Box<Plain<E>>,
    pub(super) context: RunContext,
    pub(super) started: Now,
}

/// A run that has ended.
pub(super) struct Ending<E: Executor> {
    pub(super) seat: Seat,
    pub(super) job: Box<Plain<E>>,
    pub(super) record: Box<RunRecord>,
}

/// What a worker needs to run a job of its hand.
pub(crate) struct Begun<E: Executor> {
    pub(crate) context: RunContext,
    /// That it starts, later that it has ended.
    pub(crate) event: Event<E>,
    /// Where its events wait for their listeners.
    pub(crate) mail: Arc<Mailbox<E>>,
    /// Whether the worker is to tell the event.
    pub(crate) tell: bool,
}

/// How long a hand is played, in microseconds. Those who stand in line behind what was dealt do not start long before it only
/// because what was dealt with it takes its time.
#[cfg(not(shuttle))]
pub(super) const STALE_US: u64 = 50;
/// Which orders are tried depends on no clock.
#[cfg(shuttle)]
pub(super) const STALE_US: u64 = 1 << 40;

impl<E: Executor> Hand<E> {
    /// An empty one; the ids of its runs follow from the seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            current: Current::Nothing,
            ended: Vec::new(),
            old_records: Vec::new(),
            run_ids: RunIds::new(seed),
            since_us: 0,
            has_begun: false,
        }
    }

    /// Jobs were put into it.
    pub(super) fn dealt(&mut self, now: Now) {
        (self.since_us, self.has_begun) = (now.mono_us, false);
    }

    /// How many jobs its worker is about to begin, which are left to it.
    pub(super) fn begun_at_once(&self) -> usize {
        self.waiting.len().min(usize::from(!self.has_begun))
    }

    /// Begins the next run, if there is one and the hand is not stale; the first is never too late.
    #[inline]
    pub(crate) fn begin(&mut self, wanted: EventMask, now: Now) -> Option<Begun<E>> {
        if self.has_begun && now.mono_us.saturating_sub(self.since_us) > STALE_US {
            return None;
        }
        let (seat, job) = self.waiting.pop_front()?;
        self.has_begun = true;
        let run_id = self.run_ids.next(now.wall_us);
        let context = RunContext::new(job.id.clone(), run_id);
        let event = Event {
            run_id: Some(run_id),
            ..job.event(EventCode::JobSubmitted, now)
        };
        let mail = Arc::clone(&job.mail);
        let begun = Begun {
            context: context.clone(),
            tell: wanted.contains(event.code) && mail.begin_or_keep(&event),
            event,
            mail,
        };
        self.current = Current::Own(Going {
            seat,
            job,
            context,
            started: now,
        });
        Some(begun)
    }

    /// The body has returned this, and nobody had asked it to stop.
    ///
    /// # Errors
    /// The run, if it is one of the queue's by now, which then is to be told of the end.
    #[inline]
    pub(crate) fn end(
        &mut self,
        begun: &mut Begun<E>,
        output: &Arc<E::Output>,
        wanted: EventMask,
        now: Now,
    ) -> Result<(), usize> {
        let Going {
            seat, job, started, ..
        } = match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Own(going) => going,
            Current::Recalled(run) => return Err(run),
            Current::Nothing => unreachable!("a body ends once"),
        };
        let event = &mut begun.event;
        event.code = EventCode::JobExecuted;
        event.at = system_time(now.wall_us);
        event.elapsed = Some(started.elapsed(now));
        event.output = Some(Arc::clone(output));
        event.kept = false;
        let record = job.record(event, started, now);
        let record = match self.old_records.pop() {
            Some(mut old) => {
                *old = record;
                old
            }
            None => Box::new(record),
        };
        self.ended.push(Ending { seat, job, record });
        begun.tell = wanted.contains(event.code) && begun.mail.begin_or_keep(event);
        Ok(())
    }

    /// The body has returned after the hand was recalled. Answers the run of the queue's that is to be told of the end.
    pub(crate) fn end_recalled(&mut self) -> Option<usize> {
        match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Recalled(run) => Some(run),
            Current::Own(_) | Current::Nothing => None,
        }
    }
}
