//! Miners as chance: blocks come at random, as fast as the target and their hash rate say, and the real rule sets the target.
//!
//! Everything is arithmetic that IEEE 754 fixes to the last bit (no logarithm, no power), so that the numbers are the same on
//! every machine.

use jbc_chain::{Bits, Network, Target, V2Rules};

/// Vigna's SplitMix64: as good as is needed here, and six lines.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A waiting time of mean 1, by von Neumann's way to it (1951), which only compares: of a falling run u1 > u2 > … of odd
    /// length u1 is the fraction, and each run of even length before it adds 1.
    pub(crate) fn waiting(&mut self) -> f64 {
        let mut whole = 0.0;
        loop {
            let first = self.unit();
            let (mut last, mut odd) = (first, true);
            loop {
                let next = self.unit();
                if next >= last {
                    break;
                }
                (last, odd) = (next, !odd);
            }
            if odd {
                return whole + first;
            }
            whole += 1.0;
        }
    }
}

/// What the miners' stamps are like.
#[derive(Clone, Copy)]
pub(crate) enum Stamps {
    /// All stamp the time they find the block, or one millisecond after the parent where that is later.
    Honest,
    /// As honest, but clocks are wrong by up to so much, each block's finder by another amount.
    Skewed { by_ms: f64 },
    /// This share of the hash rate stamps so far ahead; the rest is honest.
    Ahead { share: f64, by_ms: f64 },
    /// This share stamps the parent's time and one millisecond; the rest is honest.
    Late { share: f64 },
    /// This share stamps either so far ahead or the parent's time and one millisecond, by a coin; the rest is honest.
    Either { share: f64, by_ms: f64 },
}

/// A network's best chain and the hash rate that works on it.
pub(crate) struct Simulation {
    pub(crate) rules: V2Rules,
    pub(crate) bits: Bits,
    /// Hashes a millisecond.
    pub(crate) rate: f64,
    pub(crate) stamps: Stamps,
    /// How far ahead of their clocks nodes accept a block: the rule's 2T, but where the game is another.
    pub(crate) lead_ms: f64,
    /// The time on the nodes' clocks, which run right.
    pub(crate) now_ms: f64,
    parent_ms: u64,
    first: bool,
    random: Random,
}

/// `dev`'s rules, but for a limit that is out of the way.
pub(crate) fn rules() -> V2Rules {
    V2Rules {
        limit: "207fffff".parse().unwrap(),
        ..Network::dev_rules()
    }
}

/// The hashes that a block of these bits takes on average: 2^256 by the target.
pub(crate) fn hashes(bits: Bits) -> f64 {
    let bytes = bits.target().to_be_bytes();
    let target = bytes
        .iter()
        .fold(0.0, |value, byte| value * 256.0 + f64::from(*byte));
    let all = (0..256).fold(1.0, |value, _| value * 2.0);
    all / (target + 1.0)
}

pub(crate) fn bits_of(hashes: f64) -> Bits {
    Bits::from_target(&Target::from_expected_hashes(hashes))
}

impl Simulation {
    /// A network at rest: its target is the one at which its hash rate makes a block each T. From seed to seed the rate is
    /// another, up to 256 times, so that targets have all the mantissas there are, and lose most and least in compact form.
    pub(crate) fn at_rest(rules: V2Rules, seed: u64) -> Self {
        let steps = seed % 20;
        let hashes = (0..steps).fold(20e6, |hashes, _| hashes * 1.32);
        Self {
            rate: hashes / rules.interval_ms as f64,
            bits: bits_of(hashes),
            stamps: Stamps::Honest,
            lead_ms: rules.max_lead_ms() as f64,
            now_ms: 1_795_262_400_000.0,
            parent_ms: 1_795_262_400_000,
            first: true,
            random: Random::new(seed),
            rules,
        }
    }

    /// How long the next block takes on average, in block intervals T.
    pub(crate) fn expected(&self) -> f64 {
        hashes(self.bits) / self.rate / self.rules.interval_ms as f64
    }

    /// The next block of the best chain; how long it took, in block intervals T.
    pub(crate) fn block(&mut self) -> f64 {
        let before_ms = self.now_ms;
        let stamp_ms = self.accepted();
        // FORMATS.md: "block 1 has the genesis bits".
        let next = self.rules.next_bits(self.bits, stamp_ms - self.parent_ms);
        if !std::mem::take(&mut self.first) {
            self.bits = next;
        }
        self.parent_ms = stamp_ms;
        (self.now_ms - before_ms) / self.rules.interval_ms as f64
    }

    /// Lets time pass until nodes accept a block, and gives its stamp. One that is too far ahead is held until its time, and
    /// lost when another comes before.
    fn accepted(&mut self) -> u64 {
        let mean_ms = hashes(self.bits) / self.rate;
        let mut held: Option<u64> = None;
        loop {
            let found_ms = self.now_ms + mean_ms * self.random.waiting();
            if let Some(stamp_ms) = held {
                let released_ms = stamp_ms as f64 - self.lead_ms;
                if released_ms <= found_ms {
                    self.now_ms = released_ms; // what was searched for meanwhile is forgotten, as chance has no memory
                    return stamp_ms;
                }
            }
            self.now_ms = found_ms;
            let stamp_ms = self.stamp();
            if stamp_ms as f64 <= self.now_ms + self.lead_ms {
                return stamp_ms;
            }
            held = Some(held.map_or(stamp_ms, |held| held.min(stamp_ms)));
        }
    }

    fn stamp(&mut self) -> u64 {
        let earliest_ms = self.parent_ms + 1;
        let clock_ms = match self.stamps {
            Stamps::Honest => self.now_ms,
            Stamps::Skewed { by_ms } => self.now_ms + by_ms * (2.0 * self.random.unit() - 1.0),
            Stamps::Ahead { share, by_ms } if self.random.unit() < share => self.now_ms + by_ms,
            Stamps::Late { share } if self.random.unit() < share => 0.0,
            Stamps::Either { share, by_ms } if self.random.unit() < share => {
                if self.random.unit() < 0.5 {
                    self.now_ms + by_ms
                } else {
                    0.0
                }
            }
            Stamps::Ahead { .. } | Stamps::Late { .. } | Stamps::Either { .. } => self.now_ms,
        };
        earliest_ms.max(clock_ms as u64)
    }
}
