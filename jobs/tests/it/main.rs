//! What the jobs and their listener promise, with fakes for the ports.
//!
//! # Map
//! - `fakes`: cheap blocks, a store in memory, peers that serve a ledger or lie.
//! - `listener_mining`: mining can not die. `listener_mining/model` is the naive scheduler it is thrown at.
//! - `listener_network`: what follows from posts, polls, syncs and introductions.
//! - `listener_disk`: what follows from a full disk, a broken one, and from files and audits.
//! - `ledger`: the one door. `replay`: the same chain after a restart.
//! - `sync`: one step, and whole downloads, from honest peers and from others.
//! - `stored`: jobs over stored blocks: `audit` and `files`.

mod fakes;
mod ledger;
mod listener_disk;
mod listener_mining;
mod listener_network;
mod replay;
mod stored;
mod sync;
