//! `jbc chain verify`.

mod verifier;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jbc_chain::{Block, Network, Unchecked};

use self::verifier::{Fault, Verifier};
use super::VerifyArgs;
use super::source::{BlockStream, Item, Source, read_block_file};
use crate::commands::terminal::{now, printable, tell, thousands};
use crate::config;
use crate::progress;
use crate::store::block_files;

/// Blocks kept that came before their turn: the tutorial's nodes list theirs in the order of their folder. More of them
/// mean that a block is missing.
const MAX_WAITING_BLOCKS: usize = 100_000;
/// How many bytes of them: 64 MiB, since whoever sends them may be no friend.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// What a verification found.
#[derive(Debug)]
struct Report {
    verifier: Verifier,
    faults: Vec<Fault>,
}

pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let network = args.network.as_deref().map(config::network).transpose()?;
    let verifier = Verifier::new(network, now());
    let report = match &args.source {
        Source::Folder(folder) => verify_folder(folder, verifier)?,
        Source::File(path) => verify_stream(BlockStream::of_file(path)?, verifier, None).await?,
        Source::Stdin => verify_stream(BlockStream::of_stdin(), verifier, None).await?,
        Source::Node(node) => {
            // Only for the bar: a node of the tutorial has no status.
            let blocks = node
                .status()
                .await
                .ok()
                .map(|status| status.tip.index.saturating_add(1));
            verify_stream(BlockStream::of_node(node).await?, verifier, blocks).await?
        }
    };
    conclude(&report, &args.source)
}

/// Says what was found: the report goes to stdout, that it is bad is the command's failure.
fn conclude(report: &Report, source: &Source) -> anyhow::Result<ExitCode> {
    for fault in &report.faults {
        tell(&format!("{}\n", printable(&fault.to_string())))?;
    }
    if report.faults.is_empty() {
        tell(&format!("{}\n", printable(&report.verifier.praise())))?;
        return Ok(ExitCode::SUCCESS);
    }
    match report.verifier.blocks() {
        0 => bail!("{source}: not valid"),
        1 => bail!("{source}: not valid: only its first block is"),
        blocks => bail!(
            "{source}: not valid: only its first {} blocks are",
            thousands(blocks)
        ),
    }
}

/// Verifies a text of blocks, to its end or to the first fault.
async fn verify_stream(
    mut stream: BlockStream,
    verifier: Verifier,
    blocks: Option<u64>,
) -> anyhow::Result<Report> {
    let bar = progress::bar(blocks.unwrap_or(0), "verifying");
    let mut sequence = Sequence::new(verifier);
    let mut position = 0;
    // A first one that begins no chain, until it is known whether others follow it.
    let mut perhaps_alone = None;
    let fault = loop {
        let step = match stream.next().await {
            Ok(Some(Item::Block(block))) => {
                if position == 0 && stream.is_bare() && block.index() > 0 {
                    perhaps_alone = Some(block);
                    Ok(())
                } else {
                    let mut blocks = perhaps_alone.take().into_iter().chain([block]);
                    blocks.try_for_each(|block| sequence.add(block))
                }
            }
            Ok(Some(Item::Torn(error))) => Err(Fault::NotBlock { position, error }),
            Ok(None) => {
                break match perhaps_alone {
                    Some(block) => sequence.verifier.check_alone(block).err(),
                    None => sequence.missing(),
                };
            }
            // A connection that broke says nothing about the chain; a text that is torn does.
            Err(error) if error.is::<crate::client::ClientError>() => return Err(error),
            Err(error) => Err(Fault::Text {
                position,
                reason: error.to_string(),
            }),
        };
        if let Err(fault) = step {
            break Some(fault);
        }
        position += 1;
        bar.set_position(position);
    };
    bar.finish_and_clear();
    Ok(Report {
        verifier: sequence.verifier,
        faults: fault.into_iter().collect(),
    })
}

/// Blocks put in order.
struct Sequence {
    verifier: Verifier,
    waiting: BTreeMap<u64, Block<Unchecked>>,
    waiting_bytes: usize,
}

impl Sequence {
    fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
        }
    }

    fn add(&mut self, block: Block<Unchecked>) -> Result<(), Fault> {
        if block.index() > self.verifier.blocks() {
            return self.keep(block);
        }
        self.verifier.add(block)?;
        while let Some(block) = self.waiting.remove(&self.verifier.blocks()) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(block.size_bytes());
            self.verifier.add(block)?;
        }
        Ok(())
    }

    /// Keeps a block until its turn comes, if by itself it is one: whoever fills the memory has to work for it.
    fn keep(&mut self, block: Block<Unchecked>) -> Result<(), Fault> {
        let (index, bytes) = (block.index(), block.size_bytes());
        let block = self.verifier.check_ahead(block)?;
        let awaited = self.verifier.blocks();
        if self.waiting.len() == MAX_WAITING_BLOCKS {
            return Err(Fault::Missing { index: awaited });
        }
        if self.waiting_bytes.saturating_add(bytes) > MAX_WAITING_BYTES {
            return Err(Fault::TooFarBehind { index: awaited });
        }
        if self.waiting.insert(index, block).is_some() {
            return Err(Fault::Twice { index });
        }
        self.waiting_bytes += bytes;
        Ok(())
    }

    /// At the end: the block that others wait for in vain, or that there is none at all.
    fn missing(&self) -> Option<Fault> {
        let incomplete = !self.waiting.is_empty() || self.verifier.is_empty();
        incomplete.then(|| Fault::Missing {
            index: self.verifier.blocks(),
        })
    }
}

/// Verifies a folder: every file is read, and the chain is checked up to the first fault of either kind.
fn verify_folder(folder: &Path, mut verifier: Verifier) -> anyhow::Result<Report> {
    let files = block_files(folder).with_context(|| folder.display().to_string())?;
    if files.is_empty() {
        bail!(
            "{}: no block files (000000.json, 000001.json, …) here",
            folder.display()
        );
    }
    let bar = progress::bar_of(files.len() as u64, "verifying", "files");
    let mut faults = Vec::new();
    let mut next = 0;
    for (index, path) in files {
        let name = || {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        if index > next {
            faults.push(Fault::MissingFiles {
                first: next,
                last: index - 1,
            });
        }
        next = index.saturating_add(1);
        let read = match read_block_file(&path) {
            Ok(block) if block.index() != index => Err(Fault::Misplaced {
                file: name(),
                index: block.index(),
            }),
            Ok(block) if faults.is_empty() => verifier.add(block),
            Ok(_) => Ok(()), // nothing to link it to
            Err(reason) => Err(Fault::Torn {
                file: name(),
                reason,
            }),
        };
        faults.extend(read.err());
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Report { verifier, faults })
}

/// The built-in network of this first block.
fn built_in_network_of(genesis: &Block<Unchecked>) -> Option<Network> {
    Network::built_in()
        .into_iter()
        .find(|network| network.genesis.content_digest() == genesis.content_digest())
}

#[cfg(test)]
mod tests;
