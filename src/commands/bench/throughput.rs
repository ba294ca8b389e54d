//! Jobs a second, from the first add to the last end heard, while a listener hears every event.
//!
//! One thread adds one-shot prompt jobs with ids of their own; the scheduler has one worker that takes everything and one
//! for prompt jobs. The bare queue has as many workers and is given as many closures with the same body by one thread. Ids
//! are made before the clock starts, since formatting them is the program's work; the spec and the closure are made while
//! it runs. Rounds of both alternate, and the ratio is the median over the rounds.
//!
//! After each round it is checked that every job ran once and every event was heard once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Instant;

use anyhow::{Context, ensure};
use jbc_scheduler::{EventCode, EventMask, JobId, JobSpec};
use serde::Serialize;

use super::bare::BareQueue;
use super::bodies::{Apart, BARE_WORKERS, PATIENCE, Tally, Task, end, scheduler};
use super::estimate::{Paired, median, quartiles};
use super::sizes::Sizes;

/// What was measured; medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ThroughputFigures {
    /// Scheduler ÷ bare queue.
    pub(super) jobs_per_s_ratio: f64,
    pub(super) jobs_per_s_ratio_quartiles: [f64; 2],
    /// Jobs.
    pub(super) jobs_per_s: f64,
    /// Closures.
    pub(super) bare_jobs_per_s: f64,
    /// Jobs of a round.
    pub(super) throughput_jobs_count: usize,
}

/// Measures.
///
/// # Errors
/// If a job or an event was lost or doubled.
pub(super) fn measure(sizes: &Sizes) -> anyhow::Result<ThroughputFigures> {
    let jobs = sizes.throughput_jobs;
    let mut rates = Paired::default();
    sizes.throughput.run(|round| {
        // Who goes first takes turns.
        let (scheduler, bare) = if round % 2 == 0 {
            (scheduler_round(jobs)?, bare_round(jobs)?)
        } else {
            let bare = bare_round(jobs)?;
            (scheduler_round(jobs)?, bare)
        };
        rates.push(scheduler, bare);
        Ok(())
    })?;
    Ok(ThroughputFigures {
        jobs_per_s_ratio: median(&rates.ratios()),
        jobs_per_s_ratio_quartiles: quartiles(&rates.ratios()),
        jobs_per_s: rates.scheduler(),
        bare_jobs_per_s: rates.bare(),
        throughput_jobs_count: jobs,
    })
}

fn bare_round(jobs: usize) -> anyhow::Result<f64> {
    let tally = Tally::of(jobs);
    let (done, last) = mpsc::sync_channel(1);
    let queue = BareQueue::start(BARE_WORKERS)?;
    let began = Instant::now();
    for job in 0..jobs {
        let (tally, done) = (Arc::clone(&tally), done.clone());
        queue.push(Box::new(move || {
            if tally.ran(job) == jobs as u64 {
                tell_now(&done);
            }
        }));
    }
    let ended = last
        .recv_timeout(PATIENCE)
        .context("jobs of the bare queue were lost")?;
    drop(queue);
    tally.check("the bare queue")?;
    Ok(jobs as f64 / ended.duration_since(began).as_secs_f64())
}

fn scheduler_round(jobs: usize) -> anyhow::Result<f64> {
    let tally = Tally::of(jobs);
    let heard = Arc::new(Heard::default());
    let (done, last) = mpsc::sync_channel(1);
    let scheduler = scheduler(jobs)?;
    let listener = Arc::clone(&heard);
    scheduler.add_listener(EventMask::ALL, move |event, _| {
        if listener.count(event.code) && listener.ends() == jobs as u64 {
            tell_now(&done);
        }
    });
    let ids: Vec<JobId> = (0..jobs).map(|job| format!("job-{job}").into()).collect();
    let began = Instant::now();
    for (job, id) in ids.into_iter().enumerate() {
        let task = Task::Count(Arc::clone(&tally), job);
        scheduler.add_job(JobSpec::new(id, "count", task))?;
    }
    let ended = last
        .recv_timeout(PATIENCE)
        .context("ends of the scheduler's jobs were lost")?;
    // Only now would a job or an event too many have shown.
    end(&scheduler)?;
    tally.check("the scheduler")?;
    heard.check(jobs as u64)?;
    Ok(jobs as f64 / ended.duration_since(began).as_secs_f64())
}

/// The first time is the one that counts; a second one finds the channel full.
fn tell_now(done: &SyncSender<Instant>) {
    let _ = done.try_send(Instant::now());
}

/// How many events of each kind a listener heard. The counters lie apart: the thread that adds and the workers would fight
/// for one line.
#[derive(Default)]
struct Heard {
    added: Apart<AtomicU64>,
    submitted: Apart<AtomicU64>,
    executed: Apart<AtomicU64>,
    others: Apart<AtomicU64>,
}

impl Heard {
    /// Counts one; answers whether it was an end.
    fn count(&self, code: EventCode) -> bool {
        let counter = match code {
            EventCode::JobAdded => &self.added,
            EventCode::JobSubmitted => &self.submitted,
            EventCode::JobExecuted => &self.executed,
            _ => &self.others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        code == EventCode::JobExecuted
    }

    fn ends(&self) -> u64 {
        self.executed.load(Ordering::Relaxed)
    }

    fn check(&self, jobs: u64) -> anyhow::Result<()> {
        let counts = [&self.added, &self.submitted, &self.executed, &self.others]
            .map(|count| count.load(Ordering::Relaxed));
        ensure!(
            counts == [jobs, jobs, jobs, 0],
            "of {jobs} jobs were heard: {} added, {} submitted, {} executed, and {} other events",
            counts[0],
            counts[1],
            counts[2],
            counts[3]
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_too_few_or_too_many_is_an_error() {
        let heard = Heard::default();
        for code in [EventCode::JobAdded, EventCode::JobSubmitted] {
            assert!(!heard.count(code));
        }
        assert!(heard.check(1).is_err());
        assert!(heard.count(EventCode::JobExecuted));
        heard.check(1).unwrap();
        heard.count(EventCode::JobError);
        assert!(heard.check(1).is_err());
    }
}
