//! What two threads search against one.
//!
//! On a machine of one's own that takes two runs. This has to hold where each core has strangers on its other hardware
//! thread, who come and go: so the pieces are short, one thread alone runs before and after two, on each of the cores in
//! turn, and the median of many ratios counts. Each thread goes on until its time is over and tells its own rate, as miners
//! do, who do not wait for each other.
//!
//! What the machine itself lets two threads do is told beside it, by the same measurement of a loop that does not hash.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use jbc::commands::bench::pow::Layout;
use jbc_pow::{Kernel, Search, Template, search_with};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::report::{median, percentile};

/// Ratios of which the median counts. With both loops and three pieces each they take about fifteen seconds.
const ROUNDS: usize = 121;
/// How long a piece is: many times what a thread takes to start, and short against what strangers do.
const PIECE: Duration = Duration::from_millis(20);
/// Work between two looks at the clock: less than a millisecond of it, and twice as many nonces as are searched at a time.
const NONCES: u64 = 32_000;
const SUMS: u64 = 50_000;

/// Two threads ÷ one.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Doubling {
    pub(crate) ratio: f64,
    /// Between what half of the ratios lie.
    pub(crate) quartiles: [f64; 2],
}

impl Doubling {
    fn of(ratios: &[f64]) -> Self {
        Self {
            ratio: median(ratios),
            quartiles: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
        }
    }
}

/// What was measured on two cores.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct TwoThreads {
    pub(crate) rounds: usize,
    /// Of the fastest kernel's search.
    pub(crate) search: Doubling,
    /// Of a loop that does not hash: what the machine lets two threads do.
    pub(crate) plain: Doubling,
}

/// Measures on the first two cores that this process may use; `None` if it may use but one.
///
/// # Errors
/// If a thread can not be bound to a core.
pub(crate) fn measure(layout: &Layout) -> anyhow::Result<Option<TwoThreads>> {
    let allowed = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let (Some(first), Some(second)) = (cores.next(), cores.next()) else {
        return Ok(None);
    };
    let template = Template::rolled(&layout.prefixes, [0; 32])?;
    let nonces = layout.first_nonce..layout.first_nonce + NONCES;
    let search = || search_all(&template, nonces.clone());
    let (mut searches, mut plains) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        searches.push(ratio([first, second], &search)?);
        plains.push(ratio([first, second], &add_up)?);
    }
    Ok(Some(TwoThreads {
        rounds: ROUNDS,
        search: Doubling::of(&searches),
        plain: Doubling::of(&plains),
    }))
}

/// The sum of two threads' rates ÷ the mean of those of one alone on each of the cores, just before and just after.
fn ratio(cores: [usize; 2], work: &(dyn Fn() + Sync)) -> anyhow::Result<f64> {
    let before = rates(&cores[..1], work)?;
    let both = rates(&cores, work)?;
    let after = rates(&cores[1..], work)?;
    Ok(2.0 * both / (before + after))
}

/// The sum of the rates, in pieces of work a second, of a thread on each of these cores.
fn rates(cores: &[usize], work: &(dyn Fn() + Sync)) -> anyhow::Result<f64> {
    let start = Barrier::new(cores.len());
    thread::scope(|scope| {
        let start = &start;
        let threads: Vec<_> = cores
            .iter()
            .map(|&core| scope.spawn(move || rate(core, start, work)))
            .collect();
        let rates = threads.into_iter().map(|thread| {
            let rate = thread.join();
            rate.map_err(|_| anyhow!("a thread panicked"))?
        });
        rates.sum()
    })
}

fn rate(core: usize, start: &Barrier, work: &(dyn Fn() + Sync)) -> anyhow::Result<f64> {
    let mut only = CpuSet::new();
    only.set(core);
    let bound = sched_setaffinity(None, &only).context("a thread can not be bound to a core");
    // Nobody is left waiting if it can not.
    start.wait();
    bound?;
    work();
    let began = Instant::now();
    let mut pieces = 0;
    while began.elapsed() < PIECE {
        work();
        pieces += 1;
    }
    Ok(f64::from(pieces) / began.elapsed().as_secs_f64())
}

/// No hash meets the target of the template.
fn search_all(template: &Template, nonces: Range<u64>) {
    let result = search_with(Kernel::best(), template, nonces, &AtomicBool::new(false));
    assert!(matches!(result, Search::Exhausted { .. }), "all were tried");
}

/// Eight sums, none of which waits for another.
fn add_up() {
    let mut sums: [u64; 8] = black_box([1, 2, 3, 4, 5, 6, 7, 8]);
    for _ in 0..SUMS {
        for sum in &mut sums {
            *sum = sum.wrapping_add(sum.rotate_left(1));
        }
    }
    black_box(sums);
}
