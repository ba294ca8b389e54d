//! A folder of the tutorial's block files: the longest valid prefix of its chain, and what was wrong with the rest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jbc_chain::{Block, Chain, Checked, Hash, Network, Unchecked, UnixMicros};

use crate::store::block_files;

/// What a folder of block files held.
#[derive(Debug, Default)]
pub struct Imported {
    /// Blocks that were handed over, all above the first.
    pub count: u64,
    /// The last of them.
    pub last: Option<Hash>,
    /// Each file that was not taken, and why.
    pub rejects: Vec<(PathBuf, String)>,
}

/// Why nothing of a folder can be taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder cannot be listed.
    #[error("the folder {folder} cannot be listed: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Its first block is another network's.
    #[error(
        "the block files in {folder} begin with {theirs}, which is not the first block of {ours} \
         (choose the --network they were made with, or another --data-dir)"
    )]
    OtherNetwork {
        /// The folder.
        folder: PathBuf,
        /// Their first block.
        theirs: String,
        /// Our network.
        ours: String,
    },
}

/// Reads the folder's block files and hands the chain's blocks to `take`, lowest first, one at a time: a chain need not fit into
/// memory. `progress` hears how many files were read. No file is changed.
///
/// # Errors
/// [`ImportError`] when the folder cannot be listed or holds another network's chain, and what `take` says.
pub fn read_folder<E: From<ImportError>>(
    folder: &Path,
    network: &Network,
    now: UnixMicros,
    mut take: impl FnMut(Block<Checked>) -> Result<(), E>,
    mut progress: impl FnMut(u64),
) -> Result<Imported, E> {
    let files = block_files(folder).map_err(|source| ImportError::Folder {
        folder: folder.to_owned(),
        source,
    })?;
    let mut chain = Chain::new(network);
    let mut imported = Imported::default();
    let mut broken_at: Option<u64> = None;
    let mut next = 0;
    for (index, path) in files {
        if broken_at.is_none() && index > next {
            broken_at = Some(next);
        }
        let outcome = read_block(&path, network.rules.max_block_bytes()).and_then(|block| {
            if index == 0 && block.index() == 0 && block.hash() != network.genesis.hash() {
                return Ok(Step::Foreign(block));
            }
            match broken_at {
                Some(gap) => Err(format!("block {gap} below it is missing or was not taken")),
                None => follow(&mut chain, block, network, now).map(Step::Taken),
            }
        });
        match outcome {
            Ok(Step::Foreign(block)) => {
                let (theirs, ours) = (block.to_string(), network.describe());
                return Err(E::from(ImportError::OtherNetwork {
                    folder: folder.to_owned(),
                    theirs,
                    ours,
                }));
            }
            Ok(Step::Taken(None)) => {}
            Ok(Step::Taken(Some(block))) => {
                imported.count += 1;
                imported.last = Some(*block.hash());
                take(block)?;
            }
            Err(reason) => {
                // The first block is pinned: we have it even where its file is torn.
                broken_at = broken_at.or((index > 0).then_some(index));
                imported.rejects.push((path, reason));
            }
        }
        next = index + 1;
        progress(next);
    }
    Ok(imported)
}

enum Step {
    Foreign(Block<Unchecked>),
    Taken(Option<Block<Checked>>),
}

fn read_block(path: &Path, max_bytes: usize) -> Result<Block<Unchecked>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > max_bytes as u64 {
        return Err(format!("{size} bytes are no block"));
    }
    Block::from_json(&fs::read(path).map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())
}

/// Takes a block onto the chain; the network's own first block is there already.
fn follow(
    chain: &mut Chain,
    block: Block<Unchecked>,
    network: &Network,
    now: UnixMicros,
) -> Result<Option<Block<Checked>>, String> {
    let block = block
        .check(&network.rules)
        .map_err(|rejected| rejected.to_string())?;
    match chain
        .accept(&block, now)
        .map_err(|refusal| refusal.to_string())?
    {
        jbc_chain::Accepted::Extended => Ok(Some(block)),
        jbc_chain::Accepted::AlreadyKnown if block.index() == 0 => Ok(None),
        _ => Err("it does not follow the block below it".to_owned()),
    }
}
