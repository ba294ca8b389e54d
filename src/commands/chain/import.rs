//! `jbc chain import`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jbc_chain::{Block, Hash, Network, Unchecked, UnixMicros};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::task::{Origin, Verdict};
use structopt::StructOpt;

use super::lines::{Item, Lines};
use crate::commands::terminal::{now, printable, tell, thousands};
use crate::config;
use crate::progress;
use crate::store::{BlockStore, OpenError};

/// Blocks that are written in one transaction: as many as a node takes from a peer at once.
const BATCH_BLOCKS: usize = 500;
/// About how many bytes of blocks are in memory at once.
const BATCH_BYTES: usize = 8 << 20;

/// `jbc chain import`
#[derive(Debug, StructOpt)]
pub struct ImportArgs {
    /// A file made by `jbc chain export`
    #[structopt(value_name = "FILE", parse(from_os_str))]
    pub file: PathBuf,
    /// The data folder of a node that does not run; it is made if it is not there
    #[structopt(
        long,
        value_name = "DIR",
        default_value = "chaindata/5000",
        parse(from_os_str)
    )]
    pub data_dir: PathBuf,
    /// dev, classic6, classic, or a file made by `jbc genesis` [default: the built-in network of the file's first block]
    #[structopt(long, value_name = "NAME|FILE")]
    pub network: Option<String>,
}

pub(super) async fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let network = args.network.as_deref().map(config::network).transpose()?;
    let imported =
        tokio::task::block_in_place(|| import(&args.file, &args.data_dir, network, now()))?;
    tell(&imported.sentence(&args.data_dir))?;
    Ok(ExitCode::SUCCESS)
}

/// What was done.
#[derive(Debug, PartialEq, Eq)]
struct Imported {
    /// Blocks that the folder has now and had not before.
    new: u64,
    /// Blocks that it had.
    known: u64,
    /// The best chain's height now.
    tip: u64,
    network: String,
}

impl Imported {
    fn sentence(&self, folder: &Path) -> String {
        format!(
            "{} blocks imported into {}, {} known before; its tip is block {}; network {}\n",
            thousands(self.new),
            folder.display(),
            thousands(self.known),
            thousands(self.tip),
            printable(&self.network)
        )
    }
}

fn import(
    path: &Path,
    folder: &Path,
    network: Option<Network>,
    now: UnixMicros,
) -> anyhow::Result<Imported> {
    let named = || path.display().to_string();
    let file = File::open(path).with_context(named)?;
    let mut lines = BlockLines::new(BufReader::new(file), path);
    // Before the folder is touched: is the file of this network at all?
    let first = lines.next()?.with_context(|| {
        format!(
            "{}: line 1: missing: the first block of the network",
            path.display()
        )
    })?;
    let network = network_of(&first, network, path)?;
    let ledger = open(folder, &network)?;

    let bar = progress::bar(0, "importing");
    let mut imported = Imported {
        new: 0,
        known: 1,
        tip: 0,
        network: network.describe(),
    };
    let outcome = loop {
        let (batch, first_line) = match lines.batch() {
            Ok((batch, _)) if batch.is_empty() => break Ok(()),
            Ok(batch) => batch,
            Err(error) => break Err(error),
        };
        let before = ledger.snapshot().blocks;
        let admitted = admit(&ledger, &batch, now);
        let new = (ledger.snapshot().blocks - before) as u64;
        imported.new += new;
        match admitted {
            Ok(()) => imported.known += batch.len() as u64 - new,
            Err(refused) => {
                let line = first_line + refused.position as u64;
                break Err(anyhow::anyhow!(
                    "{}: line {line}: {}",
                    path.display(),
                    refused.reason
                ));
            }
        }
        bar.set_position(first_line + batch.len() as u64 - 1);
    };
    bar.finish_and_clear();
    imported.tip = ledger.snapshot().tip.index;
    // What came before a fault is in the folder and stays.
    outcome
        .with_context(|| format!("{} blocks before it are imported", thousands(imported.new)))?;
    Ok(imported)
}

/// The network by whose rules the file is read.
fn network_of(
    first: &Block<Unchecked>,
    network: Option<Network>,
    path: &Path,
) -> anyhow::Result<Network> {
    let of = |network: &Network| network.genesis.content_digest() == first.content_digest();
    let path = path.display();
    let built_in = Network::built_in().into_iter().find(of);
    match (network, built_in) {
        (Some(network), _) if of(&network) => Ok(network),
        (Some(network), Some(theirs)) => bail!(
            "{path}: line 1: the first block of {}, not of {}",
            theirs.describe(),
            network.describe()
        ),
        (Some(network), None) => bail!(
            "{path}: line 1: block {} {}… is not the first block of {}",
            first.index(),
            first.hash().short(),
            network.describe()
        ),
        (None, Some(network)) => Ok(network),
        (None, None) => bail!(
            "{path}: line 1: block {} {}… begins no built-in network; say which with --network FILE",
            first.index(),
            first.hash().short()
        ),
    }
}

