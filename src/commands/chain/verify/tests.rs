//! Chains good and bad, from texts and folders.

use std::fs;

use jbc_chain::{Block, Network, Target, TemplateParts, Unchecked, UnixMicros};

use super::*;

const NOW: UnixMicros = UnixMicros(1_800_000_000_000_000);

fn network() -> Network {
    Network::custom(
        "a class",
        Target::MAX,
        "First block.",
        "1508895381".parse().unwrap(),
    )
    .unwrap()
}

/// A good chain of this many blocks, the first included.
fn blocks(count: u64) -> Vec<Block<Unchecked>> {
    let network = network();
    let mut blocks = vec![network.genesis.into_unchecked()];
    for index in 1..count {
        let parts = TemplateParts {
            index,
            prev_hash: Some(*blocks.last().unwrap().hash()),
            data: format!("block {index} of {{\"braces\"}}"),
            timestamp: (1_508_895_381 + index).to_string().parse().unwrap(),
            v2: None,
        };
        blocks.push(parts.block(0));
    }
    blocks
}

fn json(blocks: &[Block<Unchecked>]) -> String {
    let texts: Vec<String> = blocks.iter().map(Block::to_json).collect();
    format!("[{}]", texts.join(",\n"))
}

fn folder_with(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

async fn verify_text(text: &str, network: Option<Network>) -> Report {
    let folder = folder_with(&[("chain.json", text.to_owned())]);
    let stream = BlockStream::of_file(&folder.path().join("chain.json")).unwrap();
    verify_stream(stream, Verifier::new(network, NOW), None)
        .await
        .unwrap()
}

async fn faults(text: &str) -> Vec<String> {
    verify_text(text, Some(network()))
        .await
        .faults
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn a_good_chain_is_valid_in_any_order_of_its_blocks() {
    let mut blocks = blocks(30);
    for _ in 0..2 {
        let report = verify_text(&json(&blocks), Some(network())).await;
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        let praise = report.verifier.praise();
        assert!(
            praise.starts_with("valid: 30 blocks, tip ")
                && praise.contains("(index 29), work 30, "),
            "{praise}"
        );
        blocks.rotate_left(11);
        blocks.swap(1, 20);
    }
}

#[tokio::test]
async fn the_articles_first_block_alone_is_a_classic_chain_without_a_flag() {
    let text = format!("[{}]", Network::classic().genesis.to_json());
    let report = verify_text(&text, None).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert!(
        report
            .verifier
            .praise()
            .ends_with(&Network::classic().describe())
    );
}

#[tokio::test]
async fn a_chain_of_v2_is_verified_like_a_classic_one() {
    use crate::commands::chain::fixtures;
    let network = fixtures::network("v2");
    let blocks = fixtures::chain(&network, 20, (7, &[0xff; 4_096]));
    let report = verify_text(&json(&blocks), Some(network.clone())).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let praise = report.verifier.praise();
    assert!(
        praise.starts_with("valid: 20 blocks") && praise.contains("work 40, network v2, a block"),
        "{praise}"
    );
    let changed = json(&blocks).replacen("\"nonce\":\"", "\"nonce\":\"1", 5);
    let report = verify_text(&changed, Some(network)).await;
    assert_eq!(report.faults.len(), 1);

    let dev = format!("[{}]", Network::dev().genesis.to_json());
    let report = verify_text(&dev, None).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert!(
        report
            .verifier
            .praise()
            .ends_with(&Network::dev().describe())
    );
}

#[tokio::test]
async fn a_first_block_of_no_built_in_network_asks_for_the_network() {
    let report = verify_text(&json(&blocks(3)), None).await;
    assert!(
        matches!(report.faults[..], [Fault::UnknownNetwork { .. }]),
        "{:?}",
        report.faults
    );
}

#[tokio::test]
async fn the_first_fault_is_named_with_block_rule_and_field() {
    let good = blocks(5);
    let data_changed = json(&good).replace("block 3 of", "block 9 of");
    assert_eq!(
        faults(&data_changed).await[0]
            .split(": ")
            .take(3)
            .collect::<Vec<_>>(),
        ["block 3", "refused by rule `hash`", "field `hash`"]
    );

    let elsewhere = Block::new(
        2,
        Some(*good[3].hash()),
        "elsewhere".to_owned(),
        good[2].timestamp(),
        0,
        *good[2].hash(),
    );
    let parts = TemplateParts {
        index: 2,
        prev_hash: elsewhere.prev_hash().copied(),
        data: "elsewhere".to_owned(),
        timestamp: good[2].timestamp(),
        v2: None,
    };
    let unlinked = faults(&json(&[good[0].clone(), good[1].clone(), parts.block(0)])).await;
    assert!(
        unlinked[0].starts_with("block 2: refused by rule `parent`: field `prev_hash`: "),
        "{unlinked:?}"
    );

    let late = TemplateParts {
        timestamp: good[0].timestamp(),
        ..parts_of(&good[1])
    };
    let median = faults(&json(&[good[0].clone(), late.block(0)])).await;
    assert!(
        median[0].starts_with("block 1: refused by rule `median`: field `timestamp`: "),
        "{median:?}"
    );

    let other_genesis = faults(&json(&[Network::classic().genesis.into_unchecked()])).await;
    assert!(
        other_genesis[0].starts_with("block 0: refused by rule `genesis`: field `index`: "),
        "{other_genesis:?}"
    );
}

fn parts_of(block: &Block<Unchecked>) -> TemplateParts {
    TemplateParts {
        index: block.index(),
        prev_hash: block.prev_hash().copied(),
        data: block.data().into_owned(),
        timestamp: block.timestamp(),
        v2: None,
    }
}

#[tokio::test]
async fn a_block_ahead_of_the_clock_is_refused() {
    let genesis = blocks(1).remove(0);
    let parts = TemplateParts {
        index: 1,
        prev_hash: Some(*genesis.hash()),
        data: String::new(),
        timestamp: jbc_chain::Timestamp::from_instant(NOW.plus(3 * 3_600_000_000)),
        v2: None,
    };
    assert!(
        faults(&json(&[genesis, parts.block(0)])).await[0]
            .starts_with("block 1: refused by rule `time-ahead`")
    );
}

#[tokio::test]
async fn missing_and_double_blocks_are_named() {
    let good = blocks(6);
    let without = |index: usize| {
        good.iter()
            .filter(|block| block.index() != index as u64)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(faults(&json(&without(3))).await, ["block 3: missing"]);
    assert_eq!(faults(&json(&without(0))).await, ["block 0: missing"]);
    assert_eq!(faults("[]").await, ["block 0: missing"]);

    let mut double = good.clone();
    double.insert(3, good[2].clone());
    assert_eq!(
        faults(&json(&double)).await,
        ["block 2: not the only one of its index"]
    );
    let fork = TemplateParts {
        data: "a fork".to_owned(),
        ..parts_of(&good[2])
    };
    double[3] = fork.block(0);
    assert_eq!(
        faults(&json(&double)).await,
        ["block 2: not the only one of its index"]
    );
}

#[tokio::test]
async fn torn_text_is_a_fault_after_the_blocks_before_it() {
    let whole = json(&blocks(5));
    let report = verify_text(&whole[..whole.len() - 30], Some(network())).await;
    assert_eq!(report.verifier.blocks(), 4);
    assert!(
        matches!(report.faults[..], [Fault::Text { position: 4, .. }]),
        "{:?}",
        report.faults
    );

    let report = verify_text(&whole.replace("\"nonce\"", "\"once\""), Some(network())).await;
    assert_eq!(
        report.faults[0].to_string(),
        "block 0 by position: not a block: field `once`: unknown key"
    );
}

#[tokio::test]
async fn one_block_alone_is_checked_by_itself() {
    let block = blocks(4).remove(3);
    let report = verify_text(&block.to_json(), Some(network())).await;
    assert!(report.faults.is_empty());
    assert!(
        report
            .verifier
            .praise()
            .starts_with("valid by itself: block 3, "),
        "{}",
        report.verifier.praise()
    );
    assert!(matches!(
        verify_text(&block.to_json(), None).await.faults[..],
        [Fault::NoNetwork { index: 3 }]
    ));
    let bad = block.to_json().replace("block 3", "block 9");
    assert!(matches!(
        verify_text(&bad, Some(network())).await.faults[..],
        [Fault::Refused { index: 3, .. }]
    ));
}

#[tokio::test]
async fn an_export_is_verified_line_by_line_in_any_order() {
    let blocks = blocks(5);
    let lines = |order: [usize; 5]| -> String {
        order.map(|index| blocks[index].to_json() + "\n").concat()
    };
    for order in [[0, 1, 2, 3, 4], [3, 0, 4, 2, 1]] {
        let report = verify_text(&lines(order), Some(network())).await;
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        let praise = report.verifier.praise();
        assert!(praise.starts_with("valid: 5 blocks, tip "), "{praise}");
    }
    let all = lines([0, 1, 2, 3, 4]);
    let without_first = all.split_once('\n').unwrap().1;
    assert_eq!(faults(without_first).await, ["block 0: missing"]);
    let torn = &all[..all.len() - 30];
    assert!(faults(torn).await[0].contains("the rest of a block"));
}

#[tokio::test]
async fn a_block_before_its_turn_is_checked_before_it_is_kept() {
    let blocks = blocks(6);
    let bad = blocks[4].to_json().replace("block 4 of", "block 9 of");
    let text = format!("[{},{bad},{}]", blocks[0].to_json(), "{}");
    let found = faults(&text).await;
    assert!(
        found[0].starts_with("block 4: refused by rule `hash`"),
        "{found:?}"
    );
}

#[test]
fn blocks_before_their_turn_cost_bounded_memory() {
    let mut sequence = Sequence::new(Verifier::new(None, NOW));
    let large = "x".repeat(1 << 20);
    let mut refused = None;
    for index in 1..100 {
        let parts = TemplateParts {
            index,
            data: large.clone(),
            ..parts_of(&blocks(2)[1])
        };
        refused = sequence.add(parts.block(0)).err();
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused, Some(Fault::TooFarBehind { index: 0 }));
    assert!(sequence.waiting_bytes <= MAX_WAITING_BYTES && sequence.waiting.len() > 50);
}

#[test]
fn of_a_folder_every_torn_misplaced_and_missing_file_is_listed() {
    let blocks = blocks(12);
    let file = |index: u64| (format!("{index:06}.json"), blocks[index as usize].to_json());
    let mut files: Vec<(String, String)> = [0, 1, 2, 3, 6, 8, 9, 10, 11].map(file).into();
    files[3].1.truncate(50); // 3 is torn; 4, 5 and 7 are missing
    files[6].1 = blocks[2].to_json(); // in place of 9
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    let folder = folder_with(&files);
    fs::write(folder.path().join("data.txt"), "not a block file").unwrap();

    let report = verify_folder(folder.path(), Verifier::new(Some(network()), NOW)).unwrap();
    assert_eq!(report.verifier.blocks(), 3);
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert!(faults[0].starts_with("000003.json: torn: "), "{faults:?}");
    assert_eq!(
        faults[1..],
        [
            "000004.json to 000005.json: missing",
            "000007.json: missing",
            "000009.json: holds block 2"
        ]
    );
}

#[test]
fn a_folder_of_good_files_is_valid() {
    let files: Vec<(String, String)> = blocks(5)
        .iter()
        .map(|block| (format!("{:06}.json", block.index()), block.to_json()))
        .collect();
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    let folder = folder_with(&files);
    let report = verify_folder(folder.path(), Verifier::new(Some(network()), NOW)).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!(report.verifier.blocks(), 5);
    assert!(
        verify_folder(
            tempfile::tempdir().unwrap().path(),
            Verifier::new(None, NOW)
        )
        .is_err()
    );
}
