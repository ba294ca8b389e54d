//! What watchers are told.

use jbc_chain::Hash;

use crate::peer_url::PeerUrl;
use crate::task::{AuditReport, Origin, TipChange, Verdict};

/// What watchers are told. The numbers are all that a page needs to draw a race.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum News {
    /// The tip moved; sent only when the block is durable.
    Tip {
        /// Height.
        index: u64,
        /// Hash.
        hash: Hash,
        /// What its miner wrote.
        data: String,
        /// The tip before.
        from: Hash,
        /// Blocks taken off the best chain; 0 when it just grew.
        depth: u64,
        /// `mined`, `posted` or `synced`.
        origin: &'static str,
        /// The peer it came from, where that is known.
        peer: Option<PeerUrl>,
        /// While a longer chain is being fetched: the height that its peer claims.
        sync_target: Option<u64>,
    },
    /// A valid block that did not become the tip: somebody was faster.
    Side {
        /// Its hash.
        hash: Hash,
        /// `mined`, `posted` or `synced`.
        origin: &'static str,
    },
    /// A block was refused.
    Refused {
        /// The rule.
        rule: &'static str,
        /// The field at fault.
        field: &'static str,
        /// Why.
        reason: String,
        /// `mined`, `posted` or `synced`.
        origin: &'static str,
    },
    /// A block is ahead of this node's clock.
    Early {
        /// The block.
        hash: Hash,
        /// How long until its time, in milliseconds.
        wait_ms: u64,
        /// Whether it is held until then: not if that is long, or many are held, or a sync will bring it again.
        held: bool,
    },
    /// An entry was taken into the pool.
    Entry {
        /// Its name.
        leaf: Hash,
        /// Its length, in bytes.
        bytes: usize,
    },
    /// A block's parent is unknown.
    Orphan {
        /// The block.
        hash: Hash,
        /// The missing parent.
        parent: Hash,
    },
    /// A mining range was cancelled: what it cost.
    RangeCancelled {
        /// The lane.
        lane: usize,
        /// Nonces searched for nothing.
        searched: u64,
        /// How long, in microseconds.
        elapsed_us: u64,
    },
    /// A peer came into reach, went out of it, or turned out to be of another network.
    Peer {
        /// Which.
        url: PeerUrl,
        /// `reachable`, `unreachable`, `other network` or `myself`.
        state: &'static str,
        /// More, in words.
        detail: String,
    },
    /// The disk is full, or has room again.
    Disk {
        /// Whether it is full.
        full: bool,
    },
    /// An audit ended.
    Audit {
        /// Blocks hashed again.
        checked: u64,
        /// Blocks at fault.
        faults: usize,
    },
}

/// Of a tip that moved.
pub(super) fn tip_news(change: &TipChange, origin: &Origin) -> News {
    let (words, peer) = origin_words(origin);
    News::Tip {
        index: change.tip.index,
        hash: change.tip.hash,
        data: change.block.data().into_owned(),
        from: change.from,
        depth: change.depth,
        origin: words,
        peer: peer.cloned(),
        sync_target: sync_target(origin),
    }
}

fn origin_words(origin: &Origin) -> (&'static str, Option<&PeerUrl>) {
    match origin {
        Origin::Mined => ("mined", None),
        Origin::Posted { peer, .. } => ("posted", peer.as_ref()),
        Origin::Synced { peer, .. } => ("synced", Some(peer)),
    }
}

/// The height that a sync under way is to reach; none for its last step.
fn sync_target(origin: &Origin) -> Option<u64> {
    match origin {
        Origin::Synced {
            claim: Some(claim),
            next: Some(_),
            ..
        } => Some(claim.index),
        _ => None,
    }
}

pub(super) fn verdict_news(verdict: &Verdict, origin: &Origin) -> Option<News> {
    let (origin, _) = origin_words(origin);
    match verdict {
        // Of an early one is told when it is held.
        Verdict::Best(_) | Verdict::Known(_) | Verdict::Early { .. } => None,
        Verdict::Side(hash) => Some(News::Side {
            hash: *hash,
            origin,
        }),
        Verdict::Orphan { hash, parent } => Some(News::Orphan {
            hash: *hash,
            parent: *parent,
        }),
        Verdict::Refused {
            rule,
            field,
            reason,
            ..
        } => Some(News::Refused {
            rule,
            field,
            reason: reason.clone(),
            origin,
        }),
    }
}

pub(super) fn audit_news(report: &AuditReport) -> News {
    News::Audit {
        checked: report.checked,
        faults: report.faults.len(),
    }
}
