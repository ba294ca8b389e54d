//! The queue as its world drives it, with the workers' hands.

use std::time::Duration;

use crate::clock::Now;
use crate::event::{Event, EventCode, EventMask};
use crate::ids::JobId;
use crate::job::{JobSpec, Modification, Retry};
use crate::mailbox::Next;
use crate::queue::hand::Begun;
use crate::queue::tests::model::{Added, name};
use crate::queue::tests::{Numbers, checked, ended, queue};
use crate::queue::{Hand, Plain, Queue};

/// As many as [`queue`] has.
pub(super) const WORKERS: usize = 2;

/// The queue and what its world would know: the runs that go on, and when the timer thread looks again.
pub(super) struct Real {
    pub(super) queue: Queue<Numbers>,
    pub(super) hands: [Hand<Numbers>; WORKERS],
    /// In the order of their starts.
    pub(super) runs: Vec<RealRun>,
    /// What the listeners were told of jobs in hands.
    pub(super) told: Vec<Event<Numbers>>,
    pub(super) timer_looks_at: Option<u64>,
}

pub(super) enum RealRun {
    /// One that the queue started.
    Queue(usize),
    /// One that a worker began.
    Hand(usize, Begun<Numbers>),
}

impl RealRun {
    pub(super) fn is_of(&self, worker: usize) -> bool {
        matches!(self, Self::Hand(me, _) if *me == worker)
    }
}

impl Real {
    pub(super) fn new() -> Self {
        Self {
            queue: queue(),
            hands: std::array::from_fn(|worker| Hand::new(worker as u64)),
            runs: Vec::new(),
            told: Vec::new(),
            timer_looks_at: None,
        }
    }

    /// As who looks a job up, or at all.
    pub(super) fn recall(&mut self) {
        for (worker, hand) in self.hands.iter_mut().enumerate() {
            if self.queue.is_dealt(worker) {
                self.queue.recall(worker, hand);
            }
        }
    }

    /// As after every change.
    pub(super) fn keep_order(&mut self) {
        if self.queue.has_dealt() && self.queue.is_overtaken() {
            for (worker, hand) in self.hands.iter_mut().enumerate() {
                if self.queue.is_dealt(worker) {
                    self.queue.reclaim(worker, hand);
                }
            }
            self.queue.order_is_kept();
        }
    }

    pub(super) fn turn(&mut self, me: usize, now: Now) {
        if self.runs.iter().any(|run| run.is_of(me)) {
            return;
        }
        self.queue
            .book(me, &mut self.hands[me], &mut Vec::new(), now);
        for (worker, hand) in self.hands.iter_mut().enumerate() {
            if worker != me && self.queue.may_keep_waiting(worker, now) {
                self.queue.reclaim(worker, hand);
            }
        }
        self.queue.deal(me, &mut self.hands[me], now);
    }

    /// Answers what has begun, and whether a hand is at its first job, which is begun whatever else has come since.
    pub(super) fn begin(&mut self, me: usize, now: Now) -> Option<(JobId, bool)> {
        if self.runs.iter().any(|run| run.is_of(me)) {
            return None;
        }
        let is_first = self.hands.iter().any(|hand| hand.begun_at_once() > 0);
        let begun = self.hands[me].begin(EventMask::ALL, now)?;
        let id = begun.event.job_id.clone();
        self.tell(&begun);
        self.runs.push(RealRun::Hand(me, begun));
        Some((id, is_first))
    }

    pub(super) fn finish(&mut self, run: RealRun, failed: bool, now: Now) {
        let ended = ended(failed.then_some("failed"));
        let run = match run {
            RealRun::Queue(run) => run,
            RealRun::Hand(me, mut begun) => {
                let output = ended.output.clone();
                let hand = &mut self.hands[me];
                let run = match output {
                    Some(output) => hand.end(&mut begun, &output, EventMask::ALL, now).err(),
                    None => {
                        self.recall();
                        self.hands[me].end_recalled()
                    }
                };
                match run {
                    Some(run) => run,
                    None => return self.tell(&begun),
                }
            }
        };
        self.queue.finished(run, ended, now);
    }

    /// The listeners answer at once, so that each event is told by who begins it.
    pub(super) fn tell(&mut self, begun: &Begun<Numbers>) {
        assert!(begun.tell);
        self.told.push(begun.event.clone());
        if let Next::GiveBack = begun.mail.next() {
            drop(self.queue.give_back(&begun.event.job_id));
        }
    }

    /// As `Scheduler::add_job`.
    pub(super) fn add_spec(&mut self, spec: JobSpec<u32>, now: Now) {
        let made = match Plain::<Numbers>::is_enough(&spec) {
            true => {
                let job = Plain::new(spec, now);
                let event = job.event(EventCode::JobAdded, now);
                match self.queue.add_plain(job) {
                    Ok(()) => return self.told.push(event),
                    Err(job) => Ok(job.into()),
                }
            }
            false => checked(spec, now).make(now),
        };
        let Ok(job) = made else { return };
        if !self.queue.is_apart(&job) {
            self.recall();
        }
        let _ = self.queue.add(job, now);
    }

    pub(super) fn add(&mut self, spec: &Added, now: Now) {
        let job = JobSpec::new(name(spec.id), "test", 0u32)
            .lane(spec.lane)
            .priority(spec.priority)
            .trigger(spec.when.trigger())
            .conflict(spec.conflict)
            .misfire_grace_time(spec.grace.map(Duration::from_micros))
            .coalesce(spec.coalesce)
            .max_instances(spec.max_instances)
            .timeout(spec.timeout.map(Duration::from_micros))
            .retry(spec.retry.map(|again| Retry {
                max_attempts: again.attempts,
                wait: Duration::from_micros(again.wait),
                max_wait: Duration::from_micros(again.longest),
            }));
        self.add_spec(job, now);
        self.keep_order();
    }

    pub(super) fn modify(&mut self, id: u8, change: Modification<u32>, now: Now) {
        let _ = self.queue.modify(&name(id), change, None, now);
    }
}
