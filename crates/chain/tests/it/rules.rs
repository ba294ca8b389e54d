//! Each rule's refusal, with its rule and field, and the last thing that still passes.

use jbc_chain::{
    Accepted, Block, Chain, Checked, EntryId, Hash, MAX_BLOCK_BYTES, MAX_LEAD_MICROS, Network,
    Refusal, Rejected, Rules, Target, TemplateParts, Timestamp, Unchecked, UnixMicros,
};

use crate::fixtures::{
    ARTICLES, NOW, SECOND, after, branch, chain_of, check_free, child, free, hash, stamp,
};

fn refused_alone(block: Block<Unchecked>, rules: &Rules) -> (&'static str, &'static str) {
    let Rejected { rule, field, .. } = block.check(rules).unwrap_err();
    (rule, field)
}

fn refused(chain: &Chain, block: &Block<Checked>, now: UnixMicros) -> (&'static str, &'static str) {
    match chain.judge(block, now) {
        Err(Refusal::Rejected(Rejected { rule, field, .. })) => (rule, field),
        other => panic!("{block} should break a rule: {other:?}"),
    }
}

/// A first block of the free network with this data and timestamp.
fn first(data: &str, timestamp: &str) -> Block<Unchecked> {
    TemplateParts::genesis(data, stamp(timestamp)).block(0)
}

/// The free network begun at this instant, in the 20-digit form.
fn free_from(instant: UnixMicros) -> Network {
    let timestamp = Timestamp::from_instant(instant);
    Network::custom("free", Target::MAX, "First block.", timestamp).unwrap()
}

#[test]
fn work_the_stated_hash_meets_the_target() {
    let six = Rules::Classic {
        target: Target::from_zeros(6).unwrap(),
    };
    assert_eq!(refused_alone(ARTICLES[0].block(), &six), ("work", "hash"));
    assert!(ARTICLES[4].block().check(&six).is_ok());

    let exact = Rules::Classic {
        target: ARTICLES[0].hash.parse().unwrap(),
    };
    assert!(ARTICLES[0].block().check(&exact).is_ok());
    let mut harder = exact.easiest_target().to_be_bytes();
    harder[31] -= 1;
    let harder = Rules::Classic {
        target: Target::from_be_bytes(harder),
    };
    assert_eq!(
        refused_alone(ARTICLES[0].block(), &harder),
        ("work", "hash")
    );
}

#[test]
fn work_a_block_checked_under_an_easier_network_is_refused_by_a_harder_chain() {
    let chain = Chain::new(&Network::classic());
    let easy = child(chain.tip(), "easy", stamp("1508895386"));
    assert_eq!(refused(&chain, &easy, NOW), ("work", "hash"));
}

#[test]
fn hash_the_stated_hash_is_the_computed_one() {
    let block = first("data", "1508895381");
    let claim = Block::new(
        0,
        None,
        "data".to_owned(),
        block.timestamp(),
        1,
        *block.hash(),
    );
    assert_eq!(refused_alone(claim, &free().rules), ("hash", "hash"));
}

#[test]
fn prev_hash_only_the_first_block_has_none() {
    let timestamp = stamp("1508895381");
    let parts = |index, prev_hash| TemplateParts {
        index,
        prev_hash,
        data: String::new(),
        timestamp,
        v2: None,
    };
    let some = Some(Hash::from_bytes([1; 32]));
    let rules = free().rules;
    assert_eq!(
        refused_alone(parts(0, some).block(0), &rules),
        ("prev-hash", "prev_hash")
    );
    assert_eq!(
        refused_alone(parts(1, None).block(0), &rules),
        ("prev-hash", "prev_hash")
    );
    assert!(parts(0, None).block(0).check(&rules).is_ok());
    assert!(parts(1, some).block(0).check(&rules).is_ok());
}

#[test]
fn size_a_block_has_at_most_16_kib_of_json() {
    let rules = free().rules;
    let empty = first("", "1508895381").size_bytes();
    for (text, bytes) in [("x", 1), ("é", 2), ("\n", 2), ("\u{1}", 6)] {
        let most = (MAX_BLOCK_BYTES - empty) / bytes;
        let block = first(&text.repeat(most), "1508895381");
        assert!(block.size_bytes() <= MAX_BLOCK_BYTES);
        assert!(block.check(&rules).is_ok());
        let block = first(&text.repeat(most + 1), "1508895381");
        assert_eq!(block.size_bytes(), block.to_json().len());
        assert_eq!(refused_alone(block, &rules), ("size", "data"));
    }
}

