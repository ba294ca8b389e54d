//! Where threads meet: the standard library, or in a test build (`--cfg shuttle`) the same by shuttle, which tries the
//! orders in which threads can run.

#[cfg(not(shuttle))]
pub(crate) use std::{
    hint,
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    hint,
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

/// On lines of the cache of its own (two, since they are fetched in pairs): who writes it does not slow down who uses
/// what lies beside it.
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

/// Whether a thread has ended.
#[cfg(not(shuttle))]
pub(crate) fn has_ended(thread: &thread::JoinHandle<()>) -> bool {
    thread.is_finished()
}

/// Whether a thread has ended: shuttle does not say.
#[cfg(shuttle)]
pub(crate) fn has_ended(_: &thread::JoinHandle<()>) -> bool {
    false
}
