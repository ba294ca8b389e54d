//! How long from adding a job to the first instruction of its body, on workers that sleep.
//!
//! The clock starts just before `add_job(spec)`, or just before the push; what is handed over was made before. It stops
//! with the first instruction of the body. Between two samples nothing is asked for 200 µs, so that every worker is asleep
//! again: this is what a block that comes in from outside has to wait. Where the processor goes to sleep with its thread,
//! most of that is the time until it wakes up (on virtual machines some 30 µs), on both sides alike: there the difference of
//! the two says more about the queues than the ratio.
//!
//! Three sides are measured in turn, in short rounds whose order turns: the bare queue, a scheduler with a listener for
//! `JOB_EXECUTED` (what a program has), and one with a listener for all events. Each round has threads of its own: where the
//! system places a thread that sleeps most of the time is luck, which lasts as long as the thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jbc_scheduler::{EventCode, EventMask, JobId, JobSpec, Scheduler};
use serde::Serialize;

use super::bare::BareQueue;
use super::bodies::{
    BARE_WORKERS, Bodies, Stamps, Task, await_stamp, end, rest, scheduler, us_between,
};
use super::estimate::{Paired, median, percentile, quartiles};
use super::sizes::Sizes;

/// Samples at the start of a round that are thrown away: its threads are new, and nothing of them is in any cache.
const WARM_UP: usize = 10;
/// More than may ever wait here: one job is added at a time.
const MAX_PENDING: usize = 16;

/// What was measured: medians over the rounds of what each round's samples gave. Also the 99th percentiles are those of
/// single rounds: over all samples together it would be the length of a time slice, as soon as anything else runs here.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StartFigures {
    /// Scheduler ÷ bare queue: the median over the rounds of the ratio of both medians.
    pub(super) start_p50_ratio: f64,
    pub(super) start_p50_ratio_quartiles: [f64; 2],
    /// Scheduler ÷ bare queue: the median over the rounds of the ratio of both 99th percentiles.
    pub(super) start_p99_ratio: f64,
    pub(super) start_p99_ratio_quartiles: [f64; 2],
    pub(super) start_p50_us: f64,
    pub(super) start_p99_us: f64,
    pub(super) start_bare_p50_us: f64,
    pub(super) start_bare_p99_us: f64,
    /// The same with a listener for all events.
    pub(super) start_all_events_p50_ratio: f64,
    pub(super) start_all_events_p50_ratio_quartiles: [f64; 2],
    pub(super) start_all_events_p99_ratio: f64,
    pub(super) start_all_events_p50_us: f64,
    pub(super) start_all_events_p99_us: f64,
    /// Samples of each side.
    pub(super) start_samples_count: usize,
}

/// Measures.
///
/// # Errors
/// If a job never ran.
pub(super) fn measure(sizes: &Sizes) -> anyhow::Result<StartFigures> {
    let mut samples = Samples::default();
    sizes.start.run(|round| {
        let mut sides = [const { Vec::new() }; Samples::SIDES];
        for turn in 0..Samples::SIDES {
            let side = (round + turn) % Samples::SIDES;
            sides[side] = match Samples::HEARD[side] {
                None => bare_round(sizes.start_samples)?,
                Some(mask) => scheduler_round(mask, sizes.start_samples)?,
            };
        }
        samples.rounds.push(sides);
        Ok(())
    })?;
    Ok(samples.figures())
}

fn bare_round(samples: usize) -> anyhow::Result<Vec<f64>> {
    let queue = BareQueue::start(BARE_WORKERS)?;
    warm(samples, || bare_sample(&queue))
}

fn scheduler_round(mask: EventMask, samples: usize) -> anyhow::Result<Vec<f64>> {
    let scheduler = listening(mask)?;
    let samples = warm(samples, || scheduler_sample(&scheduler))?;
    end(&scheduler)?;
    Ok(samples)
}

