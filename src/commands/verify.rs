//! `jbc verify`: what a proof proves, by a chain that is checked from its network's pinned first block on.
//!
//! The chain comes from a file of headers, a node or a data folder; all three feed one `Follower`, and what it has
//! followed decides (`decide.rs`). Nothing that a node says is believed but blocks that keep every rule. Of two chains that
//! both do, only the work says which one is the network's, and the one that is shown may not be it.

mod decide;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use jbc_chain::{Chain, Hash, Network, Rules, UnixMicros};
use structopt::StructOpt;

use self::decide::decide;
use super::chain::follower::Follower;
use super::chain::lines::{Item, Lines};
use super::chain::remote::{self, Part};
use super::proof::{MAX_PROOF_BYTES, Proof, entry_of_file};
use super::terminal::{now, one_line, printable, tell};
use crate::client::{NodeChoice, NodeClient};
use crate::config;
use crate::progress;
use crate::store::{BlockStore, DATABASE_FILE, OpenError};

/// How much of a path stands in the sentence, in characters.
const NAME_CHARS: usize = 200;

/// Say what the proof of a file proves
#[derive(Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc verify report.pdf                               by the chain of the node on port 5000
    jbc verify report.pdf --url http://10.0.0.7:5000    by another node's
    jbc verify report.pdf --headers dev.headers         offline, by a file that `jbc chain export --headers` wrote
    jbc verify report.pdf --data-dir chaindata/5001     by the folder of a node that does not run
    jbc verify report.pdf --network class.json          where it was stamped in a network of `jbc genesis`
    jbc verify report.pdf --checkpoint 5000:0000009de228…   (all 64 digits) by a chain that has this block

The network is pinned: a chain with another first block, or with a block against a rule, is refused, whoever shows it. A
chain that somebody mined in secret on the same first block keeps every rule, too. Only its work tells it from the one
that the network's miners made, so compare the work and the time of the last block in the sentence with a chain that you
trust, or name blocks of that with --checkpoint. What is proven is what those miners say, under the work that they did.

EXIT CODE: 0 proven, 1 not proven, 2 wrong usage")]
pub struct VerifyArgs {
    /// The file that was stamped
    #[structopt(value_name = "FILE", parse(from_os_str))]
    pub file: PathBuf,
    /// Its proof [default: FILE.jbcproof]
    #[structopt(long, value_name = "FILE", parse(from_os_str))]
    pub proof: Option<PathBuf>,
    /// Check offline, by this file of `jbc chain export`, with --headers or whole
    #[structopt(long, value_name = "FILE", parse(from_os_str), conflicts_with_all = &["data-dir", "url", "port"])]
    pub headers: Option<PathBuf>,
    /// Check by the data folder of a node that does not run, which is opened for writing
    #[structopt(long, value_name = "DIR", parse(from_os_str), conflicts_with_all = &["url", "port"])]
    pub data_dir: Option<PathBuf>,
    #[structopt(flatten)]
    /// The node
    pub choice: NodeChoice,
    /// dev, or a file made by `jbc genesis`: whose miners are believed
    #[structopt(long, value_name = "NAME|FILE", default_value = "dev")]
    pub network: String,
    /// Refuse a chain without this block; may be given several times
    #[structopt(long = "checkpoint", value_name = "INDEX:HASH", number_of_values = 1)]
    pub checkpoints: Vec<String>,
}

/// Runs `jbc verify`.
///
/// # Errors
/// Why nothing is proven.
pub async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let network = config::network(&args.network)?;
    let checkpoints = config::checkpoints(&args.checkpoints)?;
    let sentence = verify(&args, network, checkpoints, now())
        .await
        .map_err(|error| error.context("not proven"))?;
    tell(&format!("{}\n", printable(&sentence)))?;
    Ok(ExitCode::SUCCESS)
}

