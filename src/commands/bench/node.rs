//! `jbc bench node`: how soon a node mines on the block that it has just accepted, and whether the hash rate it reports is
//! the one at which it finds blocks.
//!
//! A node that serves nobody mines on a network of its own, in a folder that is gone afterwards: with its disk, its
//! validation jobs and its listener, as any other. Each of its blocks moves its tip. The clock starts when the job that
//! validated the block has ended (it is durable and public then), and stops when the first range on the new tip starts;
//! both times are those of the scheduler's events. Its first nonce is hashed a few microseconds after that.
//!
//! Blocks really found: as many hashes were tried as each of them takes on average. Of n blocks that estimate is off by
//! 1/√n, one time in three by more.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use jbc_chain::{Hash, Network, Target, TemplateParts, Timestamp};
use jbc_jobs::ports::Clock;
use jbc_jobs::task::{Outcome, Task};
use jbc_pow::{Kernel, Search, Template, search};
use jbc_scheduler::{EventCode, EventMask};
use serde::Serialize;
use structopt::StructOpt;
use uuid::Uuid;

use super::estimate::{median, percentile, quartiles};
use crate::config::Config;
use crate::node::{self, SystemClock};

/// Hex zeros of the network's hashes: a million hashes a block, a fiftieth of a second on a fast core.
const ZEROS: u32 = 5;
/// Hashes that such a block takes on average.
const TRIES: f64 = (1_u64 << (4 * ZEROS)) as f64;
/// Blocks that are measured, and how long at the most.
const BLOCKS: usize = 500;
const LIMIT: Duration = Duration::from_secs(25);
/// The same, to see that everything works.
const QUICK_BLOCKS: usize = 3;
/// How long the node may take to end, in seconds.
const END_S: u64 = 10;
/// News on their way to the measuring thread: two a block, which it takes out at once.
const NEWS: usize = 4_096;