/// The folder's chain, as the node opens it.
fn open(folder: &Path, network: &Network) -> anyhow::Result<Ledger<BlockStore>> {
    let store = BlockStore::open(folder, network).map_err(|error| match error {
        OpenError::InUse { folder } => anyhow::anyhow!(
            "the data folder {} is in use by a node that runs: stop it first, or give it the blocks by --peer",
            folder.display()
        ),
        OpenError::Damaged { folder, reason } => anyhow::anyhow!(
            "the database in {} is damaged ({reason}): start its node once, which saves what can be saved",
            folder.display()
        ),
        error => error.into(),
    })?;
    let bar = progress::bar(store.stored_count(), "replaying the chain");
    let stored = store.stored()?;
    let ledger = Ledger::open(network.clone(), store, stored.inspect(|_| bar.inc(1)));
    bar.finish_and_clear();
    Ok(ledger?)
}

/// A block of a batch that did not enter.
#[derive(Debug)]
struct Refused {
    position: usize,
    reason: String,
}

/// Takes a batch in by the node's own door: every rule is checked, and what is accepted is durable.
fn admit(
    ledger: &Ledger<BlockStore>,
    batch: &[Block<Unchecked>],
    now: UnixMicros,
) -> Result<(), Refused> {
    let refused = |reason: String| {
        let chain = ledger.chain();
        let entered = |block: &Block<Unchecked>| chain.find_block(block).is_some();
        let position = batch.iter().position(|block| !entered(block)).unwrap_or(0);
        let index = batch.get(position).map_or(0, Block::index);
        Err(Refused {
            position,
            reason: format!("block {index}: {reason}"),
        })
    };
    let admitted = match ledger.admit(batch, &Origin::Mined, now) {
        Ok(admitted) => admitted,
        Err(error) => return refused(error.to_string()),
    };
    if admitted.full {
        return refused("the disk is full; the same command goes on when there is room".to_owned());
    }
    for verdict in admitted.verdicts {
        match verdict {
            Verdict::Best(_) | Verdict::Side(_) | Verdict::Known(_) => {}
            Verdict::Early { .. } => {
                return refused("it is ahead of this machine's clock".to_owned());
            }
            Verdict::Orphan { parent, .. } => {
                return refused(format!(
                    "refused by rule `parent`: field `prev_hash`: {parent} is no block before it"
                ));
            }
            Verdict::Refused {
                rule,
                field,
                reason,
                ..
            } => {
                return refused(format!(
                    "refused by rule `{rule}`: field `{field}`: {reason}"
                ));
            }
        }
    }
    Ok(())
}

/// The blocks of a file, each on the one before it.
struct BlockLines<'a, R> {
    lines: Lines<R>,
    path: &'a Path,
    /// Lines read so far, and the last block.
    read: u64,
    last: Option<(u64, Hash)>,
    /// What is wrong with the line after a batch.
    fault: Option<anyhow::Error>,
}

impl<'a, R: BufRead> BlockLines<'a, R> {
    fn new(reader: R, path: &'a Path) -> Self {
        Self {
            lines: Lines::new(reader),
            path,
            read: 0,
            last: None,
            fault: None,
        }
    }

    fn next(&mut self) -> anyhow::Result<Option<Block<Unchecked>>> {
        let path = self.path.display();
        let Some(line) = self.lines.next().with_context(|| path.to_string())? else {
            return Ok(None);
        };
        let number = line.number;
        let block = match Item::from_json(&line.text) {
            Ok(Item::Block(block)) => block,
            Ok(Item::Header(_)) => bail!(
                "{path}: line {number}: a header without its entries; export without --headers for this"
            ),
            Err(_) if !line.is_complete => {
                bail!("{path}: line {number}: torn; export it again, which goes on from there")
            }
            Err(error) => bail!("{path}: line {number}: {error}"),
        };
        let fits = match self.last {
            None => true, // it is compared with the network's own
            Some((index, hash)) => {
                block.index() == index.saturating_add(1) && block.prev_hash() == Some(&hash)
            }
        };
        if !fits {
            bail!(
                "{path}: line {number}: block {} is not the one after the block in the line before",
                block.index()
            );
        }
        self.last = Some((block.index(), *block.hash()));
        self.read = number;
        Ok(Some(block))
    }

    /// The next blocks, and the line of the first of them. None at the end. A fault behind good blocks comes after them.
    fn batch(&mut self) -> anyhow::Result<(Vec<Block<Unchecked>>, u64)> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let first_line = self.read + 1;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_BLOCKS && bytes < BATCH_BYTES {
            match self.next() {
                Ok(Some(block)) => {
                    bytes += block.size_bytes();
                    batch.push(block);
                }
                Ok(None) => break,
                Err(fault) if batch.is_empty() => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok((batch, first_line))
    }
}

#[cfg(test)]
mod tests;
