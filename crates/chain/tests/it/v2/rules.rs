//! Each rule that needs nothing but the block: its refusal by rule and field, and the last thing that still passes.

use jbc_chain::{
    Bits, Block, Chain, Header, MAX_ENTRY_BYTES, MAX_V2_BLOCK_BYTES, Network, Rejected, Rules,
    Target, entry_json_bytes, merkle_root,
};

use super::fixtures::{
    LATER, block_of, checked, easiest, easy, easy_rules, first_header, mined, network_of, next,
    parts_after, refused, refused_alone, sealed,
};
use crate::fixtures::{ARTICLES, NOW, after, free, hash, stamp};

/// The good block 1, of a header that was changed and then sealed.
fn changed(change: impl FnOnce(&mut Header)) -> Block<jbc_chain::Unchecked> {
    let mut header = first_header();
    change(&mut header);
    Block::v2(sealed(header), vec![b"one".to_vec()].into())
}

/// A block alone, and its header alone in a chain, are refused alike.
fn refused_both_ways(block: &Block<jbc_chain::Unchecked>) -> (&'static str, &'static str) {
    let alone = refused_alone(block.clone(), &easy().rules);
    let header = block.header().unwrap();
    assert_eq!(refused(&Chain::new(easy()), &header, LATER), alone);
    alone
}

#[test]
fn a_good_block_passes() {
    let block = changed(|_| ());
    let checked = block.check(&easy().rules).unwrap();
    assert!(Chain::new(easy()).accept(&checked, LATER).is_ok());
}

#[test]
fn kind_classic_and_v2_blocks_refuse_each_other() {
    let block = changed(|_| ());
    let kind = ("kind", "version");
    assert_eq!(refused_alone(block.clone(), &free().rules), kind);
    assert_eq!(refused_alone(ARTICLES[0].block(), &easy().rules), kind);
    assert_eq!(
        refused_alone(Network::dev().genesis.into_unchecked(), &free().rules),
        kind
    );

    // A block that was checked by the rules of its own kind, and then reaches the other chain.
    let (v2, classic) = (Chain::new(easy()), Chain::new(&free()));
    let rule = |refusal| match refusal {
        Err(jbc_chain::Refusal::Rejected(Rejected { rule, field, .. })) => (rule, field),
        other => panic!("{other:?}"),
    };
    let own = after(&free().genesis, "x");
    assert_eq!(rule(v2.judge(&own, NOW)), kind);
    assert_eq!(rule(classic.judge(&checked(block.clone()), LATER)), kind);
    assert_eq!(refused(&classic, &block.header().unwrap(), LATER), kind);
}

#[test]
fn limit_a_target_is_at_most_the_networks_easiest() {
    let mut rules = easy_rules();
    rules.limit = "2000ffff".parse().unwrap();
    let with_bits = |text: &str| changed(|header| header.bits = text.parse().unwrap());
    let rules = Rules::V2(rules);
    assert!(with_bits("2000ffff").check(&rules).is_ok());
    assert!(with_bits("200080ff").check(&rules).is_ok());
    for easier in ["20010000", "207fffff", "2100ffff"] {
        assert_eq!(refused_alone(with_bits(easier), &rules), ("limit", "bits"));
    }
    // In a chain too, and before the rule that names the exact bits.
    let chain = Chain::new(&network_of("harder", rules_of(&rules)));
    let header = with_bits("20010000").header().unwrap();
    assert_eq!(refused(&chain, &header, LATER), ("limit", "bits"));
}

fn rules_of(rules: &Rules) -> &jbc_chain::V2Rules {
    let Rules::V2(rules) = rules else {
        panic!("these are v2")
    };
    rules
}

#[test]
fn work_the_stated_hash_meets_the_target_that_the_block_states() {
    let good = first_header();
    let bad = (0..)
        .map(|nonce| {
            let mut header = Header {
                nonce,
                ..good.clone()
            };
            header.hash = header.computed_hash();
            header
        })
        .find(|header| !header.bits.target().is_met_by(&header.hash))
        .unwrap();
    let block = Block::v2(bad, vec![b"one".to_vec()].into());
    assert_eq!(refused_both_ways(&block), ("work", "hash"));

    // Exactly the target meets it: then only the hash is wrong.
    let claim = |text: String| {
        let hash = hash(&text);
        Block::v2(
            Header {
                hash,
                ..good.clone()
            },
            vec![b"one".to_vec()].into(),
        )
    };
    let exact = format!("7fffff{}", "0".repeat(58));
    assert_eq!(refused_both_ways(&claim(exact)), ("hash", "hash"));
    let above = format!("7fffff{}1", "0".repeat(57));
    assert_eq!(refused_both_ways(&claim(above)), ("work", "hash"));
}

