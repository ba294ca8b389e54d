//! How plain jobs come into the workers' hands, and back.
//!
//! A turn of the lock costs more than a short job: what it guards has to come from the core that had it last. So a worker that
//! runs jobs quickly is dealt several, and says at its next turn which have ended. Whoever looks a job up, or wants to see
//! all of them, recalls all hands first: then the jobs that have not begun stand where they stood, the run that goes on is
//! one of the queue's, and the ends are booked. Adding jobs under new ids, starting and ending others, and firing timers
//! does without.

use std::collections::hash_map::Entry;

use crate::clock::Now;
use crate::executor::Executor;
use crate::job::Lane;
use crate::queue::hand::{Current, Ending, Going, Hand, STALE_US};
use crate::queue::job::Run;
use crate::queue::jobs::Seated;
use crate::queue::plain::Plain;
use crate::queue::{MadeJob, Queue, Remains};

/// The most jobs in a hand: enough that a turn of the lock costs each of them little.
const MOST: usize = 16;

/// How long a job of a hand may take so that the next hand may be larger, in microseconds: [`MOST`] of them are played before
/// the hand is stale.
const QUICK_US: u64 = STALE_US / MOST as u64;

/// What dealing a hand and booking it may take beside that, in microseconds: several times what it does, since others may be
/// in the way.
const TURN_US: u64 = 9;

/// How many jobs in line a worker whose jobs are quick will have run by the time another could be woken, which takes some
/// 30 to 50 µs.
#[cfg(not(shuttle))]
const COVERED: usize = 64;
/// Waits do not end by themselves, so that nobody may sleep beside a job.
#[cfg(shuttle)]
const COVERED: usize = 0;

/// The most jobs in a worker's first hand.
#[cfg(not(shuttle))]
const FIRST: usize = 1;
/// Few jobs are enough for a hand that others may want to look into.
#[cfg(shuttle)]
const FIRST: usize = MOST;

/// What the queue knows of the hands.
pub(super) struct Deals {
    hands: Vec<Deal>,
    /// In how many there may be something.
    out: usize,
    /// How many jobs in them have perhaps not begun.
    waiting: usize,
    /// The lowest priority among those.
    priority: i32,
}

/// What the queue knows of a worker's hand.
#[derive(Clone)]
struct Deal {
    /// Whether there may be anything in it.
    is_out: bool,
    /// How many jobs of it have perhaps not begun.
    waiting: usize,
    /// Their priority.
    priority: i32,
    /// How many were dealt, and when by the monotonic clock.
    count: usize,
    since_us: u64,
    /// How many may be dealt at a time: one at first, twice as many after each hand that was quick, one after one that was
    /// not.
    most: usize,
}

impl Deals {
    pub(super) fn new(workers: usize) -> Self {
        let deal = Deal {
            is_out: false,
            waiting: 0,
            priority: 0,
            count: 0,
            since_us: 0,
            most: FIRST,
        };
        Self {
            hands: vec![deal; workers],
            out: 0,
            waiting: 0,
            priority: i32::MAX,
        }
    }

    fn begin(&mut self, worker: usize, count: usize, priority: i32, now: Now) {
        let deal = &mut self.hands[worker];
        (deal.is_out, deal.waiting, deal.count) = (true, count, count);
        deal.priority = priority;
        deal.since_us = now.mono_us;
        self.out += 1;
        self.waiting += count;
    }

    /// No more than so many jobs wait in this hand.
    fn leave(&mut self, worker: usize, waiting: usize) {
        let before = std::mem::replace(&mut self.hands[worker].waiting, waiting);
        self.waiting = self.waiting + waiting - before;
        if self.waiting == 0 {
            self.priority = i32::MAX;
        }
    }

    /// There is nothing more in this hand.
    fn end(&mut self, worker: usize) {
        self.leave(worker, 0);
        let deal = &mut self.hands[worker];
        self.out -= usize::from(std::mem::take(&mut deal.is_out));
    }

