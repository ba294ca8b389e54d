//! Jobs with ids, priorities, triggers and listeners, where a running job can be stopped: APScheduler's ideas and
//! vocabulary, in Rust.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use jbc_scheduler::{EventMask, Executor, JobError, JobSpec, RunContext, Scheduler, StartError, Trigger};
//!
//! struct Greeter;
//! impl Executor for Greeter {
//!     type Task = &'static str;
//!     type Output = String;
//!     fn run(&self, name: &&'static str, _: &RunContext) -> Result<String, JobError> { Ok(format!("hello, {name}")) }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (sender, greetings) = std::sync::mpsc::sync_channel(1);
//! let scheduler = Scheduler::builder(Arc::new(Greeter)).start()?;
//! scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, _| drop(sender.try_send(event.output.clone())));
//! scheduler.add_job(JobSpec::new("greet", "greeting", "world").trigger(Trigger::every(Duration::from_millis(5))))?;
//! assert_eq!(greetings.recv()?.unwrap().as_str(), "hello, world");
//! assert!(scheduler.drain(Duration::from_secs(2)).is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! # The life of a job
//! ```text
//!              add_job
//!                 │
//!      ┌──────────┴───────────┐ trigger: now
//!      ▼                      ▼
//!  scheduled ──its time──▶ pending ──a worker takes it──▶ running ──▶ JOB_EXECUTED, JOB_ERROR
//!   ▲  ▲  ╲                 │   ╲                          │   ╲         or, if asked to stop, JOB_CANCELLED
//!   │  │   ╲ max_instances  │    ╲ too late                │    ╲
//!   │  │    ▶ JOB_MAX_      │     ▶ JOB_MISSED             │     ▶ gone, if it was its last run
//!   │  │      INSTANCES     │                              │
//!   │  └────────────────────┼──────────────────────────────┘ recurring
//!   │ resume_job            │ pause_job (a run of a one-shot is asked to stop, and starts anew when resumed)
//!   └───────── paused ◀─────┘
//! ```
//! `remove_job` leads from everywhere to gone, a run that goes on is asked to stop. A run is asked to stop by its
//! [`CancelToken`]; nothing can stop one that does not look at it.
//!
//! # The map
//! - `queue`: the state machine, which knows neither threads nor clocks: what happened and when goes in, what to do
//!   comes out. `agenda` in it holds the lines of those who wait for a worker and the timers.
//! - `runner`: the lock around it and what is done after each change. `workers`, `timer`, `io`, `cron`: who calls it.
//! - `trigger`, `calendar`, `clock`: the arithmetic of times. `listeners`: who is told.
//! - `scheduler`, `builder`, `drain`: what programs call. `job`, `info`, `event`, `error`, `ids`, `cancel`, `executor`:
//!   what they say and hear.
//!
//! # What holds at all times
//! - No code of the program runs under the lock, except the drop of a task.
//! - A worker that sleeps has nothing it could do; whoever makes something startable wakes one that may take it.
//! - The events of a job are heard in the order in which they happened, one at a time.
//! - A one-shot job is gone before the listeners of its end are called: they can add its id again.
//! - Everything is bounded: jobs in line, io runs, history, what a subscription holds, what a job catches up on.
//!   Only jobs that wait for their time are not, since programs add them and not their peers.
//!
//! # What is not here
//! Yet: retries, a dead list, time limits of runs, jitter, combined triggers, a store that survives a restart.
//! Ever: anything about blocks.

mod builder;
mod calendar;
mod cancel;
mod clock;
mod cron;
mod drain;
mod error;
mod event;
mod executor;
mod history;
mod ids;
mod info;
mod io;
mod job;
mod keeper;
mod kinds;
mod listeners;
mod mailbox;
mod print;
mod queue;
mod runner;
mod scheduler;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod sleepers;
mod store;
mod sync;
mod teller;
mod timer;
mod trigger;
mod workers;

pub use builder::Builder;
pub use cancel::CancelToken;
pub use drain::DrainReport;
pub use error::{AddError, ChangeError, JobLookupError, StartError};
pub use event::{Event, EventCode, EventMask, SchedulerEvent};
pub use executor::{BoxFuture, Executor, JobError, RunContext};
pub use ids::JobId;
pub use info::{JobInfo, JobState, RunInfo, RunOutcome, RunRecord};
pub use job::{Added, ConflictPolicy, JobSpec, Lane, Modification, Retry};
pub use kinds::{Call, Kinds};
pub use listeners::{ListenerId, Received, Subscription};
pub use print::format_jobs;
pub use scheduler::Scheduler;
#[cfg(feature = "redb")]
pub use store::RedbStore;
pub use store::{
    DamagedRow, DeadJob, JobStore, MemoryStore, StoreChange, StoreError, Stored, StoredJob,
    StoredTask, Unattached,
};
pub use trigger::Trigger;

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "without a text"
    }
}
