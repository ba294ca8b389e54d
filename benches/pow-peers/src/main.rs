//! The kernels beside other programs that search or hash: `make bench-pow` runs this.
//!
//! ```text
//! jbc-pow-peers FOLDER [ROUNDS]
//! ```
//! All take turns, a run each in a round, and the loop over `compress256` runs before each run of anything: a ratio is the
//! median over the rounds of a rate ÷ that of the loop just before. Prints a markdown table, and writes `pow.json` and
//! `pow.svg` into the folder. A program that is not installed, or lacks SHA-256, is named as left out.
//!
//! - `contestants.rs`: who takes part; `buster.rs`, `outside.rs`: those that are not ours.
//! - `threads.rs`: two threads beside one.
//! - `report.rs`: the table and the JSON. `chart.rs`: the bars.

mod buster;
mod chart;
mod contestants;
mod outside;
mod report;
mod threads;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use jbc::commands::bench::pow::{Baseline, Layout};

use crate::contestants::{HASHES, all};
use crate::report::{Figures, Report, median};

/// Rounds unless said otherwise: an odd number has a median, and this many take three minutes.
const ROUNDS: usize = 9;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: jbc-pow-peers FOLDER [ROUNDS]";
    let folder = PathBuf::from(arguments.next().context(usage)?);
    let rounds = arguments.next().map(|rounds| rounds.parse());
    let rounds: usize = rounds.transpose().context(usage)?.unwrap_or(ROUNDS);
    ensure!(rounds > 0, "{usage}");

    let report = measure(rounds)?;
    std::fs::create_dir_all(&folder)?;
    let json = format!("{}\n", serde_json::to_string_pretty(&report)?);
    std::fs::write(folder.join("pow.json"), json)?;
    chart::draw(&report, &folder.join("pow.svg"))?;
    print!("{}", report.markdown());
    Ok(())
}

fn measure(rounds: usize) -> anyhow::Result<Report> {
    let baseline = Baseline::new(HASHES / 4)?;
    let (mut contestants, left_out) = all()?;
    let mut samples = vec![Vec::new(); contestants.len()];
    let mut bases = Vec::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for (contestant, samples) in contestants.iter_mut().zip(&mut samples) {
            let base = baseline.hashes() as f64 / baseline.run()?.as_secs_f64();
            let rate = contestant.run().with_context(|| contestant.label.clone())?;
            bases.push(base);
            samples.push((rate, rate / base));
        }
    }
    eprintln!("two threads beside one");
    let two_threads = threads::measure(&first_layout()?)?;
    let figures = contestants.iter().zip(&samples);
    let figures = figures.map(|(contestant, samples)| Figures::of(contestant, samples));
    Ok(Report {
        machine: machine(),
        rounds,
        compress256_per_cpu_s: median(&bases),
        two_threads,
        figures: figures.collect(),
        left_out,
    })
}

fn first_layout() -> anyhow::Result<Layout> {
    let first = Layout::all().into_iter().next();
    first.context("there is no layout")
}

/// The processor's name, where the system tells it as Linux does.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("an unnamed processor", |(_, name)| name)
        .to_owned()
}
