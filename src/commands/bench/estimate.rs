//! Robust estimates: what is left of many samples when some were disturbed.

/// The value that so many of the samples (`quantile`, 0 to 1) do not exceed, by nearest rank: always one that was
/// measured, never one in between. NaN of no samples.
pub(super) fn percentile(samples: &[f64], quantile: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(rank.saturating_sub(1).min(last))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The 50th percentile.
pub(super) fn median(samples: &[f64]) -> f64 {
    percentile(samples, 0.5)
}

/// The first and the third quartile: half of the samples lie between them.
pub(super) fn quartiles(samples: &[f64]) -> [f64; 2] {
    [percentile(samples, 0.25), percentile(samples, 0.75)]
}

/// Both sides of a comparison, an entry for each round. A round measures one side right after the other, so that what
/// else goes on in the machine hits both of them or neither.
#[derive(Clone, Debug, Default)]
pub(super) struct Paired {
    scheduler: Vec<f64>,
    bare: Vec<f64>,
}

impl Paired {
    /// Adds a round.
    pub(super) fn push(&mut self, scheduler: f64, bare: f64) {
        self.scheduler.push(scheduler);
        self.bare.push(bare);
    }

    /// The scheduler's figure, as a median over the rounds.
    pub(super) fn scheduler(&self) -> f64 {
        median(&self.scheduler)
    }

    /// The figure of what it is compared with, as a median over the rounds.
    pub(super) fn bare(&self) -> f64 {
        median(&self.bare)
    }

    /// The 90th percentile of the scheduler's figures ÷ that of the other side's. For rates of a loop that only computes:
    /// whatever else the machine does can only slow it, so the fast rounds are the undisturbed ones. The very fastest
    /// would be one sample of luck.
    pub(super) fn ratio_of_fast(&self) -> f64 {
        percentile(&self.scheduler, 0.9) / percentile(&self.bare, 0.9)
    }

    /// Scheduler ÷ bare of each round; the estimate of the ratio is their median. A round that was disturbed on one
    /// side is an outlier at one end, which moves a median hardly at all.
    pub(super) fn ratios(&self) -> Vec<f64> {
        let rounds = self.scheduler.iter().zip(&self.bare);
        rounds.map(|(scheduler, bare)| scheduler / bare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank_in_whatever_order_they_came() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.0), 1.0);
        assert_eq!(median(&hundred), 50.0);
        assert_eq!(percentile(&hundred, 0.99), 99.0);
        assert_eq!(percentile(&hundred, 1.0), 100.0);
        assert_eq!(quartiles(&hundred), [25.0, 75.0]);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_round_that_was_disturbed_on_one_side_does_not_move_the_ratio() {
        let mut paired = Paired::default();
        // A machine that gets slower and slower, but for both.
        for slowness in 1..=8 {
            paired.push(2.0 * f64::from(slowness), f64::from(slowness));
        }
        paired.push(1_000.0, 1.0);
        assert_eq!(median(&paired.ratios()), 2.0);
        assert_eq!(quartiles(&paired.ratios()), [2.0, 2.0]);
        assert_eq!((paired.scheduler(), paired.bare()), (10.0, 4.0));
    }

    #[test]
    fn slow_rounds_on_either_side_and_one_lucky_one_do_not_move_the_ratio_of_the_fast() {
        let mut paired = Paired::default();
        assert!(paired.ratio_of_fast().is_nan());
        paired.push(5_000.0, 100.0);
        for round in 0..19 {
            let slow = f64::from(round % 2) * 30.0;
            paired.push(99.0 - slow, 70.0 + slow);
        }
        assert_eq!(paired.ratio_of_fast(), 0.99);
    }
}
