//! The jobs' `Store` port on redb: one table of blocks under their first-seen position, one of where each entry stands and one
//! of the entries that wait, and beside the database the
//! tutorial's files, `data.txt` and the block files that people watch.
//!
//! One process a folder: redb locks its file. What [`BlockStore::append`] has acknowledged survives a power cut.

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use jbc_chain::{Block, Checked, EntryId, Hash, Network, Unchecked, leaf_hash};
use jbc_jobs::pool::{PoolChange, PoolKey};
use jbc_jobs::ports::{Store, StoreError};
use redb::{
    Database, DatabaseError, MultimapTableDefinition, ReadableDatabase, ReadableTable,
    TableDefinition,
};

const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// In which blocks, by their positions, the posted entry of each leaf hash stands.
const LEAVES: MultimapTableDefinition<'_, &[u8; 32], u64> = MultimapTableDefinition::new("leaves");
/// The entries that wait for a block, in the pool's order.
const POOL: TableDefinition<'_, PoolKey, &[u8]> = TableDefinition::new("pool");
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// File name of the database.
pub const DATABASE_FILE: &str = "chain.redb";
/// File name of what this node mines.
pub const DATA_FILE: &str = "data.txt";
/// Memory that redb may use for pages, in bytes: the index of the chain is in our own memory, so little is read twice.
const CACHE_BYTES: usize = 16 << 20;
/// Room we insist on before writing, in bytes: some growth steps of the database, so that a write that began can end.
pub const ROOM_BYTES: u64 = 64 << 20;
/// Longest miner's data taken from `data.txt`, in bytes: a sentence, far below a block's limit.
const DATA_MAX_BYTES: usize = 1_024;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another node has it.
    #[error(
        "the data folder {folder} is in use by another node (one node a folder: choose another --port or --data-dir)"
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// It cannot be written.
    #[error("the data folder {folder} cannot be used: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// It holds another network's chain.
    #[error(
        "the data folder {folder} holds the network {theirs}, not {ours} (choose another --data-dir, or the --network it was made with)"
    )]
    OtherNetwork {
        /// The folder.
        folder: PathBuf,
        /// What it holds.
        theirs: String,
        /// What was asked for.
        ours: String,
    },
    /// The database is damaged.
    #[error("the database in {folder} is damaged: {reason}")]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// The database's words.
        reason: String,
    },
}

/// The database of one data folder.
pub struct BlockStore {
    folder: PathBuf,
    database: Database,
    next: AtomicU64,
}

impl BlockStore {
    /// Opens the folder's database, or makes one.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged database is left as it is.
    pub fn open(folder: &Path, network: &Network) -> Result<Self, OpenError> {
        let failed = |error: redb::Error| open_error(folder, error);
        fs::create_dir_all(folder).map_err(|source| OpenError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder
            .create(folder.join(DATABASE_FILE))
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => OpenError::InUse {
                    folder: folder.to_owned(),
                },
                error => failed(error.into()),
            })?;
        let next = prepare(&database, network).map_err(|error| failed(*error))?;
        match next {
            Ok(next) => Ok(Self {
                folder: folder.to_owned(),
                database,
                next: AtomicU64::new(next),
            }),
            Err(theirs) => Err(OpenError::OtherNetwork {
                folder: folder.to_owned(),
                theirs,
                ours: network.describe(),
            }),
        }
    }

    /// The stored blocks in first-seen order, the first block of the network left out.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the table cannot be read; the items say which block is damaged.
    pub fn stored(
        &self,
    ) -> Result<impl Iterator<Item = Result<Block<Unchecked>, StoreError>> + use<>, StoreError>
    {
        let reading = failed("reading the stored chain");
        let transaction = self.database.begin_read().map_err(reading)?;
        let table = transaction
            .open_table(BLOCKS)
            .map_err(failed("reading the stored chain"))?;
        let range = table
            .range::<u64>(..)
            .map_err(failed("reading the stored chain"))?;
        Ok(range.map(|item| {
            let (_, bytes) = item.map_err(failed("reading the stored chain"))?;
            decode(bytes.value())
        }))
    }

    /// How many blocks are stored.
    pub fn stored_count(&self) -> u64 {
        self.next.load(Ordering::Relaxed) - 1
    }

    fn write(
        &self,
        fill: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        fill(&transaction)?;
        Ok(transaction.commit()?)
    }
}

