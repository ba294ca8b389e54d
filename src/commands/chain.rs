//! `jbc chain`: verifies or shows a chain, from a file, a folder or a node, and carries one from node to file to folder.
//!
//! - `source.rs`: where blocks come from, and `elements.rs`: a JSON array, or JSON Lines, cut into blocks as it comes, so
//!   that a chain of any length passes through in constant memory.
//! - `verify.rs`: every rule, from the network's pinned first block on.
//! - `show.rs`: one line a block, and `forks.rs`: the branches beside them.
//! - `export.rs` and `import.rs`: files of one JSON line a block (`lines.rs`), continued where they end.
//! - `follower.rs`: one chain block by block, each checked by every rule; `remote.rs`: the same of a node that may change
//!   branches meanwhile; `pinned.rs`: by which network's rules.

mod elements;
mod export;
#[cfg(test)]
pub(super) mod fixtures;
pub(super) mod follower;
mod forks;
mod import;
pub(super) mod lines;
pub(super) mod pinned;
pub(super) mod remote;
mod show;
mod source;
mod verify;

use std::process::ExitCode;

use structopt::StructOpt;

use self::source::Source;
use super::terminal::quiet_if_closed;

pub use self::export::ExportArgs;
pub use self::import::ImportArgs;

/// Verify, show, export or import a chain
#[derive(Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc chain verify chaindata/5001           a folder of block files, 000000.json, 000001.json, …
    jbc chain verify http://127.0.0.1:5001    what a node says its chain is; also a node of the Python tutorial
    jbc chain show blockchain.json            the last 20 blocks of a saved /blockchain.json
    jbc chain show --forks http://127.0.0.1:5001   with the branches beside them
    jbc chain export --out chain.jsonl        the chain of the node on port 5000, one block a line; again: goes on
    jbc chain import chain.jsonl --data-dir chaindata/5001
    jbc chain verify chain.jsonl              what it wrote
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
    /// Columns: index, start of the hash, the miner's time in UTC, nonce, data; of a v2 block before its data the number
    /// of hashes that it takes on average. What does not print is escaped.
    Show(ShowArgs),
    /// Write a node's chain into a file, one block a line, each checked
    ///
    /// JSON Lines: one block a line in its canonical JSON (docs/protocol.md), the network's first block first. A FILE that is
    /// there is continued: it is checked, a torn last line is cut, and where the node is on another branch with more work its
    /// blocks are replaced from the fork on. A FILE that is something else is left as it is, and so is one that the node is
    /// behind of, or whose blocks hold as much work as the node's: that is said, with exit code 1.
    Export(ExportArgs),
    /// Take a file of blocks into the data folder of a node that does not run
    ///
    /// Every rule is checked. Blocks that the folder has are skipped, so that an import that was interrupted goes on.
    Import(ImportArgs),
}

/// `jbc chain verify`
#[derive(Debug, StructOpt)]
pub struct VerifyArgs {
    /// A whole chain as a JSON array or as `jbc chain export` writes it, or one block (`-` reads stdin), a folder of block files, or http://host:port
    #[structopt(value_name = "FILE|DIR|URL")]
    pub source: Source,
    /// dev, classic6, classic, or a file made by `jbc genesis` [default: the built-in network of that first block]
    #[structopt(long, value_name = "NAME|FILE")]
    pub network: Option<String>,
}

/// `jbc chain show`
#[derive(Debug, StructOpt)]
pub struct ShowArgs {
    /// A whole chain as a JSON array or as `jbc chain export` writes it, or one block (`-` reads stdin), a folder of block files, or http://host:port
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
    /// Show the branches beside the best chain, each under the block that it leaves from; of a node
    #[structopt(long)]
    pub forks: bool,
}

/// Runs `jbc chain`.
///
/// # Errors
/// What could not be read, or is not valid.
pub async fn run(args: ChainArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ChainCommand::Verify(args) => verify::run(args).await,
        ChainCommand::Show(args) => quiet_if_closed(show::run(args).await),
        ChainCommand::Export(args) => export::run(args).await,
        ChainCommand::Import(args) => import::run(args).await,
    }
}