#[test]
fn ten_digit_data_no_ten_digits_before_a_ten_digit_timestamp() {
    let rules = free().rules;
    let refused = ("ten-digit-data", "data");
    assert_eq!(
        refused_alone(first("1508895381", "1508895381"), &rules),
        refused
    );
    assert_eq!(
        refused_alone(first("é01508895381", "1508895381"), &rules),
        refused
    );
    for data in ["", "508895381", "x508895381", "1508895381 ", "٣٣٣٣٣٣٣٣٣٣"] {
        assert!(first(data, "1508895381").check(&rules).is_ok(), "{data}");
    }
    assert!(
        first("1508895381", "20171025013621000000")
            .check(&rules)
            .is_ok()
    );
}

#[test]
fn genesis_another_first_block_is_refused_and_ours_is_known() {
    let network = free();
    let chain = Chain::new(&network);
    let known = chain.judge(&network.genesis, NOW).unwrap();
    assert_eq!(
        (known.accepted(), known.id()),
        (Accepted::AlreadyKnown, EntryId::GENESIS)
    );
    let other = check_free(first("Another first block.", "1508895381"));
    assert_eq!(refused(&chain, &other, NOW), ("genesis", "index"));
}

#[test]
fn index_a_block_is_one_higher_than_its_parent() {
    let chain = chain_of(&branch(&free().genesis, "a", 3));
    let parts = TemplateParts::next(chain.tip(), "b", stamp("20261121000000000000"));
    for index in [1, 3, 5, 40, u64::MAX] {
        let block = check_free(
            TemplateParts {
                index,
                ..parts.clone()
            }
            .block(0),
        );
        assert_eq!(refused(&chain, &block, NOW), ("index", "index"));
    }
    assert!(chain.judge(&check_free(parts.block(0)), NOW).is_ok());
}

#[test]
fn an_unknown_parent_makes_an_orphan_which_breaks_no_rule() {
    let blocks = branch(&free().genesis, "a", 2);
    let chain = Chain::new(&free());
    let parent = *blocks[0].hash();
    assert_eq!(
        chain.judge(&blocks[1], NOW).unwrap_err(),
        Refusal::Orphan { parent }
    );
}

#[test]
fn ten_digit_timestamp_ten_digits_only_while_every_ancestor_has_ten() {
    let mut chain = Chain::new(&free());
    chain
        .accept(&child(chain.tip(), "a", stamp("1508895382")), NOW)
        .unwrap();
    chain
        .accept(&child(chain.tip(), "b", stamp("20261101000000000000")), NOW)
        .unwrap();
    let ten = child(chain.tip(), "c", stamp("1793500000"));
    assert_eq!(
        refused(&chain, &ten, NOW),
        ("ten-digit-timestamp", "timestamp")
    );
    // Nor further up, nor does it matter on which branch another has twenty.
    chain
        .accept(&child(chain.tip(), "c", stamp("20261102000000000000")), NOW)
        .unwrap();
    let ten = child(chain.tip(), "d", stamp("1793600000"));
    assert_eq!(
        refused(&chain, &ten, NOW),
        ("ten-digit-timestamp", "timestamp")
    );
    let beside = child(chain.find_by_index(1).unwrap(), "d", stamp("1793600000"));
    assert_eq!(chain.accept(&beside, NOW), Ok(Accepted::SideBranch));
}

#[test]
fn median_a_timestamp_is_later_than_the_median_of_the_last_eleven() {
    // Out of order on purpose, and up to 14 blocks, so that the oldest drop out of the eleven.
    let seconds = [9, 3, 8, 12, 10, 11, 13, 30, 14, 15, 12, 16, 40, 17];
    let start = NOW.plus(-1000 * SECOND);
    let mut chain = Chain::new(&free_from(start));
    let mut instants = vec![start];
    for (step, &second) in seconds.iter().enumerate() {
        let mut last: Vec<UnixMicros> = instants.iter().rev().take(11).copied().collect();
        last.sort();
        let median = last[last.len() / 2];
        let at = |instant| child(chain.tip(), "x", Timestamp::from_instant(instant));
        assert_eq!(
            refused(&chain, &at(median), NOW),
            ("median", "timestamp"),
            "step {step}"
        );
        assert_eq!(
            refused(&chain, &at(median.plus(-SECOND)), NOW),
            ("median", "timestamp")
        );
        assert!(chain.judge(&at(median.plus(1)), NOW).is_ok());
        let earliest = chain.earliest_timestamp(UnixMicros(0));
        assert_eq!(earliest, Timestamp::from_instant(median.plus(1)));

        let instant = start.plus(second * SECOND).max(median.plus(1));
        let block = child(chain.tip(), "x", Timestamp::from_instant(instant));
        chain.accept(&block, NOW).unwrap();
        instants.push(instant);
    }
}

