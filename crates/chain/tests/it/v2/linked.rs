//! Each rule that needs the parent, the chain or the clock.

use jbc_chain::{
    Accepted, Bits, Block, Chain, EntryId, Header, Refusal, Rejected, TemplateParts, Timestamp,
    UnixMicros, V2Parts, V2Rules,
};
use proptest::prelude::*;
use ruint::aliases::U512;

use super::bits::{any_bits, naive_compact};
use super::fixtures::{
    LATER, START_MS, chain_of, checked, clock, easiest, easy, easy_rules, first_header, millis,
    mined, network_of, next, parts_after, refused, sealed,
};

/// The header of the next block on the tip, changed and sealed again.
fn next_header(chain: &Chain, change: impl FnOnce(&mut Header)) -> Header {
    let mut header = next(chain, "next", 5_000).header().unwrap();
    change(&mut header);
    sealed(header)
}

#[test]
fn genesis_another_first_block_is_refused_and_ours_is_known() {
    let chain = Chain::new(easy());
    let ours = easy().genesis.header().unwrap();
    let known = chain.judge_header(&ours, LATER).unwrap();
    assert_eq!(
        (known.accepted(), known.id()),
        (Accepted::AlreadyKnown, EntryId::GENESIS)
    );
    let known = chain.judge(&easy().genesis, LATER).unwrap();
    assert_eq!(known.accepted(), Accepted::AlreadyKnown);

    let other = network_of("another", &easy_rules()).genesis;
    let genesis = ("genesis", "index");
    assert_eq!(refused(&chain, &other.header().unwrap(), LATER), genesis);
    assert!(matches!(
        chain.judge(&other, LATER),
        Err(Refusal::Rejected(Rejected {
            rule: "genesis",
            ..
        }))
    ));
}

#[test]
fn index_a_block_is_one_higher_than_its_parent() {
    let chain = chain_of(&[5_000, 5_000, 5_000]);
    for index in [1, 3, 5, 40, u64::MAX] {
        let header = next_header(&chain, |header| header.index = index);
        assert_eq!(refused(&chain, &header, LATER), ("index", "index"));
    }
    let good = next_header(&chain, |header| header.index = 4);
    assert!(chain.judge_header(&good, LATER).is_ok());
}

#[test]
fn an_unknown_parent_makes_an_orphan_which_breaks_no_rule() {
    let mut longer = chain_of(&[5_000]);
    let child = next(&longer, "child", 5_000);
    let chain = Chain::new(easy());
    let parent = *longer.tip().hash();
    let orphan = Refusal::Orphan { parent };
    assert_eq!(chain.judge(&child, LATER).unwrap_err(), orphan);
    let header = child.header().unwrap();
    assert_eq!(chain.judge_header(&header, LATER).unwrap_err(), orphan);
    assert_eq!(longer.accept(&child, LATER), Ok(Accepted::Extended));
}

#[test]
fn rising_a_timestamp_is_later_than_the_parents() {
    let chain = chain_of(&[5_000, 700]);
    let parent_ms = START_MS + 5_700;
    for time_ms in [START_MS, parent_ms - 1, parent_ms] {
        let header = next_header(&chain, |header| header.timestamp = millis(time_ms));
        assert_eq!(refused(&chain, &header, LATER), ("rising", "timestamp"));
    }
    let header = next_header(&chain, |header| header.timestamp = millis(parent_ms + 1));
    assert!(chain.judge_header(&header, LATER).is_ok());
    // Of its own parent, not of the tip.
    let beside = chain.find_by_index(1).unwrap();
    let bits = beside.bits().unwrap();
    let block = checked(mined(&parts_after(beside, "x", bits, START_MS + 5_001)));
    assert!(chain.judge(&block, LATER).is_ok());
}

#[test]
fn bits_a_block_states_what_follows_from_its_parent() {
    // Block 1 came fast, so block 2 must be a little harder than the limit.
    let chain = chain_of(&[1, 2_000, 9_000]);
    let expected = chain.next_bits().unwrap();
    assert_eq!(chain.next_target(), expected.target());
    let one_up = Bits::new(expected.as_u32() + 1).unwrap();
    let one_down = Bits::new(expected.as_u32() - 1).unwrap();
    for wrong in [one_up, one_down, easiest(), chain.tip().bits().unwrap()] {
        let header = next_header(&chain, |header| header.bits = wrong);
        assert_eq!(refused(&chain, &header, LATER), ("bits", "bits"), "{wrong}");
    }
    let good = next_header(&chain, |header| header.bits = expected);
    assert!(chain.judge_header(&good, LATER).is_ok());
}

