//! Waiting: for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take: far more than a busy machine needs, so that reaching it means that it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for: {what}"
        );
        thread::sleep(PAUSE);
    }
}

/// Looks until it is so.
#[track_caller]
pub(crate) fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || look().then_some(()));
}