/// So many samples, after others that warm up what is measured.
fn warm(
    samples: usize,
    mut sample: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<f64>> {
    for _ in 0..WARM_UP {
        sample()?;
    }
    (0..samples).map(|_| sample()).collect()
}

fn listening(mask: EventMask) -> anyhow::Result<Scheduler<Bodies>> {
    let scheduler = scheduler(MAX_PENDING)?;
    scheduler.add_listener(mask, |event, _| {
        if let (EventCode::JobExecuted, Task::Stamp(stamps, _)) = (event.code, &*event.task) {
            stamps.hear();
        }
    });
    Ok(scheduler)
}

fn bare_sample(queue: &BareQueue) -> anyhow::Result<f64> {
    let stamps = Arc::new(Stamps::default());
    let body = Arc::clone(&stamps);
    let job = Box::new(move || body.take());
    rest();
    let added = Instant::now();
    queue.push(job);
    let begun = await_stamp(&stamps.body.begun, "a job of the bare queue")?;
    await_stamp(&stamps.body.ended, "a job of the bare queue to end")?;
    Ok(us_between(added, begun))
}

fn scheduler_sample(scheduler: &Scheduler<Bodies>) -> anyhow::Result<f64> {
    let stamps = Arc::new(Stamps::default());
    let spec = JobSpec::new(
        JobId::from("start"),
        "stamp",
        Task::Stamp(Arc::clone(&stamps), Duration::ZERO),
    );
    rest();
    let added = Instant::now();
    scheduler.add_job(spec)?;
    let begun = await_stamp(&stamps.body.begun, "a job of the scheduler")?;
    // The rest begins with the end, and the id is free then.
    await_stamp(&stamps.heard, "a job of the scheduler to end")?;
    Ok(us_between(added, begun))
}

/// The samples of each side, round by round, in microseconds.
#[derive(Default)]
struct Samples {
    rounds: Vec<[Vec<f64>; Self::SIDES]>,
}

impl Samples {
    const SIDES: usize = 3;
    const BARE: usize = 0;
    const EXECUTED: usize = 1;
    const ALL: usize = 2;

    /// What the listener of each side hears; the bare queue has none.
    const HEARD: [Option<EventMask>; Self::SIDES] =
        [None, Some(EventMask::JOB_EXECUTED), Some(EventMask::ALL)];

    /// The percentile of a side beside the bare queue's, round by round.
    fn paired(&self, side: usize, quantile: f64) -> Paired {
        let mut paired = Paired::default();
        for round in &self.rounds {
            let of = |side: usize| percentile(&round[side], quantile);
            paired.push(of(side), of(Self::BARE));
        }
        paired
    }

    fn figures(&self) -> StartFigures {
        let p50 = self.paired(Self::EXECUTED, 0.5);
        let p99 = self.paired(Self::EXECUTED, 0.99);
        let all_p50 = self.paired(Self::ALL, 0.5);
        let all_p99 = self.paired(Self::ALL, 0.99);
        StartFigures {
            start_p50_ratio: median(&p50.ratios()),
            start_p50_ratio_quartiles: quartiles(&p50.ratios()),
            start_p99_ratio: median(&p99.ratios()),
            start_p99_ratio_quartiles: quartiles(&p99.ratios()),
            start_p50_us: p50.scheduler(),
            start_p99_us: p99.scheduler(),
            start_bare_p50_us: p50.bare(),
            start_bare_p99_us: p99.bare(),
            start_all_events_p50_ratio: median(&all_p50.ratios()),
            start_all_events_p50_ratio_quartiles: quartiles(&all_p50.ratios()),
            start_all_events_p99_ratio: median(&all_p99.ratios()),
            start_all_events_p50_us: all_p50.scheduler(),
            start_all_events_p99_us: all_p99.scheduler(),
            start_samples_count: self
                .rounds
                .iter()
                .map(|round| round[Self::BARE].len())
                .sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_compared_with_the_bare_queue_of_its_own_round() {
        // The second round is of a machine ten times as slow, which is not the scheduler's fault.
        let round = |slowness: f64| [1.0, 1.5, 2.0].map(|us| vec![us * slowness; 100]);
        let samples = Samples {
            rounds: vec![round(1.0), round(10.0), round(1.0)],
        };
        let figures = samples.figures();
        assert_eq!(figures.start_p50_ratio_quartiles, [1.5, 1.5]);
        assert_eq!(figures.start_all_events_p50_ratio, 2.0);
        assert_eq!(
            (figures.start_p99_ratio, figures.start_bare_p99_us),
            (1.5, 1.0)
        );
        assert_eq!(figures.start_samples_count, 300);
    }
}