/// Makes the tables where they are missing. Answers the next free position, or the other network's name.
fn prepare(
    database: &Database,
    network: &Network,
) -> Result<Result<u64, String>, Box<redb::Error>> {
    let prepared = || -> Result<Result<u64, String>, redb::Error> {
        let transaction = database.begin_write()?;
        let next = {
            let blocks = transaction.open_table(BLOCKS)?;
            blocks
                .last()?
                .map_or(1, |(position, _)| position.value() + 1)
        };
        // Reading asks for tables that are there.
        transaction.open_multimap_table(LEAVES)?;
        transaction.open_table(POOL)?;
        let ours = network.fingerprint();
        let stored = {
            let mut meta = transaction.open_table(META)?;
            let fingerprint = meta.get("network")?.map(|text| text.value().to_owned());
            let name = meta
                .get("network_text")?
                .map(|text| text.value().to_owned());
            if fingerprint.is_none() {
                meta.insert("network", ours.as_str())?;
                meta.insert("network_text", network.describe().as_str())?;
            }
            fingerprint.zip(name)
        };
        transaction.commit()?;
        Ok(match stored {
            Some((fingerprint, name)) if fingerprint != ours => Err(name),
            _ => Ok(next),
        })
    };
    prepared().map_err(Box::new)
}

fn change_pool(
    transaction: &redb::WriteTransaction,
    change: &PoolChange,
) -> Result<(), redb::Error> {
    let mut pool = transaction.open_table(POOL)?;
    for key in &change.remove {
        pool.remove(key)?;
    }
    for (key, entry) in &change.add {
        pool.insert(key, &entry[..])?;
    }
    Ok(())
}

fn open_error(folder: &Path, error: redb::Error) -> OpenError {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    let folder = folder.to_owned();
    match error {
        redb::Error::Io(source) if !matches!(source.kind(), InvalidData | UnexpectedEof) => {
            OpenError::Folder { folder, source }
        }
        error => OpenError::Damaged {
            folder,
            reason: error.to_string(),
        },
    }
}

fn failed<E: Into<redb::Error>>(action: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError::Failed {
        action,
        reason: error.into().to_string(),
    }
}

fn decode(bytes: &[u8]) -> Result<Block<Unchecked>, StoreError> {
    Block::from_json(bytes).map_err(|error| StoreError::Failed {
        action: "reading a stored block",
        reason: error.to_string(),
    })
}

impl Store for BlockStore {
    fn append(
        &self,
        blocks: &[(EntryId, &Block<Checked>)],
        pool: &PoolChange,
    ) -> Result<(), StoreError> {
        let next = self.next.load(Ordering::Acquire);
        let in_order = (next..)
            .zip(blocks)
            .all(|(position, (id, _))| id.as_u64() == position);
        if !in_order {
            let reason =
                format!("the chain went on without the store: position {next} was never written");
            return Err(StoreError::Failed {
                action: "writing blocks",
                reason,
            });
        }
        let written = self.write(|transaction| {
            let mut table = transaction.open_table(BLOCKS)?;
            let mut leaves = transaction.open_multimap_table(LEAVES)?;
            for (id, block) in blocks {
                table.insert(id.as_u64(), block.to_json().as_bytes())?;
                for entry in block.posted() {
                    leaves.insert(leaf_hash(entry).as_bytes(), id.as_u64())?;
                }
            }
            change_pool(transaction, pool)
        });
        written.map_err(failed("writing blocks"))?;
        self.next
            .store(next + blocks.len() as u64, Ordering::Release);
        Ok(())
    }

