//! RELIABILITY.md, "Classic's holes, closed": blocks that keep a known hash, and so its work, with
//! other fields.

use jbc_chain::{
    Accepted, Block, Chain, Checked, Hash, Network, Refusal, Target, TemplateParts, Timestamp,
    Unchecked, UnixMicros,
};

use crate::fixtures::{ARTICLES, NOW, TWENTY_DIGITS, chain_of, check_free, free, hash, stamp};

fn articles() -> Chain {
    let mut chain = Chain::new(&Network::classic());
    for fact in &ARTICLES[1..4] {
        chain.accept(&fact.checked(), NOW).unwrap();
    }
    chain
}

fn json(
    index: &str,
    prev_hash: &str,
    data: &str,
    timestamp: &str,
    nonce: &str,
    hash: &str,
) -> String {
    format!(
        r#"{{"index":"{index}","prev_hash":"{prev_hash}","data":"{data}","timestamp":"{timestamp}","nonce":"{nonce}","hash":"{hash}"}}"#
    )
}

fn fault(text: &str) -> String {
    Block::from_json(text.as_bytes()).unwrap_err().field
}

fn rule_of(result: Result<Accepted, Refusal>) -> &'static str {
    match result {
        Err(Refusal::Rejected(rejected)) => rejected.rule,
        other => panic!("should break a rule: {other:?}"),
    }
}

#[test]
fn leading_zeros_cut_from_prev_hash_do_not_lift_a_block_to_height_10_100_or_1000() {
    let fact = &ARTICLES[1];
    for zeros in 1..=5 {
        let index = format!("1{}", "0".repeat(zeros));
        let cut = &fact.prev_hash[zeros..];
        let text = json(&index, cut, fact.data, fact.timestamp, "1225518", fact.hash);
        assert_eq!(fault(&text), "prev_hash");
        // Filled up to 64 digits from the data that follows, it names an unknown parent at best.
        let filled = format!("{cut}{}", &"abcdef"[..zeros]);
        let text = json(
            &index,
            &filled,
            fact.data,
            fact.timestamp,
            "1225518",
            fact.hash,
        );
        let claim = Block::from_json(text.as_bytes()).unwrap();
        assert_eq!(
            claim.check(&Network::classic().rules).unwrap_err().rule,
            "hash"
        );
    }
}

#[test]
fn digits_do_not_move_between_index_and_prev_hash() {
    let fact = &ARTICLES[1];
    let longer = format!("1{}", fact.prev_hash);
    let text = json("", &longer, fact.data, fact.timestamp, "1225518", fact.hash);
    assert_eq!(fault(&text), "index");
    let text = json(
        "01",
        fact.prev_hash,
        fact.data,
        fact.timestamp,
        "1225518",
        fact.hash,
    );
    assert_eq!(fault(&text), "index");
}

#[test]
fn characters_do_not_move_between_prev_hash_and_data() {
    let fact = &ARTICLES[1];
    let (kept, moved) = fact.prev_hash.split_at(60);
    let text = json(
        "1",
        kept,
        &format!("{moved}{}", fact.data),
        fact.timestamp,
        "1225518",
        fact.hash,
    );
    assert_eq!(fault(&text), "prev_hash");
    let text = json(
        "1",
        "",
        &format!("{}{}", fact.prev_hash, fact.data),
        fact.timestamp,
        "1225518",
        fact.hash,
    );
    assert_eq!(fault(&text), "prev_hash");
}

#[test]
fn digits_do_not_move_between_data_timestamp_and_nonce() {
    let fact = &ARTICLES[1]; // …"I block #1" "1508895386" "1225518"
    let moves = [
        ("I block #", "11508895386", "1225518"),
        ("I block #", "1150889538", "61225518"),
        ("I block #11", "508895386", "1225518"),
        ("I block #11", "5088953861", "225518"),
        ("I block #1", "15088953861", "225518"),
        ("I block #1", "150889538", "61225518"),
        ("I block #115", "0889538612", "25518"),
    ];
    let rules = Network::classic().rules;
    let mut chain = articles();
    for (data, timestamp, nonce) in moves {
        let text = json("1", fact.prev_hash, data, timestamp, nonce, fact.hash);
        let Ok(twin) = Block::from_json(text.as_bytes()) else {
            assert_eq!(fault(&text), "timestamp");
            continue;
        };
        // The hash holds: that is the hole. The chain closes it.
        let twin = twin.check(&rules).unwrap();
        assert_eq!(twin.preimage(), fact.block().preimage());
        let rule = rule_of(chain.accept(&twin, NOW));
        assert!(
            ["median", "time-ahead", "twin"].contains(&rule),
            "{data} {timestamp}: {rule}"
        );
    }
    assert_eq!(chain.len(), 4);
}

#[test]
fn a_20_digit_block_has_no_ten_digit_twin() {
    let fact = &TWENTY_DIGITS[1];
    let (first, last) = fact.timestamp.split_at(10);
    let data = format!("{}{first}", fact.data);
    let twin = json("1", fact.prev_hash, &data, last, "1685195", fact.hash);
    // Here the last ten digits happen to begin with a zero; with others, the data rule refuses it.
    assert_eq!(
        fault(&twin),
        if last.starts_with('0') {
            "timestamp"
        } else {
            "data"
        }
    );

    let parts = |data: &str, timestamp| TemplateParts::genesis(data, stamp(timestamp)).block(5);
    let long = parts("tag", "20171025121508895381");
    let short = parts("tag2017102512", "1508895381");
    assert_eq!(long.hash(), short.hash());
    assert!(long.check(&free().rules).is_ok());
    assert_eq!(
        short.check(&free().rules).unwrap_err().rule,
        "ten-digit-data"
    );
}

