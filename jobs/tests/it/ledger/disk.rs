//! A disk that is full, fails or panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jbc_jobs::ports::StoreError;
use jbc_jobs::task::{Origin, Verdict};

use super::{admit, posted, synced};
use crate::fakes::{Disk, NOW, branch, child, empty_ledger, genesis, hashes, ledger_of};

#[test]
fn a_full_disk_accepts_nothing_and_says_so() {
    let known = child(&genesis(), "known");
    let ledger = ledger_of([&known]);
    ledger.store().set_disk(Disk::Full);
    let blocks = branch(&known, "new", 3);
    for origin in [Origin::Mined, posted(), synced()] {
        let answer = admit(&ledger, &blocks, &origin);
        assert!(answer.full);
        assert!(answer.tip.is_none());
        assert_eq!(answer.verdicts, []);
    }
    let orphan = admit(&ledger, &blocks[1..2], &posted());
    assert!(orphan.full && orphan.verdicts.is_empty());
    assert_eq!(ledger.snapshot().tip.hash, *known.hash());
    assert_eq!(ledger.snapshot().orphans, 0);
    assert_eq!(ledger.store().stored(), std::slice::from_ref(&known));

    // What needs no room is answered as ever.
    let repeated = admit(&ledger, std::slice::from_ref(&known), &posted());
    assert!(!repeated.full);
    assert_eq!(repeated.verdicts, [Verdict::Known(*known.hash())]);
}

#[test]
fn a_disk_that_has_room_again_goes_on_where_it_was() {
    let ledger = empty_ledger();
    let blocks = branch(&genesis(), "new", 3);
    ledger.store().set_disk(Disk::Full);
    assert!(admit(&ledger, &blocks, &synced()).full);
    ledger.store().set_disk(Disk::Sound);
    assert!(!admit(&ledger, &blocks, &synced()).full);
    assert_eq!(hashes(&ledger.store().stored()), hashes(&blocks));
}

#[test]
fn a_disk_that_fills_in_the_middle_of_a_long_batch_keeps_what_is_written() {
    let ledger = empty_ledger();
    let blocks = branch(&genesis(), "new", 5_000);
    ledger.store().set_disk(Disk::FullAfter(2));
    let answer = admit(&ledger, &blocks, &synced());
    assert!(answer.full);
    let kept = ledger.store().stored();
    assert!((1..5_000).contains(&kept.len()));
    assert_eq!(ledger.snapshot().tip.hash, *kept.last().unwrap().hash());
    assert_eq!(answer.tip.unwrap().tip, ledger.snapshot().tip);
    assert_eq!(answer.verdicts.len(), kept.len());
}

#[test]
fn a_failed_write_is_an_error_and_nothing_is_seen_or_written_after_it() {
    for disk in [Disk::Broken, Disk::FullAtTheLastMoment] {
        let ledger = empty_ledger();
        ledger.store().set_disk(disk);
        let block = child(&genesis(), "new");
        let failed = ledger.admit(std::slice::from_ref(&block), &posted(), NOW);
        assert!(
            matches!(failed, Err(StoreError::Failed { .. })),
            "{disk:?}: {failed:?}"
        );
        assert_eq!(ledger.snapshot().tip.hash, *genesis().hash());

        // The node is about to stop. A write after one that may be half on disk would leave a gap in the store.
        ledger.store().set_disk(Disk::Sound);
        for next in [child(&block, "next"), child(&genesis(), "sibling")] {
            let again = ledger.admit(&[next], &posted(), NOW);
            assert!(
                matches!(again, Err(StoreError::Failed { .. })),
                "{disk:?}: {again:?}"
            );
        }
        assert_eq!(ledger.store().stored(), []);
        assert_eq!(ledger.snapshot().tip.hash, *genesis().hash());
    }
}

#[test]
fn a_write_that_panics_is_followed_by_no_other() {
    let ledger = empty_ledger();
    ledger.store().set_disk(Disk::Panics);
    let block = child(&genesis(), "new");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        ledger.admit(std::slice::from_ref(&block), &posted(), NOW)
    }));
    assert!(panicked.is_err());

    ledger.store().set_disk(Disk::Sound);
    let next = ledger.admit(&[child(&block, "next")], &posted(), NOW);
    assert!(matches!(next, Err(StoreError::Failed { .. })), "{next:?}");
    assert_eq!(ledger.store().stored(), []);
    assert_eq!(ledger.snapshot().tip.hash, *genesis().hash());
}
