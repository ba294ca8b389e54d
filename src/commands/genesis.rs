//! `jbc genesis`: makes another network: mines its first block and writes the file that `--network` takes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};
use jbc_chain::{Bits, Network, NetworkError, Target, TemplateParts, Timestamp, V2Rules};
use jbc_jobs::ports::Clock;
use jbc_pow::{Search, Template, search};
use structopt::StructOpt;

use crate::config::{ConfigError, wrong};
use crate::node::SystemClock;
use crate::store::replace_file;

/// Most zeros that are worth waiting for: nine take an hour on a fast core, each further one sixteen times that.
const ZEROS_MAX: u32 = 10;
/// Hashes a second that a new `v2` network is made for: a core or so. What is wrong with that is gone after some blocks.
const HASHES_PER_S: f64 = 4_000_000.0;
/// How much easier than the first block the blocks may become, where that is easier than `dev`'s limit.
const LIMIT_FACTOR: f64 = 20.0;

/// The time between two blocks where none is asked for, as in `dev`.
const INTERVAL: Duration = Duration::from_secs(5);
/// What a classic first block says where nothing is asked for.
const FIRST_DATA: &str = "First block.";
/// The most hashes that a first block may take.
const HASHES_MAX: f64 = 1e11;

/// Flags of `jbc genesis`.
#[derive(Clone, Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc genesis --interval 10s --tag 'my class'         a network of its own, in my-class.json
    jbc node --network my-class.json --mine
    jbc genesis --zeros 5 --tag tutorial                with the tutorial's rules, in tutorial.json

Give the file to everybody who is to join: a network is named by its rules and its first block.")]
pub struct GenesisFlags {
    /// The rules of the network: v2, whose difficulty follows the interval, or the tutorial's classic [default: classic where
    /// --zeros or --target is given, else v2]
    #[structopt(long, possible_values = &["v2", "classic"])]
    pub rules: Option<String>,
    /// v2: the time between two blocks, as 10s, 500ms or 2m [default: 5s]
    #[structopt(long, value_name = "TIME", parse(try_from_str = duration))]
    pub interval: Option<Duration>,
    /// v2: hashes that the first blocks take [default: 4 million for each second of the interval]
    #[structopt(long, value_name = "N")]
    pub hashes: Option<f64>,
    /// classic: how many zeros, in hex digits, a block's hash must start with
    #[structopt(long, conflicts_with = "target")]
    pub zeros: Option<u32>,
    /// classic: the number a block's hash must not exceed, 64 hex digits: finer than zeros, whose steps are 16-fold
    #[structopt(long, value_name = "HEX")]
    pub target: Option<String>,
    /// The network's name, 1 to 64 characters; in v2 it stands in the first block
    #[structopt(
        long = "tag",
        alias = "name",
        value_name = "NAME",
        default_value = "my network"
    )]
    pub name: String,
    /// classic: what the first block says [default: First block.]
    #[structopt(long)]
    pub data: Option<String>,
    /// Where to write the network [default: its name as a file name, my-network.json]
    #[structopt(long, value_name = "FILE", parse(from_os_str))]
    pub out: Option<PathBuf>,
}

