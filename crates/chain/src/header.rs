//! A block of the `v2` kind without its entries.

use sha2::{Digest, Sha256};

use crate::bits::Bits;
use crate::hash::Hash;
use crate::text::{MAX_U64_DIGITS, decimal};
use crate::time::Timestamp;

/// What stands for the parent's hash at height 0.
pub(crate) const NO_PARENT: Hash = Hash::from_bytes([0; 32]);

/// All of a `v2` block but its entries, for which the Merkle root stands: enough to check its work and its place in a chain.
///
/// As yet unchecked; [`Chain::accept_header`](crate::Chain::accept_header) checks it.
///
/// As JSON an object of eight keys in any order: `version` (2), `index` and `timestamp` are numbers, `nonce`, which passes
/// 2^53, is a string of digits, as `prev_hash`, `merkle_root`, `bits` and `hash` are strings of hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its height.
    pub index: u64,
    /// Its parent's hash; `None`, in text 64 zeros, at height 0.
    pub prev_hash: Option<Hash>,
    /// The root of the [Merkle tree](crate::merkle_root) over its entries.
    pub merkle_root: Hash,
    /// When its miner says it was made, in 13 digits.
    pub timestamp: Timestamp,
    /// What its hash must not exceed.
    pub bits: Bits,
    /// The number that makes the hash meet the target.
    pub nonce: u64,
    /// Its stated hash.
    pub hash: Hash,
}

impl Header {
    /// The text whose SHA-256 is the hash: `jbc/2`, index, Merkle root, parent, timestamp, bits and nonce, a line each, without
    /// a line end behind the last.
    pub fn preimage(&self) -> String {
        format!("{}{}", self.preimage_prefix(), self.nonce)
    }

    /// All of the preimage before the nonce.
    pub fn preimage_prefix(&self) -> String {
        prefix(
            self.index,
            &self.merkle_root,
            self.prev_hash.as_ref(),
            self.timestamp,
            self.bits,
        )
    }

    /// The SHA-256 of the preimage.
    pub fn computed_hash(&self) -> Hash {
        let mut digits = [0; MAX_U64_DIGITS];
        let sha = Sha256::new()
            .chain_update(b"jbc/2\n")
            .chain_update(decimal(self.index, &mut digits))
            .chain_update(b"\n")
            .chain_update(self.merkle_root.to_hex())
            .chain_update(b"\n")
            .chain_update(self.prev_hash.unwrap_or(NO_PARENT).to_hex())
            .chain_update(b"\n")
            .chain_update(self.timestamp.as_bytes())
            .chain_update(b"\n")
            .chain_update(self.bits.to_hex())
            .chain_update(b"\n")
            .chain_update(decimal(self.nonce, &mut digits));
        Hash::from_bytes(sha.finalize().into())
    }
}

/// All of a preimage before its nonce. FORMATS.md: "the seven lines `jbc/2`, index, merkle_root, prev_hash, timestamp, bits,
/// nonce joined by `\n`".
pub(crate) fn prefix(
    index: u64,
    merkle_root: &Hash,
    prev_hash: Option<&Hash>,
    timestamp: Timestamp,
    bits: Bits,
) -> String {
    let prev_hash = prev_hash.unwrap_or(&NO_PARENT);
    format!("jbc/2\n{index}\n{merkle_root}\n{prev_hash}\n{timestamp}\n{bits}\n")
}
