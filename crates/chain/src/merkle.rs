//! The Merkle tree over a block's entries: RFC 6962, section 2.1, by `ct-merkle`.

use std::fmt;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
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
pub fn merkle_root<E: AsRef<[u8]>>(entries: &[E]) -> Hash {
    Hash::from_bytes((*tree(entries).root().as_bytes()).into())
}

fn tree<E: AsRef<[u8]>>(entries: &[E]) -> MemoryBackedTree<Sha256, &[u8]> {
    let mut tree = MemoryBackedTree::new();
    for entry in entries {
        tree.push(entry.as_ref());
    }
    tree
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
        let proof = tree(entries).prove_inclusion(position);
        let neighbours = proof.as_bytes().as_chunks::<32>().0.iter();
        // The lowest subtrees that are whole give the lowest neighbours: whether a neighbour is to the left or the right
        // follows from the position, and in a tree whose last row is not full also from the number of entries.
        let (mut position, mut last) = (position, entries.len() - 1);
        let steps = neighbours.map(|bytes| {
            while position.is_multiple_of(2) && position == last {
                (position, last) = (position / 2, last / 2); // without a neighbour, it goes up as it is
            }
            let (hash, odd) = (Hash::from_bytes(*bytes), !position.is_multiple_of(2));
            (position, last) = (position / 2, last / 2);
            if odd {
                Step::Left(hash)
            } else {
                Step::Right(hash)
            }
        });
        Some(Self(steps.collect()))
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
