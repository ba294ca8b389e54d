//! How a block enters the chain: judged first, without a change, then committed. Between the two a
//! store makes the block durable, so that nobody sees a block that a power cut could take back.

use super::{Chain, Entry, EntryId};
use crate::block::{Block, Checked};
use crate::hash::Hash;
use crate::header::Header;
use crate::rules::{Rejected, Rules, alone, linked};
use crate::time::UnixMicros;

/// What became of a block that broke no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is the new tip, on top of the old one.
    Extended,
    /// It is the new tip, on another branch than the old one.
    Reorganised {
        /// The old tip.
        from: Hash,
        /// The new tip.
        to: Hash,
        /// How many blocks of the old branch were taken off.
        depth: u64,
    },
    /// It is kept beside the best branch, which has as much work or more.
    SideBranch,
    /// The very same block came before. Nothing changed.
    AlreadyKnown,
}

/// Why a block did not enter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its parent is not known: nothing is wrong with it so far. It may wait in
    /// [`Orphans`](crate::Orphans).
    #[error("the parent {parent} is not known")]
    Orphan {
        /// The hash to ask for.
        parent: Hash,
    },
    /// It breaks a rule.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

/// A verdict that [`Chain::commit`] carries out. It holds for the chain as it was when judged.
#[derive(Clone, Debug)]
#[must_use = "a judged block is not in the chain before it is committed"]
pub struct Judged {
    accepted: Accepted,
    id: EntryId,
    new: Option<(Entry, Option<Hash>)>, // with the Merkle root of a v2 block; `None`: already known
}

fn already_known(known: &Entry) -> Judged {
    Judged {
        accepted: Accepted::AlreadyKnown,
        id: known.id,
        new: None,
    }
}

impl Judged {
    /// What the commit will do.
    pub fn accepted(&self) -> Accepted {
        self.accepted
    }

    /// The id that the block gets, or has when it is already known.
    pub fn id(&self) -> EntryId {
        self.id
    }
}

/// A judgement came too late: another block was committed after it was made. Judge again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the block was judged as entry {judged}, but the chain's next entry is {next}")]
pub struct JudgementOutdatedError {
    /// The id it was judged to get.
    pub judged: EntryId,
    /// The id that is free.
    pub next: EntryId,
}

impl Chain {
    /// Says what a block would do to the chain, and changes nothing.
    ///
    /// # Errors
    /// [`Refusal::Orphan`] when its parent is not known, [`Refusal::Rejected`] with the first rule it
    /// breaks. That its timestamp is too far ahead of `now` comes last.
    pub fn judge(&self, block: &Block<Checked>, now: UnixMicros) -> Result<Judged, Refusal> {
        if let Some(known) = self.find_block(block) {
            return Ok(already_known(known));
        }
        match self.rules {
            // The type says that it was checked, but not by which network's rules.
            Rules::Classic { target } if !block.is_v2() => {
                alone::check_work(block.hash(), &target)?;
                let parent = self.parent_of(block.index(), block.prev_hash())?;
                let (timestamp, facts) = (block.timestamp(), self.facts(parent));
                linked::check_index(block.index(), parent.height())?;
                self.check_guards(block.hash(), parent)?;
                linked::check_ten_digit_timestamp(&timestamp, &facts)?;
                linked::check_after_median(&timestamp, &facts)?;
                linked::check_twin(self.find_by_hash(block.hash()).is_some())?;
                linked::check_not_ahead(&timestamp, now)?;

                let entry = Entry {
                    hash: *block.hash(),
                    work: parent.work + target.work(),
                    instant: timestamp.instant(),
                    nonce: block.nonce(),
                    height: parent.height + 1,
                    id: self.next_id(),
                    parent: parent.id,
                    bits: None,
                    ten_digits: timestamp.is_ten_digits(),
                    has_child: false,
                };
                Ok(self.judged(entry, None))
            }
            rules => {
                alone::check_kind(&rules, block.is_v2())?;
                let header = block.header().expect("a v2 block has one");
                self.judge_header(&header, now)
            }
        }
    }

    /// Says what a `v2` block of this header would do to the chain, and changes nothing. All rules are checked but those of
    /// its entries.
    ///
    /// # Errors
    /// As [`judge`](Self::judge), and [`Refusal::Rejected`] for what [`Block::check`] refuses.
    pub fn judge_header(&self, header: &Header, now: UnixMicros) -> Result<Judged, Refusal> {
        let Rules::V2(rules) = &self.rules else {
            alone::check_kind(&self.rules, true)?;
            unreachable!("a header is of a v2 block");
        };
        alone::check_header(header, rules)?;
        if let Some(known) = self.find_by_hash(&header.hash) {
            return Ok(already_known(known)); // the hash is of all of it
        }
        let parent = self.parent_of(header.index, header.prev_hash.as_ref())?;
        let facts = self.v2_facts(parent, rules);
        linked::check_index(header.index, parent.height())?;
        self.check_guards(&header.hash, parent)?;
        linked::check_rising(&header.timestamp, &facts)?;
        linked::check_bits(header.bits, &facts)?;
        linked::check_not_ahead_v2(&header.timestamp, rules, now)?;

        let entry = Entry {
            hash: header.hash,
            work: parent.work + header.bits.target().work(),
            instant: header.timestamp.instant(),
            nonce: header.nonce,
            height: parent.height + 1,
            id: self.next_id(),
            parent: parent.id,
            bits: Some(header.bits),
            ten_digits: false,
            has_child: false,
        };
        Ok(self.judged(entry, Some(header.merkle_root)))
    }