#[test]
fn bits_block_1_has_those_of_block_0_whenever_it_comes() {
    let chain = Chain::new(easy());
    assert_eq!(chain.next_bits(), easy().genesis.bits());
    for elapsed in [1, 5_000, 600_000_000] {
        assert!(chain.judge(&next(&chain, "x", elapsed), LATER).is_ok());
    }
    let hard = network_of_bits("1f7fffff");
    assert_eq!(Chain::new(&hard).next_bits(), hard.genesis.bits());
    assert_eq!(hard.genesis.bits().unwrap().to_string(), "1f7fffff");
}

fn network_of_bits(bits: &str) -> jbc_chain::Network {
    let bits = bits.parse().unwrap();
    jbc_chain::Network::custom_v2("bits", &easy_rules(), bits, millis(START_MS)).unwrap()
}

#[test]
fn time_ahead_a_timestamp_is_at_most_two_intervals_ahead() {
    let chain = chain_of(&[5_000]);
    let time_ms = START_MS + 60_000;
    let header = next_header(&chain, |header| header.timestamp = millis(time_ms));
    let latest = clock(time_ms - 2 * 5_000);
    assert!(chain.judge_header(&header, latest).is_ok());
    let too_early = latest.plus(-1);
    let ahead = ("time-ahead", "timestamp");
    assert_eq!(refused(&chain, &header, too_early), ahead);
    let Err(Refusal::Rejected(rejected)) = chain.judge_header(&header, too_early) else {
        panic!("not refused")
    };
    assert!(rejected.may_pass_later());
    assert_eq!(
        rejected.reason,
        "must be at most 10000 ms ahead of this node's clock"
    );
    // It comes last: what is wrong besides is wrong for ever.
    let wrong = next_header(&chain, |header| {
        header.timestamp = millis(time_ms);
        header.bits = "1f7fffff".parse().unwrap();
    });
    assert_eq!(refused(&chain, &wrong, too_early), ("bits", "bits"));
}

#[test]
fn a_replay_ignores_the_clock_and_nothing_else() {
    let mut chain = chain_of(&[5_000]);
    let ahead = next(&chain, "ahead", 8_000_000_000_000);
    assert!(chain.accept(&ahead, LATER).is_err());
    assert_eq!(chain.accept_trusted(&ahead), Ok(Accepted::Extended));
    let header = next_header(&chain, |header| header.timestamp = millis(START_MS));
    let block = checked(Block::v2(header, vec![b"next".to_vec()].into()));
    assert!(matches!(
        chain.accept_trusted(&block),
        Err(Refusal::Rejected(Rejected { rule: "rising", .. }))
    ));
}

#[test]
fn a_miner_stamps_now_or_where_its_clock_is_behind_just_after_the_parent() {
    let chain = chain_of(&[5_000]);
    let parent_ms = START_MS + 5_000;
    for (now, expected) in [
        (clock(parent_ms + 9), parent_ms + 9),
        (UnixMicros(clock(parent_ms + 9).0 + 999), parent_ms + 9),
        (clock(parent_ms + 1), parent_ms + 1),
        (UnixMicros(clock(parent_ms).0 + 999), parent_ms + 1),
        (clock(parent_ms), parent_ms + 1),
        (UnixMicros(0), parent_ms + 1),
    ] {
        assert_eq!(chain.earliest_timestamp(now), millis(expected), "{now:?}");
    }
    let (tip, bits) = (chain.tip(), chain.next_bits().unwrap());
    let mut parts = parts_after(tip, "x", bits, START_MS);
    parts.timestamp = chain.earliest_timestamp(UnixMicros(0));
    assert!(chain.judge(&checked(mined(&parts)), LATER).is_ok());
}

#[test]
fn a_chain_gives_back_the_headers_it_was_given() {
    let mut chain = Chain::new(easy());
    let mut headers = vec![easy().genesis.header().unwrap()];
    for elapsed in [5_000, 1, 31_000] {
        let block = next(&chain, "x", elapsed);
        chain.accept(&block, LATER).unwrap();
        headers.push(block.header().unwrap());
    }
    for (position, expected) in headers.iter().enumerate() {
        let id = EntryId::from_u64(position as u64).unwrap();
        assert_eq!(chain.header(id).as_ref(), Some(expected));
        assert_eq!(chain.entry(id).unwrap().bits(), Some(expected.bits));
    }
    assert_eq!(chain.header(chain.next_id()), None);
    let classic = Chain::new(&crate::fixtures::free());
    assert_eq!(classic.header(EntryId::GENESIS), None);
    assert_eq!(
        (classic.next_bits(), classic.genesis().bits()),
        (None, None)
    );
}

#[test]
fn a_refused_header_leaves_nothing_behind() {
    let mut chain = chain_of(&[5_000]);
    let ahead = next(&chain, "x", 8_000_000_000);
    let header = ahead.header().unwrap();
    let now = clock(START_MS);
    assert!(chain.accept_header(&header, now).is_err());
    assert_eq!((chain.len(), chain.leaves()), (2, 1));
    assert_eq!(chain.header(chain.next_id()), None);
    let later = clock(START_MS + 9_000_000_000);
    assert_eq!(chain.accept_header(&header, later), Ok(Accepted::Extended));
    // A header and its block are the same block.
    assert_eq!(chain.accept(&ahead, later), Ok(Accepted::AlreadyKnown));
    assert_eq!(chain.find_block(&ahead).unwrap().hash(), ahead.hash());
}