#[test]
fn hash_the_stated_hash_is_the_computed_one() {
    let good = first_header();
    let other = Header {
        nonce: good.nonce + 1,
        ..good
    };
    let block = Block::v2(other, vec![b"one".to_vec()].into());
    assert_eq!(refused_both_ways(&block), ("hash", "hash"));
}

#[test]
fn prev_hash_only_the_first_block_has_none() {
    let refused = ("prev-hash", "prev_hash");
    assert_eq!(
        refused_both_ways(&changed(|header| header.prev_hash = None)),
        refused
    );
    assert_eq!(
        refused_both_ways(&changed(|header| header.index = 0)),
        refused
    );
    // 64 zeros are no parent, spelled either way.
    let zeros = Some(hash(&"0".repeat(64)));
    assert_eq!(
        refused_both_ways(&changed(|header| {
            header.index = 0;
            header.prev_hash = zeros;
        })),
        refused
    );
}

#[test]
fn timestamp_form_a_v2_block_has_13_digits_and_a_classic_one_has_not() {
    let form = ("timestamp-form", "timestamp");
    for text in ["1795262405", "20261121120005000000"] {
        let block = changed(|header| header.timestamp = stamp(text));
        assert_eq!(refused_both_ways(&block), form);
    }
    let classic = Block::new(
        0,
        None,
        "x".to_owned(),
        stamp("1795262405000"),
        0,
        hash(ARTICLES[0].hash),
    );
    let rules = Rules::Classic {
        target: Target::MAX,
    };
    assert_eq!(refused_alone(classic, &rules), form);
}

/// Entries that make the block exactly as many bytes of JSON: full ones, and a last one or two that fit.
fn entries_of_size(bytes: usize) -> Vec<Vec<u8>> {
    let (header, mut entries) = (first_header(), vec![Vec::new()]);
    let size = |entries: &[Vec<u8>]| {
        let mut sealed = header.clone();
        sealed.nonce = 0;
        Block::v2(sealed, entries.to_vec().into()).size_bytes()
    };
    let full = vec![b'x'; MAX_ENTRY_BYTES];
    while size(&entries) + 2 * entry_json_bytes(MAX_ENTRY_BYTES) < bytes {
        entries.push(full.clone());
    }
    // An empty entry takes three bytes with its comma; three bytes more of text take four.
    for empty in 0..4 {
        let mut entries = [entries.clone(), vec![Vec::new(); empty]].concat();
        for len in (0..=MAX_ENTRY_BYTES).step_by(3) {
            for other in [len, MAX_ENTRY_BYTES - 1] {
                entries.extend([vec![b'y'; len], vec![b'z'; other]]);
                if size(&entries) == bytes {
                    return entries;
                }
                entries.truncate(entries.len() - 2);
            }
        }
    }
    panic!("no entries make {bytes} bytes");
}

#[test]
fn size_a_block_has_at_most_1_mib_of_json() {
    // The nonce's digits count too: only blocks of a one-digit nonce are as long as planned.
    let one_digit = |entries: Vec<Vec<u8>>| {
        (0..)
            .map(|tag: u8| {
                let mut entries = entries.clone();
                let last = entries.last_mut().unwrap();
                *last.last_mut().unwrap() = tag;
                block_of(entries)
            })
            .find(|block| block.nonce() < 10)
            .unwrap()
    };
    let exact = one_digit(entries_of_size(MAX_V2_BLOCK_BYTES));
    assert_eq!(exact.to_json().len(), MAX_V2_BLOCK_BYTES);
    assert_eq!(exact.size_bytes(), MAX_V2_BLOCK_BYTES);
    assert!(exact.check(&easy().rules).is_ok());

    let over = one_digit(entries_of_size(MAX_V2_BLOCK_BYTES + 1));
    assert_eq!(over.to_json().len(), MAX_V2_BLOCK_BYTES + 1);
    assert_eq!(refused_alone(over, &easy().rules), ("size", "entries"));
}

