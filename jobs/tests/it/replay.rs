//! The same chain after a restart.

use jbc_chain::{Block, Target, Unchecked};
use jbc_jobs::ledger::{Ledger, ReplayError};
use jbc_jobs::ports::StoreError;
use jbc_jobs::task::Origin;
use proptest::prelude::*;

use crate::fakes::{
    MemoryStore, NOW, at_height, best_chain, branch, chain_of, child, empty_ledger, genesis,
    ledger_of, network, network_of,
};

fn reopened(
    stored: impl IntoIterator<Item = Block<Unchecked>>,
) -> Result<Ledger<MemoryStore>, ReplayError> {
    Ledger::open(
        network(),
        MemoryStore::default(),
        stored.into_iter().map(Ok),
    )
}

/// A tree of valid blocks: each names its parent by a number, taken modulo the blocks before it.
fn tree(parents: &[usize]) -> Vec<Block<Unchecked>> {
    let mut blocks = vec![genesis()];
    for (number, parent) in parents.iter().enumerate() {
        let next = child(&blocks[parent % blocks.len()], &format!("block {number}"));
        blocks.push(next);
    }
    blocks.split_off(1)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn replay_in_first_seen_order_gives_the_same_chain_ties_included(
        parents in prop::collection::vec(any::<usize>(), 1..10),
        keys in prop::collection::vec(any::<u32>(), 10),
        batch in 1_usize..4,
    ) {
        let blocks = tree(&parents);
        let mut arrivals: Vec<_> = keys.iter().zip(&blocks).map(|(key, block)| (*key, block.clone())).collect();
        arrivals.sort_by_key(|(key, _)| *key);
        let arrivals: Vec<_> = arrivals.into_iter().map(|(_, block)| block).collect();

        let ledger = empty_ledger();
        let origin = Origin::Posted { address: [127, 0, 0, 1].into(), peer: None };
        // As a batch ends at its first gap, what is left of it comes again.
        for part in arrivals.chunks(batch) {
            for block in part {
                ledger.admit(std::slice::from_ref(block), &origin, NOW).unwrap();
            }
            ledger.admit(part, &origin, NOW).unwrap();
        }
        let stored = ledger.store().stored();
        prop_assert_eq!(stored.len(), blocks.len(), "every block found its parent");

        // The store's order is the order of arrival as far as parents allow, and the chain follows from it.
        let expected = chain_of(&stored);
        prop_assert_eq!(ledger.snapshot().tip.hash, *expected.tip().hash());

        let again = reopened(stored).unwrap();
        prop_assert_eq!(&again.snapshot().tip, &ledger.snapshot().tip);
        prop_assert_eq!(best_chain(&again), best_chain(&ledger));
        prop_assert_eq!(again.snapshot().side_blocks, ledger.snapshot().side_blocks);
        for block in &blocks {
            let id = |ledger: &Ledger<MemoryStore>| ledger.chain().find_by_hash(block.hash()).unwrap().id();
            prop_assert_eq!(id(&again), id(&ledger), "positions are the store's keys");
        }
    }
}

#[test]
fn of_a_tie_the_first_seen_is_the_tip_again() {
    let (first, second) = (child(&genesis(), "first"), child(&genesis(), "second"));
    for order in [[&first, &second], [&second, &first]] {
        let ledger = ledger_of(order);
        let again = reopened(ledger.store().stored()).unwrap();
        assert_eq!(again.snapshot().tip.hash, *order[0].hash());
    }
}

#[test]
fn what_was_accepted_is_taken_again_whatever_the_clock_says() {
    let blocks = branch(&genesis(), "stored", 3);
    let ahead = crate::fakes::child_at(&blocks[2], "ahead", NOW.plus(i64::MAX / 4));
    let stored = blocks.into_iter().chain([ahead.clone()]);
    assert_eq!(reopened(stored).unwrap().snapshot().tip.hash, *ahead.hash());
}

fn position(opened: Result<Ledger<MemoryStore>, ReplayError>) -> u64 {
    match opened.map(|_| ()) {
        Err(ReplayError::Foreign { position, .. }) => position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_store_is_named_with_the_first_block_at_fault() {
    let blocks = branch(&genesis(), "stored", 5);
    let with = |position: usize, block: Block<Unchecked>| {
        let mut stored = blocks.clone();
        stored[position] = block;
        stored
    };
    let mut gap = blocks.clone();
    gap.remove(2);
    assert_eq!(position(reopened(gap)), 3, "a block is missing");
    assert_eq!(
        position(reopened(with(3, at_height(&blocks[3], 9)))),
        4,
        "a block is misplaced"
    );
    assert_eq!(
        position(reopened(with(3, blocks[1].clone()))),
        4,
        "a block is there twice"
    );
}

#[test]
fn another_networks_store_is_not_opened() {
    let other = network_of("Another first block.", Target::MAX);
    let theirs = child(&other.genesis.into_unchecked(), "theirs");
    assert_eq!(position(reopened([theirs])), 1);
}

#[test]
fn a_store_that_can_not_be_read_is_an_error_of_its_own() {
    let torn = StoreError::Failed {
        action: "reading",
        reason: "torn".to_owned(),
    };
    let opened = Ledger::open(
        network(),
        MemoryStore::default(),
        std::iter::once(Err(torn)),
    );
    assert!(matches!(
        opened.map(|_| ()),
        Err(ReplayError::Store(StoreError::Failed { .. }))
    ));
}
