//! The tree of blocks, and which of its branches is best.

mod entry;
mod guards;
mod judge;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

pub use entry::{Entry, EntryId};
pub use guards::{CheckpointError, Guards};
pub use judge::{Accepted, Judged, JudgementOutdatedError, Refusal};

use crate::bits::Bits;
use crate::block::Block;
use crate::hash::Hash;
use crate::header::Header;
use crate::network::Network;
use crate::rules::{MEDIAN_SPAN_BLOCKS, ParentFacts, Rules, V2ParentFacts, V2Rules};
use crate::target::{Target, Work};
use crate::time::{Timestamp, UnixMicros};

/// All blocks a node knows, as a tree of headers without `data`, and the best branch of it.
///
/// The branch of most work is best; on a tie the one whose tip came first stays. A block costs 104
/// bytes here, 32 more in a `v2` network, and nearly twice that with the index by hash and the spare room of growing tables.
///
/// Two chains are equal when their best tips are, for a hash fixes all that lies under it; one is
/// greater when its best branch holds more work.
#[derive(Clone)]
pub struct Chain {
    rules: Rules,
    entries: Vec<Entry>, // by id: every block comes after its parent
    roots: Vec<Hash>,    // by id: the Merkle roots of a v2 network's blocks; empty of a classic one
    by_hash: HashMap<Hash, EntryId>,
    best: Vec<EntryId>, // by height: the best branch, never empty
    leaves: usize,
    guards: Guards,
}

/// What lies between two blocks: what a reorganisation from one to the other takes off and puts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The last block both have in common.
    pub fork: EntryId,
    /// The blocks above the fork towards `from`, in height order.
    pub detached: Vec<EntryId>,
    /// The blocks above the fork towards `to`, in height order.
    pub attached: Vec<EntryId>,
}

impl Chain {
    /// A chain of the network's first block alone.
    pub fn new(network: &Network) -> Self {
        let genesis = &network.genesis;
        let entry = Entry {
            hash: *genesis.hash(),
            work: genesis
                .bits()
                .map_or(network.rules.easiest_target(), Bits::target)
                .work(),
            instant: genesis.timestamp().instant(),
            nonce: genesis.nonce(),
            height: 0,
            id: EntryId::GENESIS,
            parent: EntryId::GENESIS,
            bits: genesis.bits(),
            ten_digits: genesis.timestamp().is_ten_digits(),
            has_child: false,
        };
        Self {
            rules: network.rules,
            by_hash: HashMap::from([(entry.hash, entry.id)]),
            best: vec![entry.id],
            entries: vec![entry],
            roots: genesis
                .header()
                .map(|header| header.merkle_root)
                .into_iter()
                .collect(),
            leaves: 1,
            guards: Guards::default(),
        }
    }

    /// The rules its blocks keep.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The best branch's last block.
    pub fn tip(&self) -> &Entry {
        self.at(*self
            .best
            .last()
            .expect("the first block is never taken off"))
    }

    /// The first block.
    pub fn genesis(&self) -> &Entry {
        self.at(EntryId::GENESIS)
    }

