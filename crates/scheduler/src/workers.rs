//! The worker threads: they take what is due, run it, run the listeners of its end, and look again.

use std::cell::Cell;
use std::sync::Arc;

use crate::executor::Executor;
use crate::job::Lane;
use crate::runner::{By, Shared};
use crate::sync::hint;
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

/// How many turns are worth it here: with one core, none.
pub(crate) fn spins() -> u32 {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => SPINS,
        _ => 0,
    }
}

/// The body of a worker thread; returns when the scheduler has closed.
pub(crate) fn work<E: Executor>(shared: &Arc<Shared<E>>, me: usize, kind: Kind) {
    WORKS_FOR.with(|scheduler| scheduler.set(address(shared)));
    let mut teller = Teller::new(shared);
    let (mut searches, mut has_searched) = (false, false);
    loop {
        let now = shared.now();
        let mut state = shared.lock();
        teller.give_back(&mut state);
        state.queue.prune_history(now);
        if std::mem::take(&mut searches) {
            state.sleepers.found(kind);
        }
        if let Some(deferred) = state.deferred.pop_front() {
            teller.refresh(&state);
            drop(state);
            shared.catch_up(deferred, &mut teller);
        } else if let Some(started) = state.queue.take(kind.lanes(), now) {
            // A store that failed is in the log, and written again later.
            let _ = shared.settle(state, now, By::Worker(&mut teller));
            shared.execute(started, &mut teller);
        } else if state.queue.has_letters() || state.queue.has_effects() {
            // Nothing to run, but runs that were found too late to.
            let _ = shared.settle(state, now, By::Worker(&mut teller));
        } else if state.queue.is_closed() && (kind == Kind::Bulk || !state.queue.runs_io()) {
            // Prompt workers stay for the listeners of io runs that are still ending.
            state.alive -= 1;
            drop(state);
            shared.ended.notify_all();
            return;
        } else if !has_searched {
            state.sleepers.search(kind);
            let news = shared.news();
            drop(state);
            teller.forget();
            for _ in 0..shared.spins {
                if shared.news() != news {
                    break;
                }
                hint::spin_loop();
            }
            (searches, has_searched) = (true, true);
            continue;
        } else {
            state.sleepers.sleep(kind, me);
            let mut state = shared.park(me, state);
            state.sleepers.awake(kind, me);
        }
        has_searched = false;
    }
}
