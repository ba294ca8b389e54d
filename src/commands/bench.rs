//! `jbc bench`: how fast the scheduler and the kernels are on this machine, beside the least that could do their work.
//!
//! - `pow.rs`: the kernels. `node.rs`: a node that mines. All else here is the scheduler:
//! - `start.rs`, `throughput.rs`, `listening.rs`, `cancelling.rs`, `mining.rs`, `timers.rs`: one file for each thing that is
//!   measured, with how at its top.
//! - `bare.rs`: the queue that the scheduler is compared with. `bodies.rs`: what the measured jobs do.
//! - `sizes.rs`: how much is measured. `estimate.rs`: what is made of the samples. `report.rs`: how it is told.
//!
//! Both sides run in this process and take turns in short rounds, and ratios are medians over rounds: figures from two
//! processes, or from one after the other, would compare two moods of the machine. Only the public face of the scheduler
//! is used. No figure decides the exit code: whether an aim is met depends on the machine.

mod bare;
mod bodies;
mod cancelling;
mod estimate;
mod listening;
mod mining;
pub mod node;
pub mod pow;
mod report;
mod sizes;
mod start;
mod throughput;
mod timers;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use structopt::StructOpt;

use self::report::Report;
use self::sizes::Sizes;
use super::terminal::{Style, print, quiet_if_closed};

/// Measure parts of this program on this machine
#[derive(Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc bench scheduler                  a table, with what is aimed at
    jbc bench scheduler --output json    all figures as one JSON object
    jbc bench pow --kernel avx2          one kernel, in all layouts of a block")]
pub struct BenchArgs {
    /// What to measure
    #[structopt(subcommand)]
    pub command: BenchCommand,
}

/// What to measure.
#[derive(Debug, StructOpt)]
pub enum BenchCommand {
    /// Measure the scheduler beside a bare queue, in less than 30 s
    ///
    /// The bare queue is a mutex, a condition variable and as many threads: the least that could run a closure on another
    /// thread. Both run in this process and take turns, so a busy machine slows them alike; ratios are medians over many
    /// short rounds, and quartiles say how far they vary. Still, a machine that has nothing else to do measures best.
    /// Exits with 1 if a job or an event was lost or doubled, never because of a figure.
    Scheduler(SchedulerArgs),
    /// Measure how soon a node mines on a block that it has accepted, and its hash rate by the blocks it finds
    ///
    /// A node that serves nobody mines 500 easy blocks in a folder that is removed afterwards, in less than 30 s.
    Node(node::NodeArgs),
    /// Measure the proof-of-work kernels beside the crate sha2, in less than 30 s
    ///
    /// Each kernel searches whole ranges in which one hit is planted, in several layouts of a block, in turn with a loop over
    /// sha2's compress256 on one block in which the digits are patched. A rate is preimages per second of CPU time.
    /// Exits with 1 if a kernel misses a hit or names a wrong one, never because of a figure.
    Pow(pow::PowArgs),
}

/// `jbc bench scheduler`
#[derive(Debug, StructOpt)]
pub struct SchedulerArgs {
    /// A table for people, or all figures as one JSON object
    #[structopt(long, value_name = "FORMAT", default_value = "text", possible_values = &["text", "json"])]
    pub output: String,
    /// Tiny sizes, to see that everything works: the figures mean nothing
    #[structopt(long)]
    pub quick: bool,
}

/// Runs `jbc bench`.
///
/// # Errors
/// A job or an event that was lost or doubled, a hit that a kernel missed, or a thread that the system refused.
pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    // Measuring blocks its thread for seconds, which this runtime's own are not for.
    let text = tokio::task::spawn_blocking(move || text(&args.command))
        .await
        .context("the measurement failed")??;
    quiet_if_closed(print(&text).map(|()| ExitCode::SUCCESS).map_err(Into::into))
}

/// Measures, and tells it as asked for.
fn text(command: &BenchCommand) -> anyhow::Result<String> {
    let style = Style::of_stdout();
    match command {
        BenchCommand::Scheduler(args) => {
            let report = measure(args.quick)?;
            told(&args.output, &report, || report.text(style))
        }
        BenchCommand::Node(args) => {
            let figures = node::measure(args)?;
            told(&args.output, &figures, || figures.text())
        }
        BenchCommand::Pow(args) => {
            let report = pow::measure(args)?;
            told(&args.output, &report, || report.text(style))
        }
    }
}

fn told(
    output: &str,
    report: &impl Serialize,
    text: impl FnOnce() -> String,
) -> anyhow::Result<String> {
    Ok(match output {
        "json" => format!("{}\n", serde_json::to_string_pretty(report)?),
        _ => text(),
    })
}

/// Parts of the scheduler's measurement.
const PARTS: usize = 6;

fn measure(quick: bool) -> anyhow::Result<Report> {
    let sizes = if quick { Sizes::QUICK } else { Sizes::FULL };
    let began = Instant::now();
    let progress = Progress::start(PARTS);
    // The timers first: they need a fresh heap, see there.
    progress.next("timers");
    let timers = timers::measure(&sizes)?;
    progress.next("add → start");
    let start = start::measure(&sizes)?;
    progress.next("jobs a second");
    let throughput = throughput::measure(&sizes)?;
    progress.next("end → listener");
    let listener = listening::measure(&sizes)?;
    progress.next("cancelling");
    let hashes_per_s = mining::hashes_per_s(sizes.range_s)?;
    let cancel = cancelling::measure(&sizes, hashes_per_s)?;
    progress.next("mining");
    let mining = mining::measure(&sizes, hashes_per_s)?;
    Ok(Report {
        start,
        throughput,
        listener,
        cancel,
        mining,
        timers,
        bulk_workers_count: bodies::WORKERS.0,
        prompt_workers_count: bodies::WORKERS.1,
        cores_count: std::thread::available_parallelism().map_or(1, usize::from),
        quick,
        run_s: began.elapsed().as_secs_f64(),
    })
}

/// Which part is being measured, on stderr if that is a terminal. It is drawn between parts only, never during one.
struct Progress(ProgressBar);

impl Progress {
    fn start(parts: usize) -> Self {
        let style = ProgressStyle::with_template("measuring {pos} of {len}: {msg}");
        let style = style.expect("the template is well-formed");
        // Hidden by itself where stderr is no terminal.
        Self(ProgressBar::new(parts as u64).with_style(style))
    }

    fn next(&self, what: &'static str) {
        self.0.set_message(what);
        self.0.inc(1);
        self.0.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
