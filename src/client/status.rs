//! What a node says of itself: the part of `GET /status` (docs/protocol.md) that the commands use.

use jbc_chain::{Hash, Target, Work};
use serde::Deserialize;

/// `GET /status`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Status {
    /// This run of the node.
    pub node_id: String,
    /// The network it is on.
    pub network: NetworkStatus,
    /// Its tip.
    pub tip: Tip,
    /// What its tree of blocks looks like.
    pub chain: ChainStatus,
    /// What its mining does.
    pub mining: MiningStatus,
    /// How long it has been running, in milliseconds.
    pub uptime_ms: u64,
}

/// A node's network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NetworkStatus {
    /// The fingerprint of its rules and first block.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What a hash must not exceed.
    pub target: Target,
    /// Its first block.
    pub genesis: Hash,
}

/// A best chain's last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Tip {
    /// Its height.
    pub index: u64,
    /// Its hash.
    pub hash: Hash,
    /// The chain's work.
    pub work: Work,
}

/// A node's tree of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct ChainStatus {
    /// Blocks on all branches.
    pub blocks: u64,
    /// Blocks beside the best branch.
    pub side_blocks: u64,
    /// How often the node changed branches since it started.
    pub reorganisations: u64,
}

/// A node's mining.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct MiningStatus {
    /// Mining threads.
    pub threads: u64,
    /// Nonces a second, now.
    pub hash_rate: f64,
    /// Nonces tried since it started.
    pub searched: u64,
    /// Of them in ranges that a new tip cancelled.
    pub wasted: u64,
    /// Blocks found since it started.
    pub found: u64,
}
