//! The chain and its store behind one door: what is accepted is durable before anybody sees it.

mod entries;
mod verdicts;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use jbc_chain::{
    Accepted, Block, Chain, Checked, CheckpointError, EntryId, Guards, Hash, Network, Orphans,
    Refusal, Rules, Unchecked, UnixMicros,
};

use self::verdicts::{refused, sender, settle, side_limits};
use crate::pool::Pool;
use crate::ports::{Store, StoreError};
use crate::task::{Origin, Tip, TipChange, Validated, Verdict};

/// How far below the tip a posted side block may fork, in blocks. A healed partition of 1,000 diverged blocks fits twice
/// (RELIABILITY.md, "partition … up to 1,000 diverged blocks"); deeper branches come by sync, which asks for their work first.
pub const POSTED_SIDE_DEPTH_BLOCKS: u64 = 2_000;

/// How many side blocks posts may add up to, in blocks: about a megabyte of index ("bounded memory").
pub const POSTED_SIDE_BLOCKS_MAX: usize = 10_000;

/// How many blocks of a batch, and about how many bytes of them, are checked and written under one lock and one transaction.
/// Readers wait for that long, and the room that is asked for before must be enough for it.
const BATCH_BLOCKS: usize = 1_000;
const BATCH_BYTES: usize = 2 << 20;

/// Chain, orphans and store.
pub struct Ledger<S> {
    network: Network,
    chain: RwLock<Chain>,
    orphans: Mutex<Orphans>,
    /// Held while an entry is taken in: two at once would be given the same place in the pool. Locked first of all.
    admission: Mutex<()>,
    /// Locked after the chain, where both are.
    pool: Mutex<Pool>,
    snapshot: RwLock<Arc<Snapshot>>,
    store: S,
    ahead_of_store: AtomicBool,
}

/// What readers see without waiting: the last published tip and what the chain has been through since the start.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The tip.
    pub tip: Tip,
    /// Blocks known, side branches included.
    pub blocks: usize,
    /// Blocks beside the best chain.
    pub side_blocks: usize,
    /// Reorganisations since the start.
    pub reorganisations: u64,
    /// The deepest of them, in blocks taken off.
    pub deepest: u64,
    /// Blocks waiting for a parent.
    pub orphans: usize,
}

/// Why a stored chain could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored block breaks a rule: the store is damaged, or of another network.
    #[error("the stored block {position} is not one of this network's chain: {reason}")]
    Foreign {
        /// Position in first-seen order.
        position: u64,
        /// The rule's words.
        reason: String,
    },
}

impl<S: Store> Ledger<S> {
    /// A ledger over `store`, with the stored blocks replayed in the order in which they were first seen: the same
    /// tip as before, ties included.
    ///
    /// # Errors
    /// [`ReplayError`] when a stored block is not of this chain.
    pub fn open(
        network: Network,
        store: S,
        stored: impl Iterator<Item = Result<Block<Unchecked>, StoreError>>,
    ) -> Result<Self, ReplayError> {
        let mut chain = Chain::new(&network);
        for (position, block) in (1_u64..).zip(stored) {
            let foreign = |reason: String| ReplayError::Foreign { position, reason };
            let block = block?
                .check(&network.rules)
                .map_err(|rejected| foreign(rejected.to_string()))?;
            let accepted = chain
                .accept_trusted(&block)
                .map_err(|refusal| foreign(refusal.to_string()))?;
            if accepted == Accepted::AlreadyKnown {
                return Err(foreign("it is stored twice".to_owned()));
            }
        }
        let snapshot = RwLock::new(Arc::new(Snapshot {
            tip: tip_of(&chain),
            blocks: chain.len(),
            side_blocks: chain.side_blocks(),
            reorganisations: 0,
            deepest: 0,
            orphans: 0,
        }));
        // How long they have been waiting nobody noted: for ever, so that peers are told again.
        let pool = Self::stored_pool(&store, UnixMicros(0))?;
        Ok(Self {
            network,
            chain: RwLock::new(chain),
            orphans: Mutex::new(Orphans::new()),
            admission: Mutex::new(()),
            pool,
            snapshot,
            store,
            ahead_of_store: AtomicBool::new(false),
        })
    }

