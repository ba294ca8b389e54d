//! `jbc-sched`: looks into a node's scheduler and steers it.

use std::process::ExitCode;

fn main() -> ExitCode {
    jbc::programs::jbc_sched()
}
