//! Where threads meet: the standard library, or in a test build (`--cfg shuttle`) the same by shuttle, which tries the
//! orders in which threads can run.

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
