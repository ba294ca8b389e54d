//! How near the AVX-512 kernel is to what the two ports of a core let through:
//! `cargo run --release -p jbc-pow --example bound`.
//!
//! Vector instructions of 512 bits run on two ports, one each a cycle. How many run in a second is taken from a loop of
//! additions that wait for nobody; how many a hash needs, from the disassembly (`benches/count_instructions.py`). Loop and
//! search alternate in turns of two milliseconds at most, and the median of the turns' ratios counts: who else uses the core,
//! or changes its clock, then hits both.
//!
//! It does not hit both alike: a stranger on the core's other hardware thread takes little from a short loop that waits for
//! nobody, and more from anything else. So the same figures are also told for the *quiet* turns, those in which the loop
//! had both ports for itself. What a cycle is, a chain of multiplications tells: each takes three and waits for the one
//! before, whatever others do.

#[cfg(target_arch = "x86_64")]
fn main() {
    if std::arch::is_x86_feature_detected!("avx512f") {
        x86::print();
    } else {
        println!("this machine has no AVX-512F");
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("this machine has no AVX-512F");
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;
    use std::ops::{Range, RangeInclusive};
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    use jbc_pow::{Kernel, Search, Template, search_with};

    /// Instructions for sixteen hashes from one start, and for the schedule that all starts share: the shape `Only13`, as
    /// `benches/count_instructions.py` counts them.
    const HASH: f64 = 817.0;
    const SCHEDULE: f64 = 411.0;
    const LANES: f64 = 16.0;
    /// Rounds of the loop of additions before and after a search, and its additions in each.
    const ROUNDS: u64 = 20_000;
    const ADDITIONS: usize = 24;
    /// Multiplications of the chain, and cycles that each takes on all cores that have AVX-512.
    const MULTIPLICATIONS: u64 = 30_000;
    const CYCLES: f64 = 3.0;
    const TURNS: usize = 1_001;
    /// Additions in a cycle of a turn that counts as quiet. Two can be: fewer are those of a disturbed loop, more those of a
    /// disturbed chain.
    const QUIET: RangeInclusive<f64> = 1.98..=2.02;

    /// One search between two runs of the loop.
    struct Turn {
        /// Instructions of the search in a second ÷ those of the loop.
        share: f64,
        /// Whether the loop had both ports for itself before and after.
        is_quiet: bool,
    }

    pub(super) fn print() {
        let kernel = "avx512".parse().expect("the machine has it");
        // The nonces of a turn are whole groups that are searched together, as in a long search.
        for (layout, prefixes, prefix_len, first, count) in [
            ("classic", 1, 111, 10_000_000, 32_000),
            ("v2, 10 roots", 10, 163, 10_u64.pow(19), 16_000),
            ("v2, 100 roots", 100, 163, 10_u64.pow(19), 1_000),
        ] {
            let texts: Vec<Vec<u8>> = (0..prefixes)
                .map(|root| [vec![root; 64], vec![b'x'; prefix_len - 64]].concat())
                .collect();
            // No hash meets the target.
            let template = Template::rolled(&texts, [0; 32]).expect("only the first block differs");
            let nonces = first..first + count;
            let hashes = count * u64::from(prefixes);
            let needed = (HASH + SCHEDULE / f64::from(prefixes)) / LANES;
            let turns: Vec<Turn> = (0..TURNS)
                .map(|_| turn(kernel, &template, nonces.clone(), hashes as f64 * needed))
                .collect();
            println!("{layout:13} {needed:5.1} instructions a hash");
            print_shares("all turns", turns.iter().collect());
            let quiet = turns.iter().filter(|turn| turn.is_quiet);
            print_shares("quiet turns", quiet.collect());
        }
    }

    fn print_shares(which: &str, turns: Vec<&Turn>) {
        let count = turns.len();
        let mut shares: Vec<f64> = turns.into_iter().map(|turn| 100.0 * turn.share).collect();
        shares.sort_by(f64::total_cmp);
        let [low, median, high] = [count / 4, count / 2, count * 3 / 4]
            .map(|rank| shares.get(rank).copied().unwrap_or(f64::NAN));
        println!(
            "  {which:11} {count:4} of {TURNS}: {median:5.1} % of the bound (half of them: {low:.1} to {high:.1})"
        );
    }

    fn turn(kernel: Kernel, template: &Template, nonces: Range<u64>, instructions: f64) -> Turn {
        let before = Loop::run();
        let started = Instant::now();
        let cancel = AtomicBool::new(false);
        let result = search_with(kernel, template, nonces, &cancel);
        let elapsed_s = started.elapsed().as_secs_f64();
        let after = Loop::run();
        assert!(matches!(result, Search::Exhausted { .. }));
        let ports = (before.per_s + after.per_s) / 2.0;
        Turn {
            share: instructions / elapsed_s / ports,
            is_quiet: QUIET.contains(&before.per_cycle) && QUIET.contains(&after.per_cycle),
        }
    }

    /// What the loop of additions did, and the chain of multiplications beside it.
    struct Loop {
        per_s: f64,
        per_cycle: f64,
    }

    impl Loop {
        fn run() -> Self {
            // The first vectors of 512 bits after others start slowly.
            add_up(ROUNDS / 10);
            let additions_s = timed_s(|| add_up(ROUNDS));
            let chain_s = timed_s(multiply);
            let per_s = (ROUNDS * ADDITIONS as u64) as f64 / additions_s;
            let cycle_s = chain_s / (MULTIPLICATIONS as f64 * CYCLES);
            Self {
                per_s,
                per_cycle: per_s * cycle_s,
            }
        }
    }

    fn timed_s(run: impl FnOnce()) -> f64 {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64()
    }

    fn add_up(rounds: u64) {
        // SAFETY: `main` has asked whether the machine has AVX-512F.
        unsafe { add_vectors_up(rounds) }
    }

    /// Each sum waits for its own last value alone, which is [`ADDITIONS`] additions old.
    #[target_feature(enable = "avx512f")]
    fn add_vectors_up(rounds: u64) {
        let step = _mm512_set1_epi32(black_box(3));
        let mut sums = [step; ADDITIONS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_add_epi32(*sum, step);
            }
        }
        black_box(sums);
    }

    /// Each product waits for the one before.
    fn multiply() {
        let mut product = black_box(3_u64);
        for _ in 0..MULTIPLICATIONS {
            product = product.wrapping_mul(product);
        }
        black_box(product);
    }
}
