//! A block of the classic kind: six fields, a preimage, a hash.

mod json;

use std::fmt;
use std::marker::PhantomData;

use sha2::{Digest, Sha256};

use crate::hash::Hash;
use crate::rules::{Rejected, Rules, alone};
use crate::text::{MAX_U64_DIGITS, decimal};
use crate::time::Timestamp;

/// The state of a block that was only parsed: its hash is a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchecked {}

/// The state of a block that keeps all rules which need no other block: its stated hash is its
/// computed hash and meets the target. [`Block::check`] is the only way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {}

/// A block: six fields, in state [`Unchecked`] or [`Checked`].
///
/// Two blocks are equal when all six fields are: the preimage has no separators, so an equal hash
/// alone does not make blocks the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Block<S> {
    index: u64,
    prev_hash: Option<Hash>,
    data: String,
    timestamp: Timestamp,
    nonce: u64,
    hash: Hash,
    state: PhantomData<S>,
}

impl Block<Unchecked> {
    /// A block of these fields, which may be wrong in every way that [`check`](Self::check) finds.
    /// `prev_hash` is `None` at height 0 only.
    pub fn new(
        index: u64,
        prev_hash: Option<Hash>,
        data: String,
        timestamp: Timestamp,
        nonce: u64,
        hash: Hash,
    ) -> Self {
        Self {
            index,
            prev_hash,
            data,
            timestamp,
            nonce,
            hash,
            state: PhantomData,
        }
    }

    /// Checks the rules that need no other block: enough work, a stated hash that is the computed
    /// one, size, the form of `prev_hash`, and `data` that makes no twin.
    ///
    /// The cheapest come first: a block whose stated hash does not meet the target costs no hashing.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check(self, rules: &Rules) -> Result<Block<Checked>, Rejected> {
        let Rules::Classic { target } = rules;
        alone::check_work(&self.hash, target)?;
        alone::check_prev_hash_form(&self)?;
        alone::check_size(&self)?;
        alone::check_ten_digit_data(&self)?;
        alone::check_hash(&self)?;
        Ok(self.in_state())
    }
}

impl<S> Block<S> {
    /// Its height: 0 for the first block, parent + 1 after it.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its parent's hash; `None`, in text an empty string, at height 0.
    pub fn prev_hash(&self) -> Option<&Hash> {
        self.prev_hash.as_ref()
    }

    /// Its free text.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// When its miner says it was made.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The number that makes the hash meet the target.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Its stated hash; of an [`Unchecked`] block a mere claim.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The text whose SHA-256 is the block's hash: `index`, `prev_hash`, `data`, `timestamp` and
    /// `nonce`, without separators.
    pub fn preimage(&self) -> String {
        format!("{}{}", self.preimage_prefix(), self.nonce)
    }

    /// All of the preimage before the nonce: what stays the same while a miner searches.
    pub fn preimage_prefix(&self) -> String {
        prefix(
            self.index,
            self.prev_hash.as_ref(),
            &self.data,
            self.timestamp,
        )
    }

    /// The SHA-256 of the preimage, computed without building it: a block of bad work is refused
    /// thousands of times a second.
    pub fn computed_hash(&self) -> Hash {
        let mut digits = [0; MAX_U64_DIGITS];
        let mut sha = Sha256::new();
        sha.update(decimal(self.index, &mut digits));
        if let Some(prev_hash) = self.prev_hash {
            sha.update(prev_hash.to_hex());
        }
        sha.update(&self.data);
        sha.update(self.timestamp.as_bytes());
        sha.update(decimal(self.nonce, &mut digits));
        Hash::from_bytes(sha.finalize().into())
    }

    /// The block's identity: a SHA-256 over all six fields with their lengths, so that no two
    /// different blocks share it. Unlike `hash` it can not be claimed.
    pub fn content_digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        sha.update(b"jbc/block-content/1\n");
        sha.update(self.index.to_be_bytes());
        sha.update([u8::from(self.prev_hash.is_some())]);
        sha.update(self.prev_hash.map_or([0; 32], |hash| *hash.as_bytes()));
        sha.update((self.data.len() as u64).to_be_bytes());
        sha.update(&self.data);
        sha.update([self.timestamp.as_bytes().len() as u8]);
        sha.update(self.timestamp.as_bytes());
        sha.update(self.nonce.to_be_bytes());
        sha.update(self.hash.as_bytes());
        sha.finalize().into()
    }

    /// The same block as one that has still to be checked.
    pub fn into_unchecked(self) -> Block<Unchecked> {
        self.in_state()
    }

    fn in_state<T>(self) -> Block<T> {
        let Self {
            index,
            prev_hash,
            data,
            timestamp,
            nonce,
            hash,
            state: _,
        } = self;
        Block {
            index,
            prev_hash,
            data,
            timestamp,
            nonce,
            hash,
            state: PhantomData,
        }
    }
}

/// All of a preimage before its nonce.
pub(crate) fn prefix(
    index: u64,
    prev_hash: Option<&Hash>,
    data: &str,
    timestamp: Timestamp,
) -> String {
    match prev_hash {
        Some(prev_hash) => format!("{index}{prev_hash}{data}{timestamp}"),
        None => format!("{index}{data}{timestamp}"),
    }
}

/// The tutorial's form: `Block<index: 1>, <hash: 00000c57…>`, with the whole hash.
impl<S> fmt::Display for Block<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block<index: {}>, <hash: {}>", self.index, self.hash)
    }
}

impl<S> fmt::Debug for Block<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("index", &self.index)
            .field("prev_hash", &self.prev_hash)
            .field("data", &self.data)
            .field("timestamp", &self.timestamp)
            .field("nonce", &self.nonce)
            .field("hash", &self.hash)
            .finish()
    }
}
