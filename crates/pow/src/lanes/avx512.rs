//! Sixteen nonces at a time, for processors with AVX-512F. It alone has rotations, and any function of three words as one
//! instruction.

use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;

use crate::lanes::vector::vector_kernel;
use crate::lanes::{Abreast, Lanes, Start, WordsOfLanes};

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

/// A block made ready.
pub(crate) struct Room {
    block: Block,
    /// Where groups abreast start, for each prefix: the state after those rounds that are the same for all numbers.
    starts: Vec<[__m512i; 8]>,
}

impl Lanes for Avx512 {
    type Block = Room;

    const LANES: usize = 16;
    const POLL_NONCES: usize = 1_024;
    const ABREAST: Option<&'static Abreast<Self>> = Some(&Abreast {
        // SAFETY: the first argument proves that the machine has AVX-512F.
        prepare: |_, room, words, starts| unsafe { prepare_abreast(room, words, starts) },
        // SAFETY: as above.
        scan: |_, room, work, hits| unsafe { scan_abreast(room, work, hits) },
    });

    fn room(self) -> Box<Room> {
        // SAFETY: `self` proves that the machine has AVX-512F.
        let block = unsafe { room() };
        let starts = Vec::new();
        Box::new(Room { block, starts })
    }

    fn prepare(self, room: &mut Room, block: &[u32; 16], shape: Shape) {
        // SAFETY: as in `room`.
        unsafe { prepare(&mut room.block, block, shape) }
    }

    fn scan(self, room: &mut Room, work: &Scan<'_>, hits: &mut Vec<Hit>) {
        // SAFETY: as in `room`.
        unsafe { scan(&mut room.block, work, hits) }
    }

    fn scan_two(self, rooms: &mut [Box<Room>; 2], work: &Scan<'_>, hits: &mut Vec<Hit>) {
        let blocks = rooms.each_mut().map(|room| &mut room.block);
        // SAFETY: as in `room`.
        unsafe { scan_two(blocks, work, hits) }
    }
}

/// The word in which the low digits of groups abreast lie.
const WORD_ABREAST: usize = 13;

/// [`prepare`], with another block in each lane; and the rounds that are the same for all numbers.
#[target_feature(enable = "avx512f")]
fn prepare_abreast(room: &mut Room, words: &WordsOfLanes, starts: &[Start]) {
    let block = &mut room.block;
    let ahead = Shape::Only13.ahead();
    // Words that differ between the numbers are zero here, and add nothing.
    let w = &mut [splat(0); 64];
    for t in bits(ahead.constant | ahead.partly) {
        let sum = match words.get(t) {
            Some(word) => load(word),
            None => add(
                add(small_sigma1(w[t - 2]), w[t - 7]),
                add(small_sigma0(w[t - 15]), w[t - 16]),
            ),
        };
        if ahead.constant >> t & 1 == 1 {
            w[t] = sum;
            block.sums[t] = add(sum, block.constants[t]);
        } else {
            block.parts[t] = sum;
        }
    }
    room.starts.clear();
    for start in starts {
        let advanced = hash_with(&block.sums[..WORD_ABREAST], &splat_all(&start.midstate));
        room.starts.push(advanced);
    }
}

#[target_feature(enable = "avx512f")]
fn scan_abreast(Room { block, starts }: &mut Room, scan: &Scan<'_>, hits: &mut Vec<Hit>) {
    let target = splat(scan.target);
    // A start alone is kept at hand: to look it up anew for each number was measured to cost a hundredth.
    if let ([start], [advanced, ..]) = (scan.starts, starts.as_slice()) {
        let (before, advanced) = (splat(start.midstate[0]), *advanced);
        for number in scan.numbers.clone() {
            expand_number(block, scan.low, number);
            let state = hash::<WORD_ABREAST>(&block.sums, &advanced);
            push_hit(hits, number, 0, at_most(add(state[0], before), target));
        }
        return;
    }
    for number in scan.numbers.clone() {
        expand_number(block, scan.low, number);
        for (index, (start, advanced)) in scan.starts.iter().zip(&*starts).enumerate() {
            let state = hash::<WORD_ABREAST>(&block.sums, advanced);
            let before = splat(start.midstate[0]);
            push_hit(hits, number, index, at_most(add(state[0], before), target));
        }
    }
}

/// Expands the message schedules of groups abreast for a number.
#[inline]
#[target_feature(enable = "avx512f")]
fn expand_number(block: &mut Block, low: Low, number: usize) {
    let digits = splat(DIGITS.0[number] << low.left);
    block.words[WORD_ABREAST] = or(block.parts[WORD_ABREAST], digits);
    expand::<{ Shape::ONLY_13 }>(block);
}

#[inline]
fn push_hit(hits: &mut Vec<Hit>, low: usize, start: usize, lanes: u16) {
    if lanes != 0 {
        hits.push(Hit { low, start, lanes });
    }
}

/// Rounds of the loop in [`hash`]: after nine each word is in the register again in which it was before.
const LOOP_ROUNDS: usize = 9;

/// The rounds of a block from a state on, without the addition of the state before the block.
///
/// Most of them in a loop, and a short one: where another thread shares the core, and with it the cache of decoded
/// instructions, straight code for all rounds was measured to take up to 30 % more time.
#[inline]
#[target_feature(enable = "avx512f")]
fn hash<const FROM: usize>(sums: &[__m512i; 64], state: &[__m512i; 8]) -> [__m512i; 8] {
    hash_with(&sums[FROM..], state)
}

