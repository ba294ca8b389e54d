//! The scheduler from outside: real threads, and every wait is for an event, with a deadline.

mod cancelling;
mod changes;
mod draining;
mod durable;
mod failing;
#[cfg(test)]
mod hands;
// As tests, so that the lint on `unwrap` knows them as such.
#[cfg(test)]
mod harness;
#[cfg(test)]
mod io;
#[cfg(all(test, feature = "redb"))]
mod killing;
mod lanes;
mod limits;
mod listening;
#[cfg(test)]
mod refreshing;
mod running;
mod store_failures;
mod timing;
