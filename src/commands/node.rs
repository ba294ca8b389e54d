//! `jbc node`: serves, validates, syncs, and mines if asked to.

use std::process::ExitCode;

use super::{start_log, stop_signal};
use crate::config::NodeFlags;
use crate::node;

/// Runs a node until it is told to stop.
///
/// # Errors
/// A flag that cannot be used, or what kept the node from running.
pub async fn run(flags: NodeFlags) -> anyhow::Result<ExitCode> {
    start_log(&flags.common.log);
    node::run(flags.into_config()?, stop_signal()).await?;
    Ok(ExitCode::SUCCESS)
}
