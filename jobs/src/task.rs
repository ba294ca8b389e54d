//! What a job is asked, what it answers, and the policy of each kind. Plain data, so that a job can travel.

mod outcome;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jbc_chain::{Block, Hash, Target, TemplateParts, Unchecked, leaf_hash};
use jbc_scheduler::{ConflictPolicy, JobSpec, Lane, Retry, Trigger};

use crate::peer_url::PeerUrl;
use crate::ports::TipClaim;

pub use outcome::{
    Admission, Admitted, AuditReport, EntryState, LocatedEntry, Met, Mined, Outcome, Polled,
    Pushed, SyncStep, Tip, TipChange, Uploaded, Validated, Verdict,
};

/// What a job is asked to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Search one range of nonces.
    Mine(MineTask),
    /// Check blocks and accept the good ones.
    Validate(ValidateTask),
    /// Take an entry into the pool.
    Admit(AdmitTask),
    /// Gather what the next block is to carry.
    Gather,
    /// Push entries to peers.
    Gossip(GossipTask),
    /// Push a block to peers.
    Broadcast(BroadcastTask),
    /// Fetch the next blocks of a peer's chain.
    Sync(SyncTask),
    /// Ask peers for their tips.
    Poll(PollTask),
    /// Get to know one peer, and let it know us.
    Announce(AnnounceTask),
    /// Bring a peer the blocks it lacks.
    Upload(UploadTask),
    /// Re-hash the stored chain.
    Audit,
    /// Bring the tutorial's block files up to date.
    Files,
    /// Look whether the disk has room again.
    Space,
}

/// One range of nonces on one template.
#[derive(Clone, Debug)]
pub struct MineTask {
    /// The mining lane, from 0.
    pub lane: usize,
    /// Unique for each range ever handed out by this node: by it an outcome is matched with what was asked.
    pub ticket: u64,
    /// What is being mined.
    pub template: Arc<MineTemplate>,
    /// Nonces to try.
    pub nonces: Range<u64>,
}

/// A block that only lacks its nonce, and what its hash must not exceed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MineTemplate {
    /// The block to be.
    pub parts: TemplateParts,
    /// What the hash must not exceed.
    pub target: Target,
}

/// Blocks to be checked, in the order of their heights.
#[derive(Clone, Debug)]
pub struct ValidateTask {
    /// The blocks.
    pub blocks: Vec<Block<Unchecked>>,
    /// Where they came from.
    pub origin: Origin,
}

/// Where a block came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Mined here.
    Mined,
    /// Somebody posted it.
    Posted {
        /// The sender's address.
        address: IpAddr,
        /// The peer it says it is, if it does.
        peer: Option<PeerUrl>,
    },
    /// A sync job asked for it.
    Synced {
        /// The peer that gave it.
        peer: PeerUrl,
        /// The tip that peer claims, for a peer that claims one.
        claim: Option<TipClaim>,
        /// What to ask that peer for after these, if it has more.
        next: Option<u64>,
    },
}

/// An entry that somebody posted.
#[derive(Clone, Debug)]
pub struct AdmitTask {
    /// The entry.
    pub entry: Arc<[u8]>,
}

/// Entries to push.
#[derive(Clone, Debug)]
pub struct GossipTask {
    /// New entries.
    pub leaves: Vec<Hash>,
    /// Whether to push some of those that have been waiting for long, too.
    pub remind: bool,
    /// To whom.
    pub peers: Vec<PeerUrl>,
}

/// A block to push.
#[derive(Clone, Debug)]
pub struct BroadcastTask {
    /// The block.
    pub block: Block<Unchecked>,
    /// To whom.
    pub peers: Vec<PeerUrl>,
}

/// One step of a sync.
#[derive(Clone, Debug)]
pub struct SyncTask {
    /// The peer.
    pub peer: PeerUrl,
    /// Height to go on from; none at the start, when the fork has to be found first.
    pub next: Option<u64>,
}

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct PollTask {
    /// The peers.
    pub peers: Vec<PeerUrl>,
}

/// Whom to get to know.
#[derive(Clone, Debug)]
pub struct AnnounceTask {
    /// The peer.
    pub peer: PeerUrl,
}

/// Whom to bring blocks.
#[derive(Clone, Debug)]
pub struct UploadTask {
    /// The peer.
    pub peer: PeerUrl,
}

/// The id of a mining lane's job: `mining`, `mining/1`, …
pub fn mining_id(lane: usize) -> String {
    if lane == 0 {
        "mining".to_owned()
    } else {
        format!("mining/{lane}")
    }
}

