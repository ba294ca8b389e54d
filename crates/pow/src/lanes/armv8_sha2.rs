//! Two nonces by the SHA2 instructions of ARMv8, for aarch64. A pair of them does four rounds, and waits for the pair
//! before it: so two hashes that know nothing of each other are computed by turns.
//!
//! Tested under qemu-user (`make aarch64`) and never run on such a processor. Under qemu times mean nothing, so this is
//! written to be short, not tuned: the message schedule is expanded by the instructions made for it, nonce by nonce, and
//! nothing of it is computed ahead but where no digit lies in the block.

use std::arch::aarch64::*;

use crate::lanes::shape::DIGITS;
use crate::lanes::{Hit, Lanes, Scan, Shape};
use crate::sha256::K;
use crate::template::State;

/// Proof that this machine has the SHA2 instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armv8Sha2(());

impl Armv8Sha2 {
    /// `None` on a machine without.
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("sha2").then_some(Self(()))
    }
}

/// Nonces that are hashed at a time.
const PAIR: usize = 2;

/// Each word of the message schedule of a nonce plus its round constant; in fours.
type Sums = [uint32x4_t; 16];

/// A block made ready.
pub(crate) struct Block {
    /// Its words, where the low digits are zero bytes.
    words: [u32; 16],
    /// The schedules with the digits in their place; those of the words themselves until digits are written.
    sums: [Sums; PAIR],
}

impl Lanes for Armv8Sha2 {
    type Block = Block;

    const LANES: usize = PAIR;
    /// As few as of the portable loop: the slowest of these processors is not known.
    const POLL_NONCES: usize = 64;

    fn first_round(shape: Shape) -> usize {
        shape.from() / 4 * 4
    }

    fn room(self) -> Box<Block> {
        // SAFETY: `self` proves that the machine has the SHA2 instructions.
        unsafe { room() }
    }

    fn prepare(self, room: &mut Block, block: &[u32; 16], _: Shape) {
        // SAFETY: as in `room`.
        unsafe { prepare(room, block) }
    }

    fn scan(self, block: &mut Block, work: &Scan<'_>, hits: &mut Vec<Hit>) {
        // SAFETY: as in `room`.
        unsafe { scan([block], work, hits) }
    }

    fn scan_two(self, blocks: &mut [Box<Block>; 2], work: &Scan<'_>, hits: &mut Vec<Hit>) {
        let [first, second] = blocks;
        // SAFETY: as in `room`.
        unsafe { scan([first, second], work, hits) }
    }
}

#[target_feature(enable = "sha2")]
fn room() -> Box<Block> {
    Box::new(Block {
        words: [0; 16],
        sums: [[vdupq_n_u32(0); 16]; PAIR],
    })
}

#[target_feature(enable = "sha2")]
fn prepare(room: &mut Block, block: &[u32; 16]) {
    room.words = *block;
    room.sums = [expand(block); PAIR];
}

#[inline]
#[target_feature(enable = "sha2")]
fn load(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: 4 words are 16 readable bytes, and this load asks for no alignment but theirs.
    unsafe { vld1q_u32(words.as_ptr()) }
}

#[inline]
#[target_feature(enable = "sha2")]
fn expand(block: &[u32; 16]) -> Sums {
    let mut w = [vdupq_n_u32(0); 16];
    for (four, words) in w.iter_mut().zip(block.as_chunks().0) {
        *four = load(words);
    }
    for group in 4..16 {
        let sum = vsha256su0q_u32(w[group - 4], w[group - 3]);
        w[group] = vsha256su1q_u32(sum, w[group - 2], w[group - 1]);
    }
    for (four, constants) in w.iter_mut().zip(K.as_chunks().0) {
        *four = vaddq_u32(*four, load(constants));
    }
    w
}

/// Lets the low digits be a number in the first nonce of the pair, and the following one in the second.
#[inline]
#[target_feature(enable = "sha2")]
fn write_digits<const BLOCKS: usize>(
    blocks: &mut [&mut Block; BLOCKS],
    scan: &Scan<'_>,
    number: usize,
) {
    let low = scan.low;
    for nonce in 0..PAIR {
        let digits = DIGITS.0[number + nonce];
        let mut words = [[0; 16]; BLOCKS];
        for (words, block) in words.iter_mut().zip(&*blocks) {
            *words = block.words;
        }
        words.as_flattened_mut()[low.word] |= digits << low.left;
        if let Some(right) = low.right {
            words.as_flattened_mut()[low.word - 1] |= digits >> right;
        }
        // A block behind the last digit stays as it was prepared.
        for (block, words) in blocks.iter_mut().zip(&words).take(1 + low.word / 16) {
            block.sums[nonce] = expand(words);
        }
    }
}

/// The words a to d and e to h of a state.
type Halves = [uint32x4_t; 2];

#[inline]
#[target_feature(enable = "sha2")]
fn halves(state: &State) -> Halves {
    let [a, b, c, d, e, f, g, h] = *state;
    [load(&[a, b, c, d]), load(&[e, f, g, h])]
}

/// The rounds of a block from a group of four on, without the addition of the state before the block.
#[inline]
#[target_feature(enable = "sha2")]
fn hash(sums: &[Sums; PAIR], first_group: usize, mut states: [Halves; PAIR]) -> [Halves; PAIR] {
    for group in first_group..16 {
        for (sums, [abcd, efgh]) in sums.iter().zip(&mut states) {
            let before = *abcd;
            *abcd = vsha256hq_u32(before, *efgh, sums[group]);
            *efgh = vsha256h2q_u32(*efgh, before, sums[group]);
        }
    }
    states
}

/// Hashes the last block, or the last two where digits lie in the first of them.
#[target_feature(enable = "sha2")]
fn scan<const BLOCKS: usize>(
    mut blocks: [&mut Block; BLOCKS],
    scan: &Scan<'_>,
    hits: &mut Vec<Hit>,
) {
    for number in scan.numbers.clone().step_by(PAIR) {
        write_digits(&mut blocks, scan, number);
        for (index, start) in scan.starts.iter().enumerate() {
            let mut befores = [halves(&start.midstate); PAIR];
            let mut states = [halves(&start.advanced); PAIR];
            let mut first_group = scan.shape.from() / 4;
            for block in &blocks {
                states = hash(&block.sums, first_group, states);
                for (state, before) in states.iter_mut().zip(befores) {
                    *state = [
                        vaddq_u32(state[0], before[0]),
                        vaddq_u32(state[1], before[1]),
                    ];
                }
                (befores, first_group) = (states, 0);
            }
            let mut lanes = 0;
            for (nonce, [abcd, _]) in states.into_iter().enumerate() {
                lanes |= u16::from(vgetq_lane_u32::<0>(abcd) <= scan.target) << nonce;
            }
            if lanes != 0 {
                hits.push(Hit {
                    low: number,
                    start: index,
                    lanes,
                });
            }
        }
    }
}
