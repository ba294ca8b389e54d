//! The one door: duplicate → work → links → durable → published.

mod disk;
mod orphans;

use std::sync::Arc;

use jbc_chain::{Block, MAX_LEAD_MICROS, Target, Unchecked};
use jbc_jobs::ledger::{Ledger, POSTED_SIDE_BLOCKS_MAX, POSTED_SIDE_DEPTH_BLOCKS};
use jbc_jobs::task::{Origin, Validated, Verdict};

use crate::fakes::{
    Call, MemoryStore, NOW, SECOND, at_height, best_chain, branch, child, child_at, empty_ledger,
    genesis, hashes, ledger_of, network_of, some_hash, with_hash,
};

fn posted() -> Origin {
    Origin::Posted {
        address: [10, 0, 0, 1].into(),
        peer: None,
    }
}

fn synced() -> Origin {
    Origin::Synced {
        peer: crate::fakes::remote(1),
        claim: None,
        next: None,
    }
}

fn admit(ledger: &Ledger<MemoryStore>, blocks: &[Block<Unchecked>], origin: &Origin) -> Validated {
    ledger.admit(blocks, origin, NOW).unwrap()
}

fn refusal(answer: &Validated) -> (&'static str, &'static str, bool) {
    match answer.verdicts[..] {
        [
            Verdict::Refused {
                rule, field, blame, ..
            },
        ] => (rule, field, blame),
        ref verdicts => panic!("one refusal was expected, not {verdicts:?}"),
    }
}

#[test]
fn a_block_is_durable_before_anybody_sees_it() {
    let ledger = Arc::new(empty_ledger());
    let first = *genesis().hash();
    let reader = Arc::downgrade(&ledger);
    ledger.store().watch(move |call| {
        if matches!(call, Call::Append(_)) {
            let seen = reader.upgrade().unwrap().snapshot();
            assert_eq!((seen.tip.hash, seen.blocks), (first, 1));
        }
    });
    let blocks = branch(&genesis(), "new", 3);
    let answer = admit(&ledger, &blocks, &posted());
    assert_eq!(ledger.store().calls(), [Call::Room, Call::Append(3)]);
    let tip = answer.tip.unwrap();
    assert_eq!((tip.from, tip.depth, &tip.block), (first, 0, &blocks[2]));
    assert_eq!(tip.data, "mined by a test");
    assert_eq!(ledger.snapshot().tip, tip.tip);
    assert_eq!(hashes(&ledger.store().stored()), hashes(&blocks));
}

#[test]
fn a_repeated_block_touches_no_store() {
    let blocks = branch(&genesis(), "known", 2);
    let ledger = ledger_of(&blocks);
    for origin in [Origin::Mined, posted(), synced()] {
        let answer = admit(&ledger, &blocks, &origin);
        let known: Vec<_> = hashes(&blocks).into_iter().map(Verdict::Known).collect();
        assert_eq!(answer.verdicts, known);
        assert!(answer.tip.is_none());
    }
    let first = admit(&ledger, &[genesis()], &posted());
    assert_eq!(first.verdicts, [Verdict::Known(*genesis().hash())]);
    assert_eq!(ledger.store().calls(), []);
}

#[test]
fn a_block_of_bad_work_or_a_false_hash_touches_no_store_and_blames_its_sender() {
    let network = network_of("A harder one.", Target::from_zeros(1).unwrap());
    let ledger = Ledger::open(network.clone(), MemoryStore::default(), std::iter::empty()).unwrap();
    let block = child(&network.genesis.clone().into_unchecked(), "new");
    // Of both faults the cheaper to find comes first, and an unknown parent is not even looked for.
    let orphan = child(&with_hash(&block, some_hash(7)), "orphan");
    for (block, rule) in [
        (with_hash(&block, some_hash(u64::MAX)), "work"),
        (with_hash(&block, some_hash(1)), "hash"),
        (with_hash(&orphan, some_hash(u64::MAX)), "work"),
        (with_hash(&orphan, some_hash(1)), "hash"),
    ] {
        assert_eq!(
            refusal(&admit(&ledger, &[block], &posted())),
            (rule, "hash", true)
        );
    }
    assert_eq!(ledger.store().calls(), []);
}

