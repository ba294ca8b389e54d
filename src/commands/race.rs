//! `jbc race`: real nodes on this machine against each other, a scoreboard, and the proof that they agree.
//!
//! - `plan.rs`: a target found by measuring, and a network of it.
//! - `fleet.rs`: the processes; none outlives the race.
//! - `standings.rs`: the best chain as it grows, and who found which block.
//! - `board.rs`: the scoreboard as text, a pure function.
//! - `verdict.rs`: the end: mining paused, tips equal, chains compared and verified.

mod board;
mod fleet;
mod plan;
mod standings;
mod verdict;

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::bail;
use structopt::StructOpt;
use tokio::signal::unix::{SignalKind, signal};

use self::board::{Board, Row};
use self::fleet::Fleet;
use self::plan::{Kind, Plan};
use self::standings::Standings;
use super::stop_signal;
use super::terminal::{Canvas, Style, print, quiet_if_closed};
use crate::client::Status;

/// Time between two looks at the nodes, in milliseconds: the board changes a few times a second.
const LOOK_MS: u64 = 200;
/// A race without a new block for this many intervals has failed: with honest miners that happens once in e^30 blocks.
const PATIENCE_INTERVALS: f64 = 30.0;
/// But wait at least this long, in seconds: nodes have to start, and a loaded machine stalls.
const PATIENCE_MIN_S: f64 = 60.0;
/// Exit code of a command that a signal ended (128 + SIGINT, as shells have it).
const INTERRUPTED: u8 = 130;

/// Let nodes race and show the score
#[derive(Clone, Debug, StructOpt)]
#[structopt(
    long_about = "Let nodes race and show the score

Starts real `jbc node` processes in a temporary folder, on free ports of this machine and on a network of their own, whose \
target is measured so that blocks take about the asked interval. Shows who wins which block. At the end mining is paused, \
and when all tips are equal, every node's whole chain is fetched, compared and verified. All processes are ended, whatever happens.",
    after_help = "EXAMPLES:
    jbc race                                        4 nodes, 20 blocks, about 2 s each
    jbc race --peers 8 --blocks 50 --interval 0.5   short intervals: see forks and reorganisations
    jbc race --rules classic                        the tutorial's rules: one target for all blocks
    jbc race --keep                                 leave chains and logs for a look afterwards

EXIT CODE: 0 all chains are equal and valid, 1 not so, 130 interrupted"
)]
pub struct RaceArgs {
    /// How many nodes
    #[structopt(long, value_name = "N", default_value = "4", parse(try_from_str = peers))]
    pub peers: usize,
    /// How many blocks
    #[structopt(long, value_name = "N", default_value = "20", parse(try_from_str = blocks))]
    pub blocks: u64,
    /// Seconds that a block should take on average
    #[structopt(long, value_name = "SECONDS", default_value = "2", parse(try_from_str = interval))]
    pub interval: Duration,
    /// Rules of the race's network: v2, whose target follows the interval, or the tutorial's classic
    #[structopt(long, value_name = "RULES", default_value = "v2")]
    pub rules: Kind,
    /// Mining threads of each node
    #[structopt(long, value_name = "N", default_value = "1", parse(try_from_str = threads))]
    pub threads: usize,
    /// Keep the folder with the nodes' chains and logs
    #[structopt(long)]
    pub keep: bool,
    /// The first node's port, the others' follow [default: ports that are free]
    #[structopt(long, value_name = "PORT")]
    pub base_port: Option<u16>,
}

fn peers(text: &str) -> Result<usize, String> {
    number(text, 1, 64)
}

fn blocks(text: &str) -> Result<u64, String> {
    number(text, 1, 100_000)
}

fn threads(text: &str) -> Result<usize, String> {
    number(text, 1, 256)
}

fn interval(text: &str) -> Result<Duration, String> {
    number(text, 0.05, 3_600.0).map(Duration::from_secs_f64)
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    match text.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("must be a number from {least} to {most}")),
    }
}

/// Runs `jbc race`.
///
/// # Errors
/// What kept the race from its end, or the chains from being equal and valid.
pub async fn run(args: RaceArgs) -> anyhow::Result<ExitCode> {
    let mut fleet = Fleet::new(args.keep)?;
    let result = tokio::select! {
        signal = stop_requested() => {
            eprintln!("jbc: interrupted by {signal}");
            Ok(ExitCode::from(INTERRUPTED))
        }
        result = race(&args, &mut fleet) => result.map(|()| ExitCode::SUCCESS),
    };
    fleet.stop().await;
    if args.keep {
        eprintln!(
            "jbc: chains and logs are kept in {}",
            fleet.folder().display()
        );
    }
    quiet_if_closed(result)
}

