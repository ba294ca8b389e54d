//! The next block but for its nonce.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bits::Bits;
use crate::block::{Block, Entries, Unchecked, prefix};
use crate::chain::Entry;
use crate::hash::Hash;
use crate::header::{self, Header};
use crate::merkle::{MerklePath, leaf_hash, merkle_root};
use crate::text::{MAX_U64_DIGITS, decimal};
use crate::time::Timestamp;

/// What a miner holds fixed while it searches for a nonce. Plain data, so that a range of nonces can
/// be searched elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateParts {
    /// The height of the block to be.
    pub index: u64,
    /// Its parent's hash; `None` at height 0 only.
    pub prev_hash: Option<Hash>,
    /// What its miner says: the free text of a classic block, of a `v2` block its first entry.
    pub data: String,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// What only a `v2` block has.
    pub v2: Option<V2Parts>,
}

/// What only a `v2` block has: its target and its entries; and how its Merkle root is rolled.
///
/// Rolling is Bitcoin's extra nonce: a number behind the miner's own words, in the first entry, gives as many prefixes as
/// are wanted, and all nonces are free behind each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V2Parts {
    bits: Bits,
    /// The number of the first roll; `None` where the first entry is the words alone, and there is one roll.
    extra: Option<u64>,
    /// All entries but the first. Shared, as are the roots, since a template of another time is made many times a second.
    rest: Entries,
    /// The Merkle root of each roll, at least one.
    roots: Arc<[Hash]>,
}

impl V2Parts {
    /// Rolls `rolls` roots, at least one, over the words and the number counted up from `extra`, with the entries in `rest`
    /// behind them.
    pub fn rolled(
        data: &str,
        bits: Bits,
        rest: impl Into<Entries>,
        extra: u64,
        rolls: u64,
    ) -> Self {
        let rest = rest.into();
        let entries = std::iter::once(&[][..]).chain(rest.iter().map(Vec::as_slice));
        let path = MerklePath::new(&entries.collect::<Vec<_>>(), 0).expect("the first is there");
        let root = |roll| {
            path.root_from(leaf_hash(&first_entry(
                data,
                Some(extra.wrapping_add(roll)),
            )))
        };
        Self {
            bits,
            extra: Some(extra),
            roots: (0..rolls.max(1)).map(root).collect(),
            rest,
        }
    }

    /// One root over `first` and the entries in `rest`, nothing counted up.
    pub fn fixed(first: &str, bits: Bits, rest: impl Into<Entries>) -> Self {
        let rest = rest.into();
        let entries = std::iter::once(first.as_bytes()).chain(rest.iter().map(Vec::as_slice));
        let root = merkle_root(&entries.collect::<Vec<_>>());
        Self {
            bits,
            extra: None,
            roots: [root].into(),
            rest,
        }
    }
}

/// The words and behind them, in a line of its own, the number.
fn first_entry(data: &str, extra: Option<u64>) -> Vec<u8> {
    match extra {
        Some(extra) => format!("{data}\n{extra}").into_bytes(),
        None => data.as_bytes().to_vec(),
    }
}

/// A first entry without the number in its last line.
pub(crate) fn without_extra(first: &[u8]) -> &[u8] {
    match first.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if first.len() > end + 1 && first[end + 1..].iter().all(u8::is_ascii_digit) => {
            &first[..end]
        }
        _ => first,
    }
}

impl TemplateParts {
    /// The same with another timestamp, on which no Merkle root depends.
    #[must_use]
    pub fn at(&self, timestamp: Timestamp) -> Self {
        Self {
            timestamp,
            ..self.clone()
        }
    }

    /// The classic block after `parent`. A timestamp that the rules allow comes from
    /// [`Chain::earliest_timestamp`](crate::Chain::earliest_timestamp).
    pub fn next(parent: &Entry, data: impl Into<String>, timestamp: Timestamp) -> Self {
        Self {
            index: parent.height() + 1,
            prev_hash: Some(*parent.hash()),
            data: data.into(),
            timestamp,
            v2: None,
        }
    }

    /// The first block of a new classic network.
    pub fn genesis(data: impl Into<String>, timestamp: Timestamp) -> Self {
        Self {
            index: 0,
            prev_hash: None,
            data: data.into(),
            timestamp,
            v2: None,
        }
    }

    /// All of the preimage before the nonce: the text that a search runs over; of several rolls the first.
    pub fn prefix(&self) -> String {
        self.prefix_of(0)
    }

    /// The prefixes of all rolls; one of a classic block.
    pub fn prefixes(&self) -> Vec<String> {
        let rolls = self.v2.as_ref().map_or(1, |parts| parts.roots.len());
        (0..rolls).map(|roll| self.prefix_of(roll)).collect()
    }

    fn prefix_of(&self, roll: usize) -> String {
        let (index, prev_hash) = (self.index, self.prev_hash.as_ref());
        match &self.v2 {
            None => prefix(index, prev_hash, &self.data, self.timestamp),
            Some(parts) => header::prefix(
                index,
                &parts.roots[roll],
                prev_hash,
                self.timestamp,
                parts.bits,
            ),
        }
    }

    /// The block of this nonce behind the first prefix, its hash computed, whether or not it meets a target: it enters by the
    /// same door as everybody's.
    pub fn block(&self, nonce: u64) -> Block<Unchecked> {
        self.rolled_block(0, nonce)
    }

    /// The block of this nonce behind the prefix of this position.
    ///
    /// # Panics
    /// If there is no such prefix.
    pub fn rolled_block(&self, roll: usize, nonce: u64) -> Block<Unchecked> {
        let hash = hashes(&self.prefix_of(roll))(nonce);
        let Some(parts) = &self.v2 else {
            let data = self.data.clone();
            return Block::new(
                self.index,
                self.prev_hash,
                data,
                self.timestamp,
                nonce,
                hash,
            );
        };
        let extra = parts.extra.map(|extra| extra.wrapping_add(roll as u64));
        let first = first_entry(&self.data, extra);
        let header = Header {
            index: self.index,
            prev_hash: self.prev_hash,
            merkle_root: parts.roots[roll],
            timestamp: self.timestamp,
            bits: parts.bits,
            nonce,
            hash,
        };
        let entries = std::iter::once(first).chain(parts.rest.iter().cloned());
        Block::v2(header, entries.collect())
    }

    /// The hash of each nonce behind the first prefix, which is hashed once.
    pub(crate) fn hashes(&self) -> impl Fn(u64) -> Hash + use<> {
        hashes(&self.prefix())
    }
}

fn hashes(prefix: &str) -> impl Fn(u64) -> Hash + use<> {
    let start = Sha256::new().chain_update(prefix);
    move |nonce| {
        let mut digits = [0; MAX_U64_DIGITS];
        let sha = start.clone().chain_update(decimal(nonce, &mut digits));
        Hash::from_bytes(sha.finalize().into())
    }
}
