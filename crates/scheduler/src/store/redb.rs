//! A store in one file, on redb: a table each for jobs, dead jobs and paused ids, with a row of JSON for each id.
//!
//! What [`RedbStore::apply`] has acknowledged survives `kill -9` and a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    BackendError, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, TableError, TableHandle, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    DamagedRow, DeadJob, JobStore, StoreChange, StoreError, StoreErrorKind, Stored, StoredJob,
    oldest_first,
};
use crate::ids::JobId;

type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

const JOBS: Rows = TableDefinition::new("jobs");
const DEAD: Rows = TableDefinition::new("dead");
const PAUSED: Rows = TableDefinition::new("paused");
/// What the file is. A name of our own, so that the database of another program is not taken for a job store.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("job_store");
/// The row of [`META`] with the version of the format.
const FORMAT_KEY: &str = "format";
/// The format that this code writes: the tables above, with the serde form of their rows.
const FORMAT: u64 = 1;

/// Memory that redb may use for pages, in bytes: the scheduler has every job in its own memory and reads once.
const CACHE_BYTES: usize = 1 << 20;
/// What is locked, as redb's locks need it.
const WHOLE_FILE: (Bound<u64>, Bound<u64>) = (Bound::Unbounded, Bound::Unbounded);
/// How often an open finds the file in use before it says so. Who only reads holds the file for some milliseconds, and
/// must not keep a program from starting.
const OPEN_ATTEMPTS: u32 = 6;
/// Wait between two of these attempts.
const OPEN_RETRY_MS: u64 = 20;
/// How much of the file is copied at a time, in bytes.
const COPY_BYTES: usize = 1 << 20;
/// The first bytes of a file are zero until redb has made its database whole; then they are its magic number, of so
/// many bytes (redb's docs/design.md).
const MAGIC_BYTES: usize = 9;

/// Jobs in a file of their own. One process at a time has it open; [`read`](Self::read) serves others in between.
///
/// After an error of the disk every later [`apply`](JobStore::apply) fails until the store is opened again: once a sync
/// has failed, the system may go on to show data that the disk does not have, so nothing is built on it.
#[derive(Debug)]
pub struct RedbStore {
    name: String,
    database: Database,
}

impl RedbStore {
    /// Opens the store in this file, or makes one. A store that a crash has left behind is repaired. A file that is in
    /// use is waited for, a tenth of a second at most.
    ///
    /// # Errors
    /// If the file is in use, is not a job store, is one of a newer format, or cannot be read and written. What such a
    /// file holds stays as it is.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let mut attempts_left = OPEN_ATTEMPTS;
        loop {
            attempts_left -= 1;
            match create(path) {
                Err(failure) if failure.kind == StoreErrorKind::InUse && attempts_left > 0 => {
                    std::thread::sleep(Duration::from_millis(OPEN_RETRY_MS));
                }
                result => {
                    return result.map_err(|failure| failure.at(&name_of(path), "open"));
                }
            }
        }
    }

    /// A store on other storage than a file: for tests of what a disk can do. The name is for people.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn with_backend(
        name: impl Into<String>,
        backend: impl StorageBackend,
    ) -> Result<Self, StoreError> {
        let name = name.into();
        open(name.clone(), backend).map_err(|failure| failure.at(&name, "open"))
    }

    /// What the store in this file holds, while no process has it open. The file stays as it is, even after a crash:
    /// what is read, and repaired if it must be, is a copy in memory.
    ///
    /// # Errors
    /// If there is no such file, or it is in use, is not a job store, is one of a newer format, or cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Stored, StoreError> {
        let name = name_of(path.as_ref());
        let copy = copy_of_idle(path.as_ref()).map_err(|failure| failure.at(&name, "open"))?;
        match copy {
            Some(copy) => Self::with_backend(name, copy)?.load(),
            None => Ok(Stored::default()),
        }
    }

    fn write(&self, rows: &[Row<'_>]) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        for row in rows {
            let mut table = transaction.open_table(row.table)?;
            match &row.value {
                Some(json) => drop(table.insert(row.key, json.as_slice())?),
                None => drop(table.remove(row.key)?),
            }
        }
        Ok(transaction.commit()?)
    }

    fn read_all(&self) -> Result<Stored, redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut damaged = Vec::new();
        let jobs = rows(
            &transaction.open_table(JOBS)?,
            JOBS.name(),
            |job: &StoredJob| &job.id,
            &mut damaged,
        )?;
        let dead = rows(
            &transaction.open_table(DEAD)?,
            DEAD.name(),
            |dead: &DeadJob| &dead.id,
            &mut damaged,
        )?;
        let paused = rows(
            &transaction.open_table(PAUSED)?,
            PAUSED.name(),
            |id: &JobId| id,
            &mut damaged,
        )?;
        Ok(Stored {
            jobs,
            dead: oldest_first(dead),
            paused,
            damaged,
        })
    }
}