    fn pool(&self) -> Result<Vec<(PoolKey, Vec<u8>)>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(POOL)?;
            let entries = table.iter()?.map(|item| {
                let (key, entry) = item?;
                Ok((key.value(), entry.value().to_vec()))
            });
            entries.collect()
        };
        read().map_err(failed("reading the entries that wait"))
    }

    fn blocks_with(&self, leaf: &Hash) -> Result<Vec<EntryId>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_multimap_table(LEAVES)?;
            let positions = table.get(leaf.as_bytes())?.map(|item| Ok(item?.value()));
            positions.collect::<Result<Vec<u64>, redb::Error>>()
        };
        let positions = read().map_err(failed("looking for an entry"))?;
        Ok(positions
            .into_iter()
            .filter_map(EntryId::from_u64)
            .collect())
    }

    fn load(&self, id: EntryId) -> Result<Option<Block<Unchecked>>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(BLOCKS)?;
            // The guard of `get` would not keep the transaction alive, nor so the page.
            Ok(table.get_owned(id.as_u64())?)
        };
        let found = read().map_err(failed("reading a block"))?;
        found.map(|bytes| decode(bytes.value())).transpose()
    }

    fn room(&self) -> Result<(), StoreError> {
        check_room(&self.folder)
    }

    fn miner_data(&self) -> String {
        miner_data(&self.folder).unwrap_or_else(|error| {
            tracing::warn!(%error, "{DATA_FILE} cannot be read: mining without words");
            String::new()
        })
    }

    fn write_file(&self, block: &Block<Unchecked>) -> Result<(), StoreError> {
        let path = block_file(&self.folder, block.index());
        replace_file(&path, block.to_json().as_bytes()).map_err(|error| StoreError::Failed {
            action: "writing a block file",
            reason: format!("{}: {error}", path.display()),
        })
    }

    fn remove_files_above(&self, height: u64) -> Result<(), StoreError> {
        let removing = |error: io::Error| StoreError::Failed {
            action: "removing block files",
            reason: error.to_string(),
        };
        for (index, path) in block_files(&self.folder).map_err(removing)? {
            if index > height {
                fs::remove_file(path).map_err(removing)?;
            }
        }
        Ok(())
    }

    fn files_tip(&self) -> Option<Hash> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(META)?;
            Ok(table.get("files_tip")?.map(|text| text.value().to_owned()))
        };
        read().ok().flatten()?.parse().ok()
    }

    fn set_files_tip(&self, tip: &Hash) -> Result<(), StoreError> {
        // The mark must not outlive the files: one sync for all of them, where one each would take hours.
        let synced =
            fs::File::open(&self.folder).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
        synced.map_err(|error| StoreError::Failed {
            action: "syncing the block files",
            reason: error.to_string(),
        })?;
        let written = self.write(|transaction| {
            transaction
                .open_table(META)?
                .insert("files_tip", tip.to_string().as_str())?;
            Ok(())
        });
        written.map_err(failed("noting the block files"))
    }
}

/// Whether the disk that a folder is on has the room that we insist on before writing.
///
/// # Errors
/// [`StoreError::Full`], or [`StoreError::Failed`] if the system does not say.
pub fn check_room(folder: &Path) -> Result<(), StoreError> {
    let disk = rustix::fs::statvfs(folder).map_err(|error| StoreError::Failed {
        action: "asking for the disk's room",
        reason: error.to_string(),
    })?;
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free_bytes < ROOM_BYTES {
        Err(StoreError::Full {
            free_bytes,
            needed_bytes: ROOM_BYTES,
        })
    } else {
        Ok(())
    }
}

/// The tutorial's name of a block's file, `000001.json`.
pub fn block_file(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("{index:06}.json"))
}

/// The block files of a folder with their heights, lowest first.
///
/// # Errors
/// When the folder cannot be listed.
pub fn block_files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let named = stem.len() >= 6 && stem.bytes().all(|byte| byte.is_ascii_digit());
        if named
            && path
                .extension()
                .is_some_and(|extension| extension == "json")
            && let Ok(index) = stem.parse()
        {
            files.push((index, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Writes a file under another name and renames it, so that a reader sees the old content or the new.
///
/// # Errors
/// The system's.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = fs::File::create(&temporary)?;
    file.write_all(content)?;
    drop(file);
    fs::rename(&temporary, path)
}

/// What this folder's node writes into its blocks: `data.txt` as it stands, without the line end an editor leaves.
fn miner_data(folder: &Path) -> io::Result<String> {
    let bytes = fs::read(folder.join(DATA_FILE))?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    Ok(text[..text.floor_char_boundary(DATA_MAX_BYTES)].to_owned())
}

/// Writes `data.txt`: the tag where one is given, else the default where there is no file yet.
///
/// # Errors
/// The system's.
pub fn prepare_data(folder: &Path, tag: Option<&str>, default: &str) -> io::Result<()> {
    let path = folder.join(DATA_FILE);
    match tag {
        Some(tag) => replace_file(&path, tag.as_bytes()),
        None if path.exists() => Ok(()),
        None => replace_file(&path, default.as_bytes()),
    }
}