#[test]
fn a_block_that_breaks_a_rule_of_the_chain_is_not_written() {
    let blocks = branch(&genesis(), "known", 2);
    let ledger = ledger_of(&blocks);
    let misplaced = at_height(&child(&blocks[1], "new"), 7);
    assert_eq!(
        refusal(&admit(&ledger, &[misplaced], &posted())),
        ("index", "index", true)
    );
    let early = child_at(&blocks[1], "new", genesis().timestamp().instant());
    assert_eq!(
        refusal(&admit(&ledger, &[early], &posted())),
        ("median", "timestamp", false),
        "an honest tutorial node stamps the start of its search"
    );
    assert!(
        ledger
            .store()
            .calls()
            .iter()
            .all(|call| *call == Call::Room)
    );
}

#[test]
fn nobody_is_to_blame_for_a_block_ahead_of_this_nodes_clock() {
    let ledger = empty_ledger();
    let ahead = child_at(&genesis(), "new", NOW.plus(MAX_LEAD_MICROS + SECOND));
    let answer = admit(&ledger, std::slice::from_ref(&ahead), &posted());
    assert_eq!(refusal(&answer), ("time-ahead", "timestamp", false));

    let later = ledger.admit(
        std::slice::from_ref(&ahead),
        &posted(),
        NOW.plus(2 * SECOND),
    );
    assert_eq!(
        later.unwrap().verdicts,
        [Verdict::Best(*ahead.hash())],
        "and it may come again"
    );
}

#[test]
fn of_a_batch_with_a_bad_block_in_the_middle_what_is_before_it_stays() {
    let blocks = branch(&genesis(), "sound", 8);
    let lie = with_hash(&blocks[4], some_hash(1));
    let misplaced = at_height(&blocks[4], 40);
    let ahead = child_at(&blocks[3], "ahead", NOW.plus(2 * MAX_LEAD_MICROS));
    for (bad, rule) in [(lie, "hash"), (misplaced, "index"), (ahead, "time-ahead")] {
        let mut batch = blocks[..4].to_vec();
        batch.push(bad.clone());
        batch.extend(branch(&bad, "on sand", 3));
        for origin in [synced(), Origin::Mined] {
            let ledger = empty_ledger();
            let answer = admit(&ledger, &batch, &origin);
            let kept: Vec<_> = hashes(&blocks[..4])
                .into_iter()
                .map(Verdict::Best)
                .collect();
            assert_eq!(answer.verdicts[..4], kept);
            assert_eq!(
                answer.verdicts.len(),
                5,
                "what builds on a bad block is not looked at"
            );
            assert!(
                matches!(answer.verdicts[4], Verdict::Refused { rule: found, .. } if found == rule)
            );
            assert_eq!(ledger.snapshot().tip.hash, *blocks[3].hash());
            assert_eq!(ledger.snapshot().orphans, 0, "and does not fill the pool");
            assert_eq!(answer.tip.unwrap().tip.index, 4);
        }
    }
}

#[test]
fn a_long_batch_ends_at_its_first_gap() {
    let mut blocks = branch(&genesis(), "gapped", 3_000);
    blocks.remove(1_500);
    let ledger = empty_ledger();
    let answer = admit(&ledger, &blocks, &synced());
    assert_eq!(ledger.snapshot().tip.index, 1_500);
    assert_eq!(answer.verdicts.len(), 1_501);
    assert!(matches!(answer.verdicts[1_500], Verdict::Orphan { .. }));
    assert_eq!(ledger.snapshot().orphans, 1);
}

