//! The pool of blocks that wait for their parent.

use jbc_chain::{
    Block, Checked, MAX_ORPHANS, MAX_ORPHANS_PER_PEER, ORPHAN_LIFETIME_MICROS, Orphans,
};

use crate::fixtures::{NOW, after, branch, free};

fn siblings(count: usize) -> Vec<Block<Checked>> {
    let parent = after(&free().genesis, "parent");
    (0..count).map(|i| after(&parent, &i.to_string())).collect()
}

#[test]
fn children_are_taken_by_their_parent_in_the_order_they_came() {
    let genesis = free().genesis;
    let parent = after(&genesis, "parent");
    let (one, two) = (after(&parent, "one"), after(&parent, "two"));
    let stranger = after(&one, "grandchild");
    let mut orphans = Orphans::new();
    for (block, peer) in [(&one, "a"), (&stranger, "b"), (&two, "b")] {
        assert!(orphans.add(block.clone(), peer, NOW));
    }
    assert!(orphans.contains(one.hash()));
    let taken = orphans.take_children(parent.hash());
    assert_eq!(
        taken,
        [(one.clone(), "a".to_owned()), (two, "b".to_owned())]
    );
    assert!(!orphans.contains(one.hash()));
    assert_eq!(orphans.len(), 1);
    assert!(orphans.take_children(parent.hash()).is_empty());
    assert_eq!(
        orphans.take_children(one.hash()),
        [(stranger, "b".to_owned())]
    );
    assert!(orphans.is_empty());
}

#[test]
fn the_same_block_is_held_once() {
    let block = siblings(1).remove(0);
    let mut orphans = Orphans::new();
    assert!(orphans.add(block.clone(), "a", NOW));
    assert!(!orphans.add(block.clone(), "a", NOW));
    assert!(!orphans.add(block, "b", NOW));
    assert_eq!(orphans.len(), 1);
}

#[test]
fn one_peer_holds_ten_and_its_oldest_makes_room() {
    let blocks = siblings(MAX_ORPHANS_PER_PEER + 2);
    let mut orphans = Orphans::new();
    orphans.add(blocks[0].clone(), "other", NOW);
    for block in &blocks[1..] {
        assert!(orphans.add(block.clone(), "a", NOW));
    }
    assert_eq!(orphans.len(), MAX_ORPHANS_PER_PEER + 1);
    assert!(orphans.contains(blocks[0].hash()));
    assert!(!orphans.contains(blocks[1].hash()));
    assert!(orphans.contains(blocks[2].hash()));
}

#[test]
fn a_full_pool_drops_its_oldest() {
    let blocks = siblings(MAX_ORPHANS + 3);
    let mut orphans = Orphans::new();
    for (i, block) in blocks.iter().enumerate() {
        assert!(orphans.add(block.clone(), &format!("peer {i}"), NOW));
        assert!(orphans.len() <= MAX_ORPHANS);
    }
    let held = |i: usize| orphans.contains(blocks[i].hash());
    assert!(!held(0) && !held(2) && held(3) && held(MAX_ORPHANS + 2));
}

#[test]
fn an_orphan_is_held_for_an_hour() {
    let blocks = branch(&free().genesis, "x", 2);
    let mut orphans = Orphans::new();
    orphans.add(blocks[0].clone(), "a", NOW);
    orphans.add(blocks[1].clone(), "a", NOW.plus(1));
    orphans.expire(NOW.plus(ORPHAN_LIFETIME_MICROS));
    assert_eq!(orphans.len(), 2);
    orphans.expire(NOW.plus(ORPHAN_LIFETIME_MICROS + 1));
    assert_eq!(orphans.len(), 1);
    assert!(orphans.contains(blocks[1].hash()));
}
