//! Networks of `v2`: their rules stand in their first block.

use jbc_chain::{
    Bits, Block, Header, Network, NetworkError, Rules, TemplateParts, Timestamp, Unchecked,
    V2Parts, V2Rules,
};

use super::fixtures::{START_MS, easiest, easy, easy_rules, millis, mined, network_of, sealed};
use crate::fixtures::ARTICLES;

/// A first block of this first entry.
fn first_block(parameters: &str) -> Block<Unchecked> {
    mined(&TemplateParts {
        index: 0,
        prev_hash: None,
        timestamp: millis(START_MS),
        v2: Some(V2Parts::fixed(parameters, easiest(), Vec::new())),
        data: parameters.to_owned(),
    })
}

const GOOD: &str = r#"{"interval_ms":5000,"limit":"207fffff","name":"easy","window_blocks":30}"#;

/// Why the network of a first block of this first entry can not be.
fn refused(parameters: &str) -> String {
    let error = Network::with_v2_genesis(first_block(parameters)).unwrap_err();
    assert!(
        matches!(error, NetworkError::Rules { .. }),
        "{parameters}: {error}"
    );
    error.to_string()
}

#[test]
fn the_first_entry_says_the_rules_and_the_name() {
    let network = Network::with_v2_genesis(first_block(GOOD)).unwrap();
    assert_eq!(&network, easy());
    assert_eq!(network.rules, Rules::V2(easy_rules()));
    assert_eq!(network.name, "easy");
    assert_eq!(network.genesis.data(), GOOD);
    assert_eq!(
        network.describe(),
        format!(
            "easy, a block each 5 s, genesis {}",
            network.genesis.hash().short()
        )
    );
}

#[test]
fn a_network_survives_its_file() {
    let names = ["my class", "x", "\"quoted\" \\ ñ 区块 🦀 \u{2028}"];
    let mut networks: Vec<Network> = names
        .iter()
        .map(|name| network_of(name, &easy_rules()))
        .collect();
    networks.extend(Network::built_in());
    for (interval_ms, window_blocks) in [(100, 2), (86_400_000, 10_000)] {
        let rules = V2Rules {
            interval_ms,
            window_blocks,
            ..easy_rules()
        };
        networks.push(network_of("edge", &rules));
    }
    for network in networks {
        let text = network.to_json();
        assert_eq!(Network::from_json(text.as_bytes()).unwrap(), network);
        assert!(text.ends_with("}\n"));
    }
    let text = easy().to_json();
    assert!(text.contains("\"rules\": \"v2\""));
    assert!(
        !text.contains("zeros") && !text.contains("target"),
        "{text}"
    );
}

#[test]
fn rules_that_are_not_canonical_json_are_refused() {
    let wrong = [
        GOOD.replace(':', ": "),
        format!("{GOOD}\n"),
        format!(" {GOOD}"),
        r#"{"limit":"207fffff","interval_ms":5000,"name":"easy","window_blocks":30}"#.to_owned(),
        GOOD.replace("easy", "\\u0065asy"),
        GOOD.replace("easy", "a\\/b"),
    ];
    for parameters in &wrong {
        assert_eq!(
            refused(parameters),
            "field `genesis.entries`: the network's rules are not in their canonical form",
            "{parameters}"
        );
    }
}

#[test]
fn rules_that_are_no_rules_are_refused_by_the_field_at_fault() {
    let cases = [
        (GOOD.replace("5000", "99"), "`interval_ms` must be"),
        (GOOD.replace("5000", "0"), "`interval_ms` must be"),
        (GOOD.replace("5000", "86400001"), "`interval_ms` must be"),
        (
            GOOD.replace("5000", "18446744073709551615"),
            "`interval_ms` must be",
        ),
        (GOOD.replace(":30", ":0"), "`window_blocks` must be"),
        (GOOD.replace(":30", ":1"), "`window_blocks` must be"),
        (GOOD.replace(":30", ":10001"), "`window_blocks` must be"),
        (GOOD.replace("207fffff", "20ffffff"), "compact form"),
        (GOOD.replace("207fffff", "00000000"), "compact form"),
        (GOOD.replace("207fffff", "207FFFFF"), "compact form"),
        (GOOD.replace("\"207fffff\"", "7"), "expected a string"),
        (GOOD.replace("5000", "\"5000\""), "expected u64"),
        (GOOD.replace("5000", "5000.0"), "expected u64"),
        (GOOD.replace("5000", "-5000"), "expected u64"),
        (GOOD.replace("name", "title"), "unknown field `title`"),
        (
            GOOD.replace("\"name\":\"easy\",", ""),
            "missing field `name`",
        ),
        (
            GOOD.replace("\"limit\"", "\"limit\":\"207fffff\",\"limit\""),
            "duplicate field `limit`",
        ),
        (format!("{GOOD}x"), "trailing characters"),
        (String::new(), "EOF"),
        ("[]".to_owned(), ""),
        ("First block.".to_owned(), ""),
    ];
    for (parameters, expected) in cases {
        let error = refused(&parameters);
        assert!(error.starts_with("field `genesis.entries`: "), "{error}");
        assert!(error.contains(expected), "{parameters}: {error}");
    }
    let as_list = r#"[5000,"207fffff","easy",30]"#;
    assert!(refused(as_list).contains("canonical"));
}

