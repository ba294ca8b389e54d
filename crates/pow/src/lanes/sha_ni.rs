//! Eight nonces by the processor's SHA instructions, two at a time. One of them does two rounds, but waits for the one
//! before it longer than it works: so two hashes that know nothing of each other fit in the time of one.
//!
//! The message schedule is expanded as by AVX2, eight nonces at a time, in units that the rounds leave idle. The
//! instructions made for it were measured to cost more than all rounds (on an Ice Lake core `sha256msg1` and `sha256msg2`
//! keep the unit of the rounds busy for five cycles each, two rounds for two).

use std::arch::x86_64::*;

use crate::lanes::{Hit, Lanes, Scan, Shape, avx2};
use crate::schedule::changing;
use crate::template::State;

/// Proof that this machine has the SHA extensions, and AVX2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShaNi(());

impl ShaNi {
    /// `None` on a machine without.
    pub(crate) fn detect() -> Option<Self> {
        let has_both = std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("avx2");
        has_both.then_some(Self(()))
    }
}

/// Nonces whose schedules are expanded at a time.
const NONCES: usize = 8;
/// Nonces that are hashed at a time.
const PAIR: usize = 2;

/// Each word of the schedule of a nonce plus its round constant; in fours, the first of them lowest.
type Sums = [__m128i; 16];

/// A block made ready.
pub(crate) struct Block {
    /// The schedules, a nonce in each lane.
    lanes: avx2::Block,
    /// The same, nonce by nonce.
    sums: [Sums; NONCES],
}

impl Lanes for ShaNi {
    type Block = Block;

    const LANES: usize = NONCES;
    const POLL_NONCES: usize = 512;

    fn first_round(shape: Shape) -> usize {
        shape.from() / 4 * 4
    }

    fn room(self) -> Box<Block> {
        // SAFETY: `self` proves that the machine has the SHA extensions and AVX2.
        unsafe { room() }
    }

    fn prepare(self, room: &mut Block, block: &[u32; 16], shape: Shape) {
        // SAFETY: as in `room`.
        unsafe { prepare(room, block, shape) }
    }

    fn scan(self, block: &mut Block, work: &Scan<'_>, hits: &mut Vec<Hit>) {
        // SAFETY: as in `room`.
        unsafe { scan(block, work, hits) }
    }

    fn scan_two(self, blocks: &mut [Box<Block>; 2], work: &Scan<'_>, hits: &mut Vec<Hit>) {
        // SAFETY: as in `room`.
        unsafe { scan_two(blocks, work, hits) }
    }
}

#[target_feature(enable = "sha,avx2")]
fn room() -> Box<Block> {
    Box::new(Block {
        lanes: avx2::room(),
        sums: [[_mm_setzero_si128(); 16]; NONCES],
    })
}

#[target_feature(enable = "sha,avx2")]
fn prepare(room: &mut Block, block: &[u32; 16], shape: Shape) {
    avx2::prepare(&mut room.lanes, block, shape);
    for group in shape.from() / 4..16 {
        transpose(room, group);
    }
}

/// Takes four words of each nonce out of the lanes.
#[inline]
#[target_feature(enable = "sha,avx2")]
fn transpose(block: &mut Block, group: usize) {
    let words = &block.lanes.sums[4 * group..4 * group + 4];
    // Words 0 and 1, and 2 and 3, of the nonces 0, 1, 4, 5, and of the nonces 2, 3, 6, 7.
    let first01 = _mm256_unpacklo_epi32(words[0], words[1]);
    let first23 = _mm256_unpacklo_epi32(words[2], words[3]);
    let second01 = _mm256_unpackhi_epi32(words[0], words[1]);
    let second23 = _mm256_unpackhi_epi32(words[2], words[3]);
    let pairs = [
        _mm256_unpacklo_epi64(first01, first23),
        _mm256_unpackhi_epi64(first01, first23),
        _mm256_unpacklo_epi64(second01, second23),
        _mm256_unpackhi_epi64(second01, second23),
    ];
    for (nonce, pair) in pairs.into_iter().enumerate() {
        block.sums[nonce][group] = _mm256_castsi256_si128(pair);
        block.sums[nonce + 4][group] = _mm256_extracti128_si256::<1>(pair);
    }
}

/// Expands the message schedules as far as they differ, and takes those of their words out of the lanes.
#[inline]
#[target_feature(enable = "sha,avx2")]
fn expand<const WORDS: u16>(block: &mut Block) {
    avx2::expand::<WORDS>(&mut block.lanes);
    for group in 0..16 {
        if changing(WORDS) >> (4 * group) & 0xf != 0 {
            transpose(block, group);
        }
    }
    // The SHA instructions keep the upper halves of registers as they are, and wait for them unless they are known to be zero.
    _mm256_zeroupper();
}