impl JobStore for RedbStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn load(&self) -> Result<Stored, StoreError> {
        self.read_all()
            .map_err(|error| Failure::of(error).at(&self.name, "read"))
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        let rows = changes
            .iter()
            .map(|change| Row::of(change, &self.name))
            .collect::<Result<Vec<_>, _>>()?;
        self.write(&rows)
            .map_err(|error| Failure::of(error).at(&self.name, "write"))
    }
}

/// A change as the tables see it.
struct Row<'a> {
    table: Rows,
    key: &'a str,
    /// The JSON to put; `None` deletes the row.
    value: Option<Vec<u8>>,
}

impl<'a> Row<'a> {
    fn of(change: &'a StoreChange, store: &str) -> Result<Self, StoreError> {
        let (table, id, value) = match change {
            StoreChange::PutJob(job) => (JOBS, &job.id, Some(json(&**job))),
            StoreChange::DeleteJob(id) => (JOBS, id, None),
            StoreChange::PutDead(dead) => (DEAD, &dead.id, Some(json(&**dead))),
            StoreChange::DeleteDead(id) => (DEAD, id, None),
            StoreChange::PutPause(id) => (PAUSED, id, Some(json(id))),
            StoreChange::DeletePause(id) => (PAUSED, id, None),
        };
        let value = value.transpose().map_err(|error| {
            let failure = Failure {
                kind: StoreErrorKind::Failed,
                reason: format!("{}/{id}: {error}", table.name()),
            };
            failure.at(store, "write")
        })?;
        Ok(Self {
            table,
            key: id.as_str(),
            value,
        })
    }
}

fn json(row: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(row)
}

/// Reads a table. A row that is not what it should be, or is not the one its key says, goes to `damaged`.
fn rows<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
    id: impl Fn(&T) -> &JobId,
    damaged: &mut Vec<DamagedRow>,
) -> Result<Vec<T>, redb::Error> {
    let mut read = Vec::new();
    for row in table.iter()? {
        let (key, json) = row?;
        let key = key.value();
        let reason = match serde_json::from_slice::<T>(json.value()) {
            Ok(value) if id(&value) == key => {
                read.push(value);
                continue;
            }
            Ok(value) => format!("it is of the id {}", id(&value)),
            Err(error) => error.to_string(),
        };
        let key = format!("{name}/{key}");
        damaged.push(DamagedRow { key, reason });
    }
    Ok(read)
}

/// Why a store was not opened, read or written.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct Failure {
    kind: StoreErrorKind,
    reason: String,
}

impl Failure {
    fn of(error: impl Into<redb::Error>) -> Self {
        let error = error.into();
        if matches!(error, redb::Error::DatabaseAlreadyOpen) {
            return Self::in_use();
        }
        Self {
            kind: kind_of(&error),
            reason: error.to_string(),
        }
    }

    fn in_use() -> Self {
        Self {
            kind: StoreErrorKind::InUse,
            reason: "it is in use by another process".to_owned(),
        }
    }

    fn at(self, store: &str, action: &'static str) -> StoreError {
        StoreError {
            store: store.to_owned(),
            action,
            kind: self.kind,
            reason: self.reason,
        }
    }
}

fn kind_of(error: &redb::Error) -> StoreErrorKind {
    match error {
        redb::Error::UpgradeRequired(_) => StoreErrorKind::OtherVersion,
        redb::Error::Corrupted(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => StoreErrorKind::Damaged,
        redb::Error::Io(error) => match error.kind() {
            // A file that ends too soon, or is none.
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::IsADirectory => {
                StoreErrorKind::Damaged
            }
            _ => StoreErrorKind::Failed,
        },
        _ => StoreErrorKind::Failed,
    }
}

fn name_of(path: &Path) -> String {
    path.display().to_string()
}

fn create(path: &Path) -> Result<RedbStore, Failure> {
    let is_new = !path.exists();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Failure::of)?;
    let file = FileBackend::new(file).map_err(Failure::of)?;
    let store = open(name_of(path), file)?;
    if is_new {
        sync_folder(path).map_err(Failure::of)?;
    }
    Ok(store)
}

