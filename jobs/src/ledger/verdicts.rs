//! What a block is told at the door, beside the chain's own rules.

use jbc_chain::{Block, Chain, Checked};

use super::{POSTED_SIDE_BLOCKS_MAX, POSTED_SIDE_DEPTH_BLOCKS};
use crate::task::{Origin, Verdict};

/// Posts may grow side branches only near the tip and only so many (RELIABILITY.md, "side chains of little work").
pub(super) fn side_limits(
    chain: &Chain,
    block: &Block<Checked>,
    origin: &Origin,
) -> Option<Verdict> {
    let tip = chain.tip().height();
    let deep = block.index().saturating_add(POSTED_SIDE_DEPTH_BLOCKS) < tip;
    let many = block.index() <= tip && chain.side_blocks() >= POSTED_SIDE_BLOCKS_MAX;
    if !matches!(origin, Origin::Posted { .. }) || !(deep || many) {
        return None;
    }
    let reason = if deep {
        "forks too far below the tip"
    } else {
        "there are too many side blocks already"
    };
    Some(Verdict::Refused {
        rule: "side-branch",
        field: "index",
        reason: reason.to_owned(),
        blame: false,
    })
}

/// A block that was on the best chain when it was accepted may have been left behind by a later one of its batch, or
/// a side block lifted onto it.
pub(super) fn settle(verdict: &mut Verdict, chain: &Chain) {
    if let Verdict::Best(hash) | Verdict::Side(hash) = *verdict {
        let best = chain
            .find_by_hash(&hash)
            .is_some_and(|entry| chain.is_on_best_chain(entry));
        *verdict = if best {
            Verdict::Best(hash)
        } else {
            Verdict::Side(hash)
        };
    }
}

pub(super) fn refused(rejected: jbc_chain::Rejected) -> Verdict {
    // A clock may be wrong, a twin is not its sender's doing, and a tutorial node stamps the start of its search, which
    // may lie before the median, and what our operator holds fast others cannot know: nobody is blamed for those
    // (RELIABILITY.md, "nobody banned for it").
    let blame = !rejected.may_pass_later()
        && !matches!(rejected.rule, "twin" | "median" | "checkpoint" | "finality");
    Verdict::Refused {
        rule: rejected.rule,
        field: rejected.field,
        reason: rejected.reason.into_owned(),
        blame,
    }
}

/// Whose share of the orphan pool a block takes. On loopback every node has one address, so there its word counts.
pub(super) fn sender(origin: &Origin) -> String {
    match origin {
        Origin::Mined => "mined".to_owned(),
        Origin::Posted {
            address,
            peer: Some(peer),
        } if address.is_loopback() => peer.to_string(),
        Origin::Posted { address, .. } => address.to_string(),
        Origin::Synced { peer, .. } => peer.to_string(),
    }
}
