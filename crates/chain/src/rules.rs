//! The rules of a network: one `check_*` function each.
//!
//! | rule | field | refuses | needs |
//! |---|---|---|---|
//! | `work` | `hash` | a stated hash above the target | the block alone |
//! | `prev-hash` | `prev_hash` | a parent at height 0, none above it | the block alone |
//! | `size` | `data` | a block over 16 KiB of JSON | the block alone |
//! | `ten-digit-data` | `data` | ten digits before a ten-digit timestamp | the block alone |
//! | `hash` | `hash` | a stated hash that is not the computed one | the block alone |
//! | `genesis` | `index` | another first block than the network's | the chain |
//! | `index` | `index` | a height that is not parent + 1 | the parent |
//! | `ten-digit-timestamp` | `timestamp` | ten digits after a block with twenty | the parent |
//! | `median` | `timestamp` | a timestamp not later than the median | the last 11 |
//! | `twin` | `hash` | other content under a known hash | the chain |
//! | `time-ahead` | `timestamp` | a timestamp over 2 hours ahead | the clock |
//!
//! An unknown parent breaks no rule: it makes an orphan.

pub(crate) mod alone;
pub(crate) mod linked;

use std::borrow::Cow;

use crate::target::Target;
use crate::time::UnixMicros;

/// The largest classic block, in bytes of its JSON form with all fields as strings. Source:
/// RELIABILITY.md, "a block ≤ 16 KiB in classic".
pub const MAX_BLOCK_BYTES: usize = 16 * 1024;

/// How far a block's timestamp may be ahead of the node's clock, in microseconds. Source: FORMATS.md,
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
}

impl Rules {
    /// The target of a block that follows any block under these rules.
    pub fn target(&self) -> Target {
        let Self::Classic { target } = self;
        *target
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

/// What the rules need to know of a block's parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParentFacts {
    /// Its height.
    pub(crate) height: u64,
    /// Whether it, and so each of its ancestors, has a ten-digit timestamp.
    pub(crate) ten_digits: bool,
    /// The median time of the last 11 blocks up to and with it.
    pub(crate) median: UnixMicros,
}