#[test]
fn median_both_kinds_of_timestamp_are_compared_as_instants() {
    let chain = Chain::new(&free()); // begun at 1508895381, which is 2017-10-25 01:36:21
    let same = child(chain.tip(), "x", stamp("20171025013621000000"));
    assert_eq!(refused(&chain, &same, NOW), ("median", "timestamp"));
    let later = child(chain.tip(), "x", stamp("20171025013621000001"));
    assert!(chain.judge(&later, NOW).is_ok());
}

#[test]
fn time_ahead_a_timestamp_is_at_most_two_hours_ahead() {
    let chain = Chain::new(&free());
    let at = |instant| child(chain.tip(), "x", Timestamp::from_instant(instant));
    assert!(chain.judge(&at(NOW.plus(MAX_LEAD_MICROS)), NOW).is_ok());
    let ahead = at(NOW.plus(MAX_LEAD_MICROS + 1));
    assert_eq!(refused(&chain, &ahead, NOW), ("time-ahead", "timestamp"));
    assert!(chain.judge(&ahead, NOW.plus(1)).is_ok());
    let Err(Refusal::Rejected(rejected)) = chain.judge(&ahead, NOW) else {
        panic!("not refused")
    };
    assert!(rejected.may_pass_later());
}

#[test]
fn a_replay_ignores_the_clock_and_nothing_else() {
    let mut chain = Chain::new(&free());
    let ahead = child(chain.tip(), "x", stamp("99991231235959999999"));
    assert_eq!(chain.accept_trusted(&ahead), Ok(Accepted::Extended));
    let early = child(chain.genesis(), "y", stamp("1508895381"));
    let Err(Refusal::Rejected(rejected)) = chain.accept_trusted(&early) else {
        panic!("not refused")
    };
    assert_eq!(rejected.rule, "median");
    assert!(!rejected.may_pass_later());
}

#[test]
fn a_refusal_says_rule_field_and_reason() {
    let rejected = ARTICLES[0]
        .block()
        .check(&Rules::Classic {
            target: Target::from_zeros(6).unwrap(),
        })
        .unwrap_err();
    let expected = "block refused by rule `work`: field `hash`: the hash does not meet the target";
    assert_eq!(rejected.to_string(), expected);
    let orphan = Refusal::Orphan {
        parent: hash(ARTICLES[0].hash),
    };
    assert_eq!(
        orphan.to_string(),
        format!("the parent {} is not known", ARTICLES[0].hash)
    );
}

#[test]
fn a_refused_block_leaves_the_chain_as_it_was_and_may_come_back() {
    let mut chain = chain_of(&branch(&free().genesis, "a", 2));
    let ahead = child(
        chain.tip(),
        "x",
        Timestamp::from_instant(NOW.plus(MAX_LEAD_MICROS + 1)),
    );
    let before = (
        chain.len(),
        *chain.tip().hash(),
        chain.leaves(),
        chain.next_id(),
    );
    assert!(chain.accept(&ahead, NOW).is_err());
    assert_eq!(
        (
            chain.len(),
            *chain.tip().hash(),
            chain.leaves(),
            chain.next_id()
        ),
        before
    );
    assert_eq!(chain.accept(&ahead, NOW.plus(1)), Ok(Accepted::Extended));
}

#[test]
fn a_judgement_changes_nothing_and_is_good_until_the_next_commit() {
    let genesis = free().genesis;
    let mut chain = Chain::new(&free());
    let (one, other) = (after(&genesis, "one"), after(&genesis, "other"));
    let judged_one = chain.judge(&one, NOW).unwrap();
    let judged_other = chain.judge(&other, NOW).unwrap();
    let twice = chain.judge(&one, NOW).unwrap();
    assert_eq!(chain.len(), 1);
    assert_eq!(judged_other.accepted(), Accepted::Extended);
    assert_eq!(judged_one.id(), chain.next_id());

    assert_eq!(chain.commit(judged_one), Ok(Accepted::Extended));
    let error = chain.commit(judged_other).unwrap_err();
    assert_eq!((error.judged.as_u64(), error.next.as_u64()), (1, 2));
    assert!(chain.commit(twice).is_err());
    assert_eq!((chain.len(), chain.leaves()), (2, 1));
    assert_eq!(chain.accept(&other, NOW), Ok(Accepted::SideBranch));

    let known = chain.judge(&other, NOW).unwrap();
    assert_eq!(
        (known.accepted(), known.id().as_u64()),
        (Accepted::AlreadyKnown, 2)
    );
    chain.accept(&after(&one, "next"), NOW).unwrap();
    assert_eq!(chain.commit(known), Ok(Accepted::AlreadyKnown));
}
