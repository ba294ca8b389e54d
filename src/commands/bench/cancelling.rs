//! How long from asking a hashing job to stop until the listener of its end, and what it costs that one can ask.
//!
//! The job is a bulk job in `jbc_pow::search` on a target that no hash meets, with the flag of its run. Every second
//! sample asks by `cancel_run`, the others by `remove_job`. The clock starts just before that call and stops with the
//! first instruction of the listener of `JOB_CANCELLED`.
//!
//! Its hash rate is compared with that of the same search outside of any job, with a flag that nobody knows.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jbc_pow::{Search, search};
use jbc_scheduler::{EventMask, JobId, JobSpec, Lane, Scheduler};
use serde::Serialize;

use super::bodies::{
    Bodies, Hashing, PATIENCE, Stamps, Task, await_stamp, end, impossible, scheduler, us_between,
};
use super::estimate::{Paired, median, percentile, quartiles};
use super::sizes::Sizes;

/// Nonces start here: of seven digits, as in most of a mining round. (A search is split where the number of digits grows,
/// and short numbers would make many tiny parts.)
const FIRST_NONCE: u64 = 1_000_000;
/// How long a job hashes before it is asked to stop, in microseconds, at the least; and how much longer at the most, so
/// that the request comes at any point between two looks at the flag.
const HASHING_US: u64 = 400;
const HASHING_MORE_US: u64 = 97;
/// More than may ever wait here: one job is added at a time.
const MAX_PENDING: usize = 16;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CancelFigures {
    /// Over all samples.
    pub(super) cancel_p50_us: f64,
    pub(super) cancel_p99_us: f64,
    pub(super) cancel_quartiles_us: [f64; 2],
    pub(super) cancel_samples_count: usize,
    /// Hash rate in a job ÷ outside of any, the undisturbed rounds of each.
    pub(super) cancel_hash_rate_ratio: f64,
    /// The same round by round.
    pub(super) cancel_hash_rate_median_ratio: f64,
    pub(super) cancel_hash_rate_ratio_quartiles: [f64; 2],
    pub(super) cancel_hashes_per_s: f64,
    pub(super) cancel_bare_hashes_per_s: f64,
}

/// Measures; `hashes_per_s` says how many nonces a search of a given time has.
///
/// # Errors
/// If a job did not stop, or a search ended before its range.
pub(super) fn measure(sizes: &Sizes, hashes_per_s: f64) -> anyhow::Result<CancelFigures> {
    let scheduler = scheduler(MAX_PENDING)?;
    // A capacity of one: there is one job at a time, and its end is taken out before the next.
    let (hear, heard) = mpsc::sync_channel(1);
    scheduler.add_listener(EventMask::JOB_CANCELLED, move |_, _| {
        let _ = hear.try_send(Instant::now());
    });
    let mut delays = Vec::new();
    sizes.cancels.run(|sample| {
        delays.push(cancelled(&scheduler, &heard, sample)?);
        Ok(())
    })?;
    let count = ((hashes_per_s * sizes.search_s) as u64).max(1);
    let mut rates = Paired::default();
    sizes.hash_rate.run(|round| {
        let (job, bare) = if round % 2 == 0 {
            (rate_in_job(&scheduler, count)?, rate_outside(count)?)
        } else {
            let bare = rate_outside(count)?;
            (rate_in_job(&scheduler, count)?, bare)
        };
        rates.push(job, bare);
        Ok(())
    })?;
    end(&scheduler)?;
    Ok(CancelFigures {
        cancel_p50_us: median(&delays),
        cancel_p99_us: percentile(&delays, 0.99),
        cancel_quartiles_us: quartiles(&delays),
        cancel_samples_count: delays.len(),
        cancel_hash_rate_ratio: rates.ratio_of_fast(),
        cancel_hash_rate_median_ratio: median(&rates.ratios()),
        cancel_hash_rate_ratio_quartiles: quartiles(&rates.ratios()),
        cancel_hashes_per_s: rates.scheduler(),
        cancel_bare_hashes_per_s: rates.bare(),
    })
}

/// One job that is asked to stop, in microseconds. This thread sleeps while it waits: the times are taken by others, and
/// the hashing job has the machine to itself.
fn cancelled(
    scheduler: &Scheduler<Bodies>,
    heard: &Receiver<Instant>,
    sample: usize,
) -> anyhow::Result<f64> {
    let id = JobId::from("hashing");
    let hashing = add(scheduler, &id, FIRST_NONCE..u64::MAX)?;
    await_stamp(&hashing.stamps.body.begun, "a hashing job to start")?;
    thread::sleep(Duration::from_micros(
        HASHING_US + sample as u64 % HASHING_MORE_US,
    ));
    let asked = Instant::now();
    if sample.is_multiple_of(2) {
        let runs = scheduler.cancel_run(&id)?;
        ensure!(
            runs == 1,
            "{runs} runs of one hashing job were asked to stop"
        );
    } else {
        scheduler.remove_job(&id)?;
    }
    let heard = heard
        .recv_timeout(PATIENCE)
        .context("a hashing job did not stop")?;
    Ok(us_between(asked, heard))
}

/// Hashes a second of a search in a job. This thread sleeps meanwhile.
fn rate_in_job(scheduler: &Scheduler<Bodies>, count: u64) -> anyhow::Result<f64> {
    let id = JobId::from("hashing");
    let (ended, end_of_run) = mpsc::sync_channel(1);
    let listener = scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, _| {
        let _ = ended.try_send(event.output.as_deref().copied());
    });
    let hashing = add(scheduler, &id, FIRST_NONCE..FIRST_NONCE + count)?;
    let searched = end_of_run.recv_timeout(PATIENCE)?;
    scheduler.remove_listener(listener);
    ensure!(
        searched == Some(count),
        "a job searched {searched:?} of {count} nonces"
    );
    let begun = await_stamp(&hashing.stamps.body.begun, "a search to begin")?;
    let ended = await_stamp(&hashing.stamps.body.ended, "a search to end")?;
    Ok(count as f64 / ended.duration_since(begun).as_secs_f64())
}

fn add(
    scheduler: &Scheduler<Bodies>,
    id: &JobId,
    nonces: std::ops::Range<u64>,
) -> anyhow::Result<Arc<Hashing>> {
    let hashing = Arc::new(Hashing {
        nonces,
        stamps: Stamps::default(),
    });
    let task = Task::Search(Arc::clone(&hashing));
    scheduler.add_job(JobSpec::new(id, "search", task).lane(Lane::Bulk))?;
    Ok(hashing)
}

/// Hashes a second of the same search on a thread of its own. This thread sleeps meanwhile.
fn rate_outside(count: u64) -> anyhow::Result<f64> {
    let (result, seconds) = on_a_thread(move || {
        let (template, nobody) = (impossible(), AtomicBool::new(false));
        let began = Instant::now();
        let result = search(&template, FIRST_NONCE..FIRST_NONCE + count, &nobody);
        (result, began.elapsed().as_secs_f64())
    })?;
    ensure!(
        matches!(result, Search::Exhausted { .. }),
        "the search outside ended with {result:?}"
    );
    Ok(count as f64 / seconds)
}

/// Runs it on a new thread, and waits asleep.
///
/// # Errors
/// If the system refuses a thread.
pub(super) fn on_a_thread<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    let thread = thread::Builder::new().name("bare".to_owned()).spawn(body)?;
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the bare thread panicked"))
}
