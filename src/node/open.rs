//! Opens a data folder: the stored chain if it is sound, a folder of block files if that is all there is, and what can
//! be saved if the database is damaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jbc_chain::{Block, Checked, Unchecked, UnixMicros};
use jbc_jobs::ledger::{Ledger, ReplayError};
use jbc_jobs::ports::{Clock, Store};
use jbc_jobs::task::Origin;

use super::job_store::{self, NodeJobStore};
use super::{NodeError, SystemClock};
use crate::config::Config;
use crate::import::read_folder;
use crate::progress::bar;
use crate::store::{BlockStore, DATA_FILE, DATABASE_FILE, OpenError, prepare_data};

/// An opened data folder.
pub struct OpenedFolder {
    /// Chain and store.
    pub ledger: Ledger<BlockStore>,
    /// What the scheduler keeps.
    pub(super) jobs: NodeJobStore,
}

/// Opens the folder.
///
/// # Errors
/// [`NodeError`] names what stands in the way.
pub(super) fn open(config: &Config) -> Result<OpenedFolder, NodeError> {
    let database = config.folder.join(DATABASE_FILE);
    let made = !database.exists();
    let ledger = match open_database(config) {
        Ok(ledger) => ledger,
        Err(OpenError::Damaged { reason, .. }) => rebuild(config, &reason)?,
        Err(error) => return Err(error.into()),
    };
    // Whenever no import came to its end, not only when the database is new: a kill may have cut the last one off.
    if ledger.store().files_tip().is_none() {
        import(config, &ledger, SystemClock.now()).inspect_err(|_| {
            // A database made for another network's files must not claim their folder.
            if made {
                let _ = fs::remove_file(&database);
            }
        })?;
    }
    ledger
        .guard(config.guards.clone())
        .map_err(|source| NodeError::Checkpoint {
            folder: config.folder.clone(),
            source,
        })?;
    // After the database, whose lock says whose the folder is.
    let jobs = job_store::open(&config.folder)?;
    Ok(OpenedFolder { ledger, jobs })
}

fn open_database(config: &Config) -> Result<Ledger<BlockStore>, OpenError> {
    let damaged = |reason: String| OpenError::Damaged {
        folder: config.folder.clone(),
        reason,
    };
    let store = BlockStore::open(&config.folder, &config.network)?;
    prepare_data(&config.folder, config.tag.as_deref(), &config.default_tag).map_err(|source| {
        OpenError::Folder {
            folder: config.folder.join(DATA_FILE),
            source,
        }
    })?;
    let progress = bar(store.stored_count(), "replaying the chain");
    let stored = store.stored().map_err(|error| damaged(error.to_string()))?;
    let ledger = Ledger::open(
        config.network.clone(),
        store,
        stored.inspect(|_| progress.inc(1)),
    );
    progress.finish_and_clear();
    ledger.map_err(|error: ReplayError| damaged(error.to_string()))
}

/// Moves the damaged database aside, in full view, and starts anew from the block files; peers bring the rest.
fn rebuild(config: &Config, reason: &str) -> Result<Ledger<BlockStore>, NodeError> {
    let aside = move_aside(&config.folder, DATABASE_FILE).map_err(|source| NodeError::File {
        file: DATABASE_FILE,
        source,
    })?;
    tracing::error!("THE DATABASE IS DAMAGED ({reason})");
    tracing::error!(
        "it is kept as {}; the chain is rebuilt from the block files and from peers",
        aside.display()
    );
    let ledger = open_database(config)?;
    // They were accepted once: a clock that was set back since loses none of them.
    import(config, &ledger, UnixMicros::MAX)?;
    if config.network.rules.is_v2() {
        tracing::error!("entries that waited in it are gone from here, unless a peer has them too");
    }
    tracing::error!(
        "rebuilt {} blocks from files; peers are asked for the rest",
        ledger.snapshot().blocks - 1
    );
    Ok(ledger)
}

/// Gives a damaged file of the folder a name that says so.
pub(super) fn move_aside(folder: &Path, file: &str) -> io::Result<PathBuf> {
    let seconds = SystemClock.now().0 / 1_000_000;
    let aside = folder.join(format!("{file}.damaged-{seconds}"));
    fs::rename(folder.join(file), &aside)?;
    Ok(aside)
}

/// About how many bytes of blocks an import holds before it writes them.
const IMPORT_BYTES: usize = 4 << 20;

/// Takes in the folder's block files. Those that are refused are listed and copied to `rejected/`, because this node
/// will write its own blocks under their names one day.
fn import(config: &Config, ledger: &Ledger<BlockStore>, now: UnixMicros) -> Result<(), NodeError> {
    let progress = bar(0, "importing block files");
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let take = |block: Block<Checked>| {
        bytes += block.size_bytes();
        batch.push(block.into_unchecked());
        if bytes < IMPORT_BYTES {
            return Ok(());
        }
        bytes = 0;
        admit(ledger, &std::mem::take(&mut batch), now)
    };
    let imported = read_folder(&config.folder, &config.network, now, take, |read| {
        progress.set_position(read)
    });
    progress.finish_and_clear();
    let imported = imported?;
    admit(ledger, &batch, now)?;
    for (path, reason) in &imported.rejects {
        tracing::warn!("not imported: {}: {reason}", path.display());
        keep(&config.folder, path).map_err(|source| NodeError::File {
            file: "rejected/",
            source,
        })?;
    }
    let (count, rejects) = (imported.count, imported.rejects.len());
    if count + rejects as u64 > 0 {
        let tip = ledger.snapshot().tip.index;
        tracing::info!("imported {count} block files up to block {tip}, {rejects} not taken");
        // They are on disk as they should be: only later blocks are written.
        let shown = imported.last.unwrap_or(*config.network.genesis.hash());
        let marked = ledger.store().set_files_tip(&shown);
        marked.map_err(|error| broken(&error))?;
    }
    Ok(())
}

fn admit(
    ledger: &Ledger<BlockStore>,
    blocks: &[Block<Unchecked>],
    now: UnixMicros,
) -> Result<(), NodeError> {
    let admitted = ledger
        .admit(blocks, &Origin::Mined, now)
        .map_err(|error| broken(&error))?;
    if admitted.full {
        let reason = "the disk is full: the block files were not imported".to_owned();
        return Err(NodeError::Broken { reason });
    }
    Ok(())
}

fn broken(error: &impl ToString) -> NodeError {
    NodeError::Broken {
        reason: error.to_string(),
    }
}

fn keep(folder: &Path, path: &Path) -> io::Result<()> {
    let rejected = folder.join("rejected");
    fs::create_dir_all(&rejected)?;
    let target = rejected.join(path.file_name().unwrap_or_default());
    if !target.exists() {
        fs::copy(path, target)?;
    }
    Ok(())
}
