//! The preimages that are searched: texts as a miner has them, one layout for each way in which they fall into blocks.
//!
//! ```text
//! classic             |      64       | 47 bytes  | 8 digits | 9 |                 one compression a nonce
//! classic-shared      |      64       | 52 bytes  | 12 of 16 digits |  | 4 | 9 |   one, with a block like all others'
//! classic-two-blocks  |      64       | 49 bytes  | 7 digits |          | 9 |     two
//! v2                  |  64  |   64   | 39 bytes  | 16 digits | 9 |                one, with a block like the other roots'
//! ```

use std::ops::Range;

use anyhow::Context;
use jbc_pow::{Template, hash_of};

/// Nonces of one search: the tutorial's `STANDARD_ROUNDS` (FORMATS.md). Each makes its template anew from the texts.
const PIECE_NONCES: u64 = 100_000;

/// The hash of the articles' block 0 (FORMATS.md).
const PARENT: &str = "000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c";

/// What is to be laid out.
struct Plan {
    name: &'static str,
    /// In the format v2 the number of Merkle roots; none is the classic format.
    roots: Option<u64>,
    /// Its decimal digits move everything behind it.
    height: u64,
    /// Decimal digits of the nonces; at most 16, so that JSON's readers keep them exact (2^53 has 16).
    digits: u32,
}

const PLANS: [Plan; 6] = [
    // The nonce ends at byte 55, the last where the padding still fits.
    Plan {
        name: "classic",
        roots: None,
        height: 7,
        digits: 8,
    },
    // The last four digits stand in a block of their own, which is the same for each 10,000 nonces.
    Plan {
        name: "classic-shared",
        roots: None,
        height: 123_456,
        digits: 16,
    },
    // Three-digit heights have room for six digits only: a seventh pushes the padding into a second block.
    Plan {
        name: "classic-two-blocks",
        roots: None,
        height: 123,
        digits: 7,
    },
    // 23 - 7 digits end at byte 55; ten Merkle roots share the last block.
    Plan {
        name: "v2",
        roots: Some(10),
        height: 1_234_567,
        digits: 16,
    },
    Plan {
        name: "v2-100-roots",
        roots: Some(100),
        height: 1_234_567,
        digits: 16,
    },
    Plan {
        name: "v2-one-root",
        roots: Some(1),
        height: 1_234_567,
        digits: 16,
    },
];

/// Texts to search behind, and where the search begins.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What reports call it.
    pub name: &'static str,
    /// What stands before the nonce: several that differ in their Merkle root only, or one.
    pub prefixes: Vec<String>,
    /// The first nonce of its digit count.
    pub first_nonce: u64,
}

impl Layout {
    /// All that are measured; the first is the one that others are compared in.
    pub fn all() -> Vec<Self> {
        PLANS.iter().map(Self::of).collect()
    }

    /// The first of them: one compression a nonce, one prefix.
    pub(super) fn first() -> Self {
        Self::of(&PLANS[0])
    }

    fn of(plan: &Plan) -> Self {
        let prefixes = match plan.roots {
            None => vec![classic(plan.height)],
            Some(roots) => (0..roots).map(|root| v2(plan.height, root)).collect(),
        };
        Self {
            name: plan.name,
            prefixes,
            first_nonce: 10_u64.pow(plan.digits - 1),
        }
    }

    /// The nonces in which about so many preimages are tried, a whole number of the groups that kernels share.
    pub(super) fn nonces(&self, hashes: u64) -> Range<u64> {
        /// The largest group (`jbc_pow`): nonces that differ in their last four digits.
        const GROUP_NONCES: u64 = 10_000;
        let count = hashes / self.prefixes.len() as u64;
        let whole = (count / GROUP_NONCES).max(1) * GROUP_NONCES;
        self.first_nonce..self.first_nonce + whole
    }

    /// Preimages that are tried in a range of nonces.
    pub(super) fn hashes(&self, nonces: &Range<u64>) -> u64 {
        (nonces.end - nonces.start) * self.prefixes.len() as u64
    }

    /// The searches of which a range is made.
    pub(super) fn pieces(nonces: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let starts = nonces.clone().step_by(PIECE_NONCES as usize);
        starts.map(move |start| start..nonces.end.min(start + PIECE_NONCES))
    }

    /// The texts made ready for a search.
    ///
    /// # Errors
    /// If the texts do not go into one template: a mistake in this file.
    pub(super) fn template(&self, target: [u8; 32]) -> anyhow::Result<Template> {
        Template::rolled(&self.prefixes, target)
            .with_context(|| format!("the texts of {} are no template", self.name))
    }

    /// The plain formula for one of the prefixes.
    pub(super) fn hash(&self, prefix: usize, nonce: u64) -> [u8; 32] {
        hash_of(self.prefixes[prefix].as_bytes(), nonce)
    }
}

/// A block of a node of ours on the default data: index, parent, data and timestamp without separators (FORMATS.md).
fn classic(height: u64) -> String {
    format!("{height}{PARENT}Mined by node on port 500120171026184530123456")
}

/// The first six of the seven lines of a v2 preimage (FORMATS.md). Roots are told apart by a number, as by an extra nonce.
fn v2(height: u64, root: u64) -> String {
    let root = hash_of(b"the entries of a block with the extra nonce ", root);
    let root: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("jbc/2\n{height}\n{root}\n{PARENT}\n1508895381000\n1e0fffff\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a SHA-256 message block, and of what ends a message: 0x80 and the length (FIPS 180-4).
    const BLOCK: usize = 64;
    const PADDING: usize = 9;

    #[test]
    fn the_layouts_fall_into_blocks_as_the_map_says() {
        // Name, prefixes, bytes of text, digits, and in the last block of the digits: their end, and whether padding fits.
        let expected = [
            ("classic", 1, 111, 8, 55, true),
            ("classic-shared", 1, 116, 16, 4, true),
            ("classic-two-blocks", 1, 113, 7, 56, false),
            ("v2", 10, 167, 16, 55, true),
            ("v2-100-roots", 100, 167, 16, 55, true),
            ("v2-one-root", 1, 167, 16, 55, true),
        ];
        let layouts = Layout::all();
        assert_eq!(layouts.len(), expected.len());
        for (layout, expected) in layouts.iter().zip(expected) {
            let (name, prefixes) = (layout.name, layout.prefixes.len());
            let (bytes, digits) = (layout.prefixes[0].len(), layout.first_nonce.to_string());
            let end = (bytes + digits.len()) % BLOCK;
            let fits = end + PADDING <= BLOCK;
            assert_eq!((name, prefixes, bytes, digits.len(), end, fits), expected);
            assert!(layout.first_nonce < 1 << 53, "{name} is not exact in JSON");
            assert!(layout.template([0; 32]).is_ok());
        }
    }

    #[test]
    fn pieces_cover_a_range_once_and_in_order() {
        let layout = &Layout::all()[0];
        let nonces = layout.nonces(259_999);
        assert_eq!(nonces, 10_000_000..10_250_000);
        assert_eq!(layout.hashes(&nonces), 250_000);
        let pieces: Vec<_> = Layout::pieces(nonces).collect();
        let expected = [
            10_000_000..10_100_000,
            10_100_000..10_200_000,
            10_200_000..10_250_000,
        ];
        assert_eq!(pieces, expected);
        // Never nothing, however many prefixes share the hashes.
        assert_eq!(
            Layout::all()[4].nonces(1),
            10_u64.pow(15)..10_u64.pow(15) + 10_000
        );
    }
}