/// Ends with the name of the signal that asks the race to stop. A terminal that is closed counts.
async fn stop_requested() -> &'static str {
    let hangup = async {
        match signal(SignalKind::hangup()) {
            Ok(mut hangup) => hangup.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        name = stop_signal() => name,
        _ = hangup => "SIGHUP",
    }
}

async fn race(args: &RaceArgs, fleet: &mut Fleet) -> anyhow::Result<()> {
    let miners = args.peers * args.threads;
    print(&format!(
        "measuring the hash rate of {miners} thread{}, then mining a first block\n",
        plural(miners)
    ))?;
    let plan = plan::make(args.rules, miners, args.interval).await?;
    fleet.start(args, &plan).await?;
    print(&format!("{}\n", header(args, &plan)))?;
    let statuses = run_to_goal(args, fleet).await?;
    let verdict = verdict::reach(fleet, &plan, args.interval).await?;
    print(&verdict.text(&statuses, Style::of_stdout()))?;
    Ok(())
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn header(args: &RaceArgs, plan: &Plan) -> String {
    format!(
        "{} racer{}, {} thread{} each; {}",
        args.peers,
        plural(args.peers),
        args.threads,
        plural(args.threads),
        plan.describe()
    )
}

/// Watches until the tip reaches the goal; answers with what the nodes said last, while they were mining.
async fn run_to_goal(args: &RaceArgs, fleet: &mut Fleet) -> anyhow::Result<Vec<Status>> {
    let style = Style::of_stdout();
    let (mut canvas, mut standings) = (Canvas::default(), Standings::new(fleet.tags()));
    let patience = Duration::from_secs_f64(
        (args.interval.as_secs_f64() * PATIENCE_INTERVALS).max(PATIENCE_MIN_S),
    );
    let start = Instant::now();
    let mut progress = start;
    loop {
        fleet.check_alive()?;
        let statuses = fleet.statuses().await?;
        let news = standings
            .catch_up(fleet, &statuses, start.elapsed())
            .await?;
        if !news.is_empty() {
            progress = Instant::now();
        }
        if style.live {
            let board = Board {
                elapsed: start.elapsed(),
                height: standings.height(),
                goal: args.blocks,
                interval: standings.mean_interval(),
                asked: args.interval,
                rows: rows(fleet, &statuses, &standings),
            };
            canvas.draw(&board.text(style))?;
        } else {
            let lines: String = news
                .iter()
                .map(|block| block.line(fleet, standings.mean_interval()))
                .collect();
            print(&lines)?;
        }
        if standings.height() >= args.blocks {
            return Ok(statuses);
        }
        if progress.elapsed() > patience {
            fleet.show_log_tails();
            bail!("no new block for {} s", patience.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

fn rows(fleet: &Fleet, statuses: &[Status], standings: &Standings) -> Vec<Row> {
    let racers = fleet.racers().iter().zip(statuses).enumerate();
    racers
        .map(|(position, (racer, status))| Row {
            name: racer.tag.clone(),
            port: racer.port,
            tip: (status.tip.index, status.tip.hash),
            won: standings.won(position),
            hash_rate: status.mining.hash_rate,
            side_blocks: status.chain.side_blocks,
            reorganisations: status.chain.reorganisations,
            track: standings.track(position),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<RaceArgs, structopt::clap::Error> {
        RaceArgs::from_iter_safe(std::iter::once("race").chain(line.split_whitespace()))
    }

    #[test]
    fn without_flags_four_nodes_race_for_twenty_blocks_of_two_seconds() {
        let args = parse("").unwrap();
        assert_eq!(
            (args.peers, args.blocks, args.interval, args.threads),
            (4, 20, Duration::from_secs(2), 1)
        );
    }

    #[test]
    fn flags_out_of_bounds_are_refused() {
        for line in [
            "--peers 0",
            "--peers 65",
            "--blocks 0",
            "--interval 0",
            "--interval NaN",
            "--interval inf",
            "--threads x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
