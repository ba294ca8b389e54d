//! The mining lanes: who searches what, and what is armed next.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jbc_chain::{Block, Entries, TemplateParts, Timestamp, Unchecked, UnixMicros, V2Parts};
use jbc_pow::best_nonces;

use super::{Command, End};
use crate::task::{MineTask, MineTemplate, Mined, Outcome, Task, Tip, mining_id};

/// How long a range should take, in seconds: long enough that scheduling costs nothing, short enough to watch
/// (issue 2, "a range is 50–200 ms of hashing by measured rate").
const RANGE_S: f64 = 0.1;
/// Nonces of a first range, before any rate is known: a few milliseconds on the slowest machine.
const FIRST_RANGE: u64 = 20_000;
/// Bounds of a measured range, in nonces: below, the hand-over would show; above, a wrong measurement could hang a lane.
const RANGE_BOUNDS: (u64, u64) = (1_000, 1 << 32);
/// Measured ranges are so many nonces, or a multiple of it: of as many the fastest kernels search at the same time.
const RANGE_STEP: u64 = 100_000;
/// Merkle roots that a `v2` template is rolled over: more are hardly faster (measured: 6.2 times one hash at a time with 10,
/// 6.4 with 100), and make them the work of a tenth of a millisecond.
pub const ROLLS: u64 = 100;
/// Measured ranges of a rolled template are so many nonces, or a multiple of it.
const ROLLED_STEP: u64 = 10_000;
/// A template older than this gets a fresh time stamp with the next range, in microseconds.
const TEMPLATE_AGE_MICROS: i64 = 10_000_000;
/// How long a lane that found a block waits for its verdict, in milliseconds, before it searches on: another block on the same parent
/// would only race the first. A new tip ends the waiting at once, and a disk needs a few milliseconds.
const VERDICT_WAIT_MS: u64 = 50;
/// First wait after a range that failed, in milliseconds; doubled with each further one.
const FAILURE_WAIT_MS: u64 = 100;
/// Longest wait after ranges that failed, in milliseconds.
const FAILURE_WAIT_MAX_MS: u64 = 30_000;
/// Weight of the newest range in the measured rate.
const RATE_WEIGHT: f64 = 0.3;

/// How to mine.
#[derive(Clone, Debug)]
pub struct MiningConfig {
    /// Lanes, one a thread; 0 mines nothing.
    pub lanes: usize,
    /// Hashes of a range; none measures.
    pub rounds: Option<u64>,
    /// A number of this node's own, so that no two miners search behind the same text.
    pub salt: u32,
}

/// What mining is doing.
#[derive(Debug)]
pub struct Mining {
    config: MiningConfig,
    lanes: Vec<Lane>,
    tip: Tip,
    data: String,
    entries: Entries,
    template: Option<(Arc<MineTemplate>, UnixMicros)>,
    /// The number behind the miner's words in the next template.
    extra: u64,
    /// The next nonce to hand out.
    cursor: u64,
    /// The nonces that are searched fastest behind the template.
    best: Range<u64>,
    last_ticket: u64,
    /// Nonces tried since the start.
    searched: u64,
    /// Of them on ranges that were cancelled.
    wasted: u64,
    /// Blocks found here since the start.
    found: u64,
}

#[derive(Debug, Default)]
struct Lane {
    /// The ticket of the job that the scheduler holds for this lane.
    ticket: Option<u64>,
    /// The lane's job is to be replaced: the tip moved.
    stale: bool,
    /// Nonces a second, measured.
    rate: f64,
    /// Nonces and seconds that have not gone into the rate yet.
    unmeasured: (u64, f64),
    /// Ranges that failed in a row.
    failures: u32,
    /// The last range found a block, which is before the door now.
    won: bool,
}

impl Mining {
    pub(super) fn new(config: MiningConfig, tip: Tip, data: String) -> Self {
        let lanes = (0..config.lanes).map(|_| Lane::default()).collect();
        Self {
            extra: u64::from(config.salt) << 16,
            config,
            lanes,
            tip,
            data,
            entries: Entries::from([]),
            template: None,
            cursor: 0,
            best: 0..0,
            last_ticket: 0,
            searched: 0,
            wasted: 0,
            found: 0,
        }
    }

