//! `jbc chain`: verifies or shows a chain, from a file, a folder or a node.
//!
//! - `source.rs`: where blocks come from, and `elements.rs`: a JSON array cut into its blocks as it comes, so that a chain
//!   of any length passes through in constant memory.
//! - `verify.rs`: every rule, from the network's pinned first block on.
//! - `show.rs`: one line a block.

mod elements;
mod show;
mod source;
mod verify;

use std::process::ExitCode;

use structopt::StructOpt;

use self::source::Source;
use super::terminal::quiet_if_closed;

/// Verify or show a chain
#[derive(Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc chain verify chaindata/5001           a folder of block files, 000000.json, 000001.json, …
    jbc chain verify http://127.0.0.1:5001    what a node says its chain is; also a node of the Python tutorial
    jbc chain show blockchain.json            the last 20 blocks of a saved /blockchain.json
    curl -s localhost:5001/blockchain.json | jbc chain verify -")]
pub struct ChainArgs {
    /// What to do
    #[structopt(subcommand)]
    pub command: ChainCommand,
}

/// What to do with a chain.
#[derive(Debug, StructOpt)]
pub enum ChainCommand {
    /// Check every rule, from the network's first block to the tip
    ///
    /// Recomputes every hash and checks every rule of docs/protocol.md with this machine's clock. Prints one line that
    /// begins with `valid:` and exits with 0, or the first fault and exits with 1; of a folder also every file that is
    /// torn, misplaced or missing. No file is changed.
    Verify(VerifyArgs),
    /// Print blocks, one a line, unverified
    ///
    /// Columns: index, start of the hash, the miner's time in UTC, nonce, data. What does not print is escaped.
    Show(ShowArgs),
}

/// `jbc chain verify`
#[derive(Debug, StructOpt)]
pub struct VerifyArgs {
    /// A whole chain as a JSON array or one block (`-` reads stdin), a folder of block files, or http://host:port
    #[structopt(value_name = "FILE|DIR|URL")]
    pub source: Source,
    /// classic6, classic, or a file made by `jbc genesis` [default: the built-in network of that first block]
    #[structopt(long, value_name = "NAME|FILE")]
    pub network: Option<String>,
}

/// `jbc chain show`
#[derive(Debug, StructOpt)]
pub struct ShowArgs {
    /// A whole chain as a JSON array or one block (`-` reads stdin), a folder of block files, or http://host:port
    #[structopt(value_name = "FILE|DIR|URL")]
    pub source: Source,
    /// First index to show [default: so that the last blocks are shown]
    #[structopt(long, value_name = "INDEX")]
    pub from: Option<u64>,
    /// How many blocks at most
    #[structopt(long, value_name = "N", default_value = "20")]
    pub count: u64,
    /// Lines for people, or the blocks as one JSON array
    #[structopt(long, value_name = "FORMAT", default_value = "lines", possible_values = &["lines", "json"])]
    pub output: String,
}

/// Runs `jbc chain`.
///
/// # Errors
/// What could not be read, or is not valid.
pub async fn run(args: ChainArgs) -> anyhow::Result<ExitCode> {
    quiet_if_closed(match args.command {
        ChainCommand::Verify(args) => verify::run(args).await,
        ChainCommand::Show(args) => show::run(args).await,
    })
}
