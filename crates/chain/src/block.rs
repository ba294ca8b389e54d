//! A block, of the `classic` kind (six fields) or of `v2` (a [`Header`] and entries): its preimage and its hash.

pub(crate) mod json;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bits::Bits;
use crate::hash::Hash;
use crate::header::{self, Header};
use crate::rules::{Rejected, Rules, alone};
use crate::template::without_extra;
use crate::text::{MAX_U64_DIGITS, decimal};
use crate::time::Timestamp;

/// The data of a `v2` block, each entry some bytes. Shared, since a block on its way to many peers is cloned.
pub type Entries = Arc<[Vec<u8>]>;

/// The state of a block that was only parsed: its hash is a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchecked {}

/// The state of a block that keeps all rules which need no other block: its stated hash is its
/// computed hash and meets the target. [`Block::check`] is the only way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {}

/// A block of either kind, in state [`Unchecked`] or [`Checked`].
///
/// Two blocks are equal when all their fields are: a classic preimage has no separators, so an equal hash
/// alone does not make blocks the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Block<S> {
    index: u64,
    prev_hash: Option<Hash>,
    timestamp: Timestamp,
    nonce: u64,
    hash: Hash,
    body: Body,
    state: PhantomData<S>,
}

/// What blocks of the two kinds do not have in common.
#[derive(Clone, PartialEq, Eq)]
enum Body {
    Classic {
        data: String,
    },
    V2 {
        merkle_root: Hash,
        bits: Bits,
        entries: Entries,
    },
}

impl Block<Unchecked> {
    /// A classic block of these fields, which may be wrong in every way that [`check`](Self::check) finds.
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
            timestamp,
            nonce,
            hash,
            body: Body::Classic { data },
            state: PhantomData,
        }
    }

    /// A `v2` block, as yet unchecked.
    pub fn v2(header: Header, entries: Entries) -> Self {
        let Header {
            index,
            prev_hash,
            merkle_root,
            timestamp,
            bits,
            nonce,
            hash,
        } = header;
        Self {
            index,
            prev_hash,
            timestamp,
            nonce,
            hash,
            body: Body::V2 {
                merkle_root,
                bits,
                entries,
            },
            state: PhantomData,
        }
    }

    /// Checks the rules that need no other block: the kind of the network's blocks, enough work, a stated hash that is the
    /// computed one, size, the form of `prev_hash`; in `classic` `data` that makes no twin, in `v2` a target that is not too
    /// easy and entries that the Merkle root is of.
    ///
    /// The cheapest come first: a block whose stated hash does not meet the target costs no hashing.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check(self, rules: &Rules) -> Result<Block<Checked>, Rejected> {
        match (rules, &self.body) {
            (Rules::Classic { target }, Body::Classic { .. }) => {
                alone::check_work(&self.hash, target)?;
                alone::check_prev_hash_form(self.index, self.prev_hash.as_ref())?;
                alone::check_timestamp_form(&self.timestamp, false)?;
                alone::check_size(&self, rules)?;
                alone::check_ten_digit_data(&self)?;
                alone::check_hash(&self.hash, || self.computed_hash())?;
            }
            (Rules::V2(rules_v2), Body::V2 { .. }) => {
                let header = self.header().expect("a v2 block has one");
                alone::check_header(&header, rules_v2)?;
                alone::check_size(&self, rules)?;
                alone::check_entries(self.entries(), &header.merkle_root)?;
            }
            _ => alone::check_kind(rules, self.is_v2())?,
        }
        Ok(self.in_state())
    }
}

impl<S> Block<S> {
    /// Its height: 0 for the first block, parent + 1 after it.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its parent's hash; `None`, in text an empty string or in `v2` 64 zeros, at height 0.
    pub fn prev_hash(&self) -> Option<&Hash> {
        self.prev_hash.as_ref()
    }

    /// What its miner says, for people: the free text of a classic block, of a `v2` block its first entry as text, without
    /// the number that its miner counted up there.
    pub fn data(&self) -> Cow<'_, str> {
        match &self.body {
            Body::Classic { data } => Cow::Borrowed(data),
            Body::V2 { entries, .. } => {
                let first = entries.first().map_or(&[][..], Vec::as_slice);
                String::from_utf8_lossy(without_extra(first))
            }
        }
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

    /// Whether it is of the `v2` kind.
    pub fn is_v2(&self) -> bool {
        matches!(self.body, Body::V2 { .. })
    }

    /// What its hash must not exceed, as a `v2` block states it.
    pub fn bits(&self) -> Option<Bits> {
        match self.body {
            Body::Classic { .. } => None,
            Body::V2 { bits, .. } => Some(bits),
        }
    }

