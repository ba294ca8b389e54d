//! Networks: built in, made, written and read.

use jbc_chain::{Network, NetworkError, Target, TemplateParts};

use crate::fixtures::{ARTICLES, stamp};

fn class() -> Network {
    let target = Target::from_expected_hashes(300.0);
    Network::custom(
        "my class",
        target,
        "Our first block",
        stamp("20261121000000000000"),
    )
    .unwrap()
}

#[test]
fn built_in_networks_are_found_by_name() {
    for name in ["classic", "classic6"] {
        assert_eq!(Network::named(name).unwrap().name, name);
    }
    assert_eq!(Network::named("classic7"), None);
    assert_eq!(
        Network::classic().rules.easiest_target(),
        Target::from_zeros(5).unwrap()
    );
    assert_eq!(
        Network::classic6().rules.easiest_target(),
        Target::from_zeros(6).unwrap()
    );
}

#[test]
fn a_network_is_described_in_one_line() {
    let describe = Network::classic().describe();
    assert_eq!(describe, "classic, 5 zeros, genesis 000002f9c703");
    assert_eq!(
        Network::classic6().describe(),
        "classic6, 6 zeros, genesis 00000045a1f2"
    );
    assert!(
        class()
            .describe()
            .starts_with("my class, target 00da740da740…, genesis 00")
    );
}

#[test]
fn a_made_network_mines_the_first_nonce_that_meets_its_target() {
    let network = class();
    let genesis = &network.genesis;
    assert!(network.rules.easiest_target().is_met_by(genesis.hash()));
    let parts = TemplateParts::genesis("Our first block", stamp("20261121000000000000"));
    for nonce in 0..genesis.nonce() {
        assert!(
            !network
                .rules
                .easiest_target()
                .is_met_by(parts.block(nonce).hash())
        );
    }
}

#[test]
fn a_network_survives_its_file() {
    for network in [Network::classic(), Network::classic6(), class()] {
        let text = network.to_json();
        assert_eq!(Network::from_json(text.as_bytes()).unwrap(), network);
    }
    assert!(Network::classic().to_json().contains("\"zeros\": 5"));
    assert!(class().to_json().contains("\"target\": \"00da740da740"));
}

#[test]
fn a_fingerprint_tells_networks_apart_by_rules_and_first_block_only() {
    let network = class();
    let print = network.fingerprint();
    assert_eq!(print.len(), 16);
    assert!(print.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let renamed = Network {
        name: "another name".to_owned(),
        ..network.clone()
    };
    assert_eq!(renamed.fingerprint(), print);

    let easier = Network::with_genesis("my class", Target::MAX, network.genesis.into_unchecked());
    assert_ne!(easier.unwrap().fingerprint(), print);
    let time = stamp("20261121000000000000");
    let target = network.rules.easiest_target();
    let other = Network::custom("my class", target, "Another first block", time).unwrap();
    assert_ne!(other.fingerprint(), print);
    assert_ne!(
        Network::classic().fingerprint(),
        Network::classic6().fingerprint()
    );
}

fn file(difficulty: &str, genesis: &str) -> String {
    format!(r#"{{"name":"x","rules":"classic",{difficulty}"genesis":{genesis}}}"#)
}

#[test]
fn a_file_names_its_difficulty_once() {
    let genesis = ARTICLES[0].block().to_json();
    let read = |difficulty: &str| Network::from_json(file(difficulty, &genesis).as_bytes());
    assert_eq!(
        read(r#""zeros":5,"#).unwrap().genesis,
        ARTICLES[0].checked()
    );
    let target = format!("\"target\":\"{}\",", ARTICLES[0].hash);
    assert!(read(&target).is_ok());

    let field = |difficulty: &str| match read(difficulty) {
        Err(NetworkError::Difficulty { field, .. }) => field,
        other => panic!("{difficulty}: {other:?}"),
    };
    assert_eq!(field(""), "zeros");
    assert_eq!(field(r#""zeros":65,"#), "zeros");
    assert_eq!(field(&format!("\"zeros\":5,{target}")), "target");
    assert!(matches!(
        read(r#""zeros":-1,"#),
        Err(NetworkError::Malformed { .. })
    ));
    assert!(matches!(
        read(r#""zeros":5,"zeros":5,"#),
        Err(NetworkError::Malformed { .. })
    ));
}

#[test]
fn a_file_with_anything_wrong_is_refused() {
    let good = file(r#""zeros":5,"#, &ARTICLES[0].block().to_json());
    assert!(Network::from_json(good.as_bytes()).is_ok());
    let malformed = [
        good.replace("\"name\"", "\"title\""),
        good.replace("\"zeros\"", "\"extra\":1,\"zeros\""),
        good.replace("\"classic\"", "\"v9\""),
        good.replace("631412", "0631412"),
        format!("{good}x"),
        good[1..].to_owned(),
    ];
    for text in malformed {
        let error = Network::from_json(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, NetworkError::Malformed { .. }),
            "{text}: {error}"
        );
    }
    for name in [String::new(), "x".repeat(65), "a\\nb".to_owned()] {
        let text = good.replace("\"x\"", &format!("\"{name}\""));
        assert!(matches!(
            Network::from_json(text.as_bytes()),
            Err(NetworkError::Name)
        ));
    }
}

#[test]
fn a_first_block_keeps_the_networks_rules() {
    let rule = |genesis: &str, zeros: u32| {
        let text = file(&format!("\"zeros\":{zeros},"), genesis);
        match Network::from_json(text.as_bytes()) {
            Err(NetworkError::Genesis { source }) => source.rule,
            other => panic!("{text}: {other:?}"),
        }
    };
    assert_eq!(rule(&ARTICLES[0].block().to_json(), 6), "work");
    assert_eq!(rule(&ARTICLES[1].block().to_json(), 5), "genesis");
    let other_data = ARTICLES[0].block().to_json().replace("First", "Other");
    assert_eq!(rule(&other_data, 5), "hash");
    let time = stamp("1508895381");
    let made = Network::custom("x", Target::MAX, "x".repeat(17_000), time);
    assert!(matches!(made, Err(NetworkError::Genesis { source }) if source.rule == "size"));
}
