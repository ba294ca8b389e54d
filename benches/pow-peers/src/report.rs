//! What was measured, for programs and for people.

use std::fmt::Write as _;

use serde::Serialize;

use crate::contestants::{Contestant, Side};
use crate::threads::TwoThreads;

/// What was measured of one contestant: medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) label: String,
    pub(crate) side: Side,
    pub(crate) per_cpu_s: f64,
    /// To the loop over compress256 just before.
    pub(crate) ratio_to_compress256: f64,
    /// Between what half of the ratios lie.
    pub(crate) ratio_quartiles: [f64; 2],
}

impl Figures {
    pub(crate) fn of(contestant: &Contestant, samples: &[(f64, f64)]) -> Self {
        let (rates, ratios): (Vec<f64>, Vec<f64>) = samples.iter().copied().unzip();
        Self {
            label: contestant.label.clone(),
            side: contestant.side,
            per_cpu_s: median(&rates),
            ratio_to_compress256: median(&ratios),
            ratio_quartiles: [percentile(&ratios, 0.25), percentile(&ratios, 0.75)],
        }
    }
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) rounds: usize,
    pub(crate) compress256_per_cpu_s: f64,
    /// What two threads do ÷ what one does; `None` on one core.
    pub(crate) two_threads: Option<TwoThreads>,
    pub(crate) figures: Vec<Figures>,
    /// Peers that this machine does not have, and why.
    pub(crate) left_out: Vec<String>,
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| | million per CPU second | ratio to compress256 | half of all lie in |\n|---|---:|---:|---:|\n",
        );
        for figures in &self.figures {
            let [low, high] = figures.ratio_quartiles;
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.2} | {low:.2} to {high:.2} |",
                figures.label,
                figures.per_cpu_s / 1e6,
                figures.ratio_to_compress256,
            );
        }
        let _ = writeln!(
            text,
            "\n{}, {} rounds. compress256 on one patched block: {:.1} million per CPU second.",
            self.machine,
            self.rounds,
            self.compress256_per_cpu_s / 1e6,
        );
        if let Some(TwoThreads {
            rounds,
            search,
            plain,
        }) = self.two_threads
        {
            let _ = writeln!(
                text,
                "Two threads search {:.2} times what one does (half of {rounds} times: {:.2} to {:.2}); of a loop that does \
                 not hash they do {:.2} times as much ({:.2} to {:.2}).",
                search.ratio,
                search.quartiles[0],
                search.quartiles[1],
                plain.ratio,
                plain.quartiles[0],
                plain.quartiles[1],
            );
        }
        if !self.left_out.is_empty() {
            let _ = writeln!(text, "Left out: {}.", self.left_out.join("; "));
        }
        text
    }
}

/// By nearest rank, as `jbc bench` does; NaN of no samples.
pub(crate) fn percentile(samples: &[f64], quantile: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// The 50th percentile.
pub(crate) fn median(samples: &[f64]) -> f64 {
    percentile(samples, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(percentile(&[4.0, 3.0, 2.0, 1.0], 0.25), 1.0);
        assert_eq!(percentile(&[1.0], 0.75), 1.0);
        assert!(median(&[]).is_nan());
    }
}
