//! How hard the blocks of a race should be, and the network that says so.

use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jbc_chain::{Bits, Hash, Network, Rules, Target, TemplateParts, Timestamp, V2Parts, V2Rules};
use jbc_jobs::listener::ROLLS;
use jbc_pow::{Search, Template, best_nonces, search};

use crate::commands::terminal::{now, rate, rounded};

/// How long the hash rate is measured, in milliseconds: long enough for a clock speed that follows the load to settle.
const MEASURE_MS: u64 = 700;
/// How often a measurement looks whether it should end, in milliseconds.
const CHECK_MS: u64 = 10;
/// Nonces that a thread takes at once while it looks for the first block: some ten milliseconds.
const NONCES_AT_ONCE: u64 = 1 << 16;

/// What a race is run on.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) network: Network,
    /// Tries that a block takes on average.
    hashes_per_block: f64,
    /// Tries a second of all miners together, as measured.
    hash_rate: f64,
}

impl Plan {
    /// For the header: `v2, a block each 2 s: about 3.1 M hashes at first, measured 1.6 MH/s together`; `classic, target
    /// 00000a3f2b1c…: about 3.1 M hashes a block, measured 1.6 MH/s together`.
    pub(super) fn describe(&self) -> String {
        let (hashes, together) = (rounded(self.hashes_per_block), rate(self.hash_rate));
        let rules = match self.network.rules {
            Rules::V2(rules) => format!(
                "v2, a block each {} s: about {hashes} hashes at first",
                rules.interval_ms as f64 / 1_000.0
            ),
            Rules::Classic { target } => format!(
                "classic, target {}…: about {hashes} hashes a block",
                Hash::from_bytes(target.to_be_bytes()).short()
            ),
        };
        format!("{rules}, measured {together} together")
    }
}

/// Raises a flag when it goes out of scope, so that threads end with the future that waits for them.
struct RaiseOnDrop(Arc<AtomicBool>);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Measures what `miners` threads hash together, and makes a network on which they need `interval` for a block. Its first
/// block has to meet the target too, so this takes about an interval.
pub(super) async fn make(kind: Kind, miners: usize, interval: Duration) -> anyhow::Result<Plan> {
    let cancel = RaiseOnDrop(Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&cancel.0);
    tokio::task::spawn_blocking(move || {
        let hash_rate = measure(kind, miners, Duration::from_millis(MEASURE_MS), &flag);
        plan(kind, miners, hash_rate, interval, &flag)
    })
    .await
    .context("the measurement failed")?
}

/// The network's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As of the network `dev`, but for the interval.
    V2,
    /// The tutorial's, with a target in between two numbers of zeros.
    Classic,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "v2" => Ok(Self::V2),
            "classic" => Ok(Self::Classic),
            _ => Err("must be v2 or classic".to_owned()),
        }
    }
}

/// How much easier than its first block a race's blocks may become, where that is easier than `dev`'s limit.
const LIMIT_FACTOR: f64 = 16.0;

fn plan(
    kind: Kind,
    miners: usize,
    hash_rate: f64,
    interval: Duration,
    cancel: &AtomicBool,
) -> anyhow::Result<Plan> {
    let hashes_per_block = (hash_rate * interval.as_secs_f64()).max(1.0);
    let target = Target::from_expected_hashes(hashes_per_block);
    let (parts, target) = match kind {
        Kind::Classic => {
            let stamp = Timestamp::from_instant(now());
            (
                TemplateParts::genesis("First block of a race.", stamp),
                target,
            )
        }
        Kind::V2 => {
            let easier = Target::from_expected_hashes(hashes_per_block / LIMIT_FACTOR);
            let dev = Network::dev_rules();
            let rules = V2Rules {
                interval_ms: interval.as_millis() as u64,
                limit: dev.limit.max(Bits::from_target(&easier)),
                ..dev
            };
            let (bits, stamp) = (
                Bits::from_target(&target),
                Timestamp::from_instant_in_millis(now()),
            );
            let parts = Network::v2_genesis("race", &rules, bits, stamp);
            (parts, bits.target())
        }
    };
    let template = Template::new(parts.prefix().as_bytes(), target.to_be_bytes());
    let Some(nonce) = first_nonce(&template, miners, cancel) else {
        bail!("the search for a first block was cancelled")
    };
    let network = match kind {
        Kind::Classic => Network::with_genesis("race", target, parts.block(nonce))?,
        Kind::V2 => Network::with_v2_genesis(parts.block(nonce))?,
    };
    Ok(Plan {
        network,
        hashes_per_block,
        hash_rate,
    })
}

