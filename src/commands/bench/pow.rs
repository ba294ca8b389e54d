//! `jbc bench pow`: how fast the kernels are, in which layout of a block, beside `sha2`'s compression of one block.
//!
//! - `layouts.rs`: the texts that are searched. `search.rs`: searches of a whole range.
//! - `course.rs`: a range with a planted hit, and the time that a run over it takes.
//! - `baseline.rs`: the loop that the kernels are compared with.
//! - `report.rs`: how it is told.
//!
//! A rate is preimages per second of this thread's CPU time: what else the machine does takes time but no CPU time of ours.
//! It does slow the core, though, so the baseline runs before each run of a kernel, all take turns in short rounds, and a
//! ratio is the median over the rounds of a rate ÷ that of the baseline just before it. Only runs that found the planted
//! hit, and nothing else, count. Besides, each kernel lists all hits of 20 zero bits once, in a run of its own that is not
//! timed; all kernels must list the same.

mod baseline;
mod course;
mod layouts;
mod report;
mod search;

use std::time::{Duration, Instant};

use anyhow::ensure;
use jbc_pow::Kernel;
use structopt::StructOpt;

use super::Progress;
use super::estimate::{median, quartiles};
use report::{Entry, PowReport};
use search::Hit;

pub use course::{Baseline, Course, cpu_time};
pub use layouts::Layout;

/// `jbc bench pow`
#[derive(Debug, StructOpt)]
pub struct PowArgs {
    /// A table for people, or a JSON list with an entry for each kernel and layout
    #[structopt(long, value_name = "FORMAT", default_value = "text", possible_values = &["text", "json"])]
    pub output: String,
    /// This kernel only: avx512, sha-ni, avx2, armv8-sha2 or portable, where the machine has it
    #[structopt(long, value_name = "NAME")]
    pub kernel: Option<Kernel>,
    /// Tiny sizes, to see that everything works: the figures mean nothing
    #[structopt(long)]
    pub quick: bool,
}

/// Preimages of a run: with two million the kernel that runs everywhere takes an eighth of a second where it has SHA
/// instructions, the fastest a fiftieth; and of 20 zero bits there are about two hits.
const HASHES: u64 = 2_000_000;
/// The same on a machine whose baseline is slower than `SLOW_PER_S` preimages a second, as one without SHA instructions.
const HASHES_IF_SLOW: u64 = 1_000_000;
const SLOW_PER_S: f64 = 8e6;
/// The same for `--quick`: a hit or two in all layouts together.
const HASHES_IF_QUICK: u64 = 200_000;
/// The baseline runs as often as all kernels together, so it takes a part of their range.
const BASELINE_PART: u64 = 4;

/// Rounds at most: as many samples has a median.
const ROUNDS: usize = 9;
/// No round begins that would end later than this, in seconds: a slow machine measures less, not longer.
const BUDGET_S: f64 = 25.0;

/// A kernel on a course, and what was measured of it.
struct Cell {
    kernel: Kernel,
    hits: Vec<Hit>,
    cpu_s: Vec<f64>,
    ratios: Vec<f64>,
}

/// Measures.
///
/// # Errors
/// If a kernel missed a hit, or named one that is none.
pub(super) fn measure(args: &PowArgs) -> anyhow::Result<PowReport> {
    let began = Instant::now();
    let kernels = match &args.kernel {
        Some(kernel) => std::slice::from_ref(kernel),
        None => Kernel::available(),
    };
    let hashes = if args.quick {
        HASHES_IF_QUICK
    } else {
        hashes()?
    };
    let baseline = Baseline::new(hashes / BASELINE_PART)?;
    let layouts = Layout::all();
    let rounds = if args.quick { 1 } else { ROUNDS };
    let progress = Progress::start(layouts.len() + rounds);

    let mut courses = Vec::new();
    for layout in layouts {
        progress.next(layout.name);
        let course = Course::new(layout, hashes)?;
        let cells = cells(kernels, &course)?;
        courses.push((course, cells));
    }
    let mut baseline_s = Vec::new();
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        if (began.elapsed() + longest).as_secs_f64() > BUDGET_S && !baseline_s.is_empty() {
            break;
        }
        progress.next("all kernels in turn");
        let since = Instant::now();
        round(&baseline, &mut courses, &mut baseline_s)?;
        longest = longest.max(since.elapsed());
    }
    let per_cpu_s = baseline.hashes() as f64 / median(&baseline_s);
    let entries = courses.iter().flat_map(|(course, cells)| {
        let entry = |cell| entry(course, cell, per_cpu_s);
        cells.iter().map(entry)
    });
    Ok(PowReport::new(
        entries.collect(),
        args.quick,
        began.elapsed(),
    ))
}

/// How many preimages a run tries on this machine.
fn hashes() -> anyhow::Result<u64> {
    let baseline = Baseline::new(HASHES_IF_SLOW / BASELINE_PART)?;
    let per_s = baseline.hashes() as f64 / baseline.run()?.as_secs_f64();
    Ok(if per_s < SLOW_PER_S {
        HASHES_IF_SLOW
    } else {
        HASHES
    })
}

/// A cell for each kernel, with the hits that it lists.
fn cells(kernels: &[Kernel], course: &Course) -> anyhow::Result<Vec<Cell>> {
    let mut cells: Vec<Cell> = Vec::new();
    for &kernel in kernels {
        let hits = course.hits(kernel)?;
        if let Some(other) = cells.first() {
            ensure!(
                hits == other.hits,
                "{kernel} and {} list different hits on {}",
                other.kernel,
                course.layout.name
            );
        }
        cells.push(Cell {
            kernel,
            hits,
            cpu_s: Vec::new(),
            ratios: Vec::new(),
        });
    }
    Ok(cells)
}

/// Each kernel once on each course, the baseline before each.
fn round(
    baseline: &Baseline,
    courses: &mut [(Course, Vec<Cell>)],
    baseline_s: &mut Vec<f64>,
) -> anyhow::Result<()> {
    for (course, cells) in courses {
        for cell in cells {
            let base = baseline.run()?.as_secs_f64();
            let cpu = course.run(cell.kernel)?.as_secs_f64();
            let rate = course.hashes() as f64 / cpu;
            cell.ratios.push(rate / (baseline.hashes() as f64 / base));
            cell.cpu_s.push(cpu);
            baseline_s.push(base);
        }
    }
    Ok(())
}

fn entry(course: &Course, cell: &Cell, compress256_per_cpu_s: f64) -> Entry {
    let cpu_s = median(&cell.cpu_s);
    Entry {
        kernel: cell.kernel.name(),
        layout: course.layout.name,
        prefixes: course.layout.prefixes.clone(),
        first_nonce: course.nonces.start,
        nonces: course.nonces.end - course.nonces.start,
        cpu_s,
        nonces_per_cpu_s: course.hashes() as f64 / cpu_s,
        ratio_to_compress256: median(&cell.ratios),
        hits: cell
            .hits
            .iter()
            .map(|hit| (hit.prefix, hit.nonce))
            .collect(),
        hashes: course.hashes(),
        ratio_quartiles: quartiles(&cell.ratios),
        compress256_per_cpu_s,
        runs: cell.cpu_s.len(),
    }
}
