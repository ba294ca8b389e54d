//! The scheduler as a state machine without threads, timers or sockets: every method takes what happened and when, changes
//! the state, and leaves in [`Effects`] what the world is to do about it.

mod adding;
mod agenda;
mod changes;
mod dead;
mod deals;
mod durable;
mod failures;
mod hand;
mod job;
mod jobs;
mod line;
mod plain;
mod runs;
#[cfg(test)]
mod tests;
mod view;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use slab::Slab;

pub(crate) use self::adding::{MadeJob, NewJob, Preview};
pub(crate) use self::agenda::CronCommand;
pub(crate) use self::hand::Hand;
pub(crate) use self::job::Started;
pub(crate) use self::plain::Plain;
pub(crate) use self::runs::Ended;

use self::agenda::{Agenda, Seat, Watch};
use self::dead::DeadList;
use self::deals::Deals;
use self::durable::Ledger;
use self::job::{Job, Run, Stop};
use self::jobs::{Jobs, Seated};
use crate::cancel::CancelToken;
use crate::clock::Now;
use crate::error::JobLookupError;
use crate::event::{Event, EventCode, EventMask};
use crate::executor::Executor;
use crate::history::History;
use crate::ids::{JobId, RunIds};
use crate::job::Lane;
use crate::mailbox::{Letter, Letters, Mailbox};

/// How much of everything there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Jobs in line, by lane.
    pub(crate) pending: [usize; Lane::COUNT],
    /// Io runs at a time.
    pub(crate) io: usize,
    /// Records of ended runs.
    pub(crate) history: usize,
    /// How old such a record may become, in microseconds.
    pub(crate) history_age_us: u64,
    /// Dead jobs.
    pub(crate) dead: usize,
    /// How long a run may go on after it was asked to stop until `JOB_STUCK`, in microseconds.
    pub(crate) stuck_after_us: u64,
}

/// What the world is to do after a change, apart from telling the listeners and starting what can start. Usually nothing.
pub(crate) struct Effects {
    /// Runs to ask to stop.
    pub(crate) cancel: Vec<CancelToken>,
    /// For tokio-cron-scheduler.
    pub(crate) cron: Vec<CronCommand>,
    /// The alarms want to be looked at sooner than was last said.
    pub(crate) sooner: bool,
    /// The store is to be written, before anyone is told.
    pub(crate) dirty: bool,
}

/// Events on their way out.
struct Post<E: Executor> {
    /// Events that somebody wants; others are not even made, apart from the ends of runs.
    wanted: EventMask,
    letters: Letters<E>,
}

impl<E: Executor> Post<E> {
    /// As [`send`](Self::send), with an event that is made already and a mailbox that goes along: counting it would be part
    /// of what a listener waits for.
    #[inline]
    fn hand_over(&mut self, mailbox: Arc<Mailbox<E>>, event: Box<Event<E>>) {
        if self.wanted.contains(event.code)
            && let Some(event) = mailbox.begin(|| event)
        {
            self.letters.push(Letter { event, mailbox });
        }
    }

    /// Sends an event, if anybody wants to hear of it.
    fn send(
        &mut self,
        code: EventCode,
        mailbox: &Arc<Mailbox<E>>,
        event: impl FnOnce() -> Box<Event<E>>,
    ) {
        if self.wanted.contains(code)
            && let Some(event) = mailbox.begin(event)
        {
            self.letters.push(Letter {
                event,
                mailbox: Arc::clone(mailbox),
            });
        }
    }

    /// Sends an event about the job as a whole.
    fn about(&mut self, job: &Job<E>, code: EventCode, now: Now) {
        self.send(code, &job.mail, || Box::new(job.event(code, now)));
    }
}

/// What is left of a job that has ended, to be dropped without the lock: memory that nobody has used lately is what costs
/// most about a short job.
pub(crate) struct Remains<E: Executor>(
    #[expect(dead_code, reason = "it is there to be dropped")] Seated<E>,
);

pub(crate) struct Queue<E: Executor> {
    /// Where the job of an id sits. Ids come from the program and, through it, from strangers: the hash is seeded.
    ids: HashMap<JobId, Seat, RandomState>,
    jobs: Jobs<E>,
    runs: Slab<Run<E>>,
    agenda: Agenda,
    post: Post<E>,
    history: History,
    dead: DeadList<E>,
    ledger: Ledger,
    run_ids: RunIds,
    limits: Limits,
    /// What the workers hold.
    deals: Deals,
    io_running: usize,
    /// The runtime of the io lane has ended: nothing starts in it any more.
    io_lost: bool,
    paused: bool,
    closed: bool,
    /// Every run was asked to stop, since the scheduler ends.
    stopping: bool,
    cancel: Vec<CancelToken>,
}