/// Hashes a second that this many threads try together, each on a template as long as a block's.
fn measure(kind: Kind, threads: usize, time: Duration, cancel: &AtomicBool) -> f64 {
    let stamp = now();
    let (timestamp, v2) = match kind {
        Kind::Classic => (Timestamp::from_instant(stamp), None),
        Kind::V2 => {
            let bits = Network::dev_rules().limit;
            let rolled = V2Parts::rolled("racer 1", bits, Vec::new(), 0, ROLLS);
            (Timestamp::from_instant_in_millis(stamp), Some(rolled))
        }
    };
    let parts = TemplateParts {
        index: 10,
        prev_hash: Some(Hash::from_bytes([0; 32])),
        data: "racer 1".to_owned(),
        timestamp,
        v2,
    };
    let (never_met, prefixes) = ([0; 32], parts.prefixes());
    let template = Template::rolled(&prefixes, never_met).expect(
        "the prefixes of one template differ in their Merkle roots only, which stand early",
    );
    let first = best_nonces(prefixes[0].len()).start;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let one = || {
            let start = Instant::now();
            let next = match search(&template, first..u64::MAX, &stop) {
                Search::Found { nonce, .. } => nonce,
                Search::Exhausted { next_nonce } | Search::Cancelled { next_nonce } => next_nonce,
            };
            (next - first) as f64 * prefixes.len() as f64 / start.elapsed().as_secs_f64()
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let start = Instant::now();
        while start.elapsed() < time && !cancel.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(CHECK_MS));
        }
        stop.store(true, Ordering::Relaxed);
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or(0.0))
            .sum()
    })
}

/// A nonce that meets the template's target, found by this many threads; none when cancelled.
fn first_nonce(template: &Template, threads: usize, cancel: &AtomicBool) -> Option<u64> {
    let (next, found) = (AtomicU64::new(0), OnceLock::new());
    let step = || {
        if found.get().is_some() {
            return ControlFlow::Break(());
        }
        let start = next.fetch_add(NONCES_AT_ONCE, Ordering::Relaxed);
        match search(
            template,
            start..start.saturating_add(NONCES_AT_ONCE),
            cancel,
        ) {
            Search::Found { nonce, .. } => {
                found.get_or_init(|| nonce);
                ControlFlow::Break(())
            }
            Search::Exhausted { .. } => ControlFlow::Continue(()),
            Search::Cancelled { .. } => ControlFlow::Break(()),
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while step().is_continue() {});
        }
    });
    found.get().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classic_plan_is_a_network_whose_target_follows_rate_and_interval() {
        let plan = plan_of(Kind::Classic);
        assert_eq!(
            plan.network.rules.easiest_target(),
            Target::from_expected_hashes(10_000.0)
        );
        assert!(
            plan.network
                .rules
                .easiest_target()
                .is_met_by(plan.network.genesis.hash())
        );
        assert!(
            plan.describe()
                .ends_with(": about 10.0 k hashes a block, measured 5.0 kH/s together"),
            "{}",
            plan.describe()
        );
        let again = Network::from_json(plan.network.to_json().as_bytes()).unwrap();
        assert_eq!(again, plan.network);
    }

    fn plan_of(kind: Kind) -> Plan {
        plan(
            kind,
            2,
            5_000.0,
            Duration::from_secs(2),
            &AtomicBool::new(false),
        )
        .unwrap()
    }

    #[test]
    fn a_v2_plan_begins_at_what_was_measured_and_follows_the_interval() {
        let plan = plan_of(Kind::V2);
        let Rules::V2(rules) = plan.network.rules else {
            panic!("{}", plan.network.describe());
        };
        let bits = plan.network.genesis.bits().unwrap();
        assert_eq!(
            bits,
            Bits::from_target(&Target::from_expected_hashes(10_000.0))
        );
        assert!(rules.limit > bits && rules.interval_ms == 2_000);
        let again = Network::from_json(plan.network.to_json().as_bytes()).unwrap();
        assert_eq!(again, plan.network);
        assert!(
            plan.describe()
                .starts_with("v2, a block each 2 s: about 10.0 k hashes at first,"),
            "{}",
            plan.describe()
        );
    }

    #[test]
    fn a_measurement_and_a_search_end_when_cancelled() {
        let cancelled = AtomicBool::new(true);
        measure(Kind::V2, 2, Duration::from_secs(3_600), &cancelled);
        assert_eq!(
            first_nonce(&Template::new(b"x", [0; 32]), 2, &cancelled),
            None
        );
    }

    #[test]
    fn measuring_counts_what_was_tried() {
        for kind in [Kind::Classic, Kind::V2] {
            let time = Duration::from_millis(30);
            assert!(measure(kind, 1, time, &AtomicBool::new(false)) > 0.0);
        }
    }
}