#[test]
fn a_known_hash_with_another_header_is_no_block() {
    let mut chain = Chain::new(easy());
    let header = first_header();
    chain.accept_header(&header, LATER).unwrap();
    let other_root = Header {
        merkle_root: header.hash,
        ..header.clone()
    };
    assert_eq!(refused(&chain, &other_root, LATER), ("hash", "hash"));
    let other_bits = Header {
        bits: "207ffffe".parse().unwrap(),
        ..header
    };
    assert_eq!(refused(&chain, &other_bits, LATER), ("hash", "hash"));
}

#[test]
fn a_rolled_block_enters_by_the_same_door() {
    let mut chain = Chain::new(easy());
    let rest = vec![b"data".to_vec(), Vec::new()];
    let parts = TemplateParts {
        v2: Some(V2Parts::rolled("tag", easiest(), rest, 41, 4)),
        ..parts_after(chain.tip(), "tag", easiest(), START_MS + 1)
    };
    let block = (0..)
        .map(|nonce| parts.rolled_block(3, nonce))
        .find(|block| easiest().target().is_met_by(block.hash()))
        .unwrap();
    assert_eq!(block.entries()[0], b"tag\n44");
    assert_eq!(chain.accept(&checked(block), LATER), Ok(Accepted::Extended));
}

#[test]
fn the_last_timestamp_of_13_digits_is_clamped_to() {
    let last = Timestamp::from_instant_in_millis(UnixMicros::MAX);
    assert_eq!(last.to_string(), "9999999999999");
    let first = Timestamp::from_instant_in_millis(UnixMicros(0));
    assert_eq!(first.to_string(), "1000000000000");
    assert_eq!(last.instant(), UnixMicros(9_999_999_999_999_000));
    let before_1970 = Timestamp::from_instant_in_millis(UnixMicros(i64::MIN));
    assert_eq!(before_1970, first);
}

fn number(bits: Bits) -> U512 {
    U512::from_be_slice(&bits.target().to_be_bytes())
}

/// FORMATS.md's formula in plain numbers.
fn naive_next(rules: &V2Rules, bits: Bits, elapsed_ms: u64) -> Bits {
    let (interval, window) = (
        u128::from(rules.interval_ms),
        u128::from(rules.window_blocks),
    );
    let counted = u128::from(elapsed_ms).min(6 * interval);
    let product = number(bits) * U512::from((window - 1) * interval + counted);
    let target = (product / U512::from(window * interval)).min(number(rules.limit));
    let compact = naive_compact(target.to()).unwrap_or(bits.as_u32());
    Bits::new(compact).unwrap()
}

#[test]
fn next_bits_by_hand() {
    let rules = V2Rules {
        interval_ms: 1_000,
        limit: easiest(),
        window_blocks: 10,
    };
    let next = |bits: &str, elapsed| rules.next_bits(bits.parse().unwrap(), elapsed).to_string();
    // 0x100000 · (9000 + dt) / 10000
    assert_eq!(next("1d100000", 1_000), "1d100000");
    assert_eq!(next("1d100000", 0), "1d0e6666"); // · 0.9
    assert_eq!(next("1d100000", 6_000), "1d180000"); // · 1.5
    assert_eq!(next("1d100000", 6_001), "1d180000");
    assert_eq!(next("1d100000", u64::MAX), "1d180000");
    assert_eq!(next("1d100000", 2_000), "1d119999"); // · 1.1, rounded down
    assert_eq!(next("207fffff", 6_000), "207fffff"); // the limit
    assert_eq!(next("1d008000", 999), "1c7ffcb9"); // a byte shorter, and more digits with it
    assert_eq!(next("01010000", 0), "01010000"); // never zero
    assert_eq!(next("01010000", 6_000), "01010000");
}

proptest! {
    #[test]
    fn next_bits_is_the_formula(
        bits in any_bits(),
        limit in any_bits(),
        interval_ms in 100_u64..=86_400_000,
        window_blocks in 2_u64..=10_000,
        elapsed in prop_oneof![0_u64..1_000_000_000, any::<u64>()],
    ) {
        let rules = V2Rules { interval_ms, limit, window_blocks };
        let next = rules.next_bits(bits, elapsed);
        prop_assert_eq!(next, naive_next(&rules, bits, elapsed));
        prop_assert!(next <= limit || next == bits);
        prop_assert!(next <= rules.next_bits(bits, elapsed.saturating_add(1)));
    }
}
