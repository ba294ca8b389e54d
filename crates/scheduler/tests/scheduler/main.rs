//! The scheduler from outside: real threads, and every wait is for an event, with a deadline.

mod cancelling;
mod changes;
mod draining;
// As tests, so that the lint on `unwrap` knows them as such.
#[cfg(test)]
mod harness;
#[cfg(test)]
mod io;
mod lanes;
mod listening;
mod running;
mod timing;
