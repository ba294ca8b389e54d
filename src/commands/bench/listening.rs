//! How long from the last instruction of a body to the first instruction of the listener of its end.
//!
//! One job at a time, on workers that sleep in between (as in `start`), as in a node that has a block to validate now and
//! then. Once with a body that does nothing, so that what the start of a run touches is at hand at its end; once with one
//! that lasts, in which whoever shares the machine takes the caches; and beside both a crowd of jobs that wait in line.

use std::sync::Arc;
use std::time::Duration;

use jbc_scheduler::{EventMask, JobId, JobSpec, Scheduler};
use serde::Serialize;

use super::bodies::{Bodies, Stamps, Task, await_stamp, end, rest, scheduler, us_between};
use super::estimate::{median, percentile, quartiles};
use super::sizes::{Rounds, Sizes};

/// Samples that are thrown away first: pages and caches are touched for the first time.
const WARM_UP: usize = 10;

/// A body that lasts.
const LONG: Duration = Duration::from_millis(2);

/// What was measured, over all samples.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ListenerFigures {
    /// One job at a time.
    pub(super) listener_p50_us: f64,
    pub(super) listener_quartiles_us: [f64; 2],
    pub(super) listener_p99_us: f64,
    /// One job at a time, whose body lasts [`LONG`].
    pub(super) listener_long_p50_us: f64,
    /// Many jobs in line.
    pub(super) listener_crowd_p50_us: f64,
    pub(super) listener_crowd_p99_us: f64,
    /// Samples of one job at a time.
    pub(super) listener_samples_count: usize,
}

/// Measures.
///
/// # Errors
/// If the end of a job was never heard.
pub(super) fn measure(sizes: &Sizes) -> anyhow::Result<ListenerFigures> {
    let scheduler = scheduler(sizes.listener_crowd)?;
    scheduler.add_listener(EventMask::JOB_EXECUTED, |event, _| {
        if let Task::Stamp(stamps, _) = &*event.task {
            stamps.hear();
        }
    });
    let alone = one_at_a_time(&scheduler, sizes.listener, Duration::ZERO)?;
    let long = one_at_a_time(&scheduler, sizes.listener_long, LONG)?;
    let (mut waiting, mut crowd) = (Vec::new(), Vec::new());
    for sample in 0..sizes.listener_crowd {
        let stamps = Arc::new(Stamps::default());
        let task = Task::Stamp(Arc::clone(&stamps), Duration::ZERO);
        scheduler.add_job(JobSpec::new(format!("listener-{sample}"), "stamp", task))?;
        waiting.push(stamps);
    }
    for stamps in waiting {
        crowd.push(delay_us(&stamps)?);
    }
    end(&scheduler)?;
    Ok(ListenerFigures {
        listener_p50_us: median(&alone),
        listener_quartiles_us: quartiles(&alone),
        listener_p99_us: percentile(&alone, 0.99),
        listener_long_p50_us: median(&long),
        listener_crowd_p50_us: median(&crowd),
        listener_crowd_p99_us: percentile(&crowd, 0.99),
        listener_samples_count: alone.len(),
    })
}

fn one_at_a_time(
    scheduler: &Scheduler<Bodies>,
    rounds: Rounds,
    lasts: Duration,
) -> anyhow::Result<Vec<f64>> {
    let mut delays = Vec::new();
    rounds.run(|sample| {
        rest();
        let stamps = Arc::new(Stamps::default());
        let task = Task::Stamp(Arc::clone(&stamps), lasts);
        scheduler.add_job(JobSpec::new(JobId::from("listener"), "stamp", task))?;
        let delay = delay_us(&stamps)?;
        if sample >= WARM_UP {
            delays.push(delay);
        }
        Ok(())
    })?;
    Ok(delays)
}

fn delay_us(stamps: &Stamps) -> anyhow::Result<f64> {
    let heard = await_stamp(&stamps.heard, "the end of a job to be heard")?;
    let ended = await_stamp(&stamps.body.ended, "the end of a job")?;
    Ok(us_between(ended, heard))
}