    fn judged(&self, entry: Entry, merkle_root: Option<Hash>) -> Judged {
        Judged {
            accepted: self.placement(&entry),
            id: entry.id,
            new: Some((entry, merkle_root)),
        }
    }

    /// Carries out a judgement of this chain.
    ///
    /// # Errors
    /// [`JudgementOutdatedError`] when another block was committed since, which may have taken the id
    /// or moved the tip. A single writer that commits before it judges the next never meets it.
    pub fn commit(&mut self, judged: Judged) -> Result<Accepted, JudgementOutdatedError> {
        let Judged { accepted, id, new } = judged;
        let Some((entry, merkle_root)) = new else {
            return Ok(accepted);
        };
        let next = self.next_id();
        if id != next {
            return Err(JudgementOutdatedError { judged: id, next });
        }
        match accepted {
            Accepted::Extended => self.best.push(id),
            Accepted::Reorganised { .. } => self.switch_to(&entry),
            Accepted::SideBranch | Accepted::AlreadyKnown => {}
        }
        let parent = &mut self.entries[entry.parent.position()];
        self.leaves += usize::from(parent.has_child);
        parent.has_child = true;
        self.by_hash.insert(entry.hash, id);
        self.entries.push(entry);
        self.roots.extend(merkle_root);
        Ok(accepted)
    }

    /// Judges a block and commits it at once.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn accept(&mut self, block: &Block<Checked>, now: UnixMicros) -> Result<Accepted, Refusal> {
        let judged = self.judge(block, now)?;
        Ok(self
            .commit(judged)
            .expect("nothing can come between a judgement and its commit here"))
    }

    /// Judges a header and commits it at once: a chain without bodies, for whoever only wants to know what stands in it.
    ///
    /// # Errors
    /// As [`judge_header`](Self::judge_header).
    pub fn accept_header(&mut self, header: &Header, now: UnixMicros) -> Result<Accepted, Refusal> {
        let judged = self.judge_header(header, now)?;
        Ok(self
            .commit(judged)
            .expect("nothing can come between a judgement and its commit here"))
    }

    /// Accepts a block that was accepted before, as when a store replays its blocks at start: all
    /// rules but the one that asks how late it is, so that a clock set back loses no block. Replayed
    /// in first-seen order, the chain is the same as before, ties included.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn accept_trusted(&mut self, block: &Block<Checked>) -> Result<Accepted, Refusal> {
        self.accept(block, UnixMicros::MAX)
    }

    fn parent_of(&self, index: u64, prev_hash: Option<&Hash>) -> Result<&Entry, Refusal> {
        linked::check_genesis(index)?;
        let parent = *prev_hash.expect("a checked block above height 0 names its parent");
        self.find_by_hash(&parent).ok_or(Refusal::Orphan { parent })
    }

    /// Where a new entry goes: most work wins, first seen on a tie.
    fn placement(&self, entry: &Entry) -> Accepted {
        let tip = self.tip();
        if entry.parent == tip.id {
            Accepted::Extended
        } else if entry.work > tip.work {
            let fork = self.fork_below(entry.parent);
            let depth = tip.height() - fork.height();
            Accepted::Reorganised {
                from: tip.hash,
                to: entry.hash,
                depth,
            }
        } else {
            Accepted::SideBranch
        }
    }

    /// The first block on the best branch, from `id` downwards.
    pub(super) fn fork_below(&self, id: EntryId) -> &Entry {
        let mut entry = self.at(id);
        while !self.is_on_best_chain(entry) {
            entry = self.at(entry.parent);
        }
        entry
    }

    /// Makes the branch that ends in `tip`, which is not among the entries yet, the best one.
    fn switch_to(&mut self, tip: &Entry) {
        let mut attached = vec![tip.id];
        let mut entry = self.at(tip.parent);
        while !self.is_on_best_chain(entry) {
            attached.push(entry.id);
            entry = self.at(entry.parent);
        }
        let fork = entry.height as usize;
        self.best.truncate(fork + 1);
        self.best.extend(attached.into_iter().rev());
    }
}