    /// Nonces a second, over all lanes.
    pub fn hash_rate(&self) -> f64 {
        self.lanes
            .iter()
            .filter(|lane| lane.ticket.is_some())
            .map(|lane| lane.rate)
            .fold(0.0, |sum, rate| sum + rate) // `sum` of nothing is -0.0
    }

    /// Lanes.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Blocks found here since the start.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Nonces tried since the start, and how many of them on ranges that were cancelled.
    pub fn searched(&self) -> (u64, u64) {
        (self.searched, self.wasted)
    }

    /// The tickets out, one a lane; for the invariant's test.
    pub fn tickets(&self) -> Vec<Option<u64>> {
        self.lanes.iter().map(|lane| lane.ticket).collect()
    }

    /// Gives every lane that needs one a job: lanes without a ticket, and lanes whose job works on an old tip.
    pub(super) fn arm(&mut self, commands: &mut Vec<Command>, now: UnixMicros) {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].ticket.is_some() && !self.lanes[lane].stale {
                continue;
            }
            let template = self.template(now);
            let nonces = self.next_range(lane);
            self.last_ticket += 1;
            let ticket = self.last_ticket;
            let state = &mut self.lanes[lane];
            (state.ticket, state.stale) = (Some(ticket), false);
            let verdict = if std::mem::take(&mut state.won) {
                Duration::from_millis(VERDICT_WAIT_MS)
            } else {
                Duration::ZERO
            };
            let delay = failure_wait(state.failures).max(verdict);
            commands.push(Command::Add {
                task: Task::Mine(MineTask {
                    lane,
                    ticket,
                    template,
                    nonces,
                }),
                delay,
            });
        }
    }

    /// The tip moved: what runs is cancelled by being replaced, not waited for.
    pub(super) fn retarget(&mut self, tip: Tip, data: String, entries: Entries) {
        (self.tip, self.data, self.entries, self.template) = (tip, data, entries, None);
        for lane in &mut self.lanes {
            (lane.stale, lane.failures, lane.won) = (true, 0, false);
        }
    }

    /// There is more for the next block to carry: the next ranges search for such a one, those under way go on.
    pub(super) fn carry(&mut self, entries: &Entries) {
        if self.entries != *entries {
            (self.entries, self.template) = (Arc::clone(entries), None);
        }
    }

    /// Mining stops until further notice; the ids of the jobs to be removed.
    pub(super) fn hold(&mut self) -> Vec<String> {
        for lane in &mut self.lanes {
            lane.ticket = None;
        }
        (0..self.lanes.len()).map(mining_id).collect()
    }

    /// A range ended; the block, if it found one.
    pub(super) fn ended(
        &mut self,
        task: &MineTask,
        end: &End<'_>,
        elapsed: Duration,
        kept: bool,
    ) -> Option<Block<Unchecked>> {
        let mined = match end {
            End::Done(Outcome::Mined(mined)) | End::Cancelled(Some(Outcome::Mined(mined))) => {
                Some(mined)
            }
            _ => None,
        };
        let lane = self.lanes.get_mut(task.lane)?;
        if lane.ticket == Some(task.ticket) {
            if !kept {
                lane.ticket = None;
            }
            lane.won = mined.is_some_and(|mined| mined.found.is_some());
            lane.failures = if matches!(end, End::Failed(_)) {
                lane.failures.saturating_add(1)
            } else {
                0
            };
        }
        if let Some(mined) = mined {
            lane.measure(mined, elapsed);
            self.searched += mined.searched;
            if matches!(end, End::Cancelled(_)) {
                self.wasted += mined.searched;
            }
        }
        let found = mined.and_then(|mined| mined.found.clone());
        self.found += u64::from(found.is_some());
        found
    }

    /// A range left the scheduler without an end.
    pub(super) fn gone(&mut self, task: &MineTask) {
        if let Some(lane) = self.lanes.get_mut(task.lane)
            && lane.ticket == Some(task.ticket)
        {
            lane.ticket = None;
        }
    }

    fn template(&mut self, now: UnixMicros) -> Arc<MineTemplate> {
        let stamp = self.stamp(now);
        if let Some((template, since)) = &mut self.template
            && now.0.saturating_sub(since.0) < TEMPLATE_AGE_MICROS
            && now >= *since
            && self.cursor < self.best.end
        {
            // A v2 block's time decides how hard the next is, so each range has its own: those of the start of a search would
            // make blocks look quick, and all that follow too hard (docs/difficulty.md).
            if template.parts.v2.is_some() && template.parts.timestamp != stamp {
                *template = Arc::new(MineTemplate {
                    parts: template.parts.at(stamp),
                    target: template.target,
                });
            }
            return Arc::clone(template);
        }
        let rolled = |bits| {
            let entries = Arc::clone(&self.entries);
            V2Parts::rolled(&self.data, bits, entries, self.extra, ROLLS)
        };
        let template = Arc::new(MineTemplate {
            parts: TemplateParts {
                index: self.tip.index + 1,
                prev_hash: Some(self.tip.hash),
                data: self.data.clone(),
                timestamp: stamp,
                v2: self.tip.bits.map(rolled),
            },
            target: self.tip.target,
        });
        self.extra += ROLLS;
        let same = self.template.take().filter(|(old, _)| *old == template);
        if same.is_none() {
            self.best = best_nonces(template.parts.prefix().len());
            self.cursor = self.best.start;
        } // else the clock is behind the chain's, and the search of the same text goes on where it was
        self.template = Some((Arc::clone(&template), now));
        template
    }

    /// What the next block states as its time.
    fn stamp(&self, now: UnixMicros) -> Timestamp {
        let stamp = now.max(self.tip.earliest);
        match self.tip.bits {
            Some(_) => Timestamp::from_instant_in_millis(stamp),
            None => Timestamp::from_instant(stamp),
        }
    }

    fn next_range(&mut self, lane: usize) -> Range<u64> {
        let rate = self.lanes[lane].rate;
        let measured = ((rate * RANGE_S) as u64).clamp(RANGE_BOUNDS.0, RANGE_BOUNDS.1);
        // Of a rolled template each nonce is as many hashes as there are rolls.
        let (rolls, step) = match self.tip.bits {
            Some(_) => (ROLLS, ROLLED_STEP),
            None => (1, RANGE_STEP),
        };
        let nonces = |hashes: u64| (hashes / rolls).max(1);
        let count = match self.config.rounds {
            Some(rounds) => nonces(rounds),
            None if rate <= 0.0 => nonces(FIRST_RANGE),
            None if nonces(measured) > step => nonces(measured).next_multiple_of(step),
            None => nonces(measured),
        };
        let start = self.cursor;
        // Behind a text that can not be refreshed, the search goes on with more digits; 2^64 nonces take centuries.
        let end = if start < self.best.end {
            self.best.end
        } else {
            u64::MAX
        };
        self.cursor = start.saturating_add(count).min(end);
        start..self.cursor
    }
}

impl Lane {
    /// Short ranges are added up first, since one alone says nothing.
    fn measure(&mut self, mined: &Mined, elapsed: Duration) {
        self.unmeasured.0 += mined.searched;
        self.unmeasured.1 += elapsed.as_secs_f64();
        let (searched, seconds) = self.unmeasured;
        if searched < RANGE_BOUNDS.0 || seconds <= 0.0 {
            return;
        }
        self.unmeasured = (0, 0.0);
        let rate = searched as f64 / seconds;
        self.rate = if self.rate > 0.0 {
            self.rate + RATE_WEIGHT * (rate - self.rate)
        } else {
            rate
        };
    }
}

fn failure_wait(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => Duration::from_millis(
            (FAILURE_WAIT_MS << n.min(16).saturating_sub(1)).min(FAILURE_WAIT_MAX_MS),
        ),
    }
}
