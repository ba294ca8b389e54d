//! `jbc-sched`: looks into a node's scheduler and steers it.

use std::process::ExitCode;

use jbc::commands::{arguments, run_to_exit, sched};

fn main() -> ExitCode {
    let args: sched::SchedArgs = match arguments() {
        Ok(args) => args,
        Err(code) => return code,
    };
    run_to_exit("jbc-sched", sched::run(args))
}
