//! `jbc`: the node and its tools.

use std::process::ExitCode;

fn main() -> ExitCode {
    jbc::programs::jbc()
}
