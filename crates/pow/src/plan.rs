//! The layout every kernel starts from: what the last one or two blocks of a preimage look like, and where the digits
//! of the nonce lie in them.
//!
//! ```text
//! prefix .......................................| nonce | 0x80 0 … 0 | bit length
//! |  whole blocks → midstate  | remainder       |       |            | 8 bytes   |
//! |                           |<------- tail: one or two blocks --------------->|
//! ```
//! The layout depends on how many digits the nonce has, so a plan covers nonces of one digit count only.

use crate::template::{BLOCK_BYTES, State, Template};
use std::ops::Range;

/// What ends a message besides its zeros: the byte 0x80 and the length in bits as a big-endian u64 (FIPS 180-4, 5.1.1).
const PADDING_BYTES: usize = 1 + LENGTH_BYTES;
const LENGTH_BYTES: usize = 8;

/// Blocks a tail can have: at most 63 bytes of prefix, 20 digits and 9 bytes of padding are 92 bytes.
const TAIL_BLOCKS_MAX: usize = 2;

/// Digits of the largest nonce.
const DIGITS_MAX: usize = 20;

/// The last blocks of a preimage, padded, as one run of bytes; a one-block tail leaves the rest unused.
pub(crate) type TailBytes = [u8; TAIL_BLOCKS_MAX * BLOCK_BYTES];

/// All that a kernel needs to search nonces of one digit count.
pub(crate) struct Plan<'a> {
    /// The nonces to search: not empty, all of the same digit count.
    pub(crate) nonces: Range<u64>,
    /// The hash state before the tail, for each prefix.
    pub(crate) midstates: &'a [State],
    /// The tail of the preimage of `nonces.start`, the same for all prefixes.
    pub(crate) tail: TailBytes,
    /// Where in the tail the nonce's digits lie.
    pub(crate) digits: Range<usize>,
    /// Whether length and padding, or digits, spill over into a second block.
    pub(crate) two_blocks: bool,
    /// The target as the words of a hash state, most significant first.
    pub(crate) target: State,
}

impl<'a> Plan<'a> {
    /// Lays out the tail for one of the [`spans`] of a search.
    pub(crate) fn new(template: &'a Template, nonces: Range<u64>) -> Self {
        let remainder = template.remainder();
        let digit_count = digit_count(nonces.start);
        let digits = remainder.len()..remainder.len() + digit_count;
        let two_blocks = digits.end + PADDING_BYTES > BLOCK_BYTES;
        let tail_bytes = if two_blocks {
            2 * BLOCK_BYTES
        } else {
            BLOCK_BYTES
        };
        let message_bits = (template.prefix().len() + digit_count) as u64 * 8;

        let mut tail = [0; TAIL_BLOCKS_MAX * BLOCK_BYTES];
        tail[..digits.start].copy_from_slice(remainder);
        write_decimal(nonces.start, &mut tail[digits.clone()]);
        tail[digits.end] = 0x80;
        tail[tail_bytes - LENGTH_BYTES..tail_bytes].copy_from_slice(&message_bits.to_be_bytes());

        Self {
            nonces,
            midstates: template.midstates(),
            tail,
            digits,
            two_blocks,
            target: words(&template.target()),
        }
    }
}

/// Cuts a range where the digit count changes (at 10, 100, …); the parts are in order and none is empty.
pub(crate) fn spans(nonces: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut rest = nonces;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // Twenty digits are the most a u64 has: 10^20 does not fit, and no longer span follows.
        let longer = 10_u64.checked_pow(digit_count(rest.start) as u32);
        let end = longer.map_or(rest.end, |longer| longer.min(rest.end));
        let span = rest.start..end;
        rest.start = end;
        Some(span)
    })
}

/// The nonces that are searched fastest behind a prefix of so many bytes: those of one digit count, at least 9·10⁷ of them.
///
/// A miner starts there, and takes a fresh timestamp when they are through. The digits are to lie late in a block, since
/// what stands before them is hashed once for many nonces, and in as few words as can be:
/// - 4 digits alone in the last block, at least 8 before it: one message schedule then serves many nonces;
/// - else up to byte 55, where the padding still fits;
/// - else as many as there can be: so many fit in, or so many stand in the next block.
///
/// ```
/// let nonces = jbc_pow::best_nonces(111); // a block of a tutorial's node on the default data, heights 1 to 9
/// assert_eq!(nonces, 10_000_000..100_000_000); // 111 + 8 = 64 + 55
/// ```
pub fn best_nonces(prefix_len: usize) -> Range<u64> {
    let digits = match prefix_len % BLOCK_BYTES {
        in_block @ 48..=56 => BLOCK_BYTES + 4 - in_block,
        in_block @ 36..=47 => BLOCK_BYTES - PADDING_BYTES - in_block,
        _ => DIGITS_MAX,
    };
    let power = |digits: usize| 10_u64.checked_pow(digits as u32);
    power(digits - 1).unwrap_or(u64::MAX)..power(digits).unwrap_or(u64::MAX)
}

/// Decimal digits of a nonce; zero has one.
fn digit_count(nonce: u64) -> usize {
    nonce.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Writes a nonce right-aligned over all of `digits`.
pub(crate) fn write_decimal(nonce: u64, digits: &mut [u8]) {
    let mut rest = nonce;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Big-endian bytes as words: those of a number, most significant first, compare as the number does.
pub(crate) fn words<const WORDS: usize>(bytes: &[u8]) -> [u32; WORDS] {
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|i| u32::from_be_bytes(words[i]))
}

/// A hash state as the hash's bytes (FIPS 180-4, section 6.2.2).
pub(crate) fn bytes(state: &State) -> [u8; 32] {
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}
