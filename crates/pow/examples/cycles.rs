//! How many clock cycles a hash takes: `cargo run --release -p jbc-pow --example cycles`.
//!
//! A clock cycle is measured by a chain of squarings, each of which waits three cycles for the one before (the
//! latency of `imul` on all x86-64 cores of the last fifteen years). Chain and search alternate in short turns, and of
//! each kernel's turns the fastest count, in which nobody else used the core: another thread on it slows a search, which
//! keeps all of its units busy, but not the chain.
//! docs/performance.md says what these figures are compared with.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use jbc_pow::{Kernel, Search, Template, search_with};

/// Squarings of a turn, and the cycles that each takes.
const CHAIN: u64 = 1_000_000;
const CYCLES_EACH: f64 = 3.0;
/// Nonces of a turn.
const NONCES: u64 = 100_000;
const TURNS: usize = 201;

fn seconds_per_cycle() -> f64 {
    let started = Instant::now();
    let mut product = black_box(3_u64);
    for _ in 0..CHAIN {
        product = product.wrapping_mul(product);
    }
    black_box(product);
    started.elapsed().as_secs_f64() / CHAIN as f64 / CYCLES_EACH
}

fn main() {
    // No hash meets the target. The prefix leaves room for eight digits up to byte 55.
    let template = Template::new(&[b'x'; 111], [0; 32]);
    let rolled: Vec<[u8; 163]> = (0..10)
        .map(|root| std::array::from_fn(|byte| if byte < 64 { root } else { b'x' }))
        .collect();
    let rolled = Template::rolled(&rolled, [0; 32]).expect("they differ in their first block only");
    for (layout, template, first) in [
        ("classic", &template, 10_000_000),
        ("v2, 10 roots", &rolled, 10_u64.pow(19)),
    ] {
        let nonces = first..first + NONCES / template.prefixes().len() as u64;
        for &kernel in Kernel::available() {
            let mut cycles: Vec<f64> = (0..TURNS)
                .map(|_| {
                    let cycle = seconds_per_cycle();
                    let started = Instant::now();
                    let cancel = AtomicBool::new(false);
                    let result = search_with(kernel, template, nonces.clone(), &cancel);
                    assert!(matches!(result, Search::Exhausted { .. }));
                    started.elapsed().as_secs_f64() / NONCES as f64 / cycle
                })
                .collect();
            cycles.sort_by(f64::total_cmp);
            println!(
                "{layout:12} {:9} {:6.1} cycles a hash in the fastest turns, {:6.1} in the median",
                kernel.name(),
                cycles[TURNS / 50],
                cycles[TURNS / 2],
            );
        }
    }
}
