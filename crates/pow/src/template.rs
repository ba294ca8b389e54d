//! What stays the same while nonces change: the prefix and the target.

use sha2::block_api::compress256;
use std::fmt;

/// Bytes of a SHA-256 message block (FIPS 180-4, table 1).
pub(crate) const BLOCK_BYTES: usize = 64;

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

/// The constant prefix of a preimage and the target its hash has to meet.
///
/// Holds the *midstate* too: the hash state after all blocks of the prefix that no nonce can change. It is computed
/// once, here, and spares every nonce those blocks.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    prefix: Vec<u8>,
    target: [u8; 32],
    midstate: [u32; 8],
}

impl Template {
    /// A template for preimages that are `prefix` followed by the nonce in decimal ASCII.
    ///
    /// `target` is a big-endian 256-bit number; work is valid when the hash, read the same way, is at most this.
    pub fn new(prefix: &[u8], target: [u8; 32]) -> Self {
        let mut midstate = INITIAL_STATE;
        let (constant_blocks, _) = prefix.as_chunks::<BLOCK_BYTES>();
        compress256(&mut midstate, constant_blocks);
        Self {
            prefix: prefix.to_vec(),
            target,
            midstate,
        }
    }

    /// The bytes before the nonce.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The largest valid hash, big endian.
    pub fn target(&self) -> [u8; 32] {
        self.target
    }

    /// The hash state after the prefix's whole blocks.
    pub(crate) fn midstate(&self) -> [u32; 8] {
        self.midstate
    }

    /// The prefix's last bytes, fewer than a block, that share a block with the nonce.
    pub(crate) fn remainder(&self) -> &[u8] {
        self.prefix.as_chunks::<BLOCK_BYTES>().1
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field(
                "prefix",
                &format_args!("\"{}\"", self.prefix.escape_ascii()),
            )
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
