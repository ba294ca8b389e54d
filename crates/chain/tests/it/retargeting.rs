//! What FORMATS.md asks of the retargeting, shown by simulation with the real [`V2Rules::next_bits`].
//!
//! The numbers are the tables of docs/difficulty.md, which a test compares to the letter. `JBC_WRITE_DOCS=1` writes them there.

mod measure;
mod simulation;

use std::fmt::Write as _;
use std::path::Path;

use jbc_chain::{Network, V2Rules};

use measure::{Response, Steady, autocorrelation, response, steady};
use simulation::{Simulation, Stamps, bits_of, hashes, rules};

/// N of `dev`, in blocks.
const N: usize = 30;

/// The shares of the miners that play with their stamps, and how.
fn games(interval_ms: f64) -> Vec<(&'static str, Stamps, f64)> {
    let lead = |share, intervals: f64| Stamps::Ahead {
        share,
        by_ms: intervals * interval_ms,
    };
    let skewed = |intervals: f64| Stamps::Skewed {
        by_ms: intervals * interval_ms,
    };
    let either = Stamps::Either {
        share: 0.1,
        by_ms: 2.0 * interval_ms,
    };
    vec![
        ("all honest", Stamps::Honest, 2.0),
        ("all clocks wrong by up to T", skewed(1.0), 2.0),
        ("all clocks wrong by up to 2T", skewed(2.0), 2.0),
        ("10 % stamp the full lead, 2T", lead(0.1, 2.0), 2.0),
        ("30 % stamp the full lead, 2T", lead(0.3, 2.0), 2.0),
        ("10 % stamp 4T ahead, and are held", lead(0.1, 4.0), 2.0),
        ("10 % stamp parent + 1 ms", Stamps::Late { share: 0.1 }, 2.0),
        ("10 % stamp one or the other", either, 2.0),
        ("30 % stamp parent + 1 ms", Stamps::Late { share: 0.3 }, 2.0),
        (
            "49 % stamp parent + 1 ms",
            Stamps::Late { share: 0.49 },
            2.0,
        ),
        ("10 % stamp the full lead, were it 6T", lead(0.1, 6.0), 6.0),
        (
            "10 % stamp the full lead, were it 12T",
            lead(0.1, 12.0),
            12.0,
        ),
    ]
}

/// The names of the claims in FORMATS.md, each with whether it holds.
#[derive(Default)]
struct Claims(Vec<(String, bool)>);

impl Claims {
    fn add(&mut self, claim: &str, holds: bool) {
        self.0.push((claim.to_owned(), holds));
    }
}