#[test]
fn a_name_is_1_to_64_characters_without_control_characters() {
    for name in ["", &"x".repeat(65), "a\\nb", "\\u0000", "\u{7f}"] {
        let block = first_block(&GOOD.replace("easy", name));
        let error = Network::with_v2_genesis(block).unwrap_err();
        assert!(matches!(error, NetworkError::Name), "{name}: {error}");
    }
    let longest = "区".repeat(64);
    assert_eq!(network_of(&longest, &easy_rules()).name, longest);
}

#[test]
fn a_file_says_nothing_that_the_first_block_says_or_something_else() {
    let text = easy().to_json();
    let other_name = text.replacen("\"easy\"", "\"other\"", 1);
    assert_eq!(
        Network::from_json(other_name.as_bytes())
            .unwrap_err()
            .to_string(),
        "field `genesis.entries`: they are of the network `easy`, not of `other`"
    );
    let target = format!("\"target\": \"{}\",", "f".repeat(64));
    for (field, line) in [("zeros", "\"zeros\": 5,"), ("target", target.as_str())] {
        let with = text.replacen('{', &format!("{{{line}"), 1);
        let error = Network::from_json(with.as_bytes()).unwrap_err();
        assert!(
            matches!(error, NetworkError::Difficulty { field: found, .. } if found == field),
            "{error}"
        );
    }
    for wrong in [
        text.replace("\"v2\"", "\"V2\""),
        text.replacen('{', "{\"interval_ms\": 5000,", 1),
        text.replace("\"nonce\": \"", "\"nonce\": \"0"),
    ] {
        let error = Network::from_json(wrong.as_bytes()).unwrap_err();
        assert!(matches!(error, NetworkError::Malformed { .. }), "{error}");
    }
}

#[test]
fn rules_and_first_block_are_of_one_kind() {
    let classic_rules = easy()
        .to_json()
        .replace("\"v2\"", "\"classic\", \"zeros\": 0");
    let error = Network::from_json(classic_rules.as_bytes()).unwrap_err();
    assert!(
        matches!(&error, NetworkError::Genesis { source } if source.rule == "kind"),
        "{error}"
    );
    let classic_block = Network::with_v2_genesis(ARTICLES[0].block()).unwrap_err();
    assert!(matches!(classic_block, NetworkError::Rules { .. }));
    let text = Network::classic()
        .to_json()
        .replace("\"classic\",\n  \"zeros\": 5", "\"v2\"");
    let error = Network::from_json(text.as_bytes()).unwrap_err();
    assert!(matches!(error, NetworkError::Rules { .. }), "{error}");
}

