//! What a job answers.

use jbc_chain::{Bits, Block, Entries, Hash, Target, Unchecked, UnixMicros, Work};

use serde::{Deserialize, Serialize};

use crate::peer_url::PeerUrl;
use crate::ports::{PeerError, PeerStatus, TipClaim};

/// What a job answers.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Of a mining range.
    Mined(Mined),
    /// Of a validation.
    Validated(Validated),
    /// Of an admission.
    Admitted(Admitted),
    /// Of gathering: what the block after this tip can carry.
    Gathered {
        /// The tip.
        tip: Hash,
        /// The entries, oldest first.
        entries: Entries,
    },
    /// Of pushing entries: how many went to how many peers.
    Gossiped {
        /// Entries.
        entries: usize,
        /// Peers that took them all.
        peers: usize,
    },
    /// Of a validation that met a disk which failed: nobody knows what is written, the node has to stop.
    Broken {
        /// The store's words.
        reason: String,
    },
    /// Of a broadcast.
    Broadcast(Vec<Pushed>),
    /// Of a sync step.
    Synced(SyncStep),
    /// Of a poll.
    Polled(Vec<Polled>),
    /// Of an announcement.
    Met(Met),
    /// Of an upload.
    Uploaded(Uploaded),
    /// Of an audit.
    Audited(AuditReport),
    /// Of the block files: the tip they now show.
    FilesWritten {
        /// That tip.
        tip: Hash,
        /// Files written.
        written: u64,
    },
    /// Of a look at the disk.
    Room {
        /// Whether there is room.
        free: bool,
    },
}

/// How a range ended, and how many nonces were really searched.
#[derive(Clone, Debug)]
pub struct Mined {
    /// Nonces tried.
    pub searched: u64,
    /// The block, if one was found.
    pub found: Option<Block<Unchecked>>,
}

/// What came of a validation.
#[derive(Clone, Debug)]
pub struct Validated {
    /// One verdict a block, in order; orphans that found their parent follow.
    pub verdicts: Vec<Verdict>,
    /// The new tip, if it moved.
    pub tip: Option<Box<TipChange>>,
    /// Whether the disk was full, so that nothing was accepted.
    pub full: bool,
    /// The blocks that are [`Early`](Verdict::Early), in the order of their verdicts.
    pub early: Vec<Block<Unchecked>>,
}

impl Validated {
    /// Whether any block was not known before.
    pub fn brought_news(&self) -> bool {
        let mut verdicts = self.verdicts.iter();
        verdicts.any(|verdict| !matches!(verdict, Verdict::Known(_)))
    }
}

/// What came of an admission.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The entry's name.
    pub leaf: Hash,
    /// What became of it.
    pub admission: Admission,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is in the pool, and on the disk.
    Taken,
    /// It came before.
    Known(EntryState),
    /// The pool is full.
    PoolFull,
    /// The disk is full.
    DiskFull,
}

/// An entry and where it is, as `/entries` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocatedEntry {
    /// The entry's name.
    pub leaf: Hash,
    /// Where it is.
    #[serde(flatten)]
    pub state: EntryState,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum EntryState {
    /// In the pool.
    Pending,
    /// On the best chain; of several blocks that have it the first.
    Confirmed {
        /// The block's height.
        index: u64,
        /// The block.
        hash: Hash,
        /// Blocks on it, itself counted: 1 in the tip.
        confirmations: u64,
    },
}

/// What was made of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted and durable, on the best chain.
    Best(Hash),
    /// Accepted and durable, on a side branch.
    Side(Hash),
    /// Known already.
    Known(Hash),
    /// Its parent is unknown; kept for a while.
    Orphan {
        /// The block.
        hash: Hash,
        /// The parent that is missing.
        parent: Hash,
    },
    /// Ahead of this node's clock, in a network that holds such blocks until their time.
    Early {
        /// The block.
        hash: Hash,
        /// When it may be offered again.
        until: UnixMicros,
    },
    /// Refused by a rule.
    Refused {
        /// The rule.
        rule: &'static str,
        /// The field at fault.
        field: &'static str,
        /// Why.
        reason: String,
        /// Whether its sender is to blame.
        blame: bool,
    },
}

/// A tip that moved.
#[derive(Clone, Debug)]
pub struct TipChange {
    /// The new tip.
    pub tip: Tip,
    /// The block at it.
    pub block: Block<Unchecked>,
    /// What the next block mined here will say.
    pub data: String,
    /// What it will carry, in a network whose blocks carry something.
    pub entries: Entries,
    /// Blocks taken off the best chain; 0 when it just grew.
    pub depth: u64,
    /// The tip before.
    pub from: Hash,
}

/// All that a miner and a peer need to know of the tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Height.
    pub index: u64,
    /// Hash.
    pub hash: Hash,
    /// Cumulative work.
    pub work: Work,
    /// The earliest time the next block may state.
    pub earliest: UnixMicros,
    /// What the next block's hash must not exceed.
    pub target: Target,
    /// The same as a `v2` block has to state it; none in `classic`.
    pub bits: Option<Bits>,
}

/// How one push went.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The peer.
    pub peer: PeerUrl,
    /// Why it failed, if it did.
    pub error: Option<PeerError>,
}

/// What one sync step brought.
#[derive(Clone, Debug)]
pub enum SyncStep {
    /// Nothing to fetch from it.
    UpToDate,
    /// Blocks to validate.
    Fetched {
        /// The blocks, lowest first.
        blocks: Vec<Block<Unchecked>>,
        /// What the peer claims, for a peer that claims something.
        claim: Option<TipClaim>,
        /// Height to go on from after these.
        next: Option<u64>,
    },
    /// It belongs to another network.
    OtherNetwork {
        /// Its network in words.
        theirs: String,
    },
    /// It did not answer.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// It answered nonsense.
    Nonsense {
        /// What.
        reason: String,
    },
}

/// What a poll learned of one peer.
#[derive(Clone, Debug)]
pub struct Polled {
    /// The peer.
    pub peer: PeerUrl,
    /// What it said, or why it did not.
    pub status: Result<PeerStatus, String>,
}

/// What came of getting to know a peer.
#[derive(Clone, Debug)]
pub struct Met {
    /// The peer.
    pub peer: PeerUrl,
    /// What it said, or why it did not.
    pub status: Result<PeerStatus, String>,
    /// The peers it knows.
    pub learned: Vec<PeerUrl>,
}

/// What came of an upload.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// Blocks pushed.
    pub count: u64,
    /// Why it ended early, if it did.
    pub error: Option<PeerError>,
}

/// What an audit saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Blocks hashed again.
    pub checked: u64,
    /// Blocks at fault: position in first-seen order and reason; the first hundred.
    pub faults: Vec<(u64, String)>,
    /// Whether it was cancelled before the end.
    pub cancelled: bool,
}