/// Makes the network.
///
/// # Errors
/// A flag that cannot be used, or a file that cannot be written. A file that is there already is left alone.
pub async fn run(flags: GenesisFlags) -> anyhow::Result<ExitCode> {
    let out = match &flags.out {
        Some(out) => out.clone(),
        None => PathBuf::from(format!("{}.json", file_name(&flags.name))),
    };
    if out.exists() {
        bail!(
            "--out: {} is there already; a network's file is not made twice",
            out.display()
        );
    }
    let is_classic = match flags.rules.as_deref() {
        Some(rules) => rules == "classic",
        None => flags.zeros.is_some() || flags.target.is_some(),
    };
    let network = tokio::task::block_in_place(|| match is_classic {
        true => classic(&flags),
        false => v2(&flags),
    })?;
    replace_file(&out, network.to_json().as_bytes()).with_context(|| out.display().to_string())?;
    println!("{}", network.describe());
    println!(
        "written to {0}; join it with: jbc node --network {0}",
        out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Refuses the first of these flags that was given.
fn none_of<const N: usize>(
    flags: [(&'static str, bool); N],
    reason: &str,
) -> Result<(), ConfigError> {
    match flags.into_iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(wrong(flag, reason)),
        None => Ok(()),
    }
}

fn classic(flags: &GenesisFlags) -> anyhow::Result<Network> {
    none_of(
        [
            ("hashes", flags.hashes.is_some()),
            ("interval", flags.interval.is_some()),
        ],
        "a classic network's difficulty is --zeros or --target",
    )?;
    let target = match (flags.zeros, &flags.target) {
        (Some(zeros), _) if zeros > ZEROS_MAX => {
            let reason =
                format!("{zeros} would take longer than anybody waits; {ZEROS_MAX} at most");
            return Err(wrong("zeros", reason).into());
        }
        (Some(zeros), _) => Target::from_zeros(zeros)
            .ok_or_else(|| wrong("zeros", "more than a hash has digits"))?,
        (None, Some(target)) => target.parse().map_err(|error| wrong("target", error))?,
        (None, None) => {
            let reason = "missing: it or --target says how hard the network is";
            return Err(wrong("zeros", reason).into());
        }
    };
    let timestamp = Timestamp::from_instant(SystemClock.now());
    let parts = TemplateParts::genesis(flags.data.as_deref().unwrap_or(FIRST_DATA), timestamp);
    let nonce = mine(&parts, target)?;
    Ok(Network::with_genesis(
        flags.name.as_str(),
        target,
        parts.block(nonce),
    )?)
}

fn v2(flags: &GenesisFlags) -> anyhow::Result<Network> {
    none_of(
        [
            ("zeros", flags.zeros.is_some()),
            ("target", flags.target.is_some()),
        ],
        "a v2 network's difficulty follows --interval; --hashes says where it begins",
    )?;
    none_of(
        [("data", flags.data.is_some())],
        "the first block of a v2 network says its rules and its name, which is --tag",
    )?;
    let time = flags.interval.unwrap_or(INTERVAL);
    let interval = time.as_secs_f64();
    let hashes = flags
        .hashes
        .unwrap_or((HASHES_PER_S * interval).clamp(1.0, HASHES_MAX));
    if !(1.0..=HASHES_MAX).contains(&hashes) {
        let reason =
            format!("must be between 1 and {HASHES_MAX:.0e}, which takes an hour on a fast core");
        return Err(wrong("hashes", reason).into());
    }
    let (dev, bits) = (
        Network::dev_rules(),
        Bits::from_target(&Target::from_expected_hashes(hashes)),
    );
    let easier = Target::from_expected_hashes(hashes / LIMIT_FACTOR);
    let rules = V2Rules {
        interval_ms: time.as_millis().try_into().unwrap_or(u64::MAX),
        limit: dev.limit.max(Bits::from_target(&easier)),
        ..dev
    };
    let timestamp = Timestamp::from_instant_in_millis(SystemClock.now());
    let parts = Network::v2_genesis(&flags.name, &rules, bits, timestamp);
    // What is wrong with the flags is said before anything is searched for.
    if let Err(error) = Network::with_v2_genesis(parts.block(0))
        && !matches!(error, NetworkError::Genesis { .. })
    {
        let error = match error {
            NetworkError::Name => wrong(
                "tag",
                "must be 1 to 64 characters without control characters",
            ),
            error => wrong("interval", error),
        };
        return Err(error.into());
    }
    let nonce = mine(&parts, bits.target())?;
    Ok(Network::with_v2_genesis(parts.block(nonce))?)
}

fn mine(parts: &TemplateParts, target: Target) -> anyhow::Result<u64> {
    let template = Template::new(parts.prefix().as_bytes(), target.to_be_bytes());
    match search(&template, 0..u64::MAX, &AtomicBool::new(false)) {
        Search::Found { nonce, .. } => Ok(nonce),
        Search::Exhausted { .. } | Search::Cancelled { .. } => bail!("--target: no nonce meets it"),
    }
}

/// A name as a file's: letters and digits, and dashes for the rest.
fn file_name(name: &str) -> String {
    let dashed: String = name
        .chars()
        .map(|sign| if sign.is_alphanumeric() { sign } else { '-' })
        .collect();
    dashed.to_lowercase()
}

/// `500ms`, `10s`, `2m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|sign: char| sign.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("`{unit}` is no unit: ms, s, m and h are")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{number}` is no number"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1.5", 1_500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "10x", "-1s", "NaN", "1e400h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_s_file_is_called_after_it() {
        assert_eq!(file_name("My class/2026"), "my-class-2026");
        assert_eq!(file_name("../../etc"), "------etc");
    }
}
