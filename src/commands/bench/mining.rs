//! What mining loses by being cut into ranges, each a job of its own.
//!
//! As in the node: a bulk job searches a range of about 0.1 s, and a listener of its end adds the next range under the same
//! id. Beside it the same ranges in a bare loop over `jbc_pow::search` on a thread of its own. One thread hashes on either
//! side, nothing else runs. A round is a few ranges on one side, then as many on the other; the time of the scheduled ones
//! goes from before the first add to the last end heard.
//!
//! The efficiency is the share of that time in which the kernel searches, by the times that the bodies take; in a bare loop
//! it is 1. The ratio of both hash rates stands beside it with its quartiles, but on a machine whose speed wanders by a few
//! per cent a second it cannot tell 99.5 % from 100 %. What it would show and the share does not is a kernel that is slower
//! inside a job; `cancel_hash_rate_ratio` compares that over many short searches.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, Instant};

use anyhow::Context;
use jbc_pow::search;
use jbc_scheduler::{AddError, Event, EventMask, JobId, JobSpec, Lane, Scheduler};
use serde::Serialize;

use super::bodies::{Bodies, PATIENCE, Stamps, Task, end, impossible, scheduler};
use super::cancelling::on_a_thread;
use super::estimate::{Paired, median, quartiles};
use super::sizes::Sizes;

/// Nonces start here, see `cancelling`.
const FIRST_NONCE: u64 = 1_000_000;
/// More than may ever wait here: one range is added at a time.
const MAX_PENDING: usize = 16;
/// Nonces at first, while the hash rate is unknown: less than a tenth of a second anywhere.
const FIRST_GUESS: u64 = 20_000;

/// What was measured; hash rates are medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MiningFigures {
    /// Share of the time in which the kernel searches.
    pub(super) mining_efficiency: f64,
    pub(super) mining_efficiency_quartiles: [f64; 2],
    /// Hash rate through scheduled ranges ÷ hash rate of the bare loop.
    pub(super) mining_rate_ratio: f64,
    pub(super) mining_rate_ratio_quartiles: [f64; 2],
    pub(super) mining_hashes_per_s: f64,
    pub(super) mining_bare_hashes_per_s: f64,
    /// What a range takes beyond its search, from its add to the listener of its end.
    pub(super) mining_hand_over_us: f64,
    pub(super) mining_hand_over_quartiles_us: [f64; 2],
    /// Nonces of a range.
    pub(super) mining_range_nonces: u64,
}

/// The hash rate of one thread of this machine, in nonces a second, by a search of about that long.
///
/// # Errors
/// If the system refuses a thread.
pub(super) fn hashes_per_s(seconds: f64) -> anyhow::Result<f64> {
    let mut count = FIRST_GUESS;
    loop {
        let elapsed = bare_loop(ranges(count, 1))?;
        if elapsed.as_secs_f64() >= seconds {
            return Ok(count as f64 / elapsed.as_secs_f64());
        }
        count *= 2;
    }
}