    /// Holds fast what the operator says beside the rules.
    ///
    /// # Errors
    /// [`CheckpointError`] when the best chain has another block where a checkpoint is.
    pub fn guard(&self, guards: Guards) -> Result<(), CheckpointError> {
        let mut chain = self.chain.write().unwrap_or_else(PoisonError::into_inner);
        chain.guard(guards)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The last published state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The chain, for reading. Never hold it across an await: a batch being accepted waits for it.
    pub fn chain(&self) -> RwLockReadGuard<'_, Chain> {
        self.chain.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks blocks and accepts the good ones, and the orphans that waited for them.
    ///
    /// The order is RELIABILITY.md's: duplicate? → proof of work → linkage and rules → durable → published.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the disk's state is unknown: the node has to stop. A full disk is no error here
    /// but an answer ([`Validated::full`]): nothing was accepted.
    pub fn admit(
        &self,
        blocks: &[Block<Unchecked>],
        origin: &Origin,
        now: UnixMicros,
    ) -> Result<Validated, StoreError> {
        let mut answer = Validated {
            verdicts: Vec::with_capacity(blocks.len()),
            tip: None,
            full: false,
            early: Vec::new(),
        };
        let mut sound = Vec::with_capacity(blocks.len());
        let mut fault = None;
        for block in blocks {
            if let Some(hash) = self.known(block) {
                answer.verdicts.push(Verdict::Known(hash));
                continue;
            }
            match block.clone().check(&self.network.rules) {
                Ok(block) => sound.push(block),
                Err(rejected) => {
                    fault = Some(refused(rejected));
                    break; // what follows a bad block in a batch builds on it
                }
            }
        }
        if self.write_all(sound, origin, now, &mut answer)? {
            answer.verdicts.extend(fault);
        }
        Ok(answer)
    }

    /// Writes blocks batch by batch; says whether all of them passed.
    fn write_all(
        &self,
        blocks: Vec<Block<Checked>>,
        origin: &Origin,
        now: UnixMicros,
        answer: &mut Validated,
    ) -> Result<bool, StoreError> {
        let mut passed = true;
        let mut rest = blocks.into_iter().peekable();
        while passed && rest.peek().is_some() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while batch.len() < BATCH_BLOCKS && bytes < BATCH_BYTES {
                let Some(block) = rest.next() else { break };
                bytes += block.size_bytes();
                batch.push(block);
            }
            match self.write(batch, origin, now, answer) {
                Ok(all) => passed = all,
                Err(StoreError::Full { .. }) => (answer.full, passed) = (true, false),
                Err(fatal) => return Err(fatal),
            }
        }
        if answer.tip.is_some() {
            let chain = self.chain();
            answer
                .verdicts
                .iter_mut()
                .for_each(|verdict| settle(verdict, &chain));
        }
        Ok(passed)
    }

    /// Whether this very block is in the chain. By claimed hash and the linked fields: a lie costs its teller nothing
    /// but the block, since whoever has the true one already accepted it.
    fn known(&self, block: &Block<Unchecked>) -> Option<Hash> {
        self.chain().find_block(block).map(|entry| *entry.hash())
    }

    /// Judges, writes and publishes one batch; says whether all of it passed. The write lock is held until the blocks
    /// are durable, so that no reader sees a tip that a power cut could take back.
    fn write(
        &self,
        batch: Vec<Block<Checked>>,
        origin: &Origin,
        now: UnixMicros,
        answer: &mut Validated,
    ) -> Result<bool, StoreError> {
        self.store.room()?;
        let mut chain = self.chain.write().unwrap_or_else(PoisonError::into_inner);
        // Set until the chain in memory is the chain on disk again: an error or a panic on the way leaves it set, and
        // a write behind the missing one would leave a gap in the store.
        if self.ahead_of_store.swap(true, Ordering::Relaxed) {
            return Err(StoreError::Failed {
                action: "accepting blocks",
                reason: "an earlier write failed".to_owned(),
            });
        }
        let before = *chain.tip().hash();
        let (accepted, passed) = self.judge_all(&mut chain, batch, origin, now, answer);
        if !accepted.is_empty() {
            let change = self.pool_change(&chain, &before, &accepted)?;
            let records: Vec<_> = accepted.iter().map(|(id, block)| (*id, block)).collect();
            // `room` was asked before the chain moved, so every error here leaves the disk's state unknown.
            self.store
                .append(&records, &change)
                .map_err(|error| StoreError::Failed {
                    action: "writing blocks",
                    reason: error.to_string(),
                })?;
            self.pool().apply(&change, now);
        }
        self.ahead_of_store.store(false, Ordering::Relaxed);
        self.publish(&chain, before, &accepted, answer);
        Ok(passed)
    }

    /// Judges a batch and the orphans that find their parent in it. What was accepted, and whether all of the batch
    /// passed: it ends at the first block that is refused or an orphan, since what follows builds on it.
    fn judge_all(
        &self,
        chain: &mut Chain,
        batch: Vec<Block<Checked>>,
        origin: &Origin,
        now: UnixMicros,
        answer: &mut Validated,
    ) -> (Vec<(EntryId, Block<Checked>)>, bool) {
        let mut accepted = Vec::with_capacity(batch.len());
        let mut passed = true;
        // Orphans whose parent arrives join the queue; each leaves the pool on the way, so this ends.
        let mut queue: VecDeque<_> = batch.into_iter().map(|block| (block, true)).collect();
        while let Some((block, of_batch)) = queue.pop_front() {
            let (id, mut verdict) = (chain.next_id(), self.judge(chain, &block, origin, now));
            match &mut verdict {
                Verdict::Best(_) | Verdict::Side(_) => {
                    let children = self.orphans().take_children(block.hash());
                    queue.extend(children.into_iter().map(|(child, _)| (child, false)));
                    accepted.push((id, block));
                }
                Verdict::Known(_) => {}
                Verdict::Early { .. } => {
                    answer.early.push(block.into_unchecked());
                    if of_batch {
                        passed = false;
                        queue.retain(|(_, of_batch)| !of_batch);
                    }
                }
                Verdict::Refused { .. } | Verdict::Orphan { .. } if of_batch => {
                    passed = false;
                    queue.retain(|(_, of_batch)| !of_batch);
                }
                Verdict::Refused { blame, .. } => *blame = false, // who brought the parent did not send it
                Verdict::Orphan { .. } => {}
            }
            answer.verdicts.push(verdict);
        }
        (accepted, passed)
    }

