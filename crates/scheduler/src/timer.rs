//! The timer thread: waits for the first date or interval, and lets it fire. Started by the first timer.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::executor::Executor;
use crate::runner::{By, Shared, State};
use crate::sync::thread;

/// Starts the thread if it does not run, and is not over.
pub(crate) fn ensure_started<E: Executor>(shared: &Arc<Shared<E>>, state: &mut State<E>) {
    if state.timer_started || state.queue.is_over() {
        return;
    }
    let body = Arc::clone(shared);
    match thread::Builder::new()
        .name("timer".to_owned())
        .spawn(move || keep_time(&body))
    {
        Ok(thread) => {
            state.timer_started = true;
            state.alive += 1;
            state.threads.push(thread);
        }
        // The next timer tries again.
        Err(error) => tracing::error!(%error, "cannot start the timer thread: timers will be late"),
    }
}

fn keep_time<E: Executor>(shared: &Arc<Shared<E>>) {
    let mut state = shared.lock();
    // Also while a drain has patience: runs that go on have their time limits.
    while !state.queue.is_over() {
        let now = shared.now();
        if state.queue.fire_due(now) {
            // A job that runs once comes due without any effect, but a worker is to wake for it.
            let _ = shared.settle(state, now, By::Hurried);
            state = shared.lock();
            continue;
        }
        state = match state.queue.wait_us(now) {
            Some(wait_us) => shared.wait(&shared.timer, state, Duration::from_micros(wait_us)),
            // The lock is sound even if poisoned, see `Shared::lock`.
            None => shared
                .timer
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
        };
    }
    state.alive -= 1;
    drop(state);
    shared.ended.notify_all();
}
