//! What the measured jobs do, and what they leave behind.

use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::ensure;
use jbc_pow::{Search, Template, search};
use jbc_scheduler::{Executor, JobError, Lane, RunContext, Scheduler};

/// Worker threads of the scheduler: one that takes everything and one for prompt jobs only, the least it can be built
/// with, and what it builds by default on a machine of two cores.
pub(super) const WORKERS: (usize, usize) = (1, 1);
/// Worker threads of the bare queue: as many.
pub(super) const BARE_WORKERS: usize = WORKERS.0 + WORKERS.1;

/// How long anything that is waited for may take, in seconds: far more than a busy machine needs, so that reaching it
/// means that a job was lost.
const PATIENCE_S: u64 = 20;
/// [`PATIENCE_S`] as a duration.
pub(super) const PATIENCE: Duration = Duration::from_secs(PATIENCE_S);
/// How long nothing is asked of the workers before a sample, in microseconds: many times what one needs from the end of
/// a job to sleep.
const REST_US: u64 = 200;

/// What a measured job does.
pub(super) enum Task {
    /// Takes the time, and so long later the time again.
    Stamp(Arc<Stamps>, Duration),
    /// Counts that it ran.
    Count(Arc<Tally>, usize),
    /// Searches nonces of which none is found, until the end or until it is cancelled.
    Search(Arc<Hashing>),
    /// Searches a range of nonces, after which `left` more follow; the times of each are kept under that number.
    Range {
        nonces: Range<u64>,
        left: usize,
        stamps: Arc<[Stamps]>,
    },
    /// Waits for a time that never comes.
    Never,
}

/// Runs the tasks. An output is the number of nonces searched.
pub(super) struct Bodies;

impl Executor for Bodies {
    type Task = Task;
    type Output = u64;

    fn run(&self, task: &Task, ctx: &RunContext) -> Result<u64, JobError> {
        match task {
            Task::Stamp(stamps, lasts) => {
                stamps.begin();
                idle(*lasts);
                stamps.end();
                Ok(0)
            }
            Task::Count(tally, job) => {
                tally.ran(*job);
                Ok(0)
            }
            Task::Search(hashing) => {
                // The search alone lies between the two times.
                let (template, flag) = (impossible(), ctx.cancel().flag());
                hashing.stamps.begin();
                let result = search(&template, hashing.nonces.clone(), flag);
                hashing.stamps.end();
                Ok(searched(&hashing.nonces, result))
            }
            Task::Range {
                nonces,
                left,
                stamps,
            } => {
                stamps[*left].begin();
                let result = search(&impossible(), nonces.clone(), ctx.cancel().flag());
                stamps[*left].end();
                Ok(searched(nonces, result))
            }
            Task::Never => Ok(0),
        }
    }
}

/// A scheduler as a program builds it, with room for so many prompt jobs in line.
///
/// # Errors
/// If the system refuses a thread.
pub(super) fn scheduler(max_pending: usize) -> anyhow::Result<Scheduler<Bodies>> {
    let builder = Scheduler::builder(Arc::new(Bodies))
        .workers(WORKERS.0, WORKERS.1)
        .max_pending(Lane::Prompt, max_pending);
    Ok(builder.start()?)
}

/// Ends a scheduler, so that its threads do not disturb what is measured next.
///
/// # Errors
/// If something of it was left running.
pub(super) fn end(scheduler: &Scheduler<Bodies>) -> anyhow::Result<()> {
    let report = scheduler.drain(PATIENCE);
    ensure!(
        report.is_clean(),
        "the scheduler did not end within {PATIENCE_S} s: {report:?}"
    );
    Ok(())
}

/// When things happened to a job, each set once.
#[derive(Default)]
pub(super) struct Stamps {
    pub(super) body: Apart<BodyStamps>,
    /// The first instruction of the listener of its end.
    pub(super) heard: Apart<OnceLock<Instant>>,
}

/// Both on one line of the cache: when the end is written the line has come from the thread that made it, or its coming
/// would be measured as part of what follows. Where the beginning is waited for, the end is not measured.
#[derive(Default)]
pub(super) struct BodyStamps {
    /// The first instruction of the body.
    pub(super) begun: OnceLock<Instant>,
    /// The last instruction of the body.
    pub(super) ended: OnceLock<Instant>,
}

