//! What the kernels have in common that search many nonces at a time: which of the digits differ between the lanes, and
//! in which order blocks are searched.
//!
//! The lanes of a vector hold nonces that differ in their last digits, the *low* ones; all nonces that share the others
//! are a *group*. So of the words of the last block one or two differ between the lanes, and everything that follows from
//! the others alone is computed once for a group. Where the last block holds low digits only, it is the same for all
//! groups, as it is for all prefixes of a [`Template`](crate::Template): its message schedule is then expanded once for
//! all of them.
//!
//! Where groups are short and each has a last block of its own, as many of them as there are lanes are searched *abreast*:
//! a lane each, and the same low digits in all. What is common to a group is then computed for all of them at once, and no
//! vector is left half empty at a group's end.

#[cfg(target_arch = "aarch64")]
pub(crate) mod armv8_sha2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod sha_ni;
mod shape;
#[cfg(target_arch = "x86_64")]
mod vector;

use self::shape::{Low, Shape};
use crate::plan::{Plan, TailBytes, bytes, words, write_decimal};
use crate::portable;
use crate::sha256::rounds;
use crate::template::{BLOCK_BYTES, State};
use crate::{Search, Winner};
use sha2::block_api::compress256;
use std::ops::Range;

/// Lanes of a vector at most.
const LANES_MAX: usize = 16;

/// Groups that are searched at a time for one prefix where they share a last block: the schedule is then a twentieth of
/// the work, and at most so many groups are left unfinished by a cancelled search.
const SHARING_GROUPS: usize = 10;

/// Prefixes at most with which groups are searched abreast. A winner of any group but the first is told when all are
/// through, which with so many prefixes are 160,000 hashes: little where winners are rare, as in a chain.
const ABREAST_PREFIXES_MAX: usize = 10;

/// A state from which the block is hashed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Before the block.
    midstate: State,
    /// After those of its rounds that are the same for all lanes.
    advanced: State,
}

impl Start {
    fn new(midstate: State, block: &[u32; 16], first_round: usize) -> Self {
        let advanced = rounds(&midstate, &block[..first_round]);
        Self { midstate, advanced }
    }
}

/// Lanes whose hash may meet the target, as far as its first word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The first of the nonces in the lanes, counted from that of the group; of groups abreast the number in all lanes.
    low: usize,
    /// Which start.
    start: usize,
    /// A bit for each lane.
    lanes: u16,
}

/// What is to be hashed.
pub(crate) struct Scan<'a> {
    shape: Shape,
    low: Low,
    /// The numbers that the low digits are to be, from a multiple of the lanes on unless groups are abreast.
    numbers: Range<usize>,
    starts: &'a [Start],
    /// The first word of the target.
    target: u32,
}

