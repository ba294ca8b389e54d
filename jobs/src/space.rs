//! `space`: look whether the disk has room again.

use crate::ports::{Store, StoreError};

/// How long to wait between looks, in milliseconds.
pub const SPACE_INTERVAL_MS: u64 = 2_000;

/// Whether there is room. An error that is not about room counts as none: the next write will name it.
pub fn run<S: Store>(store: &S) -> bool {
    match store.room() {
        Ok(()) => true,
        Err(StoreError::Full { .. }) => false,
        Err(error) => {
            tracing::warn!(%error, "cannot tell how much room the disk has");
            false
        }
    }
}
