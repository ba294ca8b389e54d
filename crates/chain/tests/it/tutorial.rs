//! What the tutorial's own tests assert, restated for its vectors.

use std::cmp::Ordering;

use jbc_chain::{Accepted, Block, Chain, Network, Target, TemplateParts};

use crate::fixtures::{ARTICLES, NOW, TWENTY_DIGITS, hash, stamp};

fn chain_of_first(count: usize) -> Chain {
    let mut chain = Chain::new(&Network::classic());
    for fact in &ARTICLES[1..count] {
        assert_eq!(chain.accept(&fact.checked(), NOW), Ok(Accepted::Extended));
    }
    chain
}

#[test]
fn every_block_of_the_articles_is_valid_and_equals_itself_read_again() {
    for fact in ARTICLES.iter().chain(&TWENTY_DIGITS) {
        assert_eq!(fact.block().computed_hash(), hash(fact.hash));
        assert_eq!(fact.checked(), fact.checked());
    }
}

#[test]
fn of_two_blocks_at_one_height_the_timestamps_tell_which_came_first() {
    let (first, later) = (ARTICLES[3].block(), ARTICLES[4].block());
    assert_ne!(first, later);
    assert!(first.timestamp().instant() < later.timestamp().instant());
}

#[test]
fn a_block_with_another_parent_or_another_nonce_no_longer_has_its_hash() {
    let parent = hash("0000010101193736271818923939229219283747438293874548392789878987");
    let fact = &ARTICLES[1];
    let block = |prev_hash, nonce| {
        let data = fact.data.to_owned();
        Block::new(
            1,
            Some(prev_hash),
            data,
            stamp(fact.timestamp),
            nonce,
            hash(fact.hash),
        )
    };
    let rules = Network::classic().rules;
    let refused = |block: Block<_>| block.check(&rules).unwrap_err().rule;
    assert_eq!(refused(block(parent, fact.nonce)), "hash");
    assert_eq!(refused(block(hash(fact.prev_hash), 1_000_000)), "hash");
    assert!(
        block(hash(fact.prev_hash), fact.nonce)
            .check(&rules)
            .is_ok()
    );
}

#[test]
fn chains_compare_by_their_blocks_and_their_length() {
    let (mut longer, other) = (chain_of_first(3), chain_of_first(3));
    assert_eq!(longer.len(), 3);
    assert_eq!(longer, other);
    assert_eq!(longer.partial_cmp(&other), Some(Ordering::Equal));

    longer.accept(&ARTICLES[3].checked(), NOW).unwrap();
    assert_eq!(longer.len(), 4);
    assert_ne!(longer, other);
    assert_eq!(longer.partial_cmp(&other), Some(Ordering::Greater));
    assert_eq!(other.partial_cmp(&longer), Some(Ordering::Less));
}

#[test]
fn of_two_blocks_at_height_3_the_first_seen_stays() {
    for (first, second) in [(3, 4), (4, 3)] {
        let mut chain = chain_of_first(3);
        assert_eq!(
            chain.accept(&ARTICLES[first].checked(), NOW),
            Ok(Accepted::Extended)
        );
        assert_eq!(
            chain.accept(&ARTICLES[second].checked(), NOW),
            Ok(Accepted::SideBranch)
        );
        assert_eq!(*chain.tip().hash(), hash(ARTICLES[first].hash));
        assert!(chain.find_by_hash(&hash(ARTICLES[second].hash)).is_some());
    }
}

#[test]
fn blocks_are_found_by_index_and_by_hash() {
    let chain = chain_of_first(4);
    for fact in &ARTICLES[..4] {
        let by_index = chain.find_by_index(fact.index).unwrap();
        assert_eq!(*by_index.hash(), hash(fact.hash));
        assert_eq!(chain.find_by_hash(&hash(fact.hash)), Some(by_index));
    }
    assert_eq!(chain.find_by_index(4), None);
    assert_eq!(chain.find_by_index(u64::MAX), None);
    assert_eq!(chain.find_by_hash(&hash(ARTICLES[4].hash)), None);
}

#[test]
fn the_chain_with_20_digit_timestamps_is_valid() {
    let target = Target::from_zeros(5).unwrap();
    let network = Network::with_genesis("tests", target, TWENTY_DIGITS[0].block()).unwrap();
    let mut chain = Chain::new(&network);
    for fact in &TWENTY_DIGITS[1..] {
        assert_eq!(chain.accept(&fact.checked(), NOW), Ok(Accepted::Extended));
    }
    assert_eq!(*chain.tip().hash(), hash(TWENTY_DIGITS[3].hash));
}

#[test]
fn mining_with_the_same_timestamp_finds_the_very_same_block() {
    let target = Target::from_zeros(5).unwrap();
    let network = Network::with_genesis("tests", target, TWENTY_DIGITS[0].block()).unwrap();
    let chain = Chain::new(&network);
    let expected = &TWENTY_DIGITS[1];
    let parts = TemplateParts::next(chain.tip(), expected.data, stamp(expected.timestamp));

    let found = |nonces: std::ops::Range<u64>| {
        nonces
            .map(|nonce| parts.block(nonce))
            .find(|block| target.is_met_by(block.hash()))
    };
    assert_eq!(found(0..1000), None);
    assert_eq!(found(1_685_000..1_686_000), Some(expected.block()));
    assert_eq!(parts.prefix(), expected.block().preimage_prefix());
}

#[test]
fn the_two_built_in_networks_begin_with_their_first_blocks() {
    assert_eq!(Network::classic().genesis, ARTICLES[0].checked());
    let six = Network::classic6().genesis;
    assert!(six.hash().to_string().starts_with("000000"));
    assert_eq!(six.data(), "First block.");
}
