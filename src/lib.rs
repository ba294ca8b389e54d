//! jbc: a proof-of-work node in which every piece of work is a scheduled job with an id.
//!
//! # The map of the house
//! - [`config`]: flags → a validated `Config`; the only place with defaults.
//! - [`node`]: the composition root: store, ledger, scheduler, listener and door put together, and their life cycle.
//! - [`dispatch`]: brings the scheduler's events to the pure listener and carries its commands out.
//! - [`door`]: the accept loop with its limits; [`web`]: decode → enqueue → answer, one file per family of routes.
//! - [`store`], [`peers`]: the jobs' ports on redb and reqwest. [`import`]: folders of the tutorial's files.
//! - [`progress`]: bars that share the terminal with the log. [`feed`]: news for `/events` and the log. [`client`]: a node's API from the other side, for the commands; [`dead`]: what both say of the dead list.
//! - [`commands`]: one file per command of `jbc` and `jbc-sched`; [`programs`]: both from the command line to the exit code.
//!
//! Arrows point down only: this crate → `jbc-jobs` → {`jbc-chain`, `jbc-pow`, `jbc-scheduler`}. Here alone live HTTP,
//! files, flags and clocks.

pub mod client;
pub mod commands;
pub mod config;
pub mod dead;
pub mod dispatch;
pub mod door;
pub mod feed;
pub mod import;
pub mod node;
pub mod peers;
pub mod programs;
pub mod progress;
pub mod store;
pub mod web;