/// The sentence that says what is proven.
async fn verify(
    args: &VerifyArgs,
    network: Network,
    checkpoints: BTreeMap<u64, Hash>,
    now: UnixMicros,
) -> anyhow::Result<String> {
    if let Rules::Classic { .. } = network.rules {
        bail!(
            "{} is a classic network: its blocks carry no entries, so nothing can be stamped in it",
            network.describe()
        );
    }
    let (proof, entry) = tokio::task::block_in_place(|| read(&args.file, args.proof.as_deref()))?;
    proof.check(&entry, &network)?;
    let mut follower = Follower::new(network.clone(), now);
    follower.pin(checkpoints).context("--checkpoint")?;
    let source = match (&args.headers, &args.data_dir) {
        (Some(path), _) => {
            tokio::task::block_in_place(|| follow_file(path, &mut follower))?;
            path.display().to_string()
        }
        (None, Some(folder)) => {
            tokio::task::block_in_place(|| follow_folder(folder, &mut follower))?;
            folder.display().to_string()
        }
        (None, None) => {
            let node = args.choice.node()?;
            follow_node(&node, &mut follower).await?;
            node.url().to_owned()
        }
    };
    let chain = follower
        .into_chain()
        .map_err(|reason| anyhow!("{source}: {reason}"))?;
    let proven = decide(&proof, chain, now).with_context(|| source)?;
    let name = one_line(&args.file.display().to_string(), NAME_CHARS);
    Ok(proven.sentence(&name, &network))
}

/// The proof of a file, and the file's entry.
fn read(file: &Path, proof: Option<&Path>) -> anyhow::Result<(Proof, String)> {
    let path = match proof {
        Some(path) => path.to_owned(),
        None => super::stamp::proof_path(file),
    };
    let named = || path.display().to_string();
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_PROOF_BYTES + 1).read_to_end(&mut text))
        .with_context(named)?;
    if text.len() as u64 > MAX_PROOF_BYTES {
        bail!(
            "{}: more than {MAX_PROOF_BYTES} bytes are no proof",
            path.display()
        );
    }
    let proof = Proof::from_json(&text).with_context(named)?;
    let entry = entry_of_file(file).with_context(|| file.display().to_string())?;
    Ok((proof, entry))
}

fn follow_file(path: &Path, follower: &mut Follower) -> anyhow::Result<()> {
    let named = || path.display().to_string();
    let mut lines = Lines::new(BufReader::new(File::open(path).with_context(named)?));
    let bar = progress::bar(0, "checking headers");
    while let Some(line) = lines.next().with_context(named)? {
        let placed = || format!("{}: line {}", path.display(), line.number);
        let item = Item::from_json(&line.text).with_context(placed)?;
        follower.take(&item).with_context(placed)?;
        bar.set_position(line.number);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn follow_node(node: &NodeClient, follower: &mut Follower) -> anyhow::Result<()> {
    // Only for the bar.
    let blocks = node.status().await.ok();
    let blocks = blocks.map_or(0, |status| status.tip.index.saturating_add(1));
    let bar = progress::bar(blocks, "checking headers");
    let mut taken = 0;
    let followed = remote::follow(node, Part::Headers, follower, |step| {
        taken = match step {
            remote::Step::Took(_) => taken + 1,
            remote::Step::Rewound(left) => left,
        };
        bar.set_position(taken);
        Ok(())
    });
    let followed = followed.await;
    bar.finish_and_clear();
    followed
}

/// Follows the best chain of a folder. Its blocks are stored in the order in which they came, with those of side branches
/// among them, so the tree is built first.
fn follow_folder(folder: &Path, follower: &mut Follower) -> anyhow::Result<()> {
    let network = follower.network().clone();
    if !folder.join(DATABASE_FILE).exists() {
        bail!(
            "--data-dir: {}: no chain is here ({DATABASE_FILE})",
            folder.display()
        );
    }
    let store = BlockStore::open(folder, &network).map_err(|error| match error {
        OpenError::InUse { folder } => anyhow!(
            "--data-dir: {}: its node runs; ask it with --url, or stop it",
            folder.display()
        ),
        error => error.into(),
    })?;
    let bar = progress::bar(store.stored_count(), "checking the stored chain");
    let mut tree = Chain::new(&network);
    for (position, block) in (1_u64..).zip(store.stored()?) {
        let placed = || format!("{}: stored block {position}", folder.display());
        let block = block.with_context(placed)?;
        let header = block
            .check(&network.rules)
            .with_context(placed)?
            .header()
            .with_context(placed)?;
        tree.accept_header(&header, UnixMicros::MAX)
            .with_context(placed)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    for id in tree.best_ids() {
        let header = tree.header(*id).context("a v2 chain has headers")?;
        follower
            .take_header(&header)
            .with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