/// `jbc bench node`
#[derive(Debug, StructOpt)]
pub struct NodeArgs {
    /// A table for people, or all figures as one JSON object
    #[structopt(long, value_name = "FORMAT", default_value = "text", possible_values = &["text", "json"])]
    pub output: String,
    /// The search loop [default: the fastest that this machine can run]
    #[structopt(long, value_name = "NAME")]
    pub kernel: Option<Kernel>,
    /// A few blocks, to see that everything works: the figures mean nothing
    #[structopt(long)]
    pub quick: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct NodeFigures {
    accepted_to_search_p50_us: f64,
    accepted_to_search_p99_us: f64,
    accepted_to_search_quartiles_us: [f64; 2],
    blocks_count: usize,
    /// What the node says at the end.
    reported_hashes_per_s: f64,
    /// Hashes of the blocks found ÷ time.
    found_hashes_per_s: f64,
    found_ratio: f64,
    kernel: &'static str,
}

/// Something that happened to a block.
#[derive(Clone, Copy)]
enum What {
    Accepted,
    Searched,
}

struct News {
    block: Hash,
    what: What,
    at: SystemTime,
}

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind by a failure is a few megabytes in the folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Measures.
///
/// # Errors
/// If the node did not start, find blocks or end.
pub(super) fn measure(args: &NodeArgs) -> anyhow::Result<NodeFigures> {
    let blocks = if args.quick { QUICK_BLOCKS } else { BLOCKS };
    let scratch = Scratch(std::env::temp_dir().join(format!("jbc-bench-{}", Uuid::now_v7())));
    let kernel = args.kernel.unwrap_or_else(Kernel::best);
    let node = node::start_alone(&config(network()?, scratch.0.clone(), kernel))?;
    let (sender, news) = mpsc::sync_channel(NEWS);
    let mask = EventMask::JOB_EXECUTED | EventMask::JOB_SUBMITTED;
    node.scheduler.add_listener(mask, move |event, _| {
        let (what, block) = match (event.code, &*event.task, event.output.as_deref()) {
            (EventCode::JobExecuted, Task::Validate(_), Some(Outcome::Validated(validated))) => {
                let tip = validated.tip.as_ref();
                (What::Accepted, tip.map(|change| change.tip.hash))
            }
            (EventCode::JobSubmitted, Task::Mine(task), _) => {
                (What::Searched, task.template.parts.prev_hash)
            }
            _ => return,
        };
        let at = event.at;
        let news = block.map(|block| News { block, what, at });
        // More than fit would be lost, and missed below.
        let _ = news.map(|news| sender.try_send(news));
    });
    // When each block was accepted, and when the first range on it started.
    let mut blocks_seen: HashMap<Hash, [Option<SystemTime>; 2]> = HashMap::new();
    let mut delays = Vec::new();
    let found_before = node.dispatch.listener().mining().found();
    let began = Instant::now();
    while delays.len() < blocks && began.elapsed() < LIMIT {
        let News { block, what, at } = news.recv_timeout(LIMIT).context("no block was found")?;
        let times = blocks_seen.entry(block).or_default();
        if times[what as usize].is_some() {
            continue;
        }
        times[what as usize] = Some(at);
        if let [Some(accepted), Some(started)] = times {
            let delay = started.duration_since(*accepted).unwrap_or_default();
            delays.push(delay.as_secs_f64() * 1e6);
        }
    }
    let elapsed_s = began.elapsed().as_secs_f64();
    let (found, rate) = {
        let listener = node.dispatch.listener();
        (
            listener.mining().found() - found_before,
            listener.mining().hash_rate(),
        )
    };
    let report = node.scheduler.drain(Duration::from_secs(END_S));
    ensure!(
        report.is_clean(),
        "the node did not end within {END_S} s: {report:?}"
    );
    let found_rate = found as f64 * TRIES / elapsed_s;
    Ok(NodeFigures {
        accepted_to_search_p50_us: median(&delays),
        accepted_to_search_p99_us: percentile(&delays, 0.99),
        accepted_to_search_quartiles_us: quartiles(&delays),
        blocks_count: delays.len(),
        reported_hashes_per_s: rate,
        found_hashes_per_s: found_rate,
        found_ratio: found_rate / rate,
        kernel: kernel.name(),
    })
}

/// A network that nobody else is on.
fn network() -> anyhow::Result<Network> {
    let target = Target::from_zeros(ZEROS).context("so many zeros are no target")?;
    let parts =
        TemplateParts::genesis("jbc bench node", Timestamp::from_instant(SystemClock.now()));
    let template = Template::new(parts.prefix().as_bytes(), target.to_be_bytes());
    match search(&template, 0..u64::MAX, &AtomicBool::new(false)) {
        Search::Found { nonce, .. } => {
            Ok(Network::with_genesis("bench", target, parts.block(nonce))?)
        }
        Search::Exhausted { .. } | Search::Cancelled { .. } => bail!("no nonce meets the target"),
    }
}

fn config(network: Network, folder: PathBuf, kernel: Kernel) -> Config {
    Config {
        serve: None,
        own_url: None,
        threads: 1,
        kernel,
        rounds: None,
        peers: Vec::new(),
        folder,
        network,
        tag: None,
        default_tag: "Mined by jbc bench node".to_owned(),
        guards: Default::default(),
        files: false,
    }
}

impl NodeFigures {
    /// The figures for people.
    pub(super) fn text(&self) -> String {
        let [low, high] = self.accepted_to_search_quartiles_us;
        let aim = |met: bool| if met { "met" } else { "missed" };
        format!(
            "block accepted → search on it, median           {:8.1} µs   half of all: {low:.1} to {high:.1} µs\n\
             block accepted → search on it, 99th percentile  {:8.1} µs   ≤ 1000 µs  {}\n\
             hash rate that the node reports                 {:8.2} MH/s\n\
             hashes of the {} blocks found ÷ time            {:8.2} MH/s, {:.3} of it\n\
             one thread on {}, each block durable before the next is searched for\n",
            self.accepted_to_search_p50_us,
            self.accepted_to_search_p99_us,
            aim(self.accepted_to_search_p99_us <= 1_000.0),
            self.reported_hashes_per_s / 1e6,
            self.blocks_count,
            self.found_hashes_per_s / 1e6,
            self.found_ratio,
            self.kernel,
        )
    }
}
