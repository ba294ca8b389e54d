//! The pool of blocks that wait for their parent.

use jbc_chain::{
    Bits, Block, Checked, Hash, MAX_ORPHAN_BYTES, MAX_ORPHANS, MAX_ORPHANS_PER_PEER,
    ORPHAN_LIFETIME_MICROS, Orphans, Rules, TemplateParts, Timestamp, V2Parts, V2Rules,
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

/// Of the v2 kind, where a block may be a megabyte and its stated target as easy as the network allows.
#[test]
fn large_orphans_make_room_for_each_other_by_their_bytes() {
    let entries = vec![vec![b'x'; 4_096]; 180];
    let full = |number: u64| {
        let bits = Bits::new(0x207f_ffff).unwrap();
        let parts = TemplateParts {
            index: 7,
            prev_hash: Some(Hash::from_bytes([number as u8 + 1; 32])),
            data: "miner".to_owned(),
            timestamp: Timestamp::from_instant_in_millis(NOW),
            v2: Some(V2Parts::fixed("miner", bits, entries.clone())),
        };
        let rules = Rules::V2(V2Rules {
            interval_ms: 1_000,
            limit: bits,
            window_blocks: 30,
        });
        let mut checked = (0..).filter_map(|nonce| parts.block(nonce).check(&rules).ok());
        checked.next().unwrap()
    };
    let mut orphans = Orphans::new();
    let blocks: Vec<_> = (0..20).map(full).collect();
    let each = blocks[0].size_bytes();
    for (number, block) in blocks.iter().enumerate() {
        orphans.add(block.clone(), &format!("peer {number}"), NOW);
    }
    assert_eq!(orphans.len(), MAX_ORPHAN_BYTES / each);
    assert!(orphans.contains(blocks[19].hash()) && !orphans.contains(blocks[0].hash()));
    // What leaves by any door makes room again.
    orphans.take_children(blocks[19].prev_hash().unwrap());
    let before = orphans.len();
    orphans.add(blocks[0].clone(), "again", NOW);
    assert_eq!(orphans.len(), before + 1);
    orphans.expire(NOW.plus(ORPHAN_LIFETIME_MICROS + 1));
    assert!(orphans.is_empty() && orphans.add(blocks[1].clone(), "again", NOW));
}