/// A round for each of the sums, at least one.
#[inline]
#[target_feature(enable = "avx512f")]
fn hash_with(sums: &[__m512i], state: &[__m512i; 8]) -> [__m512i; 8] {
    let mut state = *state;
    // What a round adds to h first is added a round ahead.
    state[7] = add(state[7], sums[0]);
    let (loops, rest) = sums[1..].as_chunks();
    rounds(&mut state, loops);
    for next in rest {
        state = round(state, *next);
    }
    round(state, splat(0))
}

/// A round. `next` is the next round's word of the message schedule plus its round constant; that of this round has been
/// added to h already.
#[inline]
#[target_feature(enable = "avx512f")]
fn round([a, b, c, d, e, f, g, h]: [__m512i; 8], next: __m512i) -> [__m512i; 8] {
    let sum = add(h, choose(e, f, g));
    let t1 = add(sum, xor3(rotate::<6>(e), rotate::<11>(e), rotate::<25>(e)));
    let sum = add(t1, majority(a, b, c));
    let t1_t2 = add(sum, xor3(rotate::<2>(a), rotate::<13>(a), rotate::<22>(a)));
    [t1_t2, a, b, c, add(d, t1), e, f, add(g, next)]
}

/// A [`round`] for each of `next`.
///
/// The order of the instructions counts, and a compiler would choose it anew (and unroll the loop): rotations have one port
/// alone, so others stand between them. And a register is copied but once in a round. This order was the fastest of some
/// 1,600 that were measured.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounds(state: &mut [__m512i; 8], next: &[[__m512i; LOOP_ROUNDS]]) {
    if next.is_empty() {
        return;
    }
    let Range { start, end } = next.as_ptr_range();
    /// A round: `w` is free, and becomes h of the next round; g becomes free. The truth tables are those of [`xor3`], of
    /// [`majority`], and of [`choose`] with g, which is overwritten, in the first place.
    #[rustfmt::skip] // An instruction is a line.
    macro_rules! round {
        ($i:literal: $a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal $w:literal) => {
            concat!(
                "vprord {x}, ", $e, ", 6\n",
                "vprord {z}, ", $e, ", 25\n",
                "vpaddd ", $w, ", ", $g, ", [{next} + 64 * ", $i, "]\n",
                "vprord {y}, ", $e, ", 11\n",
                "vpternlogd ", $g, ", ", $e, ", ", $f, ", {choose}\n",
                "vpaddd ", $h, ", ", $h, ", ", $g, "\n",
                "vpternlogd {z}, {y}, {x}, {xor3}\n",
                "vpaddd ", $h, ", ", $h, ", {z}\n",
                "vpaddd ", $d, ", ", $d, ", ", $h, "\n",
                "vprord {z}, ", $a, ", 22\n",
                "vprord {y}, ", $a, ", 13\n",
                "vprord {x}, ", $a, ", 2\n",
                "vmovdqa64 ", $g, ", ", $c, "\n",
                "vpternlogd ", $g, ", ", $b, ", ", $a, ", {majority}\n",
                "vpaddd ", $h, ", ", $h, ", ", $g, "\n",
                "vpternlogd {z}, {y}, {x}, {xor3}\n",
                "vpaddd ", $h, ", ", $h, ", {z}\n",
            )
        };
    }
    let [a, b, c, d, e, f, g, h] = state;
    // SAFETY: the instructions are those of AVX-512F, which the function requires. They read all of `next`, nine vectors at
    // a time, of which there is at least one time, and no other memory.
    unsafe {
        asm!(
            ".p2align 6",
            "2:",
            round!(0: "{a}" "{b}" "{c}" "{d}" "{e}" "{f}" "{g}" "{h}" "{w}"),
            round!(1: "{h}" "{a}" "{b}" "{c}" "{d}" "{e}" "{f}" "{w}" "{g}"),
            round!(2: "{w}" "{h}" "{a}" "{b}" "{c}" "{d}" "{e}" "{g}" "{f}"),
            round!(3: "{g}" "{w}" "{h}" "{a}" "{b}" "{c}" "{d}" "{f}" "{e}"),
            round!(4: "{f}" "{g}" "{w}" "{h}" "{a}" "{b}" "{c}" "{e}" "{d}"),
            round!(5: "{e}" "{f}" "{g}" "{w}" "{h}" "{a}" "{b}" "{d}" "{c}"),
            round!(6: "{d}" "{e}" "{f}" "{g}" "{w}" "{h}" "{a}" "{c}" "{b}"),
            round!(7: "{c}" "{d}" "{e}" "{f}" "{g}" "{w}" "{h}" "{b}" "{a}"),
            round!(8: "{b}" "{c}" "{d}" "{e}" "{f}" "{g}" "{w}" "{a}" "{h}"),
            "add {next}, {bytes}",
            "cmp {next}, {end}",
            "jne 2b",
            a = inout(zmm_reg) *a,
            b = inout(zmm_reg) *b,
            c = inout(zmm_reg) *c,
            d = inout(zmm_reg) *d,
            e = inout(zmm_reg) *e,
            f = inout(zmm_reg) *f,
            g = inout(zmm_reg) *g,
            h = inout(zmm_reg) *h,
            w = out(zmm_reg) _,
            x = out(zmm_reg) _,
            y = out(zmm_reg) _,
            z = out(zmm_reg) _,
            next = inout(reg) start => _,
            end = in(reg) end,
            bytes = const size_of::<[__m512i; LOOP_ROUNDS]>(),
            xor3 = const 0b1001_0110,
            choose = const 0b1011_1000,
            majority = const 0b1110_1000,
            options(pure, readonly, nostack),
        );
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
