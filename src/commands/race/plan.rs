//! How hard the blocks of a race should be, and the network that says so.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jbc_chain::{Hash, Network, Target, TemplateParts, Timestamp};
use jbc_pow::{Search, Template, search};

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
    /// For the header: `target 00000a3f2b1c…: about 3.1 M hashes a block, measured 1.6 MH/s together`.
    pub(super) fn describe(&self) -> String {
        let target = Hash::from_bytes(self.network.rules.easiest_target().to_be_bytes()).short();
        let (hashes, together) = (rounded(self.hashes_per_block), rate(self.hash_rate));
        format!("target {target}…: about {hashes} hashes a block, measured {together} together")
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
pub(super) async fn make(miners: usize, interval: Duration) -> anyhow::Result<Plan> {
    let cancel = RaiseOnDrop(Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&cancel.0);
    tokio::task::spawn_blocking(move || {
        let hash_rate = measure(miners, Duration::from_millis(MEASURE_MS), &flag);
        plan(miners, hash_rate, interval, &flag)
    })
    .await
    .context("the measurement failed")?
}

fn plan(
    miners: usize,
    hash_rate: f64,
    interval: Duration,
    cancel: &AtomicBool,
) -> anyhow::Result<Plan> {
    let hashes_per_block = (hash_rate * interval.as_secs_f64()).max(1.0);
    let target = Target::from_expected_hashes(hashes_per_block);
    let parts = TemplateParts::genesis("First block of a race.", Timestamp::from_instant(now()));
    let template = Template::new(parts.prefix().as_bytes(), target.to_be_bytes());
    let Some(nonce) = first_nonce(&template, miners, cancel) else {
        bail!("the search for a first block was cancelled")
    };
    let network = Network::with_genesis("race", target, parts.block(nonce))?;
    Ok(Plan {
        network,
        hashes_per_block,
        hash_rate,
    })
}

/// Nonces a second that this many threads try together, each on a template as long as a block's.
fn measure(threads: usize, time: Duration, cancel: &AtomicBool) -> f64 {
    let parts = TemplateParts {
        index: 10,
        prev_hash: Some(Hash::from_bytes([0; 32])),
        data: "racer 1".to_owned(),
        timestamp: Timestamp::from_instant(now()),
        v2: None,
    };
    let never_met = [0; 32];
    let template = Template::new(parts.prefix().as_bytes(), never_met);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let one = || {
            let start = Instant::now();
            let tried = match search(&template, 0..u64::MAX, &stop) {
                Search::Found { nonce, .. } => nonce,
                Search::Exhausted { next_nonce } | Search::Cancelled { next_nonce } => next_nonce,
            };
            tried as f64 / start.elapsed().as_secs_f64()
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
    fn a_plan_is_a_network_whose_target_follows_rate_and_interval() {
        let plan = plan(2, 5_000.0, Duration::from_secs(2), &AtomicBool::new(false)).unwrap();
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

    #[test]
    fn a_measurement_and_a_search_end_when_cancelled() {
        let cancelled = AtomicBool::new(true);
        measure(2, Duration::from_secs(3_600), &cancelled);
        assert_eq!(
            first_nonce(&Template::new(b"x", [0; 32]), 2, &cancelled),
            None
        );
    }

    #[test]
    fn measuring_counts_what_was_tried() {
        assert!(measure(1, Duration::from_millis(30), &AtomicBool::new(false)) > 0.0);
    }
}
