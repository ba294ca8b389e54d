//! The search beside the plain formula, for the preimage of a classic block.
//!
//! `cargo bench -p jbc-pow` prints criterion's figures, then the ratio of the two hash rates per kernel.

use criterion::{Criterion, Throughput};
use jbc_pow::{Kernel, Search, Template, hash_of, search_with};
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Nonces in one measured run: the tutorial's `STANDARD_ROUNDS`, of seven digits as in most of a mining round.
const NONCES: std::ops::Range<u64> = 1_000_000..1_100_000;
const NONCE_COUNT: u64 = NONCES.end - NONCES.start;

/// Runs per side from which the ratio is taken; the fastest counts, as the least disturbed.
const RATIO_RUNS: usize = 15;

/// A block as a tutorial node makes it; no hash meets the target, so that every nonce is tried.
fn template() -> Template {
    let prefix = "1000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c\
                  Mined by node on port 500120171026184530123456";
    Template::new(prefix.as_bytes(), [0; 32])
}

fn run_kernel(kernel: Kernel, template: &Template) -> Search {
    let cancel = AtomicBool::new(false);
    search_with(kernel, black_box(template), NONCES, black_box(&cancel))
}

fn run_plain(template: &Template) -> Option<u64> {
    let template = black_box(template);
    NONCES
        .into_iter()
        .find(|nonce| hash_of(template.prefix(), *nonce) <= template.target())
}

fn bench(criterion: &mut Criterion) {
    let template = template();
    let mut group = criterion.benchmark_group("classic");
    group
        .throughput(Throughput::Elements(NONCE_COUNT))
        .sample_size(20);
    group.bench_function("plain formula", |b| b.iter(|| run_plain(&template)));
    for &kernel in Kernel::available() {
        group.bench_function(kernel.name(), |b| b.iter(|| run_kernel(kernel, &template)));
    }
    group.finish();
}

fn fastest(runs: &[Duration]) -> f64 {
    runs.iter()
        .min()
        .map_or(f64::INFINITY, Duration::as_secs_f64)
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}

/// Measures the two sides in turn, so that a busy machine slows both alike.
fn print_ratios() {
    let template = template();
    for &kernel in Kernel::available() {
        let (mut plain, mut fast) = (Vec::new(), Vec::new());
        for _ in 0..RATIO_RUNS {
            plain.push(timed(|| run_plain(&template)));
            fast.push(timed(|| run_kernel(kernel, &template)));
        }
        let rate = |runs: &[Duration]| NONCE_COUNT as f64 / fastest(runs) / 1e6;
        let (plain, fast) = (rate(&plain), rate(&fast));
        println!(
            "{kernel}: {fast:.2} MH/s, plain formula {plain:.2} MH/s, ratio {:.2}",
            fast / plain
        );
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
    print_ratios();
}
