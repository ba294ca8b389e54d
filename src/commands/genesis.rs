//! `jbc genesis`: makes another network: mines its first block and writes the file that `--network` takes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use jbc_chain::{Network, Target, TemplateParts, Timestamp};
use jbc_jobs::ports::Clock;
use jbc_pow::{Search, Template, search};
use structopt::StructOpt;

use crate::node::SystemClock;
use crate::store::replace_file;

/// Most zeros that are worth waiting for: nine take an hour on a fast core, each further one sixteen times that.
const ZEROS_MAX: u32 = 10;

/// Flags of `jbc genesis`.
#[derive(Clone, Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc genesis --zeros 5 --out class.json
    jbc node --network class.json --mine

Give the file to everybody who is to join: a network is named by its rules and its first block.")]
pub struct GenesisFlags {
    /// The rules of the network
    #[structopt(long, default_value = "classic", possible_values = &["classic"])]
    pub rules: String,
    /// How many zeros, in hex digits, a block's hash must start with
    #[structopt(long, conflicts_with = "target")]
    pub zeros: Option<u32>,
    /// The number a block's hash must not exceed, 64 hex digits: finer than zeros, whose steps are 16-fold
    #[structopt(long, value_name = "HEX")]
    pub target: Option<String>,
    /// The network's name
    #[structopt(long, default_value = "classic-custom")]
    pub name: String,
    /// What the first block says
    #[structopt(long, default_value = "First block.")]
    pub data: String,
    /// Where to write the network
    #[structopt(long, parse(from_os_str))]
    pub out: PathBuf,
}

/// Makes the network.
///
/// # Errors
/// A flag that cannot be used, or a file that cannot be written. A file that is there already is left alone.
pub async fn run(flags: GenesisFlags) -> anyhow::Result<ExitCode> {
    let target = match (flags.zeros, &flags.target) {
        (Some(zeros), _) if zeros > ZEROS_MAX => {
            bail!("--zeros: {zeros} would take longer than anybody waits; {ZEROS_MAX} at most")
        }
        (Some(zeros), _) => {
            Target::from_zeros(zeros).context("--zeros: more than a hash has digits")?
        }
        (None, Some(target)) => target.parse().context("--target")?,
        (None, None) => bail!("--zeros or --target says how hard the network is"),
    };
    if flags.out.exists() {
        bail!(
            "--out: {} is there already; a network's file is not made twice",
            flags.out.display()
        );
    }
    let parts = TemplateParts::genesis(
        flags.data.as_str(),
        Timestamp::from_instant(SystemClock.now()),
    );
    let network = tokio::task::block_in_place(|| mine(&flags.name, target, &parts))?;
    replace_file(&flags.out, network.to_json().as_bytes())
        .with_context(|| flags.out.display().to_string())?;
    println!("{}", network.describe());
    println!(
        "written to {}; join it with: jbc node --network {0}",
        flags.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn mine(name: &str, target: Target, parts: &TemplateParts) -> anyhow::Result<Network> {
    let template = Template::new(parts.prefix().as_bytes(), target.to_be_bytes());
    match search(&template, 0..u64::MAX, &AtomicBool::new(false)) {
        Search::Found { nonce, .. } => Ok(Network::with_genesis(name, target, parts.block(nonce))?),
        Search::Exhausted { .. } | Search::Cancelled { .. } => bail!("--target: no nonce meets it"),
    }
}
