//! What the redb store makes of the files that it finds, and who may have them open.

use std::fs;
use std::path::{Path, PathBuf};

use ::redb::{Database, TableDefinition};

use super::*;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("job_store");
const JOBS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("jobs");

/// A folder that goes with the test, and the path of a store in it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.redb");
    (folder, path)
}

/// A store with the job `a`, closed.
fn store_with_a_job(path: &Path) {
    RedbStore::create(path)
        .unwrap()
        .apply(&[put("a", 1)])
        .unwrap();
}

/// Changes a database as another program would.
fn edit(path: &Path, change: impl FnOnce(&::redb::WriteTransaction)) {
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

fn refuses(path: &Path, reason: &str) {
    for error in [
        RedbStore::create(path).unwrap_err(),
        RedbStore::read(path).unwrap_err(),
    ] {
        assert_eq!(error.action, "open");
        assert_eq!(error.store, path.display().to_string());
        assert!(error.reason.contains(reason), "{error}");
    }
}

#[test]
fn a_store_in_a_file_is_there_again_when_it_is_opened_again() {
    let (_folder, path) = folder();
    store_with_a_job(&path);
    let store = RedbStore::create(&path).unwrap();
    assert_eq!(store.load().unwrap().jobs, [job("a", 1)]);
    assert_eq!(store.name(), path.display().to_string());
}

#[test]
fn a_store_that_is_open_is_in_use_for_all_others() {
    let (_folder, path) = folder();
    let store = RedbStore::create(&path).unwrap();
    store.apply(&[put("a", 1)]).unwrap();
    refuses(&path, "in use by another process");
    drop(store);
    assert_eq!(RedbStore::read(&path).unwrap().jobs, [job("a", 1)]);
}

#[test]
fn reading_leaves_the_file_as_it_is_also_after_a_crash() {
    let (folder, path) = folder();
    let store = RedbStore::create(&path).unwrap();
    store.apply(&[put("a", 1)]).unwrap();
    // What `kill -9` leaves behind: the file as the system has it, without redb's closing.
    let crashed = folder.path().join("crashed.redb");
    fs::copy(&path, &crashed).unwrap();
    drop(store);
    for file in [&crashed, &path] {
        let before = fs::read(file).unwrap();
        assert_eq!(RedbStore::read(file).unwrap().jobs, [job("a", 1)]);
        assert!(before == fs::read(file).unwrap(), "{file:?} was changed");
    }
    let clean = ::redb::ReadOnlyDatabase::open(&crashed);
    assert!(clean.is_err(), "the copy is no file that a crash left");
}

#[test]
fn two_may_read_at_a_time() {
    let (_folder, path) = folder();
    store_with_a_job(&path);
    let reader = ::redb::ReadOnlyDatabase::open(&path).unwrap();
    assert_eq!(RedbStore::read(&path).unwrap().jobs.len(), 1);
    drop(reader);
}

#[test]
fn reading_a_file_that_is_not_there_does_not_make_it() {
    let (_folder, path) = folder();
    let error = RedbStore::read(&path).unwrap_err();
    assert!(error.reason.contains("No such file"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_file_whose_making_was_cut_short_is_an_empty_store() {
    for len in [0, 1 << 20] {
        let (_folder, path) = folder();
        fs::write(&path, vec![0; len]).unwrap();
        assert_eq!(RedbStore::read(&path).unwrap(), Stored::default());
        store_with_a_job(&path);
        assert_eq!(RedbStore::read(&path).unwrap().jobs.len(), 1);
    }
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let (_folder, path) = folder();
    store_with_a_job(&path);
    edit(&path, |transaction| {
        let mut meta = transaction.open_table(META).unwrap();
        assert_eq!(meta.insert("format", 2).unwrap().unwrap().value(), 1);
    });
    refuses(
        &path,
        "it has format 2, which is newer than this program's format 1",
    );
}

#[test]
fn a_database_of_another_program_is_refused() {
    let (_folder, path) = folder();
    edit(&path, |transaction| {
        transaction.open_table(JOBS).unwrap();
    });
    refuses(&path, "a database of another program");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    let (_folder, path) = folder();
    for text in ["{}", "dear diary, today I wrote a job store"] {
        fs::write(&path, text).unwrap();
        refuses(&path, "Not a redb database");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_damaged_row_is_named_and_stays_and_the_others_are_read() {
    let (_folder, path) = folder();
    store_with_a_job(&path);
    let json = serde_json::to_vec(&job("c", 1)).unwrap();
    edit(&path, |transaction| {
        let mut jobs = transaction.open_table(JOBS).unwrap();
        jobs.insert("b", b"{\"id\":\"b\"".as_slice()).unwrap();
        jobs.insert("not c", json.as_slice()).unwrap();
    });
    let damaged = |stored: &Stored| -> Vec<String> {
        let rows = stored.damaged.iter();
        rows.map(|row| format!("{}: {}", row.key, row.reason))
            .collect()
    };

    let store = RedbStore::create(&path).unwrap();
    store.apply(&[put("d", 1)]).unwrap();
    let stored = store.load().unwrap();
    assert_eq!(stored.jobs, [job("a", 1), job("d", 1)]);
    assert_eq!(
        damaged(&stored),
        [
            "jobs/b: EOF while parsing an object at line 1 column 9",
            "jobs/not c: it is of the id c",
        ]
    );
}
