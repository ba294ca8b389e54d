//! What is measured of a simulation, averaged over seeds.

use super::simulation::{Random, Simulation, rules};

/// Blocks at rest before a measurement: twenty windows, far longer than the rule remembers.
const WARM_UP_WINDOWS: usize = 20;

/// Mean intervals over all blocks, in T.
pub(crate) struct Steady {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

pub(crate) fn steady(seeds: u64, blocks: usize, make: impl Fn(u64) -> Simulation) -> Steady {
    let mean_of = |seed| {
        let mut simulation = make(seed);
        let window = simulation.rules.window_blocks as usize;
        for _ in 0..(WARM_UP_WINDOWS * window).min(10_000) {
            simulation.block();
        }
        (0..blocks).map(|_| simulation.block()).sum::<f64>() / blocks as f64
    };
    let means: Vec<f64> = (0..seeds).map(mean_of).collect();
    Steady {
        mean: means.iter().sum::<f64>() / seeds as f64,
        low: means.iter().copied().fold(f64::INFINITY, f64::min),
        high: means.iter().copied().fold(0.0, f64::max),
    }
}

/// The expected interval of each block after a change, in T.
pub(crate) struct Response(Vec<f64>);

pub(crate) fn response(
    seeds: u64,
    blocks: usize,
    before: usize,
    change: impl Fn(&mut Simulation),
) -> Response {
    let mut expected = vec![0.0; blocks];
    for seed in 0..seeds {
        let mut simulation = Simulation::at_rest(rules(), seed);
        for _ in 0..before {
            simulation.block();
        }
        change(&mut simulation);
        for mean in &mut expected {
            *mean += simulation.expected() / seeds as f64;
            simulation.block();
        }
    }
    Response(expected)
}

impl Response {
    pub(crate) fn mean(&self, from: usize, to: usize) -> f64 {
        self.0[from..to].iter().sum::<f64>() / (to - from) as f64
    }

    /// The first block from which on all are within this share of T.
    pub(crate) fn settled(&self, share: f64) -> usize {
        let outside = |expected: &f64| (expected - 1.0).abs() > share;
        self.0.iter().rposition(outside).map_or(0, |last| last + 1)
    }

    /// How long the blocks before this one take, in T.
    pub(crate) fn time(&self, block: usize) -> f64 {
        self.0[..block].iter().sum()
    }

    /// How far averages of a window swing past the value at rest, which is the mean of the second half, to the other side than
    /// they came from; as a share of that value.
    pub(crate) fn overshoot(&self, window: usize) -> f64 {
        let half = self.0.len() / 2;
        let rest = self.mean(half, self.0.len());
        let from_below = self.0[0] < rest;
        let past = |start: usize| {
            let off = self.mean(start, start + window) / rest - 1.0;
            if from_below { off } else { -off }
        };
        (0..half).map(past).fold(0.0, f64::max)
    }
}

/// How the expected interval at rest goes with itself some blocks later.
pub(crate) struct Autocorrelation {
    pub(crate) at_n: f64,
    pub(crate) lowest: f64,
}

pub(crate) fn autocorrelation(seeds: u64, blocks: usize, lags: usize) -> Autocorrelation {
    let mut sums = vec![0.0; lags + 1];
    for seed in 0..seeds {
        let mut simulation = Simulation::at_rest(rules(), seed);
        for _ in 0..lags {
            simulation.block();
        }
        let mut expected = Vec::with_capacity(blocks);
        for _ in 0..blocks {
            expected.push(simulation.expected());
            simulation.block();
        }
        let mean = expected.iter().sum::<f64>() / blocks as f64;
        for (lag, sum) in sums.iter_mut().enumerate() {
            let pairs = expected.iter().zip(&expected[lag..]);
            *sum += pairs
                .map(|(one, other)| (one - mean) * (other - mean))
                .sum::<f64>()
                / (blocks - lag) as f64;
        }
    }
    let window = rules().window_blocks as usize;
    Autocorrelation {
        at_n: sums[window] / sums[0],
        lowest: sums[1..].iter().copied().fold(f64::INFINITY, f64::min) / sums[0],
    }
}

/// Some waiting times of this seed.
pub(crate) fn waits(seed: u64, count: usize) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.waiting()).collect()
}