/// The words a, b, e, f and c, d, g, h of a state, as the instruction wants them.
type Halves = [__m128i; 2];

#[inline]
#[target_feature(enable = "sha,avx2")]
fn halves(state: &State) -> Halves {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    [_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h)]
}

/// The rounds of a block from a group of four on, without the addition of the state before the block.
#[inline]
#[target_feature(enable = "sha,avx2")]
fn hash<const FROM: usize>(sums: &[Sums; PAIR], mut states: [Halves; PAIR]) -> [Halves; PAIR] {
    for group in FROM..16 {
        for (sums, [abef, cdgh]) in sums.iter().zip(&mut states) {
            let sums = sums[group];
            *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sums);
            *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32::<0b1110>(sums));
        }
    }
    states
}

/// The first word of each state.
#[inline]
#[target_feature(enable = "sha,avx2")]
fn first_words(states: &[Halves; PAIR]) -> [u32; PAIR] {
    states.map(|[abef, _]| _mm_extract_epi32::<3>(abef).cast_unsigned())
}

/// Which of the nonces end with a first word that is at most the target's.
#[inline]
#[target_feature(enable = "sha,avx2")]
fn at_most(ends: &[Halves; PAIR], before: [u32; PAIR], target: u32) -> u16 {
    let mut lanes = 0;
    for (nonce, (end, before)) in first_words(ends).into_iter().zip(before).enumerate() {
        lanes |= u16::from(end.wrapping_add(before) <= target) << nonce;
    }
    lanes
}

#[target_feature(enable = "sha,avx2")]
fn scan_shape<const WORDS: u16, const FROM: usize>(
    block: &mut Block,
    scan: &Scan<'_>,
    hits: &mut Vec<Hit>,
) {
    for number in scan.numbers.clone().step_by(NONCES) {
        avx2::write_digits(&mut block.lanes, scan.low, number);
        expand::<WORDS>(block);
        for (index, start) in scan.starts.iter().enumerate() {
            let advanced = halves(&start.advanced);
            for (pair, sums) in block.sums.as_chunks().0.iter().enumerate() {
                let ends = hash::<FROM>(sums, [advanced; PAIR]);
                let lanes = at_most(&ends, [start.midstate[0]; PAIR], scan.target);
                if lanes != 0 {
                    hits.push(Hit {
                        low: number + pair * PAIR,
                        start: index,
                        lanes,
                    });
                }
            }
        }
    }
}

#[target_feature(enable = "sha,avx2")]
fn scan(block: &mut Block, scan: &Scan<'_>, hits: &mut Vec<Hit>) {
    match scan.shape {
        Shape::First => scan_shape::<{ Shape::FIRST }, 0>(block, scan, hits),
        Shape::From0 => scan_shape::<{ Shape::FROM_0 }, 0>(block, scan, hits),
        Shape::From4 => scan_shape::<{ Shape::FROM_4 }, 1>(block, scan, hits),
        Shape::From8 => scan_shape::<{ Shape::FROM_8 }, 2>(block, scan, hits),
        Shape::From12 => scan_shape::<{ Shape::FROM_12 }, 3>(block, scan, hits),
        Shape::Only13 => scan_shape::<{ Shape::ONLY_13 }, 3>(block, scan, hits),
    }
}

#[target_feature(enable = "sha,avx2")]
fn scan_two([first, second]: &mut [Box<Block>; 2], scan: &Scan<'_>, hits: &mut Vec<Hit>) {
    expand::<{ Shape::FIRST }>(second);
    for number in scan.numbers.clone().step_by(NONCES) {
        if avx2::write_digits_of_two([&mut first.lanes, &mut second.lanes], scan.low, number) {
            expand::<{ Shape::FIRST }>(second);
        }
        expand::<{ Shape::FROM_12 }>(first);
        for (index, start) in scan.starts.iter().enumerate() {
            let (advanced, midstate) = (halves(&start.advanced), halves(&start.midstate));
            let (firsts, _) = first.sums.as_chunks();
            let (seconds, _) = second.sums.as_chunks();
            for (pair, (first, second)) in firsts.iter().zip(seconds).enumerate() {
                let mut states = hash::<3>(first, [advanced; PAIR]);
                for half in states
                    .iter_mut()
                    .flat_map(|state| state.iter_mut().zip(midstate))
                {
                    *half.0 = _mm_add_epi32(*half.0, half.1);
                }
                let ends = hash::<0>(second, states);
                let lanes = at_most(&ends, first_words(&states), scan.target);
                if lanes != 0 {
                    hits.push(Hit {
                        low: number + pair * PAIR,
                        start: index,
                        lanes,
                    });
                }
            }
        }
    }
}
