//! What one more timer costs when many are pending, and what memory they take.
//!
//! Jobs that are due in hours are added up to each number. There, a few hundred more are added and removed again, with due
//! times that lie anywhere among those of the others. O(log n) shows as a cost that grows by a little each time the number
//! grows tenfold. Nobody listens. This part runs first, on a heap that nothing has been freed on yet, so that the memory
//! of the process grows by what the timers take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jbc_scheduler::{JobId, JobSpec, Scheduler, Trigger};
use serde::Serialize;

use super::bodies::{Bodies, Task, end, scheduler, us_between};
use super::estimate::median;
use super::sizes::Sizes;

/// When the first of them is due, in seconds: long after the end of this run.
const FIRST_DUE_S: u64 = 3_600;
/// Over how long their due times are spread, in milliseconds: ten hours.
const SPREAD_MS: u64 = 36_000_000;
/// No job is to run, so none waits for a worker.
const MAX_PENDING: usize = 1;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TimerFigures {
    /// `timer_add_remove_us_at_<pending>`: one add and one remove, in microseconds, the median over the samples.
    #[serde(flatten)]
    pub(super) add_remove: BTreeMap<String, f64>,
    /// What a pending timer takes, with its job and its id, at the greatest number; where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timer_memory_bytes: Option<f64>,
    /// The figures by number, for people.
    #[serde(skip)]
    pub(super) by_pending: Vec<(usize, f64)>,
}

/// Measures.
///
/// # Errors
/// If a timer could not be added or removed.
pub(super) fn measure(sizes: &Sizes) -> anyhow::Result<TimerFigures> {
    let scheduler = scheduler(MAX_PENDING)?;
    let before = resident_bytes();
    let (mut pending, mut by_pending) = (0, Vec::new());
    let mut after = None;
    for &level in sizes.timers {
        while pending < level {
            let id = JobId::from(format!("timer-{pending}"));
            scheduler.add_job(later(id, pending as u64))?;
            pending += 1;
        }
        after = resident_bytes();
        let mut samples = Vec::new();
        for sample in 0..sizes.timer_samples {
            samples.push(add_remove_us(&scheduler, sizes.timer_probes, sample)?);
        }
        by_pending.push((level, median(&samples)));
    }
    end(&scheduler)?;
    let name = |pending: usize| format!("timer_add_remove_us_at_{pending}");
    let bytes = before
        .zip(after)
        .map(|(before, after)| after.saturating_sub(before));
    Ok(TimerFigures {
        add_remove: by_pending
            .iter()
            .map(|(pending, us)| (name(*pending), *us))
            .collect(),
        timer_memory_bytes: bytes.map(|bytes| bytes as f64 / pending.max(1) as f64),
        by_pending,
    })
}

/// One add and one remove, in microseconds, over so many of them.
fn add_remove_us(
    scheduler: &Scheduler<Bodies>,
    probes: usize,
    sample: usize,
) -> anyhow::Result<f64> {
    let ids: Vec<JobId> = (0..probes)
        .map(|probe| format!("probe-{probe}").into())
        .collect();
    let began = Instant::now();
    for (probe, id) in ids.iter().enumerate() {
        // Numbers that no pending timer has, others in each sample.
        let number = u64::MAX - (sample * probes + probe) as u64;
        scheduler.add_job(later(id.clone(), number))?;
    }
    for id in &ids {
        scheduler.remove_job(id)?;
    }
    Ok(us_between(began, Instant::now()) / probes as f64)
}

/// A job that is due in hours; the number says when within them.
fn later(id: JobId, number: u64) -> JobSpec<Task> {
    let wait = Duration::from_secs(FIRST_DUE_S) + Duration::from_millis(scatter(number));
    JobSpec::new(id, "timer", Task::Never).trigger(Trigger::After(wait))
}

/// A number below [`SPREAD_MS`] that looks random and is the same in each run: Fibonacci hashing (Knuth, The Art of
/// Computer Programming, volume 3, section 6.4).
fn scatter(number: u64) -> u64 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % SPREAD_MS
}

/// How much of this process is in memory; `None` where there is no Linux `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_spread_over_all_the_hours() {
        let mut tenths = [0; 10];
        for number in 0..1_000 {
            tenths[(scatter(number) * 10 / SPREAD_MS) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|count| (80..=120).contains(count)),
            "{tenths:?}"
        );
    }
}
