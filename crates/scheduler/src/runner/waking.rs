//! Who is woken, and who sleeps.

use std::sync::PoisonError;
use std::time::Duration;

use crate::clock::Now;
use crate::executor::Executor;
use crate::job::Lane;
use crate::runner::{Shared, State};
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;

impl<E: Executor> Shared<E> {
    /// Lets go of the lock, and wakes who is to wake.
    pub(crate) fn release(&self, mut state: MutexGuard<'_, State<E>>, now: Now) {
        let woken = self.wake(&mut state, now);
        drop(state);
        self.notify(&woken);
    }

    /// Chooses who is to wake, and lets who searches look again.
    pub(super) fn wake(&self, state: &mut State<E>, now: Now) -> Vec<usize> {
        self.keep_order(state);
        // What is in hands is looked after by the watcher, or by who wakes for it.
        let held = match state.sleepers.is_watched() {
            true => 0,
            false => state.queue.held_back(),
        };
        let prompt = state.queue.startable(Lane::Prompt) + state.deferred.len() + held;
        let bulk = state.queue.startable(Lane::Bulk);
        if prompt + bulk == 0 {
            return Vec::new();
        }
        if state.sleepers.any_searching() {
            // The lock orders everything; this only ends a wait.
            self.news.0.fetch_add(1, Ordering::Relaxed);
        }
        let covered = state.queue.covered(now);
        state.sleepers.wake(prompt, bulk, covered)
    }

    /// A number that changes when there is something to look for.
    pub(crate) fn news(&self) -> u64 {
        self.news.0.load(Ordering::Relaxed)
    }

    pub(super) fn notify(&self, workers: &[usize]) {
        for worker in workers {
            self.workers[*worker].notify_one();
        }
    }

    /// Waits until this worker is woken.
    pub(crate) fn park<'a>(
        &self,
        worker: usize,
        state: MutexGuard<'a, State<E>>,
        limit: Option<Duration>,
    ) -> MutexGuard<'a, State<E>> {
        match limit {
            Some(limit) => self.wait(&self.workers[worker], state, limit),
            // The lock is sound even if poisoned, see `lock`.
            None => self.workers[worker]
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Lets every thread look whether it is to end.
    pub(super) fn wake_everyone(&self) {
        for worker in &self.workers {
            worker.notify_one();
        }
        self.timer.notify_one();
    }
}
