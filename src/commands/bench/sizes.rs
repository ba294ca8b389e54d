//! How much is measured: enough for figures that repeat on a shared machine, little enough for a run under 30 s.

use std::time::{Duration, Instant};

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Rounds of add → start, and samples of each side in a round. Many short rounds, since the luck of a round (see
    /// `start`) shows in all of its samples; in each the 99th percentile is the second worst.
    pub(super) start: Rounds,
    pub(super) start_samples: usize,
    /// Samples of end → listener one job at a time, those with a long body, and jobs of the crowd.
    pub(super) listener: Rounds,
    pub(super) listener_long: Rounds,
    pub(super) listener_crowd: usize,
    /// Rounds of jobs/s, and the jobs of a round (100,000 are what issue 3 names).
    pub(super) throughput: Rounds,
    pub(super) throughput_jobs: usize,
    /// Searches that are cancelled: with 400, the 99th percentile is the fifth worst.
    pub(super) cancels: Rounds,
    /// Rounds of the hash rate of a run that may be cancelled, and how long each search takes, in seconds.
    pub(super) hash_rate: Rounds,
    pub(super) search_s: f64,
    /// Rounds of mining, the ranges of a round, and how long a range takes, in seconds: as long as the node's
    /// (`jbc_jobs::listener`, `RANGE_S`).
    pub(super) mining: Rounds,
    pub(super) ranges: usize,
    pub(super) range_s: f64,
    /// Numbers of pending timers at which the cost of one more is measured, rising.
    pub(super) timers: &'static [usize],
    /// Timers added and removed for one sample of that cost, and samples at each number.
    pub(super) timer_probes: usize,
    pub(super) timer_samples: usize,
}

impl Sizes {
    /// Of a real run.
    pub(super) const FULL: Self = Self {
        start: Rounds::new(60, 10, 4_500),
        start_samples: 100,
        listener: Rounds::new(3_000, 500, 1_000),
        listener_long: Rounds::new(300, 200, 700),
        listener_crowd: 3_000,
        throughput: Rounds::new(7, 3, 4_000),
        throughput_jobs: 100_000,
        cancels: Rounds::new(400, 300, 1_000),
        hash_rate: Rounds::new(500, 50, 2_000),
        search_s: 0.002,
        mining: Rounds::new(12, 5, 5_000),
        ranges: 2,
        range_s: 0.1,
        timers: &[1_000, 10_000, 100_000, 1_000_000],
        timer_probes: 500,
        timer_samples: 9,
    };

    /// Just enough that every part runs: the figures mean nothing.
    pub(super) const QUICK: Self = Self {
        start: Rounds::new(2, 2, 1_000),
        start_samples: 10,
        listener: Rounds::new(20, 20, 1_000),
        listener_long: Rounds::new(20, 20, 1_000),
        listener_crowd: 20,
        throughput: Rounds::new(2, 2, 1_000),
        throughput_jobs: 500,
        cancels: Rounds::new(4, 4, 1_000),
        hash_rate: Rounds::new(2, 2, 1_000),
        search_s: 0.001,
        mining: Rounds::new(2, 2, 1_000),
        ranges: 2,
        range_s: 0.001,
        timers: &[100, 1_000],
        timer_probes: 20,
        timer_samples: 2,
    };
}

/// How often a measurement is repeated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds {
    most: usize,
    /// However slow the machine: fewer would have no median worth the name.
    least: usize,
    /// After so many milliseconds no further round begins, in milliseconds: a slow machine measures less, not longer.
    budget_ms: u64,
}

impl Rounds {
    const fn new(most: usize, least: usize, budget_ms: u64) -> Self {
        Self {
            most,
            least,
            budget_ms,
        }
    }

    /// Calls `round` with 0, 1, 2 …
    ///
    /// # Errors
    /// The first that a round gives.
    pub(super) fn run(
        self,
        mut round: impl FnMut(usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let since = Instant::now();
        let budget = Duration::from_millis(self.budget_ms);
        for number in 0..self.most {
            if number >= self.least && since.elapsed() >= budget {
                break;
            }
            round(number)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_end_with_their_number_or_with_their_time_but_never_before_the_least() {
        for (rounds, ran) in [
            (Rounds::new(5, 2, u64::MAX), 5),
            (Rounds::new(5, 2, 0), 2),
            (Rounds::new(0, 0, 0), 0),
        ] {
            let mut seen = Vec::new();
            let note = |number| {
                seen.push(number);
                Ok(())
            };
            rounds.run(note).unwrap();
            assert!(seen.iter().copied().eq(0..ran), "{rounds:?}: {seen:?}");
        }
    }
}