    /// Its worker has run what was in it.
    fn pace(&mut self, worker: usize, now: Now) {
        let deal = &mut self.hands[worker];
        let took_us = now.mono_us.saturating_sub(deal.since_us);
        deal.most = match took_us <= QUICK_US * deal.count as u64 + TURN_US {
            true => (deal.most * 2).min(MOST),
            false => (deal.most / 2).max(1),
        };
    }
}

impl Deal {
    fn is_stale(&self, now: Now) -> bool {
        now.mono_us.saturating_sub(self.since_us) > STALE_US
    }
}

impl<E: Executor> Queue<E> {
    /// Adds a plain job under a new id, while the workers hold what they hold.
    ///
    /// # Errors
    /// The job, if its id is not new or there may be no room for it.
    pub(crate) fn add_plain(&mut self, mut job: Box<Plain<E>>) -> Result<(), Box<Plain<E>>> {
        if !self.has_room_beside_hands(Lane::Prompt) || self.ledger.is_paused(&job.id) {
            return Err(job);
        }
        let Entry::Vacant(id) = self.ids.entry(job.id.clone()) else {
            return Err(job);
        };
        let seat = self.jobs.vacant_key();
        id.insert(seat);
        job.number = self.agenda.number();
        self.agenda.stand(seat, &job);
        self.jobs.insert(Seated::Plain(job));
        Ok(())
    }

    /// Whether a job can be added while the workers hold what they hold: its id is new, and there is room.
    pub(crate) fn is_apart(&self, job: &MadeJob<E>) -> bool {
        let spec = &job.0.spec;
        self.has_room_beside_hands(spec.lane) && !self.ids.contains_key(&spec.id)
    }

    /// Whether a job may join this lane's line, whatever the workers hold.
    fn has_room_beside_hands(&self, lane: Lane) -> bool {
        let dealt = match lane {
            Lane::Prompt => self.deals.waiting,
            Lane::Bulk | Lane::Io => 0,
        };
        !self.closed && self.agenda.len(lane) + dealt < self.limits.pending[lane.index()]
    }

    /// Deals plain jobs of the front of the line to a worker whose hand is empty: of one priority, and not more than its share.
    /// Answers whether there were any.
    pub(crate) fn deal(&mut self, worker: usize, hand: &mut Hand<E>, now: Now) -> bool {
        if self.paused || self.closed {
            return false;
        }
        let share = self.agenda.len(Lane::Prompt) / self.deals.hands.len();
        let most = self.deals.hands[worker].most.min(share.max(1));
        let first = self.agenda.first_priority(Lane::Prompt);
        while hand.waiting.len() < most
            && self.agenda.first_priority(Lane::Prompt) == first
            && let Some(seat) = self.agenda.first(Lane::Prompt)
            && let Some(job) = self.jobs.deal(seat)
        {
            self.deals.priority = self.deals.priority.min(job.priority);
            self.agenda.leave(&job);
            hand.waiting.push_back((seat, job));
        }
        let Some((_, first)) = hand.waiting.front() else {
            return false;
        };
        let (priority, count) = (first.priority, hand.waiting.len());
        hand.dealt(now);
        self.deals.begin(worker, count, priority, now);
        true
    }

    /// A worker shows what it has run of its hand. What it has not stands in line again.
    pub(crate) fn book(
        &mut self,
        worker: usize,
        hand: &mut Hand<E>,
        remains: &mut Vec<Remains<E>>,
        now: Now,
    ) {
        if self.deals.hands[worker].is_out {
            self.deals.pace(worker, now);
            self.book_ends(hand, remains);
            self.put_back(hand, 0);
            self.deals.end(worker);
        }
    }

