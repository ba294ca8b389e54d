//! Blocks that come before their parents.

use jbc_chain::{Block, MAX_ORPHANS_PER_PEER, ORPHAN_LIFETIME_MICROS, Unchecked};
use jbc_jobs::task::{Origin, Verdict};

use super::{admit, posted, synced};
use crate::fakes::{
    NOW, SECOND, at_height, best_chain, branch, child, empty_ledger, genesis, hashes, local,
};

/// All orders of these things.
fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for chosen in 0..things.len() {
        let mut rest = things.to_vec();
        let first = rest.remove(chosen);
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

#[test]
fn a_chain_that_arrives_in_any_order_is_joined_when_the_last_link_comes() {
    let blocks = branch(&genesis(), "chain", 5);
    for order in orders(&blocks) {
        let ledger = empty_ledger();
        for block in &order {
            admit(&ledger, std::slice::from_ref(block), &posted());
        }
        assert_eq!(
            best_chain(&ledger)[1..],
            hashes(&blocks),
            "arrived as {order:?}"
        );
        assert_eq!(
            ledger.store().stored(),
            blocks,
            "parents are stored before their children"
        );
        assert_eq!(ledger.snapshot().orphans, 0);
    }
}

#[test]
fn orphans_that_find_their_parent_follow_it_in_the_answer_and_in_one_write() {
    let blocks = branch(&genesis(), "chain", 3);
    let ledger = empty_ledger();
    let orphan = admit(&ledger, &blocks[1..2], &posted());
    let (hash, parent) = (*blocks[1].hash(), *blocks[0].hash());
    assert_eq!(orphan.verdicts, [Verdict::Orphan { hash, parent }]);
    assert_eq!(ledger.snapshot().orphans, 1);
    admit(&ledger, &blocks[2..], &posted());
    assert_eq!(ledger.store().stored(), []);

    let answer = admit(&ledger, &blocks[..1], &posted());
    let best: Vec<_> = hashes(&blocks).into_iter().map(Verdict::Best).collect();
    assert_eq!(answer.verdicts, best);
    let change = answer.tip.unwrap();
    assert_eq!(
        (&change.block, change.from),
        (&blocks[2], *genesis().hash())
    );
}

#[test]
fn nobody_is_to_blame_for_an_orphan_that_somebody_else_had_sent() {
    let parent = child(&genesis(), "parent");
    let (bad, good) = (at_height(&child(&parent, "bad"), 9), child(&parent, "good"));
    let ledger = empty_ledger();
    for orphan in [&bad, &good] {
        admit(&ledger, std::slice::from_ref(orphan), &posted());
    }
    let answer = admit(&ledger, std::slice::from_ref(&parent), &synced());
    assert_eq!(answer.verdicts[0], Verdict::Best(*parent.hash()));
    let index_rule = |verdict: &Verdict| {
        matches!(
            verdict,
            Verdict::Refused {
                rule: "index",
                blame: false,
                ..
            }
        )
    };
    assert!(index_rule(&answer.verdicts[1]), "{:?}", answer.verdicts);
    assert_eq!(
        answer.verdicts[2],
        Verdict::Best(*good.hash()),
        "and the others still join"
    );
}

/// Orphans of different parents.
fn strays(count: usize) -> Vec<Block<Unchecked>> {
    let stray = |number| child(&child(&genesis(), &format!("parent {number}")), "stray");
    (0..count).map(stray).collect()
}

#[test]
fn the_pool_is_bounded_and_each_sender_has_its_share() {
    let ledger = empty_ledger();
    for block in strays(50) {
        admit(&ledger, &[block], &posted());
    }
    assert_eq!(ledger.snapshot().orphans, MAX_ORPHANS_PER_PEER);

    // On loopback all have one address, so a peer's word counts.
    let ledger = empty_ledger();
    for (block, port) in strays(50).into_iter().zip((5_000..5_005).cycle()) {
        let origin = Origin::Posted {
            address: [127, 0, 0, 1].into(),
            peer: Some(local(port)),
        };
        admit(&ledger, &[block], &origin);
    }
    assert_eq!(ledger.snapshot().orphans, 5 * MAX_ORPHANS_PER_PEER);
}

#[test]
fn orphans_are_forgotten_after_an_hour() {
    let ledger = empty_ledger();
    let strays = strays(2);
    admit(&ledger, &strays[..1], &posted());
    let later = NOW.plus(ORPHAN_LIFETIME_MICROS + SECOND);
    ledger.admit(&strays[1..], &posted(), later).unwrap();
    assert_eq!(ledger.snapshot().orphans, 1);
}