/// Measures.
///
/// # Errors
/// If a range was lost.
pub(super) fn measure(sizes: &Sizes, hashes_per_s: f64) -> anyhow::Result<MiningFigures> {
    let nonces = ((hashes_per_s * sizes.range_s) as u64).max(1);
    let total = nonces as f64 * sizes.ranges as f64;
    let (mut rates, mut shares, mut hand_overs) = (Paired::default(), Vec::new(), Vec::new());
    sizes.mining.run(|round| {
        let (scheduled, bare) = if round % 2 == 0 {
            (
                scheduled(nonces, sizes.ranges)?,
                bare_loop(ranges(nonces, sizes.ranges))?,
            )
        } else {
            let bare = bare_loop(ranges(nonces, sizes.ranges))?;
            (scheduled(nonces, sizes.ranges)?, bare)
        };
        let outside = scheduled.elapsed.saturating_sub(scheduled.searching);
        shares.push(scheduled.searching.as_secs_f64() / scheduled.elapsed.as_secs_f64());
        hand_overs.push(outside.as_secs_f64() * 1e6 / sizes.ranges as f64);
        rates.push(
            total / scheduled.elapsed.as_secs_f64(),
            total / bare.as_secs_f64(),
        );
        Ok(())
    })?;
    Ok(MiningFigures {
        mining_efficiency: median(&shares),
        mining_efficiency_quartiles: quartiles(&shares),
        mining_rate_ratio: median(&rates.ratios()),
        mining_rate_ratio_quartiles: quartiles(&rates.ratios()),
        mining_hashes_per_s: rates.scheduler(),
        mining_bare_hashes_per_s: rates.bare(),
        mining_hand_over_us: median(&hand_overs),
        mining_hand_over_quartiles_us: quartiles(&hand_overs),
        mining_range_nonces: nonces,
    })
}

fn ranges(nonces: u64, count: usize) -> Vec<Range<u64>> {
    let starts = (0..count as u64).map(|range| FIRST_NONCE + range * nonces);
    starts.map(|start| start..start + nonces).collect()
}

fn bare_loop(ranges: Vec<Range<u64>>) -> anyhow::Result<Duration> {
    on_a_thread(move || {
        let (template, nobody) = (impossible(), AtomicBool::new(false));
        let began = Instant::now();
        for nonces in ranges {
            let _ = std::hint::black_box(search(&template, nonces, &nobody));
        }
        began.elapsed()
    })
}

/// Ranges through the scheduler.
struct Scheduled {
    elapsed: Duration,
    /// The part of it that was spent in searches.
    searching: Duration,
}

/// So many ranges in a row, each added by the listener of the one before.
fn scheduled(nonces: u64, ranges: usize) -> anyhow::Result<Scheduled> {
    let scheduler = scheduler(MAX_PENDING)?;
    let (done, last) = mpsc::sync_channel(1);
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, scheduler| match next(
        event, scheduler,
    ) {
        Ok(true) => {}
        Ok(false) => tell(&done, Ok(Instant::now())),
        Err(error) => tell(&done, Err(error)),
    });
    let stamps: Arc<[Stamps]> = (0..ranges).map(|_| Stamps::default()).collect();
    let first = Task::Range {
        nonces: FIRST_NONCE..FIRST_NONCE + nonces,
        left: ranges - 1,
        stamps: Arc::clone(&stamps),
    };
    let began = Instant::now();
    scheduler.add_job(JobSpec::new(JobId::from("mining"), "mine", first).lane(Lane::Bulk))?;
    // Long searches: this thread sleeps, so that both sides have the machine to themselves.
    let ended = last
        .recv_timeout(PATIENCE)
        .context("a range was lost")?
        .context("a range was not added")?;
    end(&scheduler)?;
    Ok(Scheduled {
        elapsed: ended.duration_since(began),
        searching: stamps.iter().map(Stamps::between).sum(),
    })
}

/// The first word counts; a second one finds the channel full.
fn tell(done: &SyncSender<Result<Instant, AddError>>, word: Result<Instant, AddError>) {
    let _ = done.try_send(word);
}

/// Adds the range that follows; answers whether there is one.
fn next(event: &Event<Bodies>, scheduler: &Scheduler<Bodies>) -> Result<bool, AddError> {
    let Task::Range {
        nonces,
        left,
        stamps,
    } = &*event.task
    else {
        return Ok(true);
    };
    let Some(left) = left.checked_sub(1) else {
        return Ok(false);
    };
    let length = nonces.end - nonces.start;
    let next = Task::Range {
        nonces: nonces.end..nonces.end + length,
        left,
        stamps: Arc::clone(stamps),
    };
    scheduler.add_job(JobSpec::new(&event.job_id, "mine", next).lane(Lane::Bulk))?;
    Ok(true)
}
