//! What was measured, for programs and for people.

use std::fmt::Write as _;

use serde::Serialize;

use crate::contestants::{Contestant, Side};

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
    /// What two threads of the fastest kernel search ÷ what one does, by the clock on the wall.
    pub(crate) two_threads_ratio: f64,
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
            "\n{}, {} rounds. compress256 on one patched block: {:.1} million per CPU second. Two threads: {:.3} times one.",
            self.machine,
            self.rounds,
            self.compress256_per_cpu_s / 1e6,
            self.two_threads_ratio
        );
        if !self.left_out.is_empty() {
            let _ = writeln!(text, "Left out: {}.", self.left_out.join("; "));
        }
        text
    }
}

/// By nearest rank, as `jbc bench` does; NaN of no samples.
fn percentile(samples: &[f64], quantile: f64) -> f64 {
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
