//! The Merkle tree over a block's entries: RFC 6962, section 2.1. Paths are checked by `ct-merkle`. Trees are built here: the
//! crate hashes the way up to the root anew for each entry, which of a block full of empty ones took 1.6 s instead of 0.2 s.

use std::fmt;

use ct_merkle::{InclusionProof, RootHash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hash::Hash;

/// The most steps a path can have: a block has far fewer than 2^32 entries.
const MAX_STEPS: usize = 32;

/// RFC 6962's hash of a leaf, the name of an entry: SHA-256 of a zero byte and the entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let sha = Sha256::new().chain_update([0]).chain_update(entry);
    Hash::from_bytes(sha.finalize().into())
}

/// RFC 6962's hash of a node: SHA-256 of a one byte and the two below it.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let sha = Sha256::new().chain_update([1]);
    let sha = sha
        .chain_update(left.as_bytes())
        .chain_update(right.as_bytes());
    Hash::from_bytes(sha.finalize().into())
}

/// RFC 6962's Merkle tree hash over entries.
///
/// Two hashes for each entry: a block may have a third of a million of them, and is checked by all who hear of it.
pub fn merkle_root<E: AsRef<[u8]>>(entries: &[E]) -> Hash {
    let mut row = leaves(entries);
    while row.len() > 1 {
        row = row_above(&row);
    }
    // RFC 6962: "The hash of an empty list is the hash of an empty string".
    let of_nothing = || Hash::from_bytes(Sha256::digest(b"").into());
    row.first().copied().unwrap_or_else(of_nothing)
}

fn leaves<E: AsRef<[u8]>>(entries: &[E]) -> Vec<Hash> {
    let leaves = entries.iter().map(|entry| leaf_hash(entry.as_ref()));
    leaves.collect()
}

/// Each two neighbours become a node; a last one without a neighbour goes up as it is. That is RFC 6962's tree, whose left
/// half is the largest that is full.
fn row_above(row: &[Hash]) -> Vec<Hash> {
    let pairs = row.chunks(2).map(|pair| match pair {
        [left, right] => node_hash(left, right),
        alone => alone[0],
    });
    pairs.collect()
}

/// One step on the way from an entry to the root: what stands beside it.
///
/// That the side is said makes a path whole in itself: a header has the root, but not how many entries are below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The neighbour to the left.
    Left(Hash),
    /// The neighbour to the right.
    Right(Hash),
}

/// The way from an entry to the root, RFC 6962's audit path: the entry's own neighbour first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MerklePath(Vec<Step>);

impl MerklePath {
    /// The path of the entry at `position`; `None` where there is no such entry.
    pub fn new<E: AsRef<[u8]>>(entries: &[E], position: usize) -> Option<Self> {
        if position >= entries.len() {
            return None;
        }
        let (mut position, mut row, mut steps) = (position, leaves(entries), Vec::new());
        while row.len() > 1 {
            // Without a neighbour it goes up as it is, and there is no step.
            steps.extend(row.get(position ^ 1).map(|&neighbour| match position % 2 {
                0 => Step::Right(neighbour),
                _ => Step::Left(neighbour),
            }));
            (position, row) = (position / 2, row_above(&row));
        }
        Some(Self(steps))
    }

    /// Whether `entry` stands at the start of this path and `root` at its end.
    pub fn leads(&self, entry: &[u8], root: &Hash) -> bool {
        if self.0.len() > MAX_STEPS {
            return false;
        }
        // The sides spelled as a position in a full tree of as many rows have the crate go exactly this way.
        let (mut position, mut neighbours) = (0_u64, Vec::with_capacity(self.0.len() * 32));
        for (row, step) in self.0.iter().enumerate() {
            let (Step::Left(hash) | Step::Right(hash)) = step;
            position |= u64::from(matches!(step, Step::Left(_))) << row;
            neighbours.extend_from_slice(hash.as_bytes());
        }
        let root = RootHash::<Sha256>::new((*root.as_bytes()).into(), 1 << self.0.len());
        InclusionProof::try_from_bytes(neighbours)
            .is_ok_and(|proof| root.verify_inclusion(&entry, position, &proof).is_ok())
    }

    /// The steps, the entry's own neighbour first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// What stands at the end of the path that begins with this leaf.
    pub(crate) fn root_from(&self, leaf: Hash) -> Hash {
        self.0.iter().fold(leaf, |hash, step| match step {
            Step::Left(left) => node_hash(left, &hash),
            Step::Right(right) => node_hash(&hash, right),
        })
    }
}

impl fmt::Debug for MerklePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}
