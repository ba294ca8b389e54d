//! What stays the same while nonces change: the prefix and the target.

use sha2::block_api::compress256;
use std::fmt;

/// Bytes of a SHA-256 message block (FIPS 180-4, table 1).
pub(crate) const BLOCK_BYTES: usize = 64;

/// The eight words of a hash state: between two blocks, or as a to h between two rounds.
pub(crate) type State = [u32; 8];

/// SHA-256's initial hash value (FIPS 180-4, section 5.3.3).
const INITIAL_STATE: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Prefixes a template can have.
pub const PREFIXES_MAX: usize = 128;

/// What stands before the nonce in a preimage, and the target its hash has to meet.
///
/// A template may have several prefixes that differ in their early blocks only, as those of a block whose Merkle root is
/// rolled: a nonce is then tried behind each of them, which is faster than one prefix after the other.
///
/// Holds the *midstates* too: the hash states after all blocks of a prefix that no nonce can change. They are computed
/// once, here, and spare every nonce those blocks.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    prefixes: Vec<Vec<u8>>,
    target: [u8; 32],
    midstates: Vec<State>,
}

impl Template {
    /// A template for preimages that are `prefix` followed by the nonce in decimal ASCII.
    ///
    /// `target` is a big-endian 256-bit number; work is valid when the hash, read the same way, is at most this.
    pub fn new(prefix: &[u8], target: [u8; 32]) -> Self {
        Self {
            prefixes: vec![prefix.to_vec()],
            target,
            midstates: vec![midstate(prefix)],
        }
    }

    /// A template for preimages that are any of the `prefixes`, followed by the nonce.
    ///
    /// # Errors
    /// If there is none or more than [`PREFIXES_MAX`], or if they differ in their lengths or in the bytes after their
    /// last whole block of 64.
    pub fn rolled<P: AsRef<[u8]>>(prefixes: &[P], target: [u8; 32]) -> Result<Self, RollError> {
        let prefixes: Vec<_> = prefixes
            .iter()
            .map(|prefix| prefix.as_ref().to_vec())
            .collect();
        let count = prefixes.len();
        if !(1..=PREFIXES_MAX).contains(&count) {
            return Err(RollError::Count { count });
        }
        let ends = |prefix: &Vec<u8>| (prefix.len(), remainder(prefix).to_vec());
        let index = prefixes
            .iter()
            .position(|prefix| ends(prefix) != ends(&prefixes[0]));
        if let Some(index) = index {
            return Err(RollError::Ends { index });
        }
        Ok(Self {
            midstates: prefixes.iter().map(|prefix| midstate(prefix)).collect(),
            prefixes,
            target,
        })
    }

    /// The bytes before the nonce; of several prefixes the first.
    pub fn prefix(&self) -> &[u8] {
        &self.prefixes[0]
    }

    /// All prefixes, at least one.
    pub fn prefixes(&self) -> &[Vec<u8>] {
        &self.prefixes
    }

    /// The largest valid hash, big endian.
    pub fn target(&self) -> [u8; 32] {
        self.target
    }

    /// The hash state after the whole blocks of each prefix.
    pub(crate) fn midstates(&self) -> &[State] {
        &self.midstates
    }

    /// The last bytes of the prefixes, fewer than a block, that share a block with the nonce.
    pub(crate) fn remainder(&self) -> &[u8] {
        remainder(&self.prefixes[0])
    }
}

fn midstate(prefix: &[u8]) -> State {
    let mut midstate = INITIAL_STATE;
    compress256(&mut midstate, prefix.as_chunks::<BLOCK_BYTES>().0);
    midstate
}

fn remainder(prefix: &[u8]) -> &[u8] {
    prefix.as_chunks::<BLOCK_BYTES>().1
}

/// Why prefixes do not go into one template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollError {
    /// There are none, or too many.
    #[error("a template has 1 to {PREFIXES_MAX} prefixes, not {count}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// One does not end as the first does.
    #[error(
        "prefix {index} has another length than prefix 0, or other bytes after its last whole block"
    )]
    Ends {
        /// Which.
        index: usize,
    },
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field(
                "prefix",
                &format_args!("\"{}\"", self.prefix().escape_ascii()),
            )
            .field("prefixes", &self.prefixes.len())
            .field("target", &format_args!("{}", Hex(&self.target)))
            .finish()
    }
}

/// Bytes shown as lowercase hex.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
