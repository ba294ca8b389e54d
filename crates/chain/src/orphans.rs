//! Blocks that wait for their parent.

use std::collections::VecDeque;

use crate::block::{Block, Checked};
use crate::hash::Hash;
use crate::time::UnixMicros;

/// The most orphans held, in blocks. Source: RELIABILITY.md, "≤ 100, ≤ 10 a peer, 1 h".
pub const MAX_ORPHANS: usize = 100;

/// The most orphans held from one peer, in blocks. Source as [`MAX_ORPHANS`].
pub const MAX_ORPHANS_PER_PEER: usize = 10;

/// How long an orphan is held, in microseconds. Source as [`MAX_ORPHANS`].
pub const ORPHAN_LIFETIME_MICROS: i64 = 60 * 60 * 1_000_000;

/// The most bytes of orphans held, as JSON: classic ones never are so many, full `v2` blocks would be 100 MiB. Nobody has checked
/// how hard such a block had to be.
pub const MAX_ORPHAN_BYTES: usize = 16 << 20;

/// A bounded pool of blocks whose parent is not known yet.
///
/// When it is full the oldest makes room, of the same peer first if that one has its share: whoever
/// fills the pool can then not keep a new block out of it.
#[derive(Clone, Debug, Default)]
pub struct Orphans {
    held: VecDeque<Orphan>, // oldest first; at most 100, so a walk through it beats an index
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Orphan {
    block: Block<Checked>,
    bytes: usize,
    peer: String,
    since: UnixMicros,
}

impl Orphans {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds `block`, which `peer` sent. `false` when the very same block is held already.
    pub fn add(&mut self, block: Block<Checked>, peer: &str, now: UnixMicros) -> bool {
        if self.held.iter().any(|orphan| orphan.block == block) {
            return false;
        }
        let of_peer = |orphan: &Orphan| orphan.peer == peer;
        if self.held.iter().filter(|orphan| of_peer(orphan)).count() >= MAX_ORPHANS_PER_PEER
            && let Some(oldest) = self.held.iter().position(of_peer)
        {
            self.drop_at(oldest);
        }
        let bytes = block.size_bytes();
        while self.held.len() >= MAX_ORPHANS || self.bytes + bytes > MAX_ORPHAN_BYTES {
            self.drop_at(0);
        }
        self.bytes += bytes;
        self.held.push_back(Orphan {
            block,
            bytes,
            peer: peer.to_owned(),
            since: now,
        });
        true
    }

    fn drop_at(&mut self, position: usize) {
        let dropped = self.held.remove(position);
        self.bytes -= dropped.map_or(0, |orphan| orphan.bytes);
    }

    /// Takes out the blocks whose parent is `parent`, each with the peer that sent it, in the order
    /// they came.
    pub fn take_children(&mut self, parent: &Hash) -> Vec<(Block<Checked>, String)> {
        let (children, rest): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|orphan| orphan.block.prev_hash() == Some(parent));
        self.held = rest;
        self.bytes -= children.iter().map(|orphan| orphan.bytes).sum::<usize>();
        children
            .into_iter()
            .map(|orphan| (orphan.block, orphan.peer))
            .collect()
    }

    /// Drops the blocks that have waited longer than [`ORPHAN_LIFETIME_MICROS`].
    pub fn expire(&mut self, now: UnixMicros) {
        let waits = |orphan: &Orphan| now <= orphan.since.plus(ORPHAN_LIFETIME_MICROS);
        self.held.retain(waits);
        self.bytes = self.held.iter().map(|orphan| orphan.bytes).sum();
    }

    /// Whether a block of this (computed) hash is held.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.held.iter().any(|orphan| orphan.block.hash() == hash)
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
