//! The kinds of job a jbc node runs, and the listener that decides what follows each.
//!
//! # Map
//! - [`task`]: `Task` (what a job is asked), `Outcome` (what it answers) and the policy of each kind (id, lane, priority).
//! - one file per kind: [`mine`], [`validate`], [`admit`], [`gossip`], [`broadcast`], [`sync`], [`poll`], [`announce`], [`audit`], [`upload`], [`files`], [`space`].
//! - [`listener`]: a pure function event → commands. The only place that decides what runs next.
//! - [`peer_table`], [`peer_url`]: whom we know and trust how far. Pure.
//! - [`ledger`]: chain, pool and store behind one door: what is accepted is durable before it is seen.
//! - [`pool`]: the entries that wait for a block. Pure.
//! - [`ports`]: the small traits through which jobs reach the world; the service provides them.
//! - [`recurring`]: the jobs that a node adds at each start and keeps over a restart, and their form in the job store.
//! - [`executor`]: hands a `Task` to its file.
//!
//! # Invariants
//! - A job returns an `Outcome`; it never enqueues another job.
//! - A mined block and a peer's block pass the same `validate` job.
//! - While mining is on and not held back, every mining lane has exactly one job: queued, running or paused.
//!
//! # Not here
//! HTTP, files, flags, clocks (the service's), hashing loops (`jbc-pow`), rules (`jbc-chain`), threads (`jbc-scheduler`).

pub mod admit;
pub mod announce;
pub mod audit;
pub mod broadcast;
pub mod executor;
pub mod files;
pub mod gossip;
pub mod ledger;
pub mod listener;
pub mod mine;
pub mod peer_table;
pub mod peer_url;
pub mod poll;
pub mod pool;
pub mod ports;
pub mod recurring;
pub mod space;
pub mod sync;
pub mod task;
pub mod upload;
pub mod validate;