#[test]
fn entries_there_is_at_least_one_and_each_has_at_most_4096_bytes() {
    let rules = &easy().rules;
    let entries = ("entries", "entries");
    assert_eq!(refused_alone(block_of(Vec::new()), rules), entries);
    let of = |bytes: usize| vec![b'x'; bytes];
    for good in [vec![of(0)], vec![of(4096)], vec![of(4096), of(0), of(4096)]] {
        assert!(block_of(good).check(rules).is_ok());
    }
    for bad in [vec![of(4097)], vec![of(1), of(4096), of(4097)]] {
        assert_eq!(refused_alone(block_of(bad), rules), entries);
    }
    let reason = block_of(vec![of(1), of(5000)]).check(rules).unwrap_err();
    assert_eq!(reason.reason, "entry 1 is 5000 bytes, more than 4096");
}

#[test]
fn merkle_root_the_root_is_that_of_the_entries() {
    let rules = &easy().rules;
    let root = ("merkle-root", "merkle_root");
    let good = block_of(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
    assert!(good.clone().check(rules).is_ok());
    let header = good.header().unwrap();
    let others: [&[&[u8]]; 6] = [
        &[b"a", b"b"],
        &[b"a", b"c", b"b"],
        &[b"a", b"b", b"c", b"c"], // Bitcoin's CVE-2012-2459: an odd one out is not doubled here
        &[b"a", b"b", b"c", b""],
        &[b"a", b"b", b"C"],
        &[b"abc"],
    ];
    for other in others {
        let entries: Vec<Vec<u8>> = other.iter().map(|entry| entry.to_vec()).collect();
        let block = Block::v2(header.clone(), entries.into());
        assert_eq!(refused_alone(block, rules), root);
    }
    // The two nodes below the root are not its entries.
    let nodes = [
        *jbc_chain::node_hash(&jbc_chain::leaf_hash(b"a"), &jbc_chain::leaf_hash(b"b")).as_bytes(),
        *jbc_chain::leaf_hash(b"c").as_bytes(),
    ];
    let block = Block::v2(header, vec![nodes.concat()].into());
    assert_eq!(refused_alone(block, rules), root);
}

#[test]
fn a_block_with_several_faults_is_refused_by_the_cheapest_rule_first() {
    // As the table in the `rules` module has them; the first of each pair is named.
    let mut rules = easy_rules();
    rules.limit = "2000ffff".parse().unwrap();
    let all_wrong = Header {
        index: 0,
        bits: easiest(),
        timestamp: stamp("1795262405"),
        hash: hash(&"f".repeat(64)),
        ..first_header()
    };
    let mut block = Block::v2(all_wrong, Vec::new().into());
    let rules = Rules::V2(rules);
    let mut named = Vec::new();
    for _ in 0..6 {
        let mut header = block.header().unwrap();
        let (rule, _) = refused_alone(block.clone(), &rules);
        named.push(rule);
        match rule {
            "limit" => header.bits = Bits::new(0x2000_ffff).unwrap(),
            "work" => header.hash = hash(&"0".repeat(64)),
            "prev-hash" => header.index = 1,
            "timestamp-form" => header.timestamp = first_header().timestamp,
            "hash" => header = sealed(header),
            _ => break,
        }
        block = Block::v2(header, Vec::new().into());
    }
    assert_eq!(
        named,
        [
            "limit",
            "work",
            "prev-hash",
            "timestamp-form",
            "hash",
            "entries"
        ]
    );
}

#[test]
fn a_block_of_a_third_of_a_million_empty_entries_is_checked_by_few_hashes() {
    // 1 MiB of `"",`: the most entries a block can have. A regression: the tree was built anew up to its root for each.
    let room = MAX_V2_BLOCK_BYTES - block_of(vec![Vec::new()]).size_bytes() - 20;
    let entries = vec![Vec::new(); room / 3];
    assert!(entries.len() > 349_000);
    let block = block_of(entries);
    assert_eq!(
        block.header().unwrap().merkle_root,
        merkle_root(block.entries())
    );
    assert!(block.check(&easy().rules).is_ok());
}

#[test]
fn the_next_block_is_mined_by_the_plain_loop() {
    let chain = Chain::new(easy());
    let parts = parts_after(chain.tip(), "tag", easiest(), 1_795_262_400_001);
    assert!(mined(&parts).check(&easy().rules).is_ok());
    assert_eq!(next(&chain, "tag", 1).data(), "tag");
}