impl<E: Executor> Queue<E> {
    pub(crate) fn new(limits: Limits, workers: usize, seed: u64) -> Self {
        Self {
            ids: HashMap::default(),
            jobs: Jobs::default(),
            runs: Slab::new(),
            agenda: Agenda::default(),
            post: Post {
                wanted: EventMask::NONE,
                letters: Letters::default(),
            },
            history: History::new(limits.history, limits.history_age_us),
            dead: DeadList::new(limits.dead),
            ledger: Ledger::default(),
            run_ids: RunIds::new(seed),
            limits,
            deals: Deals::new(workers),
            io_running: 0,
            io_lost: false,
            paused: false,
            closed: false,
            stopping: false,
            cancel: Vec::new(),
        }
    }

    /// Says which events somebody wants.
    pub(crate) fn want(&mut self, wanted: EventMask) {
        self.post.wanted = wanted;
    }

    /// Where the job of this id sits, whole.
    fn seat(&mut self, id: &JobId) -> Result<Seat, JobLookupError> {
        let seat = self
            .find(id)
            .ok_or_else(|| JobLookupError { id: id.clone() })?;
        self.jobs.whole(seat);
        Ok(seat)
    }

    /// Where the job of this id sits, as it is.
    fn find(&self, id: &JobId) -> Option<Seat> {
        let seat = *self.ids.get(id)?;
        self.jobs.seated(seat)?.is_there().then_some(seat)
    }

    /// All jobs and where they sit.
    fn seated(&self) -> impl Iterator<Item = (Seat, &Seated<E>)> {
        self.jobs.iter().filter(|(_, job)| job.is_there())
    }

    /// A job goes: its pending runs will not start. It keeps its seat until its last run has ended and its last event has
    /// been told, so that a job that is added under its id meanwhile is told of after it.
    #[inline]
    fn part(&mut self, seat: Seat) {
        let Some(job) = self.jobs.whole(seat) else {
            return;
        };
        self.agenda.disarm(job);
        self.agenda.step_out(job);
        self.ledger.touch(job);
        job.gone = true;
        if job.mail.leave() && job.seated_runs == 0 {
            self.vacate(seat);
        }
    }

    /// As [`part`](Self::part), and its runs that go on are asked to stop.
    fn evict(&mut self, seat: Seat, now: Now) {
        let (number, running) = (self.jobs[seat].number, self.jobs[seat].running);
        if running > 0 {
            self.stop_runs(|run| run.is_of(seat, number), Stop::Cancelled, now);
        }
        self.part(seat);
    }

    /// Gives the seat of a job that is gone to others.
    fn vacate(&mut self, seat: Seat) -> Remains<E> {
        let job = self.jobs.vacate(seat);
        if let Some(id) = job.id() {
            self.ids.remove(id);
        }
        Remains(job)
    }

    /// The last event of a job that is gone has been told. Answers what is left of it, to be dropped without the lock.
    pub(crate) fn give_back(&mut self, id: &JobId) -> Option<Remains<E>> {
        let seat = self.ids.get(id).copied()?;
        let is_over = match self.jobs.seated(seat)? {
            Seated::Whole(job) => job.gone && job.seated_runs == 0 && job.mail.is_idle(),
            Seated::Plain(job) => job.gone && job.mail.is_idle(),
            // It is the next job of that id.
            Seated::Dealt => false,
        };
        is_over.then(|| self.vacate(seat))
    }

    /// Asks runs to stop; answers how many were not asked before.
    fn stop_runs(&mut self, which: impl Fn(&Run<E>) -> bool, stop: Stop, now: Now) -> usize {
        let before = self.cancel.len();
        let stuck_after_us = self.limits.stuck_after_us;
        for (seat, run) in &mut self.runs {
            if run.stopped.is_none() && which(run) {
                run.stopped = Some(stop);
                self.agenda.unwatch(run.watch.take());
                run.watch = Some(self.agenda.watch(stuck_after_us, Watch::Run(seat), now));
                self.cancel.push(run.context.cancel().clone());
            }
        }
        self.cancel.len() - before
    }

    /// Whether somebody is to be told of something.
    pub(crate) fn has_letters(&self) -> bool {
        !self.post.letters.is_empty()
    }

    /// Those to tell, since the last call.
    pub(crate) fn take_letters(&mut self) -> Letters<E> {
        std::mem::take(&mut self.post.letters)
    }

    /// Whether there is something in [`Effects`].
    pub(crate) fn has_effects(&self) -> bool {
        !self.cancel.is_empty()
            || !self.agenda.cron.is_empty()
            || self.agenda.sooner
            || self.ledger.has_news()
    }

    /// What the world is to do about all changes since the last call.
    pub(crate) fn take_effects(&mut self) -> Effects {
        Effects {
            cancel: std::mem::take(&mut self.cancel),
            cron: std::mem::take(&mut self.agenda.cron),
            sooner: std::mem::take(&mut self.agenda.sooner),
            dirty: self.ledger.take_news(),
        }
    }
}
