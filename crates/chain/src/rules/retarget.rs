//! How hard the next block of a `v2` network is. What comes of it, docs/difficulty.md says.

use ruint::aliases::{U256, U512};
use serde::{Deserialize, Serialize};

use crate::bits::Bits;

/// The most a block's own time counts for the next target, in block intervals: a network that slept owes no easy blocks.
/// Source: FORMATS.md, "min(time(n) − time(n−1), 6T)".
pub const MAX_ELAPSED_INTERVALS: u64 = 6;

/// How far a block's timestamp may be ahead of the node's clock, in block intervals. Source: FORMATS.md, "at most 2T ahead".
pub const MAX_LEAD_INTERVALS: u64 = 2;

/// What the blocks of a `v2` network keep, beside the form that all of them have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V2Rules {
    /// T: the time between two blocks that the target follows, in milliseconds.
    pub interval_ms: u64,
    /// The easiest target.
    pub limit: Bits,
    /// N: over about how many blocks a change of the network's speed is followed.
    pub window_blocks: u64,
}

impl V2Rules {
    /// The target of the block after one that has the target `bits` and was stamped `elapsed_ms` after its parent.
    ///
    /// FORMATS.md, WTEMA: "target(n+1) = min(limit, floor(target(n) · ((N−1)·T + dt) / (N·T))), bits(n+1) = compact(target(n+1))
    /// […] dt = min(time(n) − time(n−1), 6T)". Block 1 has the bits of block 0 and is none of this function's.
    pub fn next_bits(&self, bits: Bits, elapsed_ms: u64) -> Bits {
        let (interval, window) = (U512::from(self.interval_ms), U512::from(self.window_blocks));
        let longest_ms = self.interval_ms.saturating_mul(MAX_ELAPSED_INTERVALS);
        let counted = U512::from(elapsed_ms.min(longest_ms));
        // 256 bits of a target and twice 64 of the factors fit into 512.
        let product = U512::from(bits.number()) * ((window - U512::ONE) * interval + counted);
        let target = (product / (window * interval)).min(U512::from(self.limit.number()));
        let target: U256 = target.to();
        // A target of zero could never be met, nor left again.
        Bits::from_number(target).unwrap_or(bits)
    }

    /// How far a timestamp may be ahead of the clock, in milliseconds.
    pub fn max_lead_ms(&self) -> u64 {
        self.interval_ms.saturating_mul(MAX_LEAD_INTERVALS)
    }

    /// The same in microseconds, as instants are.
    pub fn max_lead_micros(&self) -> i64 {
        i64::try_from(self.max_lead_ms()).map_or(i64::MAX, |ms| ms.saturating_mul(1_000))
    }

    /// What is wrong with these numbers for a network, if something is: the field and the reason.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        const INTERVAL_MS: std::ops::RangeInclusive<u64> = 100..=86_400_000;
        const WINDOW_BLOCKS: std::ops::RangeInclusive<u64> = 2..=10_000;
        if !INTERVAL_MS.contains(&self.interval_ms) {
            Some((
                "interval_ms",
                "must be between 100 (a tenth of a second) and 86400000 (a day)",
            ))
        } else if !WINDOW_BLOCKS.contains(&self.window_blocks) {
            Some(("window_blocks", "must be between 2 and 10000"))
        } else {
            None
        }
    }
}