/// A way to hash many nonces at a time. Whoever has one knows that this machine can.
pub(crate) trait Lanes: Copy + 'static {
    /// A block made ready: its message schedule as far as it is the same for all lanes, and room for the rest.
    type Block;

    /// Nonces at a time; a divisor of [`LANES_MAX`].
    const LANES: usize;
    /// Nonces between two looks at the cancel flag: less than 20 µs of hashing.
    const POLL_NONCES: usize;

    /// From which round on the lanes of a shape are hashed apart.
    fn first_round(shape: Shape) -> usize {
        shape.from()
    }

    /// Room for a block.
    fn room(self) -> Box<Self::Block>;

    /// Makes a block ready whose low digits are zero bytes.
    fn prepare(self, room: &mut Self::Block, block: &[u32; 16], shape: Shape);

    /// Hashes all numbers from all starts.
    fn scan(self, block: &mut Self::Block, scan: &Scan<'_>, hits: &mut Vec<Hit>);

    /// How groups are searched abreast, if they can be.
    const ABREAST: Option<&'static Abreast<Self>> = None;

    /// As [`scan`](Self::scan), of two blocks that both differ between the lanes: low digits lie in the last four words of
    /// the first, and the last one or two perhaps in the second. The shape is that of the first.
    fn scan_two(self, blocks: &mut [Box<Self::Block>; 2], scan: &Scan<'_>, hits: &mut Vec<Hit>);
}

/// For each word of a block what it is in each lane.
pub(crate) type WordsOfLanes = [[u32; LANES_MAX]; 16];

/// A way to search groups abreast, whose blocks are of the shape [`Shape::Only13`]. What is said elsewhere to differ between
/// the lanes differs between the numbers here: all else is the same for all numbers, and each lane has its own.
pub(crate) struct Abreast<L: Lanes> {
    /// Makes their blocks ready, whose low digits are zero bytes. The starts are before the first round.
    prepare: fn(L, room: &mut L::Block, words: &WordsOfLanes, starts: &[Start]),
    /// As [`Lanes::scan`], with each number in all lanes at once.
    scan: fn(L, block: &mut L::Block, scan: &Scan<'_>, hits: &mut Vec<Hit>),
}

/// Groups that are searched at the same time.
#[derive(Default)]
struct Batch {
    /// Whether they are searched abreast; there is one start for each prefix then.
    abreast: bool,
    /// Of each start the nonce of its group (of those abreast the first) whose low digits are zero, and the prefix. In the
    /// order of both.
    of: Vec<(u64, usize)>,
    starts: Vec<Start>,
}

/// Searches the nonces of a plan in rising order.
pub(crate) fn search<L: Lanes>(lanes: L, plan: &Plan<'_>, cancelled: impl Fn() -> bool) -> Search {
    let Some(low) = Low::of(&plan.digits) else {
        return portable::search(plan, cancelled);
    };
    let mut searcher = Searcher::new(lanes, plan, low);
    let mut nonce = plan.nonces.start;
    while nonce < plan.nonces.end {
        let groups = searcher.groups_from(nonce);
        let end = groups.end.min(plan.nonces.end);
        let result = searcher.search(groups, nonce..end, &cancelled);
        if !matches!(result, Search::Exhausted { .. }) {
            return result;
        }
        nonce = end;
    }
    Search::Exhausted {
        next_nonce: plan.nonces.end,
    }
}

impl Plan<'_> {
    /// The tail of the preimage of a nonce without its last digits, in whose place are zero bytes.
    fn tail_of_group(&self, nonce: u64, low_digits: usize) -> TailBytes {
        let mut tail = self.tail;
        write_decimal(nonce, &mut tail[self.digits.clone()]);
        tail[self.digits.end - low_digits..self.digits.end].fill(0);
        tail
    }

    /// Hashes one nonce behind one prefix; answers if it meets the target.
    fn check(&self, prefix: usize, nonce: u64) -> Option<Winner> {
        let tail = self.tail_of_group(nonce, 0);
        let mut state = self.midstates[prefix];
        let (blocks, _) = tail.as_chunks::<BLOCK_BYTES>();
        compress256(&mut state, &blocks[..=usize::from(self.two_blocks)]);
        (state <= self.target).then(|| Winner {
            nonce,
            prefix,
            hash: bytes(&state),
        })
    }
}

struct Searcher<'a, L: Lanes> {
    lanes: L,
    plan: &'a Plan<'a>,
    low: Low,
    shape: Shape,
    /// Whether low digits lie in the first of two blocks, so that both differ between the lanes.
    both: bool,
    /// Whether all groups share the last block.
    shared: bool,
    abreast: Option<&'static Abreast<L>>,
    blocks: [Box<L::Block>; 2],
    /// Their memory is used again: a group may be as short as ten microseconds.
    batch: Batch,
    hits: Vec<Hit>,
}

impl<'a, L: Lanes> Searcher<'a, L> {
    fn new(lanes: L, plan: &'a Plan<'a>, low: Low) -> Self {
        let first_low = plan.digits.end - low.count;
        let both = plan.two_blocks && first_low < BLOCK_BYTES;
        // Of two blocks the last counts, unless both differ.
        let last = Low {
            word: low.word - if plan.two_blocks && !both { 16 } else { 0 },
            ..low
        };
        let shape = if both { Shape::From12 } else { Shape::of(last) };
        let can_be_abreast = shape == Shape::Only13 && plan.midstates.len() <= ABREAST_PREFIXES_MAX;
        Self {
            lanes,
            plan,
            low: last,
            shape,
            both,
            shared: plan.two_blocks && first_low == BLOCK_BYTES,
            abreast: L::ABREAST.filter(|_| can_be_abreast),
            blocks: [lanes.room(), lanes.room()],
            batch: Batch::default(),
            hits: Vec::new(),
        }
    }

    /// The groups to search next, from the one of this nonce on, as a range of nonces.
    fn groups_from(&self, nonce: u64) -> Range<u64> {
        let group = self.low.group();
        let start = nonce - nonce % group;
        let whole = (self.plan.nonces.end - start) / group;
        let most = (SHARING_GROUPS / self.plan.midstates.len()).max(1) as u64;
        let lanes = L::LANES as u64;
        let count = if start != nonce {
            1
        } else if self.shared {
            whole.clamp(1, most)
        } else if self.abreast.is_some() && whole >= lanes {
            lanes
        } else {
            1
        };
        start..start.saturating_add(count * group)
    }

    /// Makes ready what is common to each of these groups, as many as there are lanes.
    fn prepare_abreast(&mut self, batch: &mut Batch, groups: Range<u64>, abreast: &Abreast<L>) {
        let mut of_lanes: WordsOfLanes = [[0; LANES_MAX]; 16];
        for lane in 0..L::LANES {
            let first_nonce = groups.start + lane as u64 * self.low.group();
            let tail = self.plan.tail_of_group(first_nonce, self.low.count);
            for (of_lanes, word) in of_lanes.iter_mut().zip(words::<16>(&tail)) {
                of_lanes[lane] = word;
            }
        }
        for (prefix, midstate) in self.plan.midstates.iter().enumerate() {
            batch.of.push((groups.start, prefix));
            // The rounds that are the same for all numbers differ between the lanes.
            batch.starts.push(Start::new(*midstate, &[0; 16], 0));
        }
        (abreast.prepare)(self.lanes, &mut self.blocks[0], &of_lanes, &batch.starts);
    }