    /// Its data, its miner's own tag first; none of a classic block.
    pub fn entries(&self) -> &[Vec<u8>] {
        match &self.body {
            Body::Classic { .. } => &[],
            Body::V2 { entries, .. } => entries,
        }
    }

    /// Its entries without the first, its miner's own: those that somebody posted.
    pub fn posted(&self) -> &[Vec<u8>] {
        self.entries().get(1..).unwrap_or_default()
    }

    /// All but its entries; `None` of a classic block.
    pub fn header(&self) -> Option<Header> {
        let Body::V2 {
            merkle_root, bits, ..
        } = self.body
        else {
            return None;
        };
        Some(Header {
            index: self.index,
            prev_hash: self.prev_hash,
            merkle_root,
            timestamp: self.timestamp,
            bits,
            nonce: self.nonce,
            hash: self.hash,
        })
    }

    /// The text whose SHA-256 is the block's hash: in `classic` `index`, `prev_hash`, `data`, `timestamp` and
    /// `nonce`, without separators; in `v2` as of [`Header::preimage`].
    pub fn preimage(&self) -> String {
        format!("{}{}", self.preimage_prefix(), self.nonce)
    }

    /// All of the preimage before the nonce: what stays the same while a miner searches.
    pub fn preimage_prefix(&self) -> String {
        let prev_hash = self.prev_hash.as_ref();
        match &self.body {
            Body::Classic { data } => prefix(self.index, prev_hash, data, self.timestamp),
            Body::V2 {
                merkle_root, bits, ..
            } => header::prefix(self.index, merkle_root, prev_hash, self.timestamp, *bits),
        }
    }

    /// The SHA-256 of the preimage, computed without building it: a block of bad work is refused
    /// thousands of times a second.
    pub fn computed_hash(&self) -> Hash {
        let data = match (&self.body, self.header()) {
            (_, Some(header)) => return header.computed_hash(),
            (Body::Classic { data }, None) => data.as_str(),
            (Body::V2 { .. }, None) => unreachable!("a v2 block has a header"),
        };
        let mut digits = [0; MAX_U64_DIGITS];
        let mut sha = Sha256::new();
        sha.update(decimal(self.index, &mut digits));
        if let Some(prev_hash) = self.prev_hash {
            sha.update(prev_hash.to_hex());
        }
        sha.update(data);
        sha.update(self.timestamp.as_bytes());
        sha.update(decimal(self.nonce, &mut digits));
        Hash::from_bytes(sha.finalize().into())
    }

    /// The block's identity: a SHA-256 over all fields with their lengths, so that no two
    /// different blocks share it. Unlike `hash` it can not be claimed.
    pub fn content_digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        match &self.body {
            Body::Classic { .. } => sha.update(b"jbc/block-content/1\n"),
            Body::V2 { .. } => sha.update(b"jbc/block-content/2\n"),
        }
        sha.update(self.index.to_be_bytes());
        sha.update([u8::from(self.prev_hash.is_some())]);
        sha.update(self.prev_hash.map_or([0; 32], |hash| *hash.as_bytes()));
        match &self.body {
            Body::Classic { data } => digest_bytes(&mut sha, data.as_bytes()),
            Body::V2 {
                merkle_root,
                bits,
                entries,
            } => {
                sha.update(merkle_root.as_bytes());
                sha.update(bits.as_u32().to_be_bytes());
                sha.update((entries.len() as u64).to_be_bytes());
                entries
                    .iter()
                    .for_each(|entry| digest_bytes(&mut sha, entry));
            }
        }
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
            timestamp,
            nonce,
            hash,
            body,
            state: _,
        } = self;
        Block {
            index,
            prev_hash,
            timestamp,
            nonce,
            hash,
            body,
            state: PhantomData,
        }
    }
}

fn digest_bytes(sha: &mut Sha256, bytes: &[u8]) {
    sha.update((bytes.len() as u64).to_be_bytes());
    sha.update(bytes);
}

/// All of a classic preimage before its nonce.
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
        let mut block = f.debug_struct("Block");
        block
            .field("index", &self.index)
            .field("prev_hash", &self.prev_hash);
        match &self.body {
            Body::Classic { data } => block.field("data", data),
            Body::V2 {
                merkle_root,
                bits,
                entries,
            } => block
                .field("merkle_root", merkle_root)
                .field("bits", bits)
                .field("entries", &entries.len()),
        };
        block
            .field("timestamp", &self.timestamp)
            .field("nonce", &self.nonce)
            .field("hash", &self.hash)
            .finish()
    }
}
