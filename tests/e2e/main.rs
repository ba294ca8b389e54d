//! End to end: what the real `jbc` does, seen from outside, through its process, its HTTP and its files.
//!
//! # The map
//! - `stage`: a network of its own and a temporary folder for each test; `process`: nodes as child processes, each killed
//!   by its own id when its test is over, however it ends.
//! - `http`, `events`: a client of a few lines over plain sockets, so that what is on the wire is what a test says.
//! - `branch`: blocks mined by the test itself. `wait`: polls for a condition until a deadline; nothing here sleeps for
//!   a fixed time, and nothing asserts how long something took.
//! - the rest: one file for each part of issue 2's list and of RELIABILITY.md's tables.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code, also outside of `#[test]` functions"
)]

mod branch;
mod events;
mod http;
mod process;
mod stage;
mod wait;

mod bad_blocks;
mod commands;
mod databases;
mod documents;
mod durability;
mod entries;
mod folders;
mod hostile_peers;
mod kills;
mod proofs;
mod races;
mod reading;
mod starts;
mod steering;
mod stops;
mod syncs;
mod v2_networks;
mod wire;