    fn book_ends(&mut self, hand: &mut Hand<E>, remains: &mut Vec<Remains<E>>) {
        for ending in hand.ended.drain(..) {
            let Ending {
                seat,
                mut job,
                record,
            } = ending;
            hand.old_records.extend(self.history.push(record));
            if job.mail.leave() {
                self.ids.remove(&job.id);
                self.jobs.vacate(seat);
                remains.push(Remains(Seated::Plain(job)));
            } else {
                // It keeps its seat until its last event has been told.
                job.gone = true;
                self.jobs.put_back(seat, Seated::Plain(job));
            }
        }
        hand.old_records.truncate(MOST);
    }

    /// Takes back everything that a worker holds.
    pub(crate) fn recall(&mut self, worker: usize, hand: &mut Hand<E>) {
        self.book_ends(hand, &mut Vec::new());
        hand.current = match std::mem::replace(&mut hand.current, Current::Nothing) {
            Current::Own(going) => Current::Recalled(self.adopt(going)),
            other => other,
        };
        self.put_back(hand, 0);
        self.deals.end(worker);
    }

    /// Takes back the jobs that have not begun, but for one that is begun at once.
    pub(crate) fn reclaim(&mut self, worker: usize, hand: &mut Hand<E>) {
        let left = hand.begun_at_once();
        self.put_back(hand, left);
        self.deals.leave(worker, left);
    }

    /// Puts jobs of a hand back into line, but for so many.
    fn put_back(&mut self, hand: &mut Hand<E>, but: usize) {
        for (seat, job) in hand.waiting.drain(but..).rev() {
            self.agenda.stand(seat, &job);
            self.jobs.put_back(seat, Seated::Plain(job));
        }
    }

    /// A worker's run becomes the queue's.
    fn adopt(&mut self, going: Going<E>) -> usize {
        let Going {
            seat,
            job,
            context,
            started,
        } = going;
        let mut job = job.whole();
        job.place = None;
        let due = job.due.remove(0);
        (job.running, job.seated_runs) = (1, 1);
        let run = Run::new(seat, &job, due, context, started);
        self.jobs.put_back(seat, Seated::Whole(job));
        self.runs.insert(run)
    }

    /// Whether there may be something in this worker's hand.
    pub(crate) fn is_dealt(&self, worker: usize) -> bool {
        self.deals.hands[worker].is_out
    }

    /// Whether there may be something in anybody's hand.
    pub(crate) fn has_dealt(&self) -> bool {
        self.deals.out > 0
    }

    /// Whether jobs may wait in this worker's hand that are to start before others do: behind one that takes its time, or that
    /// come before who is first in line, or if nobody is. One alone is begun at once.
    pub(crate) fn may_keep_waiting(&self, worker: usize, now: Now) -> bool {
        let deal = &self.deals.hands[worker];
        let first = self.agenda.first_priority(Lane::Prompt);
        deal.waiting > 1 && (first.is_none_or(|first| first < deal.priority) || deal.is_stale(now))
    }

    /// How many jobs may wait in hands behind others.
    pub(crate) fn held_back(&self) -> usize {
        let hands = self.deals.hands.iter();
        hands.map(|deal| deal.waiting.saturating_sub(1)).sum()
    }

    /// Whether a job in line comes before one that was dealt.
    pub(crate) fn is_overtaken(&self) -> bool {
        let first = self.agenda.first_priority(Lane::Prompt);
        first.is_some_and(|first| first > self.deals.priority)
    }

    /// All hands were reclaimed: what is still in them begins at once.
    pub(crate) fn order_is_kept(&mut self) {
        self.deals.priority = i32::MAX;
    }

    /// How many jobs in line will soon have been run by workers that are at it: those whose jobs are quick.
    pub(crate) fn covered(&self, now: Now) -> usize {
        if !self.has_dealt() {
            return 0;
        }
        let quick = self.deals.hands.iter();
        let quick = quick.filter(|deal| deal.is_out && deal.most > 1 && !deal.is_stale(now));
        quick.count() * COVERED
    }
}
