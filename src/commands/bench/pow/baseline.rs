//! What the kernels are compared with: `sha2::block_api::compress256` on one block in which the digits are patched.
//!
//! It is what a careful programmer writes on that crate: the constant blocks are hashed once, nothing is formatted, one
//! compression a nonce. `sha2` takes the processor's SHA instructions where there are any.

use std::ops::Range;
use std::slice;

use anyhow::ensure;
use sha2::block_api::compress256;

use super::layouts::Layout;
use super::search::Hit;

/// SHA-256's initial hash value (FIPS 180-4, section 5.3.3).
const INITIAL_STATE: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Bytes of a message block, and of the length that ends a message.
const BLOCK_BYTES: usize = 64;
const LENGTH_BYTES: usize = 8;

/// A prefix made ready, and the block that holds its end and the nonce.
pub(super) struct Patched {
    first_nonce: u64,
    midstate: [u32; 8],
    block: [u8; BLOCK_BYTES],
    /// Where in the block the digits lie.
    digits: Range<usize>,
}

impl Patched {
    /// Lays out the first prefix of a layout with its first nonce.
    ///
    /// # Errors
    /// If nonce and padding do not fit into the last block.
    pub(super) fn new(layout: &Layout) -> anyhow::Result<Self> {
        let prefix = layout.prefixes[0].as_bytes();
        let (whole, rest) = prefix.as_chunks::<BLOCK_BYTES>();
        let nonce = layout.first_nonce.to_string();
        let digits = rest.len()..rest.len() + nonce.len();
        ensure!(
            digits.end < BLOCK_BYTES - LENGTH_BYTES,
            "{} is no layout of one compression",
            layout.name
        );
        let mut midstate = INITIAL_STATE;
        compress256(&mut midstate, whole);
        let mut block = [0; BLOCK_BYTES];
        block[..digits.start].copy_from_slice(rest);
        block[digits.clone()].copy_from_slice(nonce.as_bytes());
        block[digits.end] = 0x80;
        let bits = (prefix.len() + nonce.len()) as u64 * 8;
        block[BLOCK_BYTES - LENGTH_BYTES..].copy_from_slice(&bits.to_be_bytes());
        Ok(Self {
            first_nonce: layout.first_nonce,
            midstate,
            block,
            digits,
        })
    }

    /// Searches so many nonces from the first of the layout on; answers what meets the target.
    pub(super) fn search(mut self, count: u64, target: [u8; 32]) -> Vec<Hit> {
        let target_words: [u32; 8] =
            std::array::from_fn(|i| u32::from_be_bytes(target.as_chunks().0[i]));
        let mut hits = Vec::new();
        for nonce in self.first_nonce..self.first_nonce + count {
            let mut state = self.midstate;
            compress256(&mut state, slice::from_ref(&self.block));
            if state[0] <= target_words[0] && state <= target_words {
                hits.push(Hit {
                    nonce,
                    prefix: 0,
                    hash: bytes(&state),
                });
            }
            self.increment();
        }
        hits
    }

    /// Counts the digits up by one.
    fn increment(&mut self) {
        for digit in self.block[self.digits.clone()].iter_mut().rev() {
            if *digit != b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }
}

fn bytes(state: &[u32; 8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::super::search::target_of_bits;
    use super::*;

    #[test]
    fn the_patched_block_hashes_what_the_plain_formula_does() {
        let layout = &Layout::all()[0];
        let hits = Patched::new(layout).unwrap().search(1_234, [0xff; 32]);
        let nonces = layout.first_nonce..layout.first_nonce + 1_234;
        assert!(hits.iter().map(|hit| hit.nonce).eq(nonces));
        assert!(hits.iter().all(|hit| hit.hash == layout.hash(0, hit.nonce)));
        let target = target_of_bits(4);
        let few = Patched::new(layout).unwrap().search(1_234, target);
        assert!(few.iter().eq(hits.iter().filter(|hit| hit.hash <= target)));
    }

    #[test]
    fn a_layout_that_spills_into_a_second_block_is_refused() {
        let spilling = &Layout::all()[2];
        assert!(Patched::new(spilling).is_err());
    }
}
