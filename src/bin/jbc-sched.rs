//! `jbc-sched`: looks into a node's scheduler and steers it.

use std::process::ExitCode;

use jbc::commands::{run_to_exit, sched};
use structopt::StructOpt;

fn main() -> ExitCode {
    let args = sched::SchedArgs::from_args();
    run_to_exit("jbc-sched", sched::run(args))
}
