//! How a scheduler ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::EventCode;
use crate::executor::Executor;
use crate::ids::JobId;
use crate::job::Lane;
use crate::runner::State;
use crate::scheduler::Scheduler;
use crate::sync::has_ended;
use crate::sync::thread::{self, JoinHandle};
use crate::workers;

/// What a drain found and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainReport {
    /// Jobs that waited for a worker or for their time, and will not run (again).
    pub dropped: usize,
    /// Jobs that a store keeps: they go on when a scheduler starts with it.
    pub stored: usize,
    /// Runs that went on and ended by themselves before they were asked to stop.
    pub finished: usize,
    /// Runs that went on and were asked to stop.
    pub cancelled: usize,
    /// Jobs whose runs did not end within the limit: they ignored their token. One entry for each run.
    pub ignored: Vec<JobId>,
    /// Threads that have ended and were joined.
    pub joined: usize,
    /// Threads that had not ended within the limit, and were left to themselves.
    pub left: usize,
    /// How long it took.
    pub elapsed: Duration,
}

impl DrainReport {
    /// Whether nothing was left running.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.ignored.is_empty() && self.left == 0
    }
}

impl<E: Executor> Scheduler<E> {
    /// Ends the scheduler: no job can be added or starts any more, every run is asked to stop; waits for runs and
    /// threads to end, at most for `limit`, and reports. Listeners of the runs that end are still called.
    ///
    /// It blocks its thread; [`drain_async`](Self::drain_async) does not. Called by a listener it does not wait for the
    /// thread it is on. Of several drains at once the first that ends tells `SCHEDULER_SHUTDOWN`, and none waits for
    /// listeners in another. What the store still lacks is written at the end, once, if no other thread is writing.
    #[must_use = "the report says whether something was left running"]
    pub fn drain(&self, limit: Duration) -> DrainReport {
        self.drain_gently(Duration::ZERO, limit)
    }

    /// As [`drain`](Self::drain), but the runs that go on have the time `patience` to end by themselves before they are
    /// asked to stop; `limit` is counted from then on.
    #[must_use = "the report says whether something was left running"]
    pub fn drain_gently(&self, patience: Duration, limit: Duration) -> DrainReport {
        let start = Instant::now();
        let me = thread::current().id();
        // As long as it waits here, no other drain is to wait for it.
        let mine = usize::from(workers::is_worker_of(&self.shared));
        self.shared.lock().draining += mine;
        let (dropped, stored, running) = self.shared.close();
        self.wait_while(patience, |state| state.queue.running() > 0);
        let cancelled = self.shared.stop_all();
        let mut state = self.shared.lock();
        let threads: Vec<JoinHandle<()>> = std::mem::take(&mut state.threads);
        drop(state);
        self.wait_while(limit, |state| {
            state.alive > state.draining || state.queue.running() > 0
        });
        let mut state = self.shared.lock();
        let ignored = state.queue.running_ids();
        let all_ended = state.alive <= mine;
        let has_said_end = std::mem::replace(&mut state.has_said_end, true);
        let listeners = Arc::clone(&state.listeners);
        drop(state);

        let (mut joined, mut left) = (0, 0);
        for thread in threads {
            if thread.thread().id() != me && (all_ended || has_ended(&thread)) {
                // A worker catches what panics in it; were one to panic all the same, it has ended too.
                let _ = thread.join();
                joined += 1;
            } else {
                left += 1;
            }
        }
        // The last word of the durable jobs, if a write failed before. One that hangs in the store is not waited for.
        self.shared.write_if_free();
        if !has_said_end {
            self.announce_end();
        }
        listeners.close_feeds();
        self.shared.lock().draining -= mine;
        self.shared.ended.notify_all();
        DrainReport {
            dropped,
            stored,
            finished: running.saturating_sub(cancelled),
            cancelled,
            ignored,
            joined,
            left,
            elapsed: start.elapsed(),
        }
    }

    fn wait_while(&self, limit: Duration, goes_on: impl Fn(&State<E>) -> bool) {
        let start = Instant::now();
        let mut state = self.shared.lock();
        while goes_on(&state) {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            state = self.shared.wait(&self.shared.ended, state, left);
        }
    }

    fn announce_end(&self) {
        let shared = &self.shared;
        shared.announce(EventCode::SchedulerShutdown, None);
        for lane in [Lane::Prompt, Lane::Bulk, Lane::Io] {
            if lane != Lane::Io || shared.tokio.is_some() {
                shared.announce(EventCode::ExecutorRemoved, Some(&lane.to_string()));
            }
        }
        if let Some(keeper) = &shared.keeper {
            shared.announce(EventCode::JobstoreRemoved, Some(keeper.store.name()));
        }
    }

    /// [`drain`](Self::drain) for async code: waits on a thread of tokio's that is meant for blocking.
    ///
    /// # Panics
    /// If it is not called on a tokio runtime.
    #[must_use = "the report says whether something was left running"]
    pub async fn drain_async(&self, limit: Duration) -> DrainReport {
        let scheduler = Self::borrowed(&self.shared);
        match tokio::task::spawn_blocking(move || scheduler.drain(limit)).await {
            Ok(report) => report,
            // The blocking pool refused because the runtime itself is ending: then there is no one to keep waiting.
            Err(_) => self.drain(limit),
        }
    }
}
