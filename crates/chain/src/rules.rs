//! The rules of a network: one `check_*` function each.
//!
//! | rule | field | refuses | in | needs |
//! |---|---|---|---|---|
//! | `kind` | `version` | a `v2` block in a `classic` network, or the other way round | both | the block alone |
//! | `limit` | `bits` | a target above the network's easiest | `v2` | the block alone |
//! | `work` | `hash` | a stated hash above the target | both | the block alone |
//! | `prev-hash` | `prev_hash` | a parent at height 0, none above it | both | the block alone |
//! | `timestamp-form` | `timestamp` | digits of the other kind | both | the block alone |
//! | `size` | `data`, `entries` | a block over 16 KiB of JSON, in `v2` 1 MiB | both | the block alone |
//! | `ten-digit-data` | `data` | ten digits before a ten-digit timestamp | `classic` | the block alone |
//! | `hash` | `hash` | a stated hash that is not the computed one | both | the block alone |
//! | `entries` | `entries` | none, or one over 4 KiB | `v2` | the block alone |
//! | `merkle-root` | `merkle_root` | a root that is not of the entries | `v2` | the block alone |
//! | `genesis` | `index` | another first block than the network's | both | the chain |
//! | `index` | `index` | a height that is not parent + 1 | both | the parent |
//! | `ten-digit-timestamp` | `timestamp` | ten digits after a block with twenty | `classic` | the parent |
//! | `median` | `timestamp` | a timestamp not later than the median | `classic` | the last 11 |
//! | `rising` | `timestamp` | a timestamp not later than the parent's | `v2` | the parent |
//! | `bits` | `bits` | another target than the one that follows from the parent | `v2` | the parent and its parent |
//! | `checkpoint` | `hash` | another block where the operator has pinned one | both | the operator |
//! | `finality` | `index` | a branch that leaves deeper than the operator allows | both | the operator |
//! | `twin` | `hash` | other content under a known hash, which in `v2` is of all content | `classic` | the chain |
//! | `time-ahead` | `timestamp` | a timestamp over 2 hours ahead, in `v2` two block intervals | both | the clock |
//!
//! An unknown parent breaks no rule: it makes an orphan.

pub(crate) mod alone;
pub(crate) mod linked;
mod retarget;

use std::borrow::Cow;

use crate::bits::Bits;
use crate::target::Target;
use crate::time::UnixMicros;

pub use retarget::{MAX_ELAPSED_INTERVALS, MAX_LEAD_INTERVALS, V2Rules};

/// The largest classic block, in bytes of its JSON form with all fields as strings. Source:
/// RELIABILITY.md, "a block ≤ 16 KiB in classic".
pub const MAX_BLOCK_BYTES: usize = 16 * 1024;

/// The largest `v2` block, in bytes of its JSON form, in which an entry takes four bytes for three. Source: FORMATS.md,
/// "1 MiB for the block".
pub const MAX_V2_BLOCK_BYTES: usize = 1024 * 1024;

/// The largest entry, in bytes. Source: FORMATS.md, "each at most 4 KiB".
pub const MAX_ENTRY_BYTES: usize = 4 * 1024;

/// How far a classic block's timestamp may be ahead of the node's clock, in microseconds. Source: FORMATS.md,
/// "at most 2 hours ahead".
pub const MAX_LEAD_MICROS: i64 = 2 * 60 * 60 * 1_000_000;

/// How many blocks before a block give the median its timestamp must pass. Source: FORMATS.md, "the
/// median (`sorted[n/2]`) of the last 11".
pub const MEDIAN_SPAN_BLOCKS: usize = 11;

/// What a network's blocks must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The tutorial's format. The difficulty is the network's constant.
    Classic {
        /// The largest hash that counts as work.
        target: Target,
    },
    /// jbc's own: the difficulty stands in the block and follows the time that blocks take.
    V2(V2Rules),
}

impl Rules {
    /// The most bytes that a block's JSON may have.
    pub fn max_block_bytes(&self) -> usize {
        match self {
            Self::Classic { .. } => MAX_BLOCK_BYTES,
            Self::V2(_) => MAX_V2_BLOCK_BYTES,
        }
    }

    /// The easiest target: in `classic` the only one.
    pub fn easiest_target(&self) -> Target {
        match self {
            Self::Classic { target } => *target,
            Self::V2(rules) => rules.limit.target(),
        }
    }

    /// Whether its blocks carry entries, and are of the `v2` kind.
    pub fn is_v2(&self) -> bool {
        matches!(self, Self::V2(_))
    }
}

/// Why a block was refused. Cheap to make: bad work arrives thousands of times a second.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block refused by rule `{rule}`: field `{field}`: {reason}")]
pub struct Rejected {
    /// The rule's name, as in the table of the `rules` module: `work`, `median`, …
    pub rule: &'static str,
    /// The field that breaks it.
    pub field: &'static str,
    /// What is wrong, for people.
    pub reason: Cow<'static, str>,
}

impl Rejected {
    /// Whether the same block may pass later, with no fault of its sender's: it is only ahead of
    /// this node's clock, which may itself be wrong.
    pub fn may_pass_later(&self) -> bool {
        self.rule == linked::TIME_AHEAD
    }

    fn because(
        rule: &'static str,
        field: &'static str,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            rule,
            field,
            reason: reason.into(),
        }
    }
}

/// What the rules need to know of a classic block's parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParentFacts {
    /// Whether it, and so each of its ancestors, has a ten-digit timestamp.
    pub(crate) ten_digits: bool,
    /// The median time of the last 11 blocks up to and with it.
    pub(crate) median: UnixMicros,
}

/// What the rules need to know of a `v2` block's parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct V2ParentFacts {
    /// When it says it was made.
    pub(crate) instant: UnixMicros,
    /// The target that follows from it.
    pub(crate) next_bits: Bits,
}