    /// The block of this id.
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(id.position())
    }

    /// The block of this hash, on whichever branch.
    pub fn find_by_hash(&self, hash: &Hash) -> Option<&Entry> {
        self.by_hash.get(hash).map(|&id| self.at(id))
    }

    /// The block of this height on the best branch.
    pub fn find_by_index(&self, index: u64) -> Option<&Entry> {
        let index = usize::try_from(index).ok()?;
        self.best.get(index).map(|&id| self.at(id))
    }

    /// The entry of this very block: same hash, place, timestamp and nonce. Costs no hashing, so it
    /// may come before [`Block::check`]; of an unchecked block it says that it *claims* to be known.
    pub fn find_block<S>(&self, block: &Block<S>) -> Option<&Entry> {
        let entry = self.find_by_hash(block.hash())?;
        let parent = entry.parent().map(|id| self.at(id).hash());
        (entry.is_of(block) && parent == block.prev_hash()).then_some(entry)
    }

    /// The ids of the best branch by height, the first block's first.
    pub fn best_ids(&self) -> &[EntryId] {
        &self.best
    }

    /// Whether `entry` lies on the best branch.
    pub fn is_on_best_chain(&self, entry: &Entry) -> bool {
        self.best.get(entry.height as usize) == Some(&entry.id)
    }

    /// How many blocks it holds, on all branches, the first included. The best branch alone has
    /// `tip().height() + 1`.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a chain has its first block at least"
    )]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many blocks lie beside the best branch.
    pub fn side_blocks(&self) -> usize {
        self.entries.len() - self.best.len()
    }

    /// How many branches there are, counted by their last blocks: 1 without forks.
    pub fn leaves(&self) -> usize {
        self.leaves
    }

    /// The last blocks of branches beside the best, at most `count`, those that came last first.
    pub fn side_tips(&self, count: usize) -> Vec<&Entry> {
        let beside = self.entries.iter().rev();
        beside
            .filter(|entry| !entry.has_child && !self.is_on_best_chain(entry))
            .take(count.min(self.leaves - 1))
            .collect()
    }

    /// The id that the next new block gets.
    pub fn next_id(&self) -> EntryId {
        EntryId::from_len(self.entries.len())
    }

    /// What lies between two blocks; `None` when one of them is unknown.
    pub fn branch(&self, from: &Hash, to: &Hash) -> Option<Branch> {
        let (mut from, mut to) = (self.find_by_hash(from)?, self.find_by_hash(to)?);
        let (mut detached, mut attached) = (Vec::new(), Vec::new());
        while from.id != to.id {
            if from.height >= to.height {
                detached.push(from.id);
                from = self.at(from.parent);
            } else {
                attached.push(to.id);
                to = self.at(to.parent);
            }
        }
        detached.reverse();
        attached.reverse();
        Some(Branch {
            fork: from.id,
            detached,
            attached,
        })
    }

    /// What a miner on the tip stamps: `now`, or where its clock is behind, the first moment that the next block may state. In
    /// `classic` that is one microsecond after the median, always in 20 digits; in `v2` one millisecond after the parent.
    pub fn earliest_timestamp(&self, now: UnixMicros) -> Timestamp {
        match self.rules {
            Rules::Classic { .. } => {
                let after_median = self.facts(self.tip()).median.plus(1);
                Timestamp::from_instant(now.max(after_median))
            }
            Rules::V2(_) => {
                let after_parent = self.tip().instant.plus(1_000);
                Timestamp::from_instant_in_millis(now.max(after_parent))
            }
        }
    }

    /// What the hash of the block after the tip must not exceed.
    pub fn next_target(&self) -> Target {
        self.next_bits()
            .map_or(self.rules.easiest_target(), Bits::target)
    }

    /// What the block after the tip must state in a `v2` network.
    pub fn next_bits(&self) -> Option<Bits> {
        match &self.rules {
            Rules::Classic { .. } => None,
            Rules::V2(rules) => Some(self.bits_after(self.tip(), rules)),
        }
    }

    /// The header of a `v2` block; `None` of an unknown or a classic one.
    pub fn header(&self, id: EntryId) -> Option<Header> {
        let entry = self.entry(id)?;
        Some(Header {
            index: entry.height(),
            prev_hash: entry.parent().map(|parent| self.at(parent).hash),
            merkle_root: *self.roots.get(id.position())?,
            timestamp: Timestamp::from_instant_in_millis(entry.instant),
            bits: entry.bits?,
            nonce: entry.nonce,
            hash: entry.hash,
        })
    }

    /// The bits of a block after `parent`. FORMATS.md: "block 1 has the genesis bits".
    fn bits_after(&self, parent: &Entry, rules: &V2Rules) -> Bits {
        let bits = parent.bits.expect("a v2 block has bits");
        let Some(before) = parent.parent() else {
            return bits;
        };
        let elapsed_micros = parent.instant.0 - self.at(before).instant.0; // rising, and far from the ends of the range
        rules.next_bits(bits, (elapsed_micros / 1_000).unsigned_abs())
    }

    /// What the rules need to know of the parent of a `v2` block.
    fn v2_facts(&self, parent: &Entry, rules: &V2Rules) -> V2ParentFacts {
        V2ParentFacts {
            instant: parent.instant,
            next_bits: self.bits_after(parent, rules),
        }
    }

    /// What the rules need to know of the parent of a classic block.
    fn facts(&self, parent: &Entry) -> ParentFacts {
        ParentFacts {
            ten_digits: parent.ten_digits,
            median: self.median_up_to(parent),
        }
    }

    /// `sorted[n/2]` of the instants of the last 11 blocks up to and with `last`, or of all there are.
    fn median_up_to(&self, last: &Entry) -> UnixMicros {
        let mut instants = [last.instant; MEDIAN_SPAN_BLOCKS];
        let mut count = 1;
        let mut entry = last;
        while let (Some(parent), true) = (entry.parent(), count < MEDIAN_SPAN_BLOCKS) {
            entry = self.at(parent);
            instants[count] = entry.instant;
            count += 1;
        }
        let known = &mut instants[..count];
        known.sort_unstable();
        known[count / 2]
    }

    /// The work of the best branch.
    fn best_work(&self) -> Work {
        self.tip().work
    }

    fn at(&self, id: EntryId) -> &Entry {
        &self.entries[id.position()]
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.tip().hash == other.tip().hash
    }
}

impl Eq for Chain {}

/// By work. Different chains of equal work are neither equal, nor is one greater.
impl PartialOrd for Chain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self == other {
            return Some(Ordering::Equal);
        }
        Some(self.best_work().cmp(&other.best_work())).filter(|order| order.is_ne())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("tip", self.tip())
            .field("len", &self.len())
            .field("leaves", &self.leaves)
            .finish_non_exhaustive()
    }
}
