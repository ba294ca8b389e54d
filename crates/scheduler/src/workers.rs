//! The worker threads: they take what is due, run it, run the listeners of its end, and look again.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::executor::Executor;
use crate::job::Lane;
use crate::queue::Started;
use crate::runner::{By, Deferred, Shared, State, spin};
use crate::sync::{hint, thread};
use crate::teller::Teller;

/// What a worker takes, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only prompt jobs: so that they start while every other worker is in a long one.
    Prompt,
    /// Prompt jobs first, then bulk jobs.
    Bulk,
}

impl Kind {
    fn lanes(self) -> &'static [Lane] {
        match self {
            Self::Prompt => &[Lane::Prompt],
            Self::Bulk => &[Lane::Prompt, Lane::Bulk],
        }
    }
}

crate::sync::thread_local! {
    /// Where the scheduler is that this thread works for; 0 for none.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is a worker, where listeners may take their time.
pub(crate) fn is_worker() -> bool {
    WORKS_FOR.with(Cell::get) != 0
}

/// Whether this thread is a worker of this scheduler.
pub(crate) fn is_worker_of<E: Executor>(shared: &Arc<Shared<E>>) -> bool {
    WORKS_FOR.with(Cell::get) == address(shared)
}

/// Tells schedulers apart that exist at the same time.
fn address<E: Executor>(shared: &Arc<Shared<E>>) -> usize {
    Arc::as_ptr(shared).addr()
}

/// How long a worker looks around before it sleeps, in turns of a spin loop: about as long as it takes to be woken, a few
/// microseconds, so that a stream of short jobs wakes nobody and an idle worker costs nothing.
#[cfg(not(shuttle))]
const SPINS: u32 = 100;
/// Every turn is a step to be tried in many orders.
#[cfg(shuttle)]
const SPINS: u32 = 1;

/// Every so many turns it offers its core to others: who brings the next job may wait for just this one.
const YIELDS: u32 = 10;

/// How many jobs in line are left to workers that are at it, whose jobs are quick: one more would mostly be in their way, since
/// what the lock guards goes from core to core with each turn of it.
const FEW: usize = 8;

/// After how long somebody looks again who has left jobs to others, in microseconds: they may have met a slow one. Long
/// beside what waking costs, short beside what people notice.
const WATCH_US: u64 = 200;

/// How many turns are worth it here: with one core, none.
pub(crate) fn spins() -> u32 {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => SPINS,
        _ => 0,
    }
}

/// What a worker does next.
enum Next<E: Executor> {
    /// What another thread has left to it.
    CatchUp(Deferred<E>),
    /// It was dealt plain jobs.
    Play,
    Run(Started<E>),
    /// It found runs that were too late to start, and others are to be told.
    Settle,
    /// There is nothing for it; or `is_left`, little, and that is left to those who are at it.
    Nothing {
        is_left: bool,
    },
    End,
}

/// The body of a worker thread; returns when the scheduler has closed.
pub(crate) fn work<E: Executor>(shared: &Arc<Shared<E>>, me: usize, kind: Kind) {
    WORKS_FOR.with(|scheduler| scheduler.set(address(shared)));
    let mut teller = Teller::new(shared);
    let mut searches = false;
    // For how many turns it still looks around; none if it is to sleep then.
    let mut spins = Some(shared.spins);
    loop {
        let now = shared.now();
        let at_once = shared.try_lock();
        let meets_others = at_once.is_none();
        let mut state = at_once.unwrap_or_else(|| shared.contend());
        if std::mem::take(&mut searches) {
            state.sleepers.found(kind);
        }
        match look(shared, &mut state, me, kind, &mut teller, now) {
            Next::CatchUp(deferred) => {
                teller.refresh(&state);
                // Who listens may take a while, and nobody is to wait for that.
                shared.release(state, now);
                shared.catch_up(deferred, &mut teller);
            }
            Next::Play => {
                // A store that failed is in the log, and written again later; also below.
                let _ = shared.settle(state, now, By::Worker(&mut teller));
                shared.play(me, &mut teller);
                if meets_others {
                    // Whoever adds a crowd is faster when not interrupted for each job, and there is more to deal then.
                    spin(shared.spins);
                }
            }
            Next::Run(started) => {
                let _ = shared.settle(state, now, By::Worker(&mut teller));
                shared.execute(started, &mut teller);
            }
            Next::Settle => {
                let _ = shared.settle(state, now, By::Worker(&mut teller));
            }
            Next::Nothing { is_left } => {
                if let Some(turns) = spins {
                    state.sleepers.search(kind);
                    let news = shared.news();
                    drop(state);
                    let turns = if is_left { 0 } else { turns };
                    spins = look_around(turns, || shared.news() != news);
                    if spins.is_none() {
                        teller.forget();
                    }
                    searches = true;
                    continue;
                }
                let watches = state.queue.covered(now) > 0 && state.sleepers.watch(me);
                let limit = watches.then_some(Duration::from_micros(WATCH_US));
                state.sleepers.sleep(kind, me);
                let mut state = shared.park(me, state, limit);
                state.sleepers.awake(kind, me);
            }
            Next::End => {
                state.alive -= 1;
                drop(state);
                shared.ended.notify_all();
                return;
            }
        }
        spins = Some(shared.spins);
    }
}

/// Shows what is in its hand, and looks for something to do.
fn look<E: Executor>(
    shared: &Arc<Shared<E>>,
    state: &mut State<E>,
    me: usize,
    kind: Kind,
    teller: &mut Teller<E>,
    now: Now,
) -> Next<E> {
    teller.give_back(state);
    let mut hand = shared.hands.of(me);
    state.queue.book(me, &mut hand, &mut teller.remains, now);
    state.queue.prune_history(now);
    if let Some(deferred) = state.deferred.pop_front() {
        return Next::CatchUp(deferred);
    }
    let prompt = state.queue.startable(Lane::Prompt);
    let all: usize = kind
        .lanes()
        .iter()
        .map(|lane| state.queue.startable(*lane))
        .sum();
    if all <= FEW && all == prompt && state.queue.covered(now) > 0 {
        return Next::Nothing { is_left: true };
    }
    if state.queue.has_dealt() {
        // Also before it takes something bulky.
        shared.share(state, me, now);
    }
    if state.queue.deal(me, &mut hand, now) {
        return Next::Play;
    }
    drop(hand);
    if let Some(started) = state.queue.take(kind.lanes(), now) {
        Next::Run(started)
    } else if state.queue.has_letters() || state.queue.has_effects() {
        Next::Settle
    } else if state.queue.is_closed() && (kind == Kind::Bulk || !state.queue.runs_io()) {
        // Prompt workers stay for the listeners of io runs that are still ending.
        Next::End
    } else {
        Next::Nothing { is_left: false }
    }
}

/// Looks around for so many turns, or until there is news; answers for how many more it may, if any are left.
fn look_around(mut turns: u32, has_news: impl Fn() -> bool) -> Option<u32> {
    while turns > 0 && !has_news() {
        turns -= 1;
        match turns % YIELDS {
            0 => thread::yield_now(),
            _ => hint::spin_loop(),
        }
    }
    (turns > 0).then_some(turns)
}