#[test]
fn the_same_block_twice_in_a_batch_is_one_block() {
    let block = child(&genesis(), "new");
    let ledger = empty_ledger();
    let answer = admit(&ledger, &[block.clone(), block.clone()], &posted());
    let hash = *block.hash();
    assert_eq!(answer.verdicts, [Verdict::Best(hash), Verdict::Known(hash)]);
    assert_eq!(ledger.store().stored(), [block]);
}

#[test]
fn a_reorganisation_says_how_deep_it_was_and_where_it_came_from() {
    for (ours, theirs) in [(1, 2), (3, 5), (1_200, 2_500)] {
        let ours = branch(&genesis(), "ours", ours);
        let theirs = branch(&genesis(), "theirs", theirs);
        let ledger = ledger_of(&ours);
        let answer = admit(&ledger, &theirs, &synced());
        let change = answer.tip.unwrap();
        let last = ours.last().unwrap();
        assert_eq!(
            (change.depth, change.from),
            (ours.len() as u64, *last.hash())
        );
        assert_eq!(&change.block, theirs.last().unwrap());
        // Those that were on a side branch when they were accepted were lifted by the rest.
        let best: Vec<_> = hashes(&theirs).into_iter().map(Verdict::Best).collect();
        assert_eq!(answer.verdicts, best);
        let seen = ledger.snapshot();
        assert_eq!((seen.reorganisations, seen.deepest), (1, ours.len() as u64));
        assert_eq!(seen.side_blocks, ours.len());
        assert_eq!(best_chain(&ledger)[1..], hashes(&theirs));
    }
}

#[test]
fn a_tie_stays_with_the_first_seen() {
    let (first, second) = (child(&genesis(), "first"), child(&genesis(), "second"));
    let ledger = ledger_of([&first]);
    let answer = admit(&ledger, std::slice::from_ref(&second), &posted());
    assert_eq!(answer.verdicts, [Verdict::Side(*second.hash())]);
    assert!(answer.tip.is_none());
    assert_eq!(ledger.snapshot().tip.hash, *first.hash());
    assert_eq!(
        ledger.store().stored().len(),
        2,
        "side blocks are durable too"
    );
}

#[test]
fn a_posted_side_block_far_below_the_tip_is_refused_and_a_synced_one_is_not() {
    let depth = POSTED_SIDE_DEPTH_BLOCKS as usize;
    let main = branch(&genesis(), "main", depth + 5);
    let ledger = ledger_of(&main);
    let (deep, near) = (child(&main[2], "side"), child(&main[5], "side"));
    let answer = admit(&ledger, std::slice::from_ref(&deep), &posted());
    assert_eq!(refusal(&answer), ("side-branch", "index", false));
    let answer = admit(&ledger, std::slice::from_ref(&near), &posted());
    assert_eq!(answer.verdicts, [Verdict::Side(*near.hash())]);
    let answer = admit(&ledger, std::slice::from_ref(&deep), &synced());
    assert_eq!(answer.verdicts, [Verdict::Side(*deep.hash())]);
}

#[test]
fn posts_can_not_pile_up_side_blocks_without_end() {
    let main = branch(&genesis(), "main", 2);
    let ledger = ledger_of(&main);
    let siblings: Vec<_> = (0..POSTED_SIDE_BLOCKS_MAX)
        .map(|number| child(&genesis(), &format!("sibling {number}")))
        .collect();
    admit(&ledger, &siblings, &synced());
    assert_eq!(ledger.snapshot().side_blocks, POSTED_SIDE_BLOCKS_MAX);

    let one_more = child(&genesis(), "one more");
    let answer = admit(&ledger, std::slice::from_ref(&one_more), &posted());
    assert_eq!(refusal(&answer), ("side-branch", "index", false));
    // What grows the chain is taken all the same.
    let next = child(&main[1], "next");
    let answer = admit(&ledger, std::slice::from_ref(&next), &posted());
    assert_eq!(answer.verdicts, [Verdict::Best(*next.hash())]);
}
