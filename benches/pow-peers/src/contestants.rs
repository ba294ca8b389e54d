//! Who takes part.

use anyhow::ensure;
use jbc::commands::bench::pow::{Course, Layout, cpu_time};
use jbc_pow::{Kernel, hash_of};
use serde::Serialize;

use crate::buster::Buster;
use crate::outside::Program;

/// Preimages of a run of ours, as in `jbc bench pow`.
pub(crate) const HASHES: u64 = 2_000_000;
/// The same of the plain formula, which is slow.
const PLAIN_HASHES: u64 = 500_000;

/// Ours, a loop of another crate, or another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// A kernel of jbc-pow.
    Ours,
    /// Anything else.
    Peer,
}

enum Run {
    Kernel(Box<Course>, Kernel),
    Plain(Layout),
    Buster(Buster),
    Program(Program),
}

/// Something that hashes, and how it is called in the report.
pub(crate) struct Contestant {
    pub(crate) label: String,
    pub(crate) side: Side,
    run: Run,
}

impl Contestant {
    fn peer(label: impl Into<String>, run: Run) -> Self {
        Self {
            label: label.into(),
            side: Side::Peer,
            run,
        }
    }

    /// Runs once; answers preimages per second of CPU time.
    ///
    /// # Errors
    /// If a planted hit was missed, or if a program fails or says what is not understood.
    pub(crate) fn run(&mut self) -> anyhow::Result<f64> {
        match &self.run {
            Run::Kernel(course, kernel) => {
                Ok(course.hashes() as f64 / course.run(*kernel)?.as_secs_f64())
            }
            Run::Plain(layout) => plain(layout),
            Run::Buster(buster) => buster.run(),
            Run::Program(program) => program.run(),
        }
    }
}

/// All that this machine has, and the names of those that it has not.
///
/// # Errors
/// If a kernel or a peer fails before anything is measured.
pub(crate) fn all() -> anyhow::Result<(Vec<Contestant>, Vec<String>)> {
    let (mut contestants, mut left_out) = (Vec::new(), Vec::new());
    let layouts = Layout::all();
    for layout in &layouts {
        let course = Course::new(layout.clone(), HASHES)?;
        for &kernel in Kernel::available() {
            contestants.push(Contestant {
                label: format!("{kernel}, {}", layout.name),
                side: Side::Ours,
                run: Run::Kernel(Box::new(course.clone()), kernel),
            });
        }
    }
    contestants.push(Contestant::peer(
        "sha2, the plain formula",
        Run::Plain(layouts[0].clone()),
    ));
    match Buster::new(&layouts[0])? {
        Some(buster) => {
            contestants.push(Contestant::peer("pow-buster, classic", Run::Buster(buster)));
        }
        None => left_out.push("pow-buster (no message of its own for this text)".to_owned()),
    }
    for program in Program::ALL {
        match program.is_usable() {
            Ok(()) => contestants.push(Contestant::peer(program.label(), Run::Program(program))),
            Err(why) => left_out.push(format!("{} ({why})", program.label())),
        }
    }
    Ok((contestants, left_out))
}

/// SHA-256 of the prefix and the formatted nonce, each from the start: what a first program does.
fn plain(layout: &Layout) -> anyhow::Result<f64> {
    let prefix = layout.prefixes[0].as_bytes();
    let nonces = layout.first_nonce..layout.first_nonce + PLAIN_HASHES;
    let began = cpu_time();
    let smallest = nonces.map(|nonce| hash_of(prefix, nonce)).min();
    let elapsed = cpu_time().saturating_sub(began);
    // Half a million hashes go below 12 zero bits but for one time in e^122.
    ensure!(
        smallest.is_some_and(|hash| hash[0] == 0 && hash[1] < 0x10),
        "the plain formula found nothing"
    );
    Ok(PLAIN_HASHES as f64 / elapsed.as_secs_f64())
}
