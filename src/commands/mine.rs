//! `jbc mine`: mines without serving, as the tutorial's mine.py: it syncs from its peers and pushes what it finds.

use std::process::ExitCode;

use super::{start_log, stop_signal};
use crate::config::MineFlags;
use crate::node;

/// Mines until told to stop.
///
/// # Errors
/// A flag that cannot be used, or what kept the miner from running.
pub async fn run(flags: MineFlags) -> anyhow::Result<ExitCode> {
    start_log(&flags.common.log);
    node::run(flags.into_config()?, stop_signal()).await?;
    Ok(ExitCode::SUCCESS)
}
