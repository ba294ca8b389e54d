//! What the jobs and their listener promise, with fakes for the ports.
//!
//! `cfg(test)` tells clippy that the fakes are test code too, where `unwrap` is welcome.
//!
//! # Map
//! - `fakes`: cheap blocks, a store in memory, peers that serve a ledger or lie.
//! - `listener_mining`: mining can not die. `listener_mining/model` is the naive scheduler it is thrown at.
//! - `listener_network`: what follows from posts, polls, syncs and introductions.
//! - `listener_disk`: what follows from a full disk, a broken one, and from files and audits.
//! - `ledger`: the one door. `replay`: the same chain after a restart.
//! - `entries`: the pool beside the chain, and what follows from an entry. `entries/model` throws them at a tree of blocks.
//! - `calls`: the short calls: `announce`, `poll`, `broadcast`.
//! - `sync`: one step, and whole downloads, from honest peers and from others.
//! - `upload`: what a miner that nobody can call back brings its peers.
//! - `stored`: jobs over stored blocks, run by a scheduler: `audit`, `files`, `mine`, `validate`.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod fakes;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod listener_disk;
#[cfg(test)]
mod listener_mining;
#[cfg(test)]
mod listener_network;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod upload;
