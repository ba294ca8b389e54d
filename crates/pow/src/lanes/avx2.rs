//! Eight nonces at a time, for processors with AVX2.

use std::arch::x86_64::*;

use crate::lanes::Lanes;
use crate::lanes::vector::{for_following_words, for_given_words, vector_kernel};

vector_kernel!("avx2", __m256i, 8);

/// Proof that this machine has AVX2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// `None` on a machine without.
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Lanes for Avx2 {
    type Block = Block;

    const LANES: usize = 8;
    const POLL_NONCES: usize = 512;

    fn room(self) -> Box<Block> {
        // SAFETY: `self` proves that the machine has AVX2.
        unsafe { Box::new(room()) }
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
        unsafe { scan_two(blocks.each_mut().map(|block| &mut **block), work, hits) }
    }
}

/// The rounds of a block from a state on, without the addition of the state before the block.
#[inline]
#[target_feature(enable = "avx2")]
fn hash<const FROM: usize>(sums: &[__m256i; 64], state: &[__m256i; 8]) -> [__m256i; 8] {
    // Round t finds a in `v[-t mod 8]`, b behind it and so on: what was g is h without being moved.
    let mut v = [splat(0); 8];
    for (i, word) in state.iter().enumerate() {
        v[(i + 64 - FROM) % 8] = *word;
    }
    macro_rules! round {
        ($t:literal) => {
            if $t >= FROM {
                const A: usize = (64 - $t) % 8;
                let [a, b, c, d] = [v[A], v[(A + 1) % 8], v[(A + 2) % 8], v[(A + 3) % 8]];
                let [e, f, g, h] = [
                    v[(A + 4) % 8],
                    v[(A + 5) % 8],
                    v[(A + 6) % 8],
                    v[(A + 7) % 8],
                ];
                let sum = add(add(h, sums[$t]), choose(e, f, g));
                let t1 = add(sum, xor3(rotate::<6>(e), rotate::<11>(e), rotate::<25>(e)));
                let t2 = add(
                    xor3(rotate::<2>(a), rotate::<13>(a), rotate::<22>(a)),
                    majority(a, b, c),
                );
                v[(A + 3) % 8] = add(d, t1);
                v[(A + 7) % 8] = add(t1, t2);
            }
        };
    }
    for_given_words!(round);
    for_following_words!(round);
    v
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(words: &[u32; 8]) -> __m256i {
    // SAFETY: 8 words are 32 readable bytes, and this load asks for no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn or(a: __m256i, b: __m256i) -> __m256i {
    _mm256_or_si256(a, b)
}

/// By 32 or more: zero.
#[inline]
#[target_feature(enable = "avx2")]
fn shift_left(a: __m256i, count: u32) -> __m256i {
    _mm256_sll_epi32(a, _mm_cvtsi32_si128(count.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx2")]
fn shift_right(a: __m256i, count: u32) -> __m256i {
    _mm256_srl_epi32(a, _mm_cvtsi32_si128(count.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const COUNT: u32>(a: __m256i) -> __m256i {
    // The left shift's count can not be computed from a constant parameter: the compiler folds this one.
    _mm256_or_si256(shift_right(a, COUNT), shift_left(a, 32 - COUNT))
}

#[inline]
#[target_feature(enable = "avx2")]
fn shift<const COUNT: u32>(a: __m256i) -> __m256i {
    shift_right(a, COUNT)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

/// Ch (FIPS 180-4, formula 4.2), with one operation less than there.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
}

/// Maj (FIPS 180-4, formula 4.3), such that the next round finds `a ^ b` computed: its b and c are this round's a and b.
#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    let differ = _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c));
    _mm256_xor_si256(b, differ)
}

#[inline]
#[target_feature(enable = "avx2")]
fn at_most(a: __m256i, limit: __m256i) -> u16 {
    // There is no unsigned comparison, but a smaller one: what is not above the limit is the minimum of the two.
    let lanes = _mm256_cmpeq_epi32(_mm256_min_epu32(a, limit), a);
    _mm256_movemask_ps(_mm256_castsi256_ps(lanes)) as u16
}