#[test]
fn a_ten_digit_block_whose_nonce_completes_a_date_is_older_than_its_parent_as_a_twin() {
    // 1712012300 seconds are in 2024; as the start of a date they are 1712-01-23.
    let mut chain = Chain::new(&free());
    let parts = TemplateParts::next(chain.tip(), "tag", stamp("1712012300"));
    let block = check_free(parts.block(11_223_344_556));
    let parts = TemplateParts::next(chain.tip(), "tag", stamp("17120123001122334455"));
    let twin = check_free(parts.block(6));
    assert_eq!(twin.hash(), block.hash());
    assert_eq!(rule_of(chain.accept(&twin, NOW)), "median");
    assert_eq!(chain.accept(&block, NOW), Ok(Accepted::Extended));
    assert_eq!(rule_of(chain.accept(&twin, NOW)), "median");
}

/// Two blocks of one hash, both within every rule but `twin`: a date that holds another date.
fn twins(chain: &Chain) -> [Block<Checked>; 2] {
    let block = |data: &str, timestamp, nonce| {
        check_free(TemplateParts::next(chain.tip(), data, stamp(timestamp)).block(nonce))
    };
    let long = block("tag", "20261101202611020412", 1_234_567_890);
    let short = block("tag20261101", "20261102041212345678", 90);
    assert_eq!(
        (long.preimage(), long.hash()),
        (short.preimage(), short.hash())
    );
    assert_ne!(long, short);
    assert_ne!(long.content_digest(), short.content_digest());
    [long, short]
}

#[test]
fn of_two_blocks_that_share_a_hash_the_first_seen_is_the_block() {
    for swap in [false, true] {
        let mut chain = Chain::new(&free());
        let [long, short] = twins(&chain);
        let (first, second) = if swap { (short, long) } else { (long, short) };
        assert_eq!(chain.accept(&first, NOW), Ok(Accepted::Extended));
        assert_eq!(rule_of(chain.accept(&second, NOW)), "twin");
        assert_eq!(chain.accept(&first, NOW), Ok(Accepted::AlreadyKnown));
        assert_eq!(chain.tip().instant(), first.timestamp().instant());
        assert_eq!(chain.find_block(&first), Some(chain.tip()));
        assert_eq!(chain.find_block(&second), None);
    }
}

#[test]
fn a_false_claim_of_a_known_hash_does_not_keep_the_honest_block_out() {
    let rules = Network::classic().rules;
    let mut chain = Chain::new(&Network::classic());
    let fact = &ARTICLES[1];
    let claim = |prev_hash: Hash, data: &str, nonce| -> Block<Unchecked> {
        Block::new(
            1,
            Some(prev_hash),
            data.to_owned(),
            stamp(fact.timestamp),
            nonce,
            hash(fact.hash),
        )
    };
    let parent = hash(fact.prev_hash);
    assert_eq!(
        claim(parent, "lies", fact.nonce)
            .check(&rules)
            .unwrap_err()
            .rule,
        "hash"
    );
    assert_eq!(
        claim(parent, fact.data, 7).check(&rules).unwrap_err().rule,
        "hash"
    );
    assert_eq!(chain.accept(&fact.checked(), NOW), Ok(Accepted::Extended));

    // Asked before any hashing, only what names the same place, time and nonce claims to be known.
    assert!(chain.find_block(&fact.block()).is_some());
    assert!(chain.find_block(&claim(parent, fact.data, 7)).is_none());
    assert!(
        chain
            .find_block(&claim(hash(fact.hash), fact.data, fact.nonce))
            .is_none()
    );
    let claim = |index, timestamp| {
        let data = fact.data.to_owned();
        Block::new(
            index,
            Some(parent),
            data,
            stamp(timestamp),
            fact.nonce,
            hash(fact.hash),
        )
    };
    assert!(chain.find_block(&claim(1, fact.timestamp)).is_some());
    assert!(chain.find_block(&claim(2, fact.timestamp)).is_none());
    assert!(chain.find_block(&claim(1, "1508895387")).is_none());
    assert!(
        chain
            .find_block(&claim(1, "20171025013626000000"))
            .is_none()
    ); // the same instant
}

#[test]
fn another_networks_block_0_is_no_block_10() {
    // A hash may be pinned at several heights of other nodes; here each hash has one place.
    let chain = articles();
    let pinned = Network::classic().genesis;
    assert_eq!(
        chain
            .find_by_hash(pinned.hash())
            .map(|entry| entry.height()),
        Some(0)
    );
    let again = TemplateParts {
        index: 10,
        prev_hash: Some(*pinned.hash()),
        data: "lifted".to_owned(),
        timestamp: Timestamp::from_instant(UnixMicros(1_600_000_000_000_000)),
        v2: None,
    };
    let block = again.block(0).check(&free().rules).unwrap();
    let mut free_chain = chain_of(&[]);
    assert!(matches!(
        free_chain.accept(&block, NOW),
        Err(Refusal::Orphan { .. })
    ));
    assert_eq!(free().rules.easiest_target(), Target::MAX);
}
