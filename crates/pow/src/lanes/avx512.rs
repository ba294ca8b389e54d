//! Sixteen nonces at a time, for processors with AVX-512F. It alone has rotations, and any function of three words as one
//! instruction.

use std::arch::x86_64::*;

use crate::lanes::Lanes;
use crate::lanes::vector::vector_kernel;

vector_kernel!("avx512f", __m512i, 16);

/// Proof that this machine has AVX-512F.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// `None` on a machine without.
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

impl Lanes for Avx512 {
    type Block = Block;

    const LANES: usize = 16;
    const POLL_NONCES: usize = 1_024;

    fn room(self) -> Box<Block> {
        // SAFETY: `self` proves that the machine has AVX-512F.
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
        unsafe { scan_two(blocks, work, hits) }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u32; 16]) -> __m512i {
    // SAFETY: 16 words are 64 readable bytes, and this load asks for no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn or(a: __m512i, b: __m512i) -> __m512i {
    _mm512_or_si512(a, b)
}

/// By 32 or more: zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn shift_left(a: __m512i, count: u32) -> __m512i {
    _mm512_sll_epi32(a, _mm_cvtsi32_si128(count.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn shift_right(a: __m512i, count: u32) -> __m512i {
    _mm512_srl_epi32(a, _mm_cvtsi32_si128(count.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotate<const COUNT: i32>(a: __m512i) -> __m512i {
    _mm512_ror_epi32::<COUNT>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn shift<const COUNT: u32>(a: __m512i) -> __m512i {
    _mm512_srli_epi32::<COUNT>(a)
}

/// The truth tables are indexed by the bits of a, b and c, from most to least significant.
#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}

/// Ch (FIPS 180-4, formula 4.2): the bits of b where a has ones, those of c where it has zeros.
#[inline]
#[target_feature(enable = "avx512f")]
fn choose(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1100_1010>(a, b, c)
}

/// Maj (FIPS 180-4, formula 4.3).
#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn at_most(a: __m512i, limit: __m512i) -> u16 {
    _mm512_cmple_epu32_mask(a, limit)
}
