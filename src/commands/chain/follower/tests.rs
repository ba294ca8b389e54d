//! Chains that are followed to their end, and those that are not.

use jbc_chain::{Bits, Block, Header, Timestamp, Unchecked};

use super::super::fixtures::{NOW, headers, network, next, next_by, plain_chain, work};
use super::*;

fn follower(blocks: &[Header]) -> Result<Follower, Broken> {
    let mut follower = Follower::new(network("follower"), NOW);
    blocks
        .iter()
        .try_for_each(|header| follower.take_header(header))
        .map(|()| follower)
}

fn refused(blocks: &[Header]) -> (u64, &'static str, &'static str) {
    let broken = follower(blocks).unwrap_err();
    (broken.index, broken.rejected.rule, broken.rejected.field)
}

#[test]
fn headers_and_blocks_are_followed_alike() {
    let blocks = plain_chain(&network("follower"), 20);
    let by_headers = follower(&headers(&blocks)).unwrap();
    let mut by_blocks = Follower::new(network("follower"), NOW);
    for block in &blocks {
        by_blocks.take(&Item::Block(block.clone())).unwrap();
    }
    assert_eq!((by_blocks.taken(), by_headers.taken()), (20, 20));
    assert_eq!(
        by_blocks.into_chain().unwrap(),
        by_headers.into_chain().unwrap()
    );
}

#[test]
fn a_home_made_genesis_is_refused() {
    let others = headers(&plain_chain(&network("another"), 3));
    assert_eq!(refused(&others), (0, "genesis", "hash"));
    let ours = headers(&plain_chain(&network("follower"), 3));
    assert_eq!(refused(&ours[1..]), (1, "genesis", "hash"));
    // One that only claims the hash.
    let mut forged = others[0].clone();
    forged.hash = ours[0].hash;
    assert_eq!(refused(&[forged]), (0, "hash", "hash"));
}

#[test]
fn gaps_doubles_and_another_order_are_refused() {
    let good = headers(&plain_chain(&network("follower"), 6));
    let mut gap = good.clone();
    gap.remove(3);
    assert_eq!(refused(&gap), (4, "index", "index"));
    let mut double = good.clone();
    double.insert(3, good[2].clone());
    assert_eq!(refused(&double), (2, "index", "index"));
    let mut swapped = good.clone();
    swapped.swap(3, 4);
    assert_eq!(refused(&swapped), (4, "index", "index"));
}

/// Headers of a chain whose fourth block was changed before its work was done.
fn with_fourth(change: impl Fn(&mut Header)) -> Vec<Header> {
    let blocks = plain_chain(&network("follower"), 3);
    let changed = next_by(&blocks[2], &[], change);
    let mut headers = headers(&blocks);
    headers.push(changed.header().unwrap());
    headers
}

#[test]
fn what_was_made_by_other_rules_is_refused_although_work_was_done() {
    let harder = with_fourth(|header| header.bits = Bits::new(0x2070_0000).unwrap());
    assert_eq!(refused(&harder), (3, "bits", "bits"));
    let early = with_fourth(|header| {
        header.timestamp = Timestamp::parse_millis("1700000000001").unwrap();
    });
    assert_eq!(refused(&early), (3, "rising", "timestamp"));
    let late = with_fourth(|header| {
        header.timestamp = Timestamp::from_instant_in_millis(NOW.plus(3_600_000_000));
    });
    assert_eq!(refused(&late), (3, "time-ahead", "timestamp"));
    let elsewhere = with_fourth(|header| header.prev_hash = Some(Hash::from_bytes([7; 32])));
    assert_eq!(refused(&elsewhere), (3, "parent", "prev_hash"));
}

#[test]
fn an_easier_target_than_the_one_that_follows_is_refused_although_work_was_done() {
    // Blocks in a hurry make the target smaller; the last keeps the first one.
    let mut blocks: Vec<Block<Unchecked>> = plain_chain(&network("follower"), 2);
    let hurried = |header: &mut Header| {
        header.timestamp = Timestamp::parse_millis("1700000005001").unwrap();
    };
    let last = next_by(&blocks[1], &[], hurried);
    blocks.push(last.clone());
    let lazy = next(&last, &[]);
    let mut all = headers(&blocks);
    all.push(lazy.header().unwrap());
    assert_eq!(refused(&all), (3, "bits", "bits"));
}

#[test]
fn work_that_was_not_done_and_a_hash_that_is_not_the_texts_are_refused() {
    let mut lazy = headers(&plain_chain(&network("follower"), 4));
    let header = &mut lazy[3];
    while header.bits.target().is_met_by(&header.hash) {
        header.nonce += 1;
        header.hash = header.computed_hash();
    }
    assert_eq!(refused(&lazy), (3, "work", "hash"));
    let mut claimed = headers(&plain_chain(&network("follower"), 4));
    claimed[3].merkle_root = Hash::from_bytes([1; 32]);
    assert_eq!(refused(&claimed), (3, "hash", "hash"));
}

#[test]
fn a_branch_is_left_for_one_with_more_work() {
    let blocks = plain_chain(&network("follower"), 6);
    let mut follower = follower(&headers(&blocks)).unwrap();
    follower.rewind(4);
    assert_eq!((follower.taken(), follower.last()), (4, *blocks[3].hash()));
    assert_eq!(follower.hash_at(4), None);
    let mut parent = blocks[3].clone();
    for _ in 0..3 {
        let mut header = next(&parent, &[b"other"]).header().unwrap();
        work(&mut header);
        follower.take_header(&header).unwrap();
        parent = Block::v2(header, vec![].into());
    }
    assert_eq!(follower.hash_at(2), Some(*blocks[2].hash()));
    assert_eq!(follower.into_chain().unwrap().tip().hash(), parent.hash());
}

#[test]
fn a_branch_left_for_one_without_more_work_is_no_end() {
    let blocks = plain_chain(&network("follower"), 6);
    let mut follower = follower(&headers(&blocks)).unwrap();
    follower.rewind(5);
    assert!(follower.into_chain().is_err());
    assert!(
        Follower::new(network("follower"), NOW)
            .into_chain()
            .is_err()
    );
}