#[test]
fn a_first_block_keeps_its_own_rules() {
    let good = easy().genesis.header().unwrap();
    let entries = easy().genesis.entries().to_vec();
    let rule = |header: Header, entries: Vec<Vec<u8>>| match Network::with_v2_genesis(Block::v2(
        header,
        entries.into(),
    )) {
        Err(NetworkError::Genesis { source }) => source.rule,
        other => panic!("{other:?}"),
    };
    let zeros = jbc_chain::Hash::from_bytes([0; 32]);
    let nonce = good.nonce + 1;
    assert_eq!(
        rule(
            Header {
                nonce,
                ..good.clone()
            },
            entries.clone()
        ),
        "hash"
    );
    let bits = Bits::from_target(&jbc_chain::Target::MAX);
    let easier = sealed(Header {
        bits,
        ..good.clone()
    });
    assert_eq!(rule(easier, entries.clone()), "limit");
    let higher = sealed(Header {
        index: 1,
        prev_hash: Some(zeros),
        ..good.clone()
    });
    assert_eq!(rule(higher, entries.clone()), "genesis");
    let parent = sealed(Header {
        prev_hash: Some(zeros),
        ..good.clone()
    });
    assert_eq!(rule(parent, entries.clone()), "prev-hash");
    let more = [entries, vec![Vec::new()]].concat();
    assert_eq!(rule(good.clone(), more.clone()), "merkle-root");

    // A first block may carry more than its rules.
    let merkle_root = jbc_chain::merkle_root(&more);
    let header = sealed(Header {
        merkle_root,
        ..good
    });
    let network = Network::with_v2_genesis(Block::v2(header, more.into())).unwrap();
    assert_ne!(network.fingerprint(), easy().fingerprint());
}

#[test]
fn a_made_network_mines_the_first_nonce_that_meets_its_bits() {
    let bits: Bits = "1f7fffff".parse().unwrap();
    let made = Network::custom_v2("made", &easy_rules(), bits, millis(START_MS)).unwrap();
    assert_eq!(made.genesis.bits(), Some(bits));
    let parts = Network::v2_genesis("made", &easy_rules(), bits, millis(START_MS));
    for nonce in 0..made.genesis.nonce() {
        assert!(!bits.target().is_met_by(parts.block(nonce).hash()));
    }
    let bad = V2Rules {
        window_blocks: 1,
        ..easy_rules()
    };
    let error = Network::custom_v2("bad", &bad, easiest(), millis(START_MS)).unwrap_err();
    assert!(error.to_string().contains("`window_blocks`"), "{error}");
    let classic: Timestamp = "1508895381".parse().unwrap();
    let error = Network::custom_v2("bad", &easy_rules(), easiest(), classic).unwrap_err();
    assert!(matches!(error, NetworkError::Genesis { source } if source.rule == "timestamp-form"));
}

#[test]
fn fingerprints_differ_when_anything_that_makes_the_network_does() {
    let rules = easy_rules();
    let of = |name: &str, rules: V2Rules, bits: Bits, time: u64| {
        Network::custom_v2(name, &rules, bits, millis(time)).unwrap()
    };
    let slower = V2Rules {
        interval_ms: 5_001,
        ..rules
    };
    let wider = V2Rules {
        window_blocks: 31,
        ..rules
    };
    let harder = V2Rules {
        limit: "207ffffe".parse().unwrap(),
        ..rules
    };
    let networks = [
        easy().clone(),
        of("Easy", rules, easiest(), START_MS),
        of("easy", slower, easiest(), START_MS),
        of("easy", wider, easiest(), START_MS),
        of("easy", harder, harder.limit, START_MS),
        of("easy", rules, "207ffffe".parse().unwrap(), START_MS),
        of("easy", rules, easiest(), START_MS + 1),
        Network::dev(),
        Network::classic(),
        crate::fixtures::free(),
    ];
    for (place, one) in networks.iter().enumerate() {
        for (other_place, other) in networks.iter().enumerate() {
            assert_eq!(
                one.fingerprint() == other.fingerprint(),
                place == other_place
            );
        }
    }
    let same = of("easy", rules, easiest(), START_MS);
    assert_eq!(same.fingerprint(), easy().fingerprint());
    assert_eq!(Network::dev().fingerprint().len(), 16);
}

#[test]
fn dev_is_the_default_and_found_by_its_name() {
    let names: Vec<String> = Network::built_in()
        .into_iter()
        .map(|network| network.name)
        .collect();
    assert_eq!(names, ["dev", "classic6", "classic"]);
    for name in names {
        assert_eq!(Network::named(&name).unwrap().name, name);
    }
    let Rules::V2(rules) = Network::dev().rules else {
        panic!("dev is v2")
    };
    assert_eq!(rules, Network::dev_rules());
    assert_eq!(rules.max_lead_ms(), 10_000);
    assert_eq!(rules.limit.target().work().to_string(), "1048577");
    let work = Network::dev().genesis.bits().unwrap().target().work();
    assert_eq!(work.to_string(), "20000211");
}