/// Whether an id is a mining lane's.
pub fn is_mining_id(id: &str) -> bool {
    id == "mining"
        || id
            .strip_prefix("mining/")
            .is_some_and(|lane| lane.parse::<usize>().is_ok())
}

/// The id of an entry's admission.
pub fn admit_id(leaf: &Hash) -> String {
    format!("admit:{}", hex::encode(&leaf.as_bytes()[..8]))
}

/// The id of a block's validation, after its content: a claimed hash could block an honest block's job.
pub fn validate_id(block: &Block<Unchecked>) -> String {
    format!("validate:{}", hex::encode(&block.content_digest()[..8]))
}

impl Task {
    /// The job's id.
    pub fn id(&self) -> String {
        match self {
            Self::Mine(task) => mining_id(task.lane),
            Self::Validate(task) => match (&task.origin, task.blocks.first()) {
                (Origin::Synced { peer, .. }, _) => format!("validate:{peer}"),
                (_, Some(block)) => validate_id(block),
                (_, None) => "validate:nothing".to_owned(),
            },
            Self::Admit(task) => admit_id(&leaf_hash(&task.entry)),
            Self::Gather => "gather".to_owned(),
            Self::Gossip(_) => "gossip".to_owned(),
            Self::Broadcast(task) => format!("broadcast:{}", task.block.hash().short()),
            Self::Sync(task) => format!("sync:{}", task.peer),
            Self::Poll(_) => "poll".to_owned(),
            Self::Announce(task) => format!("announce:{}", task.peer),
            Self::Upload(task) => format!("upload:{}", task.peer),
            Self::Audit => "audit".to_owned(),
            Self::Files => "files".to_owned(),
            Self::Space => "space".to_owned(),
        }
    }

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mine(_) => "mine",
            Self::Validate(_) => "validate",
            Self::Admit(_) => "admit",
            Self::Gather => "gather",
            Self::Gossip(_) => "gossip",
            Self::Broadcast(_) => "broadcast",
            Self::Sync(_) => "sync",
            Self::Poll(_) => "poll",
            Self::Announce(_) => "announce",
            Self::Upload(_) => "upload",
            Self::Audit => "audit",
            Self::Files => "files",
            Self::Space => "space",
        }
    }

    /// Where it runs and what goes first: a posted block before a synced batch; files and audit take turns with mining.
    fn placement(&self) -> (Lane, i32) {
        match self {
            Self::Validate(task) if matches!(task.origin, Origin::Synced { .. }) => {
                (Lane::Prompt, 5)
            }
            Self::Validate(_) => (Lane::Prompt, 10),
            Self::Admit(_) => (Lane::Prompt, 3),
            Self::Gather => (Lane::Prompt, 1),
            Self::Space => (Lane::Prompt, 0),
            Self::Broadcast(_) => (Lane::Io, 10),
            Self::Sync(_) => (Lane::Io, 5),
            Self::Gossip(_) => (Lane::Io, 3),
            Self::Poll(_) | Self::Announce(_) | Self::Upload(_) => (Lane::Io, 0),
            Self::Files | Self::Audit | Self::Mine(_) => (Lane::Bulk, 0),
        }
    }

    /// A mining range gives way to the next; of everything else one under an id is enough.
    fn conflict(&self) -> ConflictPolicy {
        match self {
            Self::Mine(_) => ConflictPolicy::Replace,
            _ => ConflictPolicy::DoNothing,
        }
    }

    /// What failed for a reason that may pass is tried again before it lies in the dead list: files that cannot be
    /// written after one and two seconds, an audit that breaks off after one and two minutes. The listener itself sees
    /// to mining and to calls of peers.
    fn retry(&self) -> Option<Retry> {
        match self {
            Self::Files => Some(Retry::attempts(3)),
            Self::Audit => {
                Some(Retry::attempts(3).waits(Duration::from_secs(60), Duration::from_secs(300)))
            }
            _ => None,
        }
    }

    /// The job for this task with its kind's policy.
    pub fn into_spec(self, trigger: Trigger) -> JobSpec<Self> {
        let (lane, priority) = self.placement();
        let (id, kind, conflict, retry) = (self.id(), self.kind(), self.conflict(), self.retry());
        JobSpec::new(id, kind, self)
            .lane(lane)
            .priority(priority)
            .conflict(conflict)
            .retry(retry)
            .trigger(trigger)
    }
}
