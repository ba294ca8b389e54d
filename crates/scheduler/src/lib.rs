//! Jobs with ids, priorities, triggers and listeners, where a running job can be stopped: APScheduler's ideas and
//! vocabulary, in Rust.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use jbc_scheduler::{EventMask, Kinds, Scheduler, Trigger};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (sender, greetings) = std::sync::mpsc::sync_channel(1);
//! let kinds = Arc::new(Kinds::new().register("greet", |name: String, _| Ok(format!("hello, {name}"))));
//! let scheduler = Scheduler::builder(Arc::clone(&kinds)).start()?;
//! scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, _| drop(sender.try_send(event.output.clone())));
//! scheduler.add_job(kinds.job("greeting", "greet", "world")?.trigger(Trigger::every(Duration::from_millis(5))))?;
//! assert_eq!(*greetings.recv()?.unwrap(), "hello, world");
//! assert!(scheduler.drain(Duration::from_secs(2)).is_clean());
//! # Ok(())
//! # }
//! ```
//! [`Kinds`] are functions under names. A program with types of its own implements [`Executor`].
//!
//! # The life of a job
//! ```text
//!              add_job
//!                 │
//!      ┌──────────┴───────────┐ trigger: now
//!      ▼                      ▼
//!  scheduled ──its time──▶ pending ──a worker takes it──▶ running ──▶ JOB_EXECUTED, JOB_ERROR
//!   ▲  ▲  ╲                 │ ▲ ╲                          │ │ ╲       or, if asked to stop, JOB_CANCELLED
//!   │  │   ╲ max_instances  │ │  ╲ too late                │ │  ╲
//!   │  │    ▶ JOB_MAX_      │ │   ▶ JOB_MISSED             │ │   ▶ gone, if it was its last run
//!   │  │      INSTANCES     │ │                            │ │
//!   │  │                    │ │ requeue_dead               │ │ failed, no attempt left: JOB_DEAD
//!   │  │                    │ ├──────── dead list ◀────────┼─┤
//!   │  │                    │ │ the wait is over           │ │ failed, attempts left
//!   │  │                    │ └─ waiting to be tried again ┼─┘
//!   │  │                    │                              │
//!   │  └────────────────────┼──────────────────────────────┘ recurring
//!   │ resume_job            │ pause_job (a run of a one-shot is asked to stop, and starts anew when resumed)
//!   └───────── paused ◀─────┘
//! ```
//! `remove_job` leads from everywhere to gone, a run that goes on is asked to stop. A run is asked to stop by its
//! [`CancelToken`]; nothing can stop one that does not look at it, but `JOB_STUCK` names it. One that takes longer than
//! its time limit is asked to stop too, and has failed. When the scheduler ends, a durable job is stored as it is, and goes
//! on from there when the next one starts with that store. `docs/state_machine.md` lists every transition with its
//! event and its test.
//!
//! # The map
//! - `queue`: the state machine, which knows neither threads nor clocks: what happened and when goes in, what to do
//!   comes out. In it `adding`, `changes`, `runs`, `failures` are what happens; `agenda` holds the lines (`line`) of those
//!   who wait for a worker, and the timers, `dead` the dead list, `durable` what a store is to be told; `view` is what is seen.
//!   Most of a crowd are jobs of which little was asked (`plain`); of those a worker is given several (`deals`) into its `hand`.
//! - `runner`: the lock around it and what is done after each change; `runner/bodies` how a body runs, `runner/waking` who is
//!   woken for it. `workers`, `timer`, `io`, `cron`: who calls it. `hands`: what workers do without the lock.
//!   `sleepers`: which worker is woken.
//! - `listeners`: who is told. `teller`: by which thread. `mailbox`: in which order.
//! - `store`: what outlives the process, in memory or in a file of redb's. `keeper`: who writes it, and when.
//! - `trigger`, `calendar`, `clock`: the arithmetic of times.
//! - `scheduler`, `builder`, `drain`: what programs call. `job`, `info`, `event`, `error`, `ids`, `cancel`, `executor`,
//!   `history`, `print`: what they say and hear. `kinds`: an executor for those who want none of their own.
//! - `sync`: locks and threads, so that `make shuttle` can try the orders in which they run.
//!
//! # What holds at all times
//! - No code of the program runs under the lock, except the drop of a task or an output.
//! - A worker that sleeps has nothing it could do; whoever makes something startable wakes one that may take it. Of a stream
//!   of jobs that take microseconds a few are left to the workers that are at it, and one that sleeps looks again within
//!   a quarter of a millisecond, lest they have met a slow one.
//! - What a worker was dealt and has not begun is everybody's: whoever looks at a job or changes one sees it in line, and a
//!   worker that has nothing else to do takes it.
//! - A thread that sleeps, or is in the body of a bulk job, keeps no listener alive: what a removed one owned is gone as
//!   soon as no event is being told and no prompt body goes on that began before.
//! - The events of an id are heard in the order in which they happened, one at a time. Those of different ids are told
//!   by different threads, in no order.
//! - Jobs start by priority, and among equals in the order in which they came; but of plain ones that were dealt to two
//!   workers, one that came later may start up to 50 µs and a body earlier.
//! - A one-shot job is gone before the listeners of its end are called: they can add its id again.
//! - A durable job is in the store before it can run, and its run's end before anybody hears of it. If the store fails,
//!   the job is not added; an end is told all the same, and written again later.
//! - What a store keeps of a job is how it stands, so that one write makes up for all that failed before.
//! - Bounded are the jobs in line, io runs, dead jobs, history, what a subscription holds, what a job catches up on. Not
//!   bounded are jobs that wait for their time, since programs add them and not their peers, and the events that wait
//!   for a listener which does not return.
//!
//! # What is not here
//! More than one process: no store is shared, and there is no distributed lock. Work flows (a listener adds what follows).
//! A way to stop a body that ignores its token. Anything about blocks.

mod builder;
mod calendar;
mod cancel;
mod clock;
mod cron;
mod drain;
mod error;
mod event;
mod executor;
mod hands;
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
    DamagedRow, DeadJob, JobStore, MemoryStore, StoreChange, StoreError, StoreErrorKind, Stored,
    StoredJob, StoredTask, Unattached,
};
pub use trigger::Trigger;

/// The examples of the README, which need a store in a file.
#[cfg(all(doctest, feature = "redb"))]
#[doc = include_str!("../README.md")]
struct Readme;

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
