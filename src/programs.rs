//! The two programs, from the command line to the exit code. They are in the library because a future is compiled where it
//! is run: in a binary, all they do would be compiled once more for each.

use std::process::ExitCode;

use structopt::StructOpt;
use structopt::clap::AppSettings;

use crate::commands::{self, arguments, run_to_exit};
use crate::config::{MineFlags, NodeFlags};

/// A proof-of-work node in which every piece of work is a scheduled job
#[derive(Debug, StructOpt)]
#[structopt(
    name = "jbc",
    global_settings = &[AppSettings::VersionlessSubcommands, AppSettings::UnifiedHelpMessage, AppSettings::DeriveDisplayOrder],
    setting = AppSettings::SubcommandRequiredElseHelp,
    after_help = "EXAMPLES:
    jbc node --port 5001 --mine          a node that mines; a second one on --port 5000 races it
    jbc race --peers 4 --blocks 20       four of them against each other, with a scoreboard
    jbc-sched --list-jobs                what the nodes on this machine are doing right now
    jbc chain show http://127.0.0.1:5001 the last blocks
    jbc stamp report.pdf                 a proof that a file existed; jbc verify says what it proves"
)]
enum Command {
    /// Run a node: serve, validate, sync, and mine with --mine
    Node(NodeFlags),
    /// Mine without serving
    Mine(MineFlags),
    /// Let nodes race and show the score
    Race(commands::race::RaceArgs),
    /// Make another network
    Genesis(commands::genesis::GenesisFlags),
    /// Verify, show, export or import a chain
    Chain(commands::chain::ChainArgs),
    /// Explain a block so that it can be checked by hand
    Explain(commands::explain::ExplainArgs),
    /// Have the network's miners state that files existed
    Stamp(commands::stamp::StampArgs),
    /// Say what the proof of a file proves
    Verify(commands::verify::VerifyArgs),
    /// Measure parts of this program on this machine
    Bench(commands::bench::BenchArgs),
}

/// The program `jbc`.
pub fn jbc() -> ExitCode {
    let command = match arguments() {
        Ok(command) => command,
        Err(code) => return code,
    };
    run_to_exit("jbc", async {
        match command {
            Command::Node(flags) => commands::node::run(flags).await,
            Command::Mine(flags) => commands::mine::run(flags).await,
            Command::Race(flags) => commands::race::run(flags).await,
            Command::Genesis(flags) => commands::genesis::run(flags).await,
            Command::Chain(flags) => commands::chain::run(flags).await,
            Command::Explain(flags) => commands::explain::run(flags).await,
            Command::Stamp(flags) => commands::stamp::run(flags).await,
            Command::Verify(flags) => commands::verify::run(flags).await,
            Command::Bench(flags) => commands::bench::run(flags).await,
        }
    })
}

/// The program `jbc-sched`.
pub fn jbc_sched() -> ExitCode {
    let args: commands::sched::SchedArgs = match arguments() {
        Ok(args) => args,
        Err(code) => return code,
    };
    run_to_exit("jbc-sched", commands::sched::run(args))
}
