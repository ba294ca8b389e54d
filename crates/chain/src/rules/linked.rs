//! The rules that need a block's parent, its branch, or the clock.

use super::{MAX_LEAD_MICROS, ParentFacts, Rejected, V2ParentFacts, V2Rules};
use crate::bits::Bits;
use crate::hash::Hash;
use crate::time::{Timestamp, UnixMicros};

/// The name of the one rule that time alone can heal.
pub(super) const TIME_AHEAD: &str = "time-ahead";

/// RELIABILITY.md: "the first block pinned". Called for blocks other than the network's own first.
pub(crate) fn check_genesis(index: u64) -> Result<(), Rejected> {
    if index > 0 {
        return Ok(());
    }
    Err(Rejected::because(
        "genesis",
        "index",
        "this network has another first block",
    ))
}

/// RELIABILITY.md: "index canonical and parent + 1".
pub(crate) fn check_index(index: u64, parent: u64) -> Result<(), Rejected> {
    let expected = parent + 1;
    if index == expected {
        return Ok(());
    }
    let reason = format!("must be {expected}, one more than the parent's, found {index}");
    Err(Rejected::because("index", "index", reason))
}

/// RELIABILITY.md: "operator checkpoints (`--checkpoint INDEX:HASH`)".
pub(crate) fn check_checkpoint(hash: &Hash, pinned: Option<&Hash>) -> Result<(), Rejected> {
    match pinned {
        Some(pinned) if pinned != hash => {
            let reason = format!("the operator's checkpoint at this height is {pinned}");
            Err(Rejected::because("checkpoint", "hash", reason))
        }
        _ => Ok(()),
    }
}

/// RELIABILITY.md: "a hard finality depth is a flag, off by default".
pub(crate) fn check_final(depth: u64, most: u64) -> Result<(), Rejected> {
    if depth <= most {
        return Ok(());
    }
    let reason = format!(
        "forks {depth} blocks below the tip, where the operator holds all but {most} final"
    );
    Err(Rejected::because("finality", "index", reason))
}

/// FORMATS.md: "Ten digits are allowed only while every ancestor has ten".
pub(crate) fn check_ten_digit_timestamp(
    timestamp: &Timestamp,
    parent: &ParentFacts,
) -> Result<(), Rejected> {
    if !timestamp.is_ten_digits() || parent.ten_digits {
        return Ok(());
    }
    let reason = "must have 20 digits, since an earlier block has";
    Err(Rejected::because(
        "ten-digit-timestamp",
        "timestamp",
        reason,
    ))
}

/// FORMATS.md: "later than the median (`sorted[n/2]`) of the last 11, both kinds compared as
/// instants".
pub(crate) fn check_after_median(
    timestamp: &Timestamp,
    parent: &ParentFacts,
) -> Result<(), Rejected> {
    if timestamp.instant() > parent.median {
        return Ok(());
    }
    let median = Timestamp::from_instant(parent.median);
    let reason = format!("must be later than {median}, the median of the last 11 blocks");
    Err(Rejected::because("median", "timestamp", reason))
}

/// FORMATS.md: "strictly later than the parent's".
pub(crate) fn check_rising(timestamp: &Timestamp, parent: &V2ParentFacts) -> Result<(), Rejected> {
    if timestamp.instant() > parent.instant {
        return Ok(());
    }
    let last = Timestamp::from_instant_in_millis(parent.instant);
    let reason = format!("must be later than {last}, the parent's");
    Err(Rejected::because("rising", "timestamp", reason))
}

/// FORMATS.md: "block 1 has the genesis bits; a block's bits must equal this".
pub(crate) fn check_bits(bits: Bits, parent: &V2ParentFacts) -> Result<(), Rejected> {
    let expected = parent.next_bits;
    if bits == expected {
        return Ok(());
    }
    let reason = format!("must be {expected}, which follows from the parent, found {bits}");
    Err(Rejected::because("bits", "bits", reason))
}

/// FORMATS.md: "at most 2T ahead of the node's clock (a block further ahead is held until its time, not scored)".
pub(crate) fn check_not_ahead_v2(
    timestamp: &Timestamp,
    rules: &V2Rules,
    now: UnixMicros,
) -> Result<(), Rejected> {
    let lead_ms = rules.max_lead_ms();
    if timestamp.instant() <= now.plus(rules.max_lead_micros()) {
        return Ok(());
    }
    let reason = format!("must be at most {lead_ms} ms ahead of this node's clock");
    Err(Rejected::because(TIME_AHEAD, "timestamp", reason))
}

/// FORMATS.md: "at most 2 hours ahead".
pub(crate) fn check_not_ahead(timestamp: &Timestamp, now: UnixMicros) -> Result<(), Rejected> {
    if timestamp.instant() <= now.plus(MAX_LEAD_MICROS) {
        return Ok(());
    }
    Err(Rejected::because(
        TIME_AHEAD,
        "timestamp",
        "must be at most 2 hours ahead of this node's clock",
    ))
}

/// RELIABILITY.md: "Characters can move between […] `data` and `timestamp`, `timestamp` and `nonce`
/// and keep the hash". Of two blocks that share a hash, the first seen is the block: children name
/// their parent by hash, so both can not be in one tree.
pub(crate) fn check_twin(hash_is_known: bool) -> Result<(), Rejected> {
    if !hash_is_known {
        return Ok(());
    }
    Err(Rejected::because(
        "twin",
        "hash",
        "another block of this hash was seen first",
    ))
}
