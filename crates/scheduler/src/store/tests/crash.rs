//! No crash and no failing disk makes the redb store forget what it has acknowledged, or show half of an apply.

use std::cell::Cell;

use ::redb::{Database, TableDefinition};

use super::disk::{Disk, Fault};
use super::*;

/// Applies with several changes each, so that half of one would be seen.
fn script() -> Vec<Vec<StoreChange>> {
    let many = |version| (0..25).map(move |n| put(&format!("many-{n}"), version));
    vec![
        vec![put("a", 1), put("b", 1), StoreChange::PutPause("p".into())],
        many(4).collect(),
        vec![
            StoreChange::DeleteJob("a".into()),
            put_dead("a", 3),
            put("b", 2),
            StoreChange::DeletePause("p".into()),
        ],
        many(5)
            .chain([StoreChange::DeleteJob("many-7".into())])
            .collect(),
        vec![put("a", 6), StoreChange::DeleteDead("a".into())],
    ]
}

/// A disk with an empty store in a file that is all but full, so that the script makes it grow.
fn nearly_full() -> Disk {
    const FILLER: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("filler");
    let disk = Disk::new();
    drop(RedbStore::with_backend("disk", disk.clone()).unwrap());
    let database = Database::builder()
        .create_with_backend(disk.clone())
        .unwrap();
    let transaction = database.begin_write().unwrap();
    let mut filler = transaction.open_table(FILLER).unwrap();
    // redb gives a value a power of two of bytes, and a new file has 1 MiB: these leave a sixteenth.
    for (key, bytes) in [500_000, 250_000, 120_000, 60_000].into_iter().enumerate() {
        filler
            .insert(key as u64, vec![1; bytes].as_slice())
            .unwrap();
    }
    drop(filler);
    transaction.commit().unwrap();
    drop(database);
    disk
}

/// Runs the script on this disk, and says what the store may hold afterwards.
fn run(disk: &Disk, script: &[Vec<StoreChange>]) -> Outcome {
    let mut outcome = Outcome {
        possible: vec![Model::default()],
        errors: Vec::new(),
    };
    let store = match RedbStore::with_backend("disk", disk.clone()) {
        Ok(store) => store,
        Err(error) => {
            outcome.errors.push(error);
            return outcome;
        }
    };
    for changes in script {
        let mut next = outcome.possible.clone();
        for model in &mut next {
            model.apply(changes);
        }
        match store.apply(changes) {
            Ok(()) => outcome.possible = next,
            Err(error) => {
                // After a failure redb writes no more.
                if !error.reason.contains("Previous I/O error") {
                    outcome.possible.extend(next);
                }
                outcome.errors.push(error);
            }
        }
        // A store that cannot be read says so; one that can be shows no mix.
        if let Ok(stored) = store.load() {
            outcome.assert_allows(&stored);
        }
    }
    outcome
}

struct Outcome {
    /// All states that are right: an apply whose writing failed may have been made or not.
    possible: Vec<Model>,
    errors: Vec<StoreError>,
}

impl Outcome {
    fn assert_allows(&self, stored: &Stored) {
        let allowed = self
            .possible
            .iter()
            .any(|model| model.contents() == *stored);
        assert!(
            allowed,
            "none of {} possible states has jobs {:?}, dead {:?}, paused {:?}, damaged {:?}",
            self.possible.len(),
            stored.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(),
            stored.dead,
            stored.paused,
            stored.damaged,
        );
    }

    fn assert_allows_disk(&self, disk: Disk) {
        let store = RedbStore::with_backend("disk", disk).unwrap();
        self.assert_allows(&store.load().unwrap());
    }
}

/// Runs the script on disks that begin as this one and have a fault, at every operation from the opening of the store to
/// its closing.
fn for_every_fault(
    start: &Disk,
    fault: impl Fn(u64) -> Fault,
    check: impl Fn(u64, &Disk, &Outcome),
) {
    let script = script();
    let faultless = start.after_kill();
    assert!(run(&faultless, &script).errors.is_empty());
    for at in 0..faultless.operations() {
        let disk = start.after_kill().with_fault(fault(at));
        check(at, &disk, &run(&disk, &script));
    }
}

fn loses_nothing_by_a_crash(start: &Disk) {
    for_every_fault(
        start,
        |at| Fault::PowerLost { at },
        |at, disk, outcome| {
            outcome.assert_allows_disk(disk.after_kill());
            outcome.assert_allows_disk(disk.after_power_cut(|_| false));
            // Disks write in any order: all but the first page, which is the header; then some of them.
            outcome.assert_allows_disk(disk.after_power_cut(|nth| nth > 0));
            outcome.assert_allows_disk(disk.after_power_cut(|nth| nth as u64 % 3 != at % 3));
        },
    );
}

#[test]
fn a_crash_at_any_write_or_sync_of_a_new_store_loses_nothing_and_halves_nothing() {
    loses_nothing_by_a_crash(&Disk::new());
}

#[test]
fn a_crash_at_any_write_or_sync_of_a_growing_store_loses_nothing_and_halves_nothing() {
    let start = nearly_full();
    let disk = start.after_kill();
    run(&disk, &script());
    assert!(
        disk.most_bytes() > start.most_bytes(),
        "the file did not grow"
    );
    loses_nothing_by_a_crash(&start);
}

#[test]
fn a_disk_without_room_is_an_error_and_nothing_acknowledged_is_lost() {
    let failed_applies = Cell::new(0);
    for_every_fault(
        &Disk::new(),
        |at| Fault::Full { at },
        |_, disk, outcome| {
            if let Some(error) = outcome.errors.first() {
                assert!(error.reason.contains("os error 28"), "{error}");
                assert!(["open", "write"].contains(&error.action), "{error}");
                failed_applies.set(failed_applies.get() + usize::from(error.action == "write"));
            }
            outcome.assert_allows_disk(disk.after_kill());
            outcome.assert_allows_disk(disk.after_power_cut(|_| false));
        },
    );
    let failed_applies = failed_applies.get();
    assert!(
        failed_applies > script().len(),
        "only {failed_applies} applies failed"
    );
}