/// On cache lines of its own (two, since they are fetched in pairs): a thread that waits for one stamp must not be in the
/// way of who sets another, or that would be part of what is measured.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Apart<T>(T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Stamps {
    /// The whole body of a job that does nothing else.
    pub(super) fn take(&self) {
        self.begin();
        self.end();
    }

    fn begin(&self) {
        stamp(&self.body.begun);
    }

    fn end(&self) {
        stamp(&self.body.ended);
    }

    /// From the first instruction of the body to the last; nothing before both have been.
    pub(super) fn between(&self) -> Duration {
        let both = self.body.begun.get().zip(self.body.ended.get());
        both.map_or(Duration::ZERO, |(begun, ended)| {
            ended.saturating_duration_since(*begun)
        })
    }

    /// The whole body of a listener that does nothing else.
    pub(super) fn hear(&self) {
        stamp(&self.heard);
    }
}

/// Sets it to now. A second run of a job that was to run once changes nothing here; `throughput` is where such runs are
/// looked for.
fn stamp(cell: &OnceLock<Instant>) {
    let now = Instant::now();
    let _ = cell.set(now);
}

/// Waits until it is set, without sleeping: this thread's own wake-up must not be part of what is measured.
///
/// # Errors
/// If it never is.
pub(super) fn await_stamp(cell: &OnceLock<Instant>, what: &str) -> anyhow::Result<Instant> {
    let since = Instant::now();
    loop {
        if let Some(at) = cell.get() {
            return Ok(*at);
        }
        ensure!(
            since.elapsed() < PATIENCE,
            "waited {PATIENCE_S} s in vain for {what}"
        );
        std::hint::spin_loop();
    }
}

/// Lets the workers go to sleep. This thread stays awake, as a busy program's would.
pub(super) fn rest() {
    idle(Duration::from_micros(REST_US));
}

/// Does nothing for so long, without sleeping.
fn idle(span: Duration) {
    let since = Instant::now();
    while since.elapsed() < span {
        std::hint::spin_loop();
    }
}

/// Microseconds from one moment to a later one.
pub(super) fn us_between(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e6
}

/// How often each of many jobs has run.
pub(super) struct Tally {
    runs: Vec<AtomicU8>,
    total: AtomicU64,
}

impl Tally {
    pub(super) fn of(jobs: usize) -> Arc<Self> {
        Arc::new(Self {
            runs: (0..jobs).map(|_| AtomicU8::new(0)).collect(),
            total: AtomicU64::new(0),
        })
    }

    /// The body of a job; answers how many have run by now. The order between jobs is not asked for.
    pub(super) fn ran(&self, job: usize) -> u64 {
        self.runs[job].fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Checks that every job has run once.
    ///
    /// # Errors
    /// How many were lost or doubled.
    pub(super) fn check(&self, whose: &str) -> anyhow::Result<()> {
        let of = |wanted: fn(u8) -> bool| {
            let runs = self.runs.iter().map(|runs| runs.load(Ordering::Relaxed));
            runs.filter(|runs| wanted(*runs)).count()
        };
        let (lost, doubled) = (of(|runs| runs == 0), of(|runs| runs > 1));
        ensure!(
            lost == 0 && doubled == 0,
            "{whose}: of {} jobs {lost} never ran, {doubled} ran more than once",
            self.runs.len()
        );
        Ok(())
    }
}

/// A search that leaves its times behind.
pub(super) struct Hashing {
    pub(super) nonces: Range<u64>,
    pub(super) stamps: Stamps,
}

/// A block as a tutorial node mines it, with a target that no hash meets, so that every nonce is tried.
pub(super) fn impossible() -> Template {
    let prefix = "1000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c\
                  Mined by node on port 500120171026184530123456";
    Template::new(prefix.as_bytes(), [0; 32])
}

fn searched(nonces: &Range<u64>, result: Search) -> u64 {
    match result {
        Search::Found { nonce, .. } => nonce + 1 - nonces.start,
        Search::Exhausted { next_nonce } | Search::Cancelled { next_nonce } => {
            next_nonce - nonces.start
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_tells_lost_from_doubled_jobs_though_the_sum_is_right() {
        let tally = Tally::of(3);
        for job in [0, 1, 1] {
            tally.ran(job);
        }
        let fault = tally.check("it").unwrap_err().to_string();
        assert_eq!(fault, "it: of 3 jobs 1 never ran, 1 ran more than once");
        let tally = Tally::of(3);
        assert_eq!([2, 0, 1].map(|job| tally.ran(job)), [1, 2, 3]);
        tally.check("it").unwrap();
    }
}
