//! The worker threads: they take what is due, run it, run the listeners of its end, and look again.

use std::cell::Cell;
use std::sync::Arc;

use crate::executor::Executor;
use crate::job::Lane;
use crate::runner::{Deliver, Shared};

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

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is a worker, where listeners may take their time.
pub(crate) fn is_worker() -> bool {
    IS_WORKER.get()
}

/// The body of a worker thread; returns when the scheduler has closed.
pub(crate) fn work<E: Executor>(shared: &Arc<Shared<E>>, me: usize, kind: Kind) {
    IS_WORKER.set(true);
    loop {
        let now = shared.now();
        let mut state = shared.lock();
        if let Some(event) = state.deferred.pop_front() {
            let listeners = Arc::clone(&state.listeners);
            drop(state);
            shared.deliver(event, &listeners);
        } else if let Some(started) = state.queue.take(kind.lanes(), now) {
            shared.settle(state, now, Deliver::Here, None);
            shared.execute(started);
        } else if state.queue.has_effects() {
            // Nothing to run, but runs that were found too late to.
            shared.settle(state, now, Deliver::Here, None);
        } else if state.queue.is_closed() && (kind == Kind::Bulk || !state.queue.runs_io()) {
            // Prompt workers stay for the listeners of io runs that are still ending.
            state.alive -= 1;
            drop(state);
            shared.ended.notify_all();
            return;
        } else {
            state.parked(kind).push(me);
            let mut state = shared.park(me, state);
            // Whoever wakes a worker takes it off the list; a wake-up out of the blue leaves it there.
            state.parked(kind).retain(|worker| *worker != me);
        }
    }
}
