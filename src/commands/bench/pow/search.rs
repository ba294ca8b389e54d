//! Searches of a whole range that stop for nothing, and the proof that they left nothing out.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use anyhow::ensure;
use jbc_pow::{Kernel, Search, search_with};

use super::layouts::Layout;

/// A hash that meets a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    /// The winning nonce.
    pub(super) nonce: u64,
    /// The number of the prefix behind which it wins.
    pub(super) prefix: usize,
    /// Its hash, big endian.
    pub(super) hash: [u8; 32],
}

/// The largest number that begins with so many zero bits.
pub(super) fn target_of_bits(zero_bits: u32) -> [u8; 32] {
    let mut target = [0xff; 32];
    for bit in 0..zero_bits as usize {
        target[bit / 8] &= !(0x80 >> (bit % 8));
    }
    target
}

/// All hits of a range, by nonce and then by prefix. A search ends at its first hit, so another begins behind it.
///
/// # Errors
/// If a search ends before its range does, or names a hit that is none.
pub(super) fn search_whole(
    kernel: Kernel,
    layout: &Layout,
    nonces: Range<u64>,
    target: [u8; 32],
) -> anyhow::Result<Vec<Hit>> {
    let nobody = AtomicBool::new(false);
    let mut hits = Vec::new();
    for piece in Layout::pieces(nonces) {
        let template = layout.template(target)?;
        let mut rest = piece.clone();
        loop {
            match search_with(kernel, &template, rest.clone(), &nobody) {
                Search::Found { nonce, prefix, .. } => {
                    ensure!(rest.contains(&nonce), "{kernel} found outside of its range");
                    // It names the first prefix only.
                    for prefix in prefix..layout.prefixes.len() {
                        let hash = layout.hash(prefix, nonce);
                        if hash <= target {
                            hits.push(Hit {
                                nonce,
                                prefix,
                                hash,
                            });
                        }
                    }
                    rest.start = nonce + 1;
                }
                Search::Exhausted { next_nonce } => {
                    ensure!(
                        next_nonce == piece.end,
                        "{kernel} ended at {next_nonce}, not at {}",
                        piece.end
                    );
                    break;
                }
                Search::Cancelled { .. } => {
                    anyhow::bail!("{kernel} ended as cancelled, but nobody cancelled it")
                }
            }
        }
    }
    Ok(hits)
}

/// The smallest hash of a range: as a target it is met exactly once, at a place that no kernel can guess.
///
/// # Errors
/// As [`search_whole`]; and if the kernel finds what the plain formula does not.
pub(super) fn smallest(kernel: Kernel, layout: &Layout, nonces: Range<u64>) -> anyhow::Result<Hit> {
    let nobody = AtomicBool::new(false);
    let (mut best, mut target, mut rest) = (None, [0xff; 32], nonces);
    // Each hit asks for less than itself; in n hashes the record falls about ln n times.
    while let Search::Found {
        nonce,
        prefix,
        hash,
    } = search_with(kernel, &layout.template(target)?, rest.clone(), &nobody)
    {
        ensure!(
            hash == layout.hash(prefix, nonce) && hash <= target,
            "{kernel} found a hash that the plain formula does not: nonce {nonce}, prefix {prefix}"
        );
        best = Some(Hit {
            nonce,
            prefix,
            hash,
        });
        // From the same nonce on: behind another prefix it may do still better.
        rest.start = nonce;
        let Some(less) = one_less(hash) else { break };
        target = less;
    }
    best.ok_or_else(|| anyhow::anyhow!("{kernel} finds nothing where everything is a hit"))
}

fn one_less(mut number: [u8; 32]) -> Option<[u8; 32]> {
    for byte in number.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every hash of a range by the plain formula.
    fn all_hashes(layout: &Layout, nonces: Range<u64>) -> Vec<Hit> {
        let of = |nonce| {
            (0..layout.prefixes.len()).map(move |prefix| Hit {
                nonce,
                prefix,
                hash: layout.hash(prefix, nonce),
            })
        };
        nonces.flat_map(of).collect()
    }

    #[test]
    fn targets_begin_with_their_zero_bits_and_one_less_borrows() {
        let target = target_of_bits(20);
        assert_eq!(target[..4], [0, 0, 0x0f, 0xff]);
        assert!(target[3..].iter().all(|byte| *byte == 0xff));
        let mut number = [0; 32];
        assert_eq!(one_less(number), None);
        number[30] = 1;
        let mut less = [0; 32];
        less[31] = 0xff;
        assert_eq!(one_less(number), Some(less));
    }

    #[test]
    fn every_kernel_collects_all_hits_of_every_layout_and_the_smallest() {
        for layout in Layout::all() {
            // Over the end of a piece, with several hits at one nonce where there are many prefixes.
            let start = layout.first_nonce + 99_500;
            let nonces = start..start + 1_000;
            let hashes = all_hashes(&layout, nonces.clone());
            let target = target_of_bits(6);
            let expected: Vec<_> = hashes.iter().filter(|hit| hit.hash <= target).collect();
            let smallest_hash = hashes.iter().min_by_key(|hit| hit.hash).unwrap();
            for &kernel in Kernel::available() {
                let hits = search_whole(kernel, &layout, nonces.clone(), target).unwrap();
                assert!(hits.iter().eq(expected.iter().copied()), "{kernel}");
                let found = smallest(kernel, &layout, nonces.clone()).unwrap();
                assert_eq!(found, *smallest_hash, "{kernel}, {}", layout.name);
            }
        }
    }
}