fn open(name: String, backend: impl StorageBackend) -> Result<RedbStore, Failure> {
    forget_unfinished(&backend)?;
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(backend)
        .map_err(Failure::of)?;
    check_format(&database).map_err(Failure::of)??;
    Ok(RedbStore { name, database })
}

/// Makes the tables of a new store; says what is wrong with a file that is something else.
fn check_format(database: &Database) -> Result<Result<(), Failure>, redb::Error> {
    let reading = database.begin_read()?;
    let format = match reading.open_table(META) {
        Ok(meta) => meta.get(FORMAT_KEY)?.map(|row| row.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let is_empty = reading.list_tables()?.next().is_none();
    drop(reading);
    match format {
        Some(FORMAT) => Ok(Ok(())),
        Some(newer) if newer > FORMAT => Ok(Err(Failure {
            kind: StoreErrorKind::OtherVersion,
            reason: format!(
                "it has format {newer}, which is newer than this program's format {FORMAT}"
            ),
        })),
        None if is_empty => {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            make_tables(&transaction)?;
            Ok(Ok(transaction.commit()?))
        }
        _ => Ok(Err(Failure {
            kind: StoreErrorKind::Damaged,
            reason: "it is a database of another program, not a job store".to_owned(),
        })),
    }
}

fn make_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    for table in [JOBS, DEAD, PAUSED] {
        transaction.open_table(table)?;
    }
    transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    Ok(())
}

/// Whether the making of this file was cut short before anything could be in it: redb refuses such a file for ever.
fn is_unfinished(file: &impl StorageBackend) -> io::Result<bool> {
    let mut magic = [0; MAGIC_BYTES];
    let len = file.len()?;
    if len < magic.len() as u64 {
        return Ok(len == 0);
    }
    file.read(0, &mut magic)?;
    Ok(magic == [0; MAGIC_BYTES])
}

/// Empties a file whose making was cut short, so that it is made anew.
fn forget_unfinished(file: &impl StorageBackend) -> Result<(), Failure> {
    let (start, end) = WHOLE_FILE;
    // The same bytes that redb locks to write, so nobody is making the file right now.
    let has_locks = lock(file.try_lock_range(start, end))?;
    if is_unfinished(file).map_err(Failure::of)? {
        file.set_len(0).map_err(Failure::of)?;
    }
    if has_locks {
        file.unlock_range(start, end).map_err(Failure::of)?;
    }
    Ok(())
}

/// What came of locking; `false` is storage without locks, which redb opens too.
fn lock(locked: Result<bool, BackendError>) -> Result<bool, Failure> {
    match locked {
        Ok(true) => Ok(true),
        Ok(false) => Err(Failure::in_use()),
        Err(BackendError::Unsupported) => Ok(false),
        Err(error) => Err(Failure::of(error)),
    }
}

/// The file in memory, if no process has it open to write; `None` if there is nothing in it yet.
fn copy_of_idle(path: &Path) -> Result<Option<InMemoryBackend>, Failure> {
    let file = File::open(path).map_err(Failure::of)?;
    let file = FileBackend::new(file).map_err(Failure::of)?;
    let (start, end) = WHOLE_FILE;
    // Given back when the file is closed, at the end of this function.
    lock(file.try_lock_shared_range(start, end))?;
    if is_unfinished(&file).map_err(Failure::of)? {
        return Ok(None);
    }
    copy(&file).map(Some).map_err(Failure::of)
}

/// The file, in memory.
fn copy(file: &FileBackend) -> io::Result<InMemoryBackend> {
    let len = file.len()?;
    let copy = InMemoryBackend::new();
    copy.set_len(len)?;
    let mut at = 0;
    while at < len {
        let mut piece = vec![0; COPY_BYTES.min(usize::try_from(len - at).unwrap_or(COPY_BYTES))];
        file.read(at, &mut piece)?;
        copy.write(at, &piece)?;
        at += piece.len() as u64;
    }
    Ok(copy)
}

/// Makes the name of a new file durable: a sync of the file itself does not have to.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
