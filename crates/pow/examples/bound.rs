//! How near the AVX-512 kernel is to what the two ports of a core let through:
//! `cargo run --release -p jbc-pow --example bound`.
//!
//! Vector instructions of 512 bits run on two ports, one each a cycle. How many run in a second is taken from a loop of
//! additions that wait for nobody; how many a hash needs, from the disassembly (`benches/count_instructions.py`). Loop and
//! search alternate in turns of about a millisecond, and the median of the turns' ratios counts: who else uses the core,
//! or changes its clock, then hits both.

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
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    use jbc_pow::{Search, Template, search_with};

    /// Instructions for sixteen hashes from one start, and for the schedule that all starts share: the shape `Only13`, as
    /// `benches/count_instructions.py` counts them.
    const HASH: f64 = 817.0;
    const SCHEDULE: f64 = 411.0;
    const LANES: f64 = 16.0;
    /// Hashes of a turn.
    const HASHES: u64 = 100_000;
    /// Rounds of the loop of a turn, and its additions in each.
    const ROUNDS: u64 = 200_000;
    const ADDITIONS: usize = 24;
    const TURNS: usize = 401;

    pub(super) fn print() {
        let kernel = "avx512".parse().expect("the machine has it");
        for (layout, prefixes, prefix_len, first) in [
            ("classic", 1, 111, 10_000_000),
            ("v2, 10 roots", 10, 163, 10_u64.pow(19)),
            ("v2, 100 roots", 100, 163, 10_u64.pow(19)),
        ] {
            let texts: Vec<Vec<u8>> = (0..prefixes)
                .map(|root| [vec![root; 64], vec![b'x'; prefix_len - 64]].concat())
                .collect();
            // No hash meets the target.
            let template = Template::rolled(&texts, [0; 32]).expect("only the first block differs");
            let nonces = first..first + HASHES / u64::from(prefixes);
            let needed = (HASH + SCHEDULE / f64::from(prefixes)) / LANES;
            let mut shares: Vec<f64> = (0..TURNS)
                .map(|_| {
                    let ports = instructions_per_s();
                    let started = Instant::now();
                    let cancel = AtomicBool::new(false);
                    let result = search_with(kernel, &template, nonces.clone(), &cancel);
                    assert!(matches!(result, Search::Exhausted { .. }));
                    HASHES as f64 * needed / started.elapsed().as_secs_f64() / ports
                })
                .collect();
            shares.sort_by(f64::total_cmp);
            let [low, median, high] =
                [TURNS / 4, TURNS / 2, TURNS * 3 / 4].map(|i| 100.0 * shares[i]);
            println!(
                "{layout:13} {needed:5.1} instructions a hash, {median:5.1} % of the bound (half of all turns: {low:.1} to {high:.1})"
            );
        }
    }

    fn instructions_per_s() -> f64 {
        let started = Instant::now();
        // SAFETY: `main` has asked whether the machine has AVX-512F.
        unsafe { add_up() };
        (ROUNDS * ADDITIONS as u64) as f64 / started.elapsed().as_secs_f64()
    }

    /// Each sum waits for its own last value alone, which is [`ADDITIONS`] additions old.
    #[target_feature(enable = "avx512f")]
    fn add_up() {
        let step = _mm512_set1_epi32(black_box(3));
        let mut sums = [step; ADDITIONS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_add_epi32(*sum, step);
            }
        }
        black_box(sums);
    }
}