    /// Makes ready what is common to these groups.
    fn batch(&mut self, groups: Range<u64>) -> Batch {
        let mut batch = std::mem::take(&mut self.batch);
        batch.of.clear();
        batch.starts.clear();
        batch.abreast = !self.shared && groups.end - groups.start > self.low.group();
        if let Some(abreast) = self.abreast.filter(|_| batch.abreast) {
            self.prepare_abreast(&mut batch, groups, abreast);
            return batch;
        }
        let mut first_nonce = groups.start;
        while first_nonce < groups.end {
            let tail = self.plan.tail_of_group(first_nonce, self.low.count);
            let (blocks, _) = tail.as_chunks::<BLOCK_BYTES>();
            let last_only = self.plan.two_blocks && !self.both;
            let last = words(&blocks[usize::from(last_only)]);
            if first_nonce == groups.start {
                self.lanes.prepare(&mut self.blocks[0], &last, self.shape);
                if self.both {
                    self.lanes
                        .prepare(&mut self.blocks[1], &words(&blocks[1]), Shape::First);
                }
            }
            for (prefix, midstate) in self.plan.midstates.iter().enumerate() {
                let mut midstate = *midstate;
                if last_only {
                    compress256(&mut midstate, &blocks[..1]);
                }
                batch.of.push((first_nonce, prefix));
                let first_round = L::first_round(self.shape);
                batch.starts.push(Start::new(midstate, &last, first_round));
            }
            match first_nonce.checked_add(self.low.group()) {
                Some(next) => first_nonce = next,
                None => break,
            }
        }
        batch
    }

    /// Searches those nonces of some groups that are in a range.
    fn search(
        &mut self,
        groups: Range<u64>,
        nonces: Range<u64>,
        cancelled: impl Fn() -> bool,
    ) -> Search {
        let mut batch = self.batch(groups.clone());
        let group = self.low.group() as usize;
        let offset = |nonce: u64| (nonce - groups.start) as usize;
        // Numbers of a vector, and how many nonces lie between those of one lane and of the next.
        let (width, stride) = if batch.abreast {
            (1, group)
        } else {
            (L::LANES, 1)
        };
        let end = offset(nonces.end).min(group).next_multiple_of(width);
        let mut number = offset(nonces.start) / width * width;
        let mut best: Option<Winner> = None;
        while number < end && !batch.of.is_empty() {
            if cancelled() {
                let next_nonce = batch.of[0]
                    .0
                    .saturating_add(number as u64)
                    .max(nonces.start);
                return Search::Cancelled { next_nonce };
            }
            let step = (L::POLL_NONCES / L::LANES / batch.of.len()).max(1) * width;
            let numbers = number..(number + step).min(end);
            number = numbers.end;
            self.scan(numbers, &batch);
            for hit in &self.hits {
                let (first_nonce, prefix) = batch.of[hit.start];
                for lane in (0..L::LANES).filter(|lane| hit.lanes >> lane & 1 == 1) {
                    let nonce = first_nonce.saturating_add((hit.low + lane * stride) as u64);
                    let is_of_group = hit.low + lane % width < group;
                    if is_of_group
                        && nonces.contains(&nonce)
                        && best.is_none_or(|best| (nonce, prefix) < (best.nonce, best.prefix))
                    {
                        best = self.plan.check(prefix, nonce).or(best);
                    }
                }
            }
            if let Some(best) = best {
                // All that is left may hold a smaller one only in groups that lie before its own.
                let left = batch
                    .of
                    .iter()
                    .take_while(|of| of.0.saturating_add(number as u64) < best.nonce)
                    .count();
                batch.of.truncate(left);
                batch.starts.truncate(left);
            }
        }
        self.batch = batch;
        match best {
            Some(winner) => winner.into(),
            None => Search::Exhausted {
                next_nonce: nonces.end,
            },
        }
    }

    fn scan(&mut self, numbers: Range<usize>, batch: &Batch) {
        self.hits.clear();
        let scan = Scan {
            shape: self.shape,
            low: self.low,
            numbers,
            starts: &batch.starts,
            target: self.plan.target[0],
        };
        if let Some(abreast) = self.abreast.filter(|_| batch.abreast) {
            (abreast.scan)(self.lanes, &mut self.blocks[0], &scan, &mut self.hits);
        } else if self.both {
            self.lanes.scan_two(&mut self.blocks, &scan, &mut self.hits);
        } else {
            self.lanes.scan(&mut self.blocks[0], &scan, &mut self.hits);
        }
    }
}
