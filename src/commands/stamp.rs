//! `jbc stamp`: has files' hashes written on the chain, and keeps the proofs.
//!
//! - `post.rs`: one file's way: handed over, found in a block, deep enough, proven. A node that is full, away for a while
//!   or on another branch costs time, not the stamp.

mod post;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::ProgressBar;
use structopt::StructOpt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::post::{Stamped, Stamping};
use super::chain::pinned;
use super::in_one_line;
use super::terminal::{complain, one_line, tell, thousands};
use crate::client::NodeChoice;
use crate::progress;

/// Most confirmations to wait for: at a block each five seconds half a day.
const CONFIRMATIONS_MAX: u64 = 10_000;
/// Longest time to wait, in seconds: a month.
const TIMEOUT_MAX_S: u64 = 31 * 86_400;
/// Files that have a bar of their own: as many as a terminal shows.
const BARS_MAX: usize = 16;
/// Requests and files that are being read at once.
const AT_ONCE: usize = 8;
/// Time between two questions after an entry, in milliseconds; more of many files, so that all of them ask as often as
/// a hundred would.
const POLL_MS: u64 = 1_000;
/// How much of a path stands in a line, in characters.
const NAME_CHARS: usize = 200;

/// Stamp files: have a v2 network's miners state that they existed
#[derive(Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc stamp report.pdf                     by the node on port 5000; writes report.pdf.jbcproof
    jbc stamp *.tar --confirmations 12 --timeout 2h
    jbc verify report.pdf                    says later what that proves

Only the SHA-256 of a file leaves this machine. The proof is written once the hash is K blocks deep; keep it beside the
file. A file whose proof is there is left alone, unless --overwrite is given.

EXIT CODE: 0 all files are stamped, 1 not all")]
pub struct StampArgs {
    /// The files
    #[structopt(value_name = "FILE", required = true, parse(from_os_str))]
    pub files: Vec<PathBuf>,
    #[structopt(flatten)]
    /// The node
    pub choice: NodeChoice,
    /// How many blocks deep a hash must be before its proof is written, 1 in the last block
    #[structopt(long, value_name = "K", default_value = "6", parse(try_from_str = confirmations))]
    pub confirmations: u64,
    /// How long to wait: 90s, 10m, 1h
    #[structopt(long, value_name = "TIME", default_value = "1h", parse(try_from_str = timeout))]
    pub timeout: Duration,
    /// Replace proofs that are there
    #[structopt(long)]
    pub overwrite: bool,
    /// dev, or a file made by `jbc genesis` [default: what the node says, which is printed]
    #[structopt(long, value_name = "NAME|FILE")]
    pub network: Option<String>,
}

fn confirmations(text: &str) -> Result<u64, String> {
    let range = 1..=CONFIRMATIONS_MAX;
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a number from 1 to {CONFIRMATIONS_MAX}"))
}

fn timeout(text: &str) -> Result<Duration, String> {
    let wrong = || "not a time such as 90s, 10m or 1h, from 1s to 31 days".to_owned();
    let (digits, seconds) = match text.chars().last() {
        Some('s') => (&text[..text.len() - 1], 1),
        Some('m') => (&text[..text.len() - 1], 60),
        Some('h') => (&text[..text.len() - 1], 3_600),
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds);
    let seconds = seconds.filter(|seconds| (1..=TIMEOUT_MAX_S).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// Where the proof of a file is: `report.pdf.jbcproof` beside `report.pdf`.
pub(super) fn proof_path(file: &Path) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(".jbcproof");
    name.into()
}

/// Runs `jbc stamp`.
///
/// # Errors
/// No node, or files that were not stamped; each is named.
pub async fn run(args: StampArgs) -> anyhow::Result<ExitCode> {
    let node = args.choice.node()?;
    let (network, pin) = pinned::network_of(&node, args.network.as_deref()).await?;
    tell(&pin.line(&network))?;
    if !network.rules.is_v2() {
        bail!(
            "{}: a classic network: its blocks carry no entries",
            node.url()
        );
    }
    let crowd = u32::try_from(args.files.len().div_ceil(100)).unwrap_or(u32::MAX);
    let stamping = Arc::new(Stamping {
        node,
        network,
        confirmations: args.confirmations,
        overwrite: args.overwrite,
        deadline: Instant::now() + args.timeout,
        pause: Duration::from_millis(POLL_MS) * crowd,
        turns: Semaphore::new(AT_ONCE),
    });
    let failed = all(&stamping, args.files).await?;
    if failed > 0 {
        bail!("{failed} not stamped");
    }
    Ok(ExitCode::SUCCESS)
}

/// Stamps all files side by side, and says of each what became of it. Answers how many failed.
async fn all(stamping: &Arc<Stamping>, files: Vec<PathBuf>) -> anyhow::Result<usize> {
    let files: BTreeSet<PathBuf> = files.into_iter().collect();
    let few = files.len() <= BARS_MAX;
    let whole = match few {
        true => ProgressBar::hidden(),
        false => progress::bar_of(files.len() as u64, "stamping", "files"),
    };
    let mut tasks = JoinSet::new();
    for file in files {
        let bar = match few {
            true => progress::bar(stamping.confirmations, name_of(&file)),
            false => ProgressBar::hidden(),
        };
        let stamping = Arc::clone(stamping);
        tasks.spawn(async move {
            let outcome = stamping.stamp(&file, &bar).await;
            bar.finish_and_clear();
            (file, outcome)
        });
    }
    let (mut failed, mut said) = (0, Ok(()));
    while let Some(task) = tasks.join_next().await {
        let (file, outcome) = task?;
        whole.inc(1);
        failed += usize::from(outcome.is_err());
        // Where stdout is full the other files are stamped nevertheless.
        said = said.and(progress::without_bars(|| say(&file, outcome)));
    }
    whole.finish_and_clear();
    said?;
    Ok(failed)
}

fn name_of(file: &Path) -> String {
    one_line(&file.display().to_string(), NAME_CHARS)
}

fn say(file: &Path, outcome: anyhow::Result<Stamped>) -> std::io::Result<()> {
    let name = name_of(file);
    match outcome {
        Ok(stamped) => tell(&format!(
            "stamped: {name}: in block {}, {} deep; its proof is {}\n",
            thousands(stamped.index),
            stamped.confirmations,
            name_of(&proof_path(file)),
        )),
        Err(error) => {
            complain(&format!("jbc: {name}: {}", in_one_line(&error)));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