    fn judge(
        &self,
        chain: &mut Chain,
        block: &Block<Checked>,
        origin: &Origin,
        now: UnixMicros,
    ) -> Verdict {
        if let Some(refusal) = side_limits(chain, block, origin) {
            return refusal;
        }
        // Of our own blocks the clock has had its say when they were stamped: where it is behind, at the first moment that
        // the chain allows.
        let clock = match origin {
            Origin::Mined if self.network.rules.is_v2() => UnixMicros::MAX,
            _ => now,
        };
        match chain.accept(block, clock) {
            Ok(Accepted::AlreadyKnown) => Verdict::Known(*block.hash()),
            Ok(Accepted::SideBranch) => Verdict::Side(*block.hash()),
            Ok(Accepted::Extended | Accepted::Reorganised { .. }) => Verdict::Best(*block.hash()),
            Err(Refusal::Orphan { parent }) => {
                self.expire_orphans(now);
                self.orphans().add(block.clone(), &sender(origin), now);
                Verdict::Orphan {
                    hash: *block.hash(),
                    parent,
                }
            }
            Err(Refusal::Rejected(rejected)) => match self.network.rules {
                Rules::V2(rules) if rejected.may_pass_later() => Verdict::Early {
                    hash: *block.hash(),
                    until: block.timestamp().instant().plus(-rules.max_lead_micros()),
                },
                _ => refused(rejected),
            },
        }
    }

    fn publish(
        &self,
        chain: &Chain,
        before: Hash,
        accepted: &[(EntryId, Block<Checked>)],
        answer: &mut Validated,
    ) {
        let old = self.snapshot();
        let tip = tip_of(chain);
        let depth = chain
            .branch(&before, &tip.hash)
            .map_or(0, |branch| branch.detached.len() as u64);
        let moved = tip.hash != before;
        let snapshot = Snapshot {
            blocks: chain.len(),
            side_blocks: chain.side_blocks(),
            reorganisations: old.reorganisations + u64::from(moved && depth > 0),
            deepest: old.deepest.max(if moved { depth } else { 0 }),
            orphans: self.orphans().len(),
            tip: tip.clone(),
        };
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        if moved {
            let (from, earlier) = answer
                .tip
                .take()
                .map_or((before, 0), |change| (change.from, change.depth));
            let block = accepted.iter().find(|(_, block)| *block.hash() == tip.hash);
            let (_, block) = block.expect("a tip moves only to a block of this batch");
            let (block, data) = (block.clone().into_unchecked(), self.store.miner_data());
            answer.tip = Some(Box::new(TipChange {
                tip,
                block,
                data,
                entries: self.next_entries(),
                depth: depth.max(earlier),
                from,
            }));
        }
    }

    /// Forgets orphans older than an hour and says how many wait.
    pub fn expire_orphans(&self, now: UnixMicros) -> usize {
        let mut orphans = self.orphans();
        orphans.expire(now);
        orphans.len()
    }

    fn orphans(&self) -> MutexGuard<'_, Orphans> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Best-chain blocks `from..`, at most `count` and about `max_bytes` of them, lowest first.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the store cannot give a block that the chain has.
    pub fn blocks(
        &self,
        from: u64,
        count: u64,
        max_bytes: usize,
    ) -> Result<Vec<Block<Unchecked>>, StoreError> {
        let ids: Vec<EntryId> = {
            let chain = self.chain();
            (from..from.saturating_add(count))
                .map_while(|index| chain.find_by_index(index).map(jbc_chain::Entry::id))
                .collect()
        };
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for id in ids {
            let block = self.block(id)?;
            bytes += block.size_bytes();
            blocks.push(block);
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(blocks)
    }

    /// The block at a position of the chain.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the store does not have it.
    pub fn block(&self, id: EntryId) -> Result<Block<Unchecked>, StoreError> {
        if id.as_u64() == 0 {
            return Ok(self.network.genesis.clone().into_unchecked());
        }
        self.store.load(id)?.ok_or_else(|| StoreError::Failed {
            action: "reading a block",
            reason: format!("block {} is in the chain but not in the store", id.as_u64()),
        })
    }
}

fn tip_of(chain: &Chain) -> Tip {
    let tip = chain.tip();
    Tip {
        index: tip.height(),
        hash: *tip.hash(),
        work: tip.work(),
        earliest: chain.earliest_timestamp(UnixMicros(0)).instant(),
        target: chain.next_target(),
        bits: chain.next_bits(),
    }
}