fn signed_percent(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

/// How even the blocks come, and what stamps do to it.
fn steady_table(claims: &mut Claims) -> String {
    let rules = rules();
    let interval_ms = rules.interval_ms as f64;
    let mut text = "| miners | mean interval | lowest and highest of 20 seeds | against all honest |\n|---|---|---|---|\n".to_owned();
    let mut honest = None;
    for (name, stamps, lead) in games(interval_ms) {
        let found = steady(20, 20_000, |seed| {
            let mut simulation = Simulation::at_rest(rules, seed);
            (simulation.stamps, simulation.lead_ms) = (stamps, lead * interval_ms);
            simulation
        });
        let Steady { mean, low, high } = found;
        let honest_mean = *honest.get_or_insert(mean);
        let shift = mean / honest_mean - 1.0;
        let _ = writeln!(
            text,
            "| {name} | {mean:.3} T | {low:.3} to {high:.3} T | {} |",
            signed_percent(shift)
        );
        match name {
            "all honest" => claims.add(
                "the mean interval is within 3 % of T over 20,000 steady blocks, for each seed",
                low > 0.97 && high < 1.03,
            ),
            "10 % stamp the full lead, 2T" => claims.add(
                "a tenth of the miners stamping the full lead shifts the mean by under 3 %",
                shift.abs() < 0.03,
            ),
            _ => {}
        }
    }
    text
}

/// What happens after a change, by averages of N blocks.
fn response_table(claims: &mut Claims) -> String {
    type Change = (&'static str, fn(&mut Simulation));
    let mut text = "| after | blocks 0 to N | to 2N | to 3N | to 4N | to 5N | to 6N | within 10 % of T from | which takes | \
                    swings past rest by |\n|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let changes: [Change; 7] = [
        ("10 × the hash rate", |simulation| simulation.rate *= 10.0),
        ("a tenth of it", |simulation| simulation.rate /= 10.0),
        ("twice", |simulation| simulation.rate *= 2.0),
        ("half", |simulation| simulation.rate /= 2.0),
        ("a start 100 × too hard", |simulation| {
            simulation.bits = bits_of(hashes(simulation.bits) * 100.0);
        }),
        ("a start 100 × too easy", |simulation| {
            simulation.bits = bits_of(hashes(simulation.bits) / 100.0);
        }),
        ("a week of sleep", |simulation| {
            simulation.now_ms += 7.0 * 86_400_000.0;
            simulation.block();
        }),
    ];
    for (name, change) in changes {
        let found: Response = response(400, 20 * N, 10 * N, change);
        let windows: Vec<String> = (0..6)
            .map(|window| format!("{:.2} T", found.mean(window * N, (window + 1) * N)))
            .collect();
        let settled = found.settled(0.1);
        let _ = writeln!(
            text,
            "| {name} | {} | block {settled} | {:.0} T | {:.1} % |",
            windows.join(" | "),
            found.time(settled),
            found.overshoot(N) * 100.0
        );
        // FORMATS.md asks it of steps up to 10 ×; how long a start 100 × off takes is only told.
        if !name.contains("100 ×") {
            let at_5n = found.mean(5 * N, 6 * N);
            claims.add(
                &format!("within 10 % of T again 5·N blocks after {name}"),
                settled <= 5 * N && (at_5n - 1.0).abs() < 0.1,
            );
        }
        claims.add(
            &format!("no oscillation after {name}: past rest by at most 2 %"),
            found.overshoot(N) <= 0.02,
        );
    }
    text
}

/// What other windows do, where FORMATS.md has N = 30.
fn window_table() -> String {
    let mut text =
        "| N | mean interval | lowest and highest of 20 seeds |\n|---|---|---|\n".to_owned();
    for window_blocks in [2, 10, 30, 100, 300, 1_000, 3_000] {
        let rules = V2Rules {
            window_blocks,
            ..rules()
        };
        let Steady { mean, low, high } =
            steady(20, 10_000, |seed| Simulation::at_rest(rules, seed));
        let _ = writeln!(
            text,
            "| {window_blocks} | {mean:.3} T | {low:.3} to {high:.3} T |"
        );
    }
    text
}

/// A network that is a tenth as fast as the limit asks for stays at the limit.
fn at_the_limit() -> f64 {
    let rules = Network::dev_rules();
    let found = steady(5, 20_000, |seed| {
        let mut simulation = Simulation::at_rest(rules, seed);
        simulation.bits = rules.limit;
        simulation.rate = hashes(rules.limit) / rules.interval_ms as f64 / 10.0;
        simulation
    });
    found.mean
}

/// All of what stands between the marks in docs/difficulty.md, and what it shows.
fn report() -> (String, Claims) {
    let mut claims = Claims::default();
    let steady_part = steady_table(&mut claims);
    let response_part = response_table(&mut claims);
    let correlation = autocorrelation(10, 20_000, 10 * N);
    claims.add(
        "no oscillation at rest: no correlation below -0.03 at any lag up to 10·N",
        correlation.lowest > -0.03,
    );
    let limit = at_the_limit();
    claims.add(
        "at the limit the interval is what the limit takes",
        (limit - 10.0).abs() < 0.3,
    );
    let mut text = format!(
        "{steady_part}\n{response_part}\nAt rest the correlation of the expected interval with itself {N} blocks later is {:.2}, and at \
         no lag up to {} blocks below {:.2}.\nA network a tenth as fast as the limit asks for takes {limit:.1} T for a block.\n\n{}",
        correlation.at_n,
        10 * N,
        correlation.lowest,
        window_table()
    );
    text.push('\n');
    for (claim, holds) in &claims.0 {
        let _ = writeln!(
            text,
            "- {}: {claim}.",
            if *holds { "holds" } else { "FAILS" }
        );
    }
    (text, claims)
}

const BEGIN: &str = "<!-- from here on written by `JBC_WRITE_DOCS=1 cargo test -p jbc-chain --test it retargeting` -->\n";
const END: &str = "<!-- up to here -->\n";

#[test]
fn the_simulation_shows_what_formats_md_asks_for_and_docs_difficulty_md_says_so() {
    let (found, claims) = report();
    println!("{found}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/difficulty.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("JBC_WRITE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, format!("{before}{BEGIN}{found}{END}{after}")).unwrap();
    } else {
        assert!(
            written == found,
            "docs/difficulty.md is not what the rule does now; JBC_WRITE_DOCS=1 writes it anew"
        );
    }
    for (claim, holds) in &claims.0 {
        assert!(holds, "{claim}");
    }
}

#[test]
fn a_network_too_slow_for_its_limit_stays_at_it() {
    let rules = Network::dev_rules();
    let mut simulation = Simulation::at_rest(rules, 1);
    simulation.bits = rules.limit;
    simulation.rate = hashes(rules.limit) / rules.interval_ms as f64 / 10.0;
    let mut at_the_limit = 0;
    for _ in 0..2_000 {
        simulation.block();
        assert!(simulation.bits <= rules.limit);
        at_the_limit += usize::from(simulation.bits == rules.limit);
        // A block that comes fast in spite of it, one in ten, makes the next a little harder.
        assert!(hashes(simulation.bits) < 1.15 * hashes(rules.limit));
    }
    assert!(at_the_limit > 1_600, "{at_the_limit}");
}

#[test]
fn a_week_of_sleep_counts_as_six_intervals() {
    let rules = rules();
    let mut simulation = Simulation::at_rest(rules, 3);
    for _ in 0..100 {
        simulation.block();
    }
    let before = simulation.bits;
    simulation.now_ms += 7.0 * 86_400_000.0;
    simulation.block();
    assert_eq!(
        simulation.bits,
        rules.next_bits(before, 6 * rules.interval_ms)
    );
    let easier = hashes(before) / hashes(simulation.bits);
    assert!((easier - 35.0 / 30.0).abs() < 1e-4, "{easier}");
}

#[test]
fn the_chance_of_the_simulation_is_exponential() {
    let waits = measure::waits(7, 200_000);
    let mean = waits.iter().sum::<f64>() / waits.len() as f64;
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
    // e^-1, e^-2 and e^-3 of them are longer than 1, 2 and 3.
    for (longer, share) in [(1.0, 0.367_9), (2.0, 0.135_3), (3.0, 0.049_8)] {
        let count = waits.iter().filter(|wait| **wait > longer).count();
        let found = count as f64 / waits.len() as f64;
        assert!((found - share).abs() < 0.004, "{longer}: {found}");
    }
}
