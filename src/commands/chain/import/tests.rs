//! Files good and bad into folders new and old.

use std::fs;

use jbc_chain::TemplateParts;

use super::*;
use crate::commands::chain::fixtures::{
    NOW, block_lines, header_lines, network, next, plain_chain,
};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn import(&self, text: &str) -> anyhow::Result<Imported> {
        let path = self.0.path().join("chain.jsonl");
        fs::write(&path, text).unwrap();
        import(&path, &self.folder(), Some(network("import")), NOW)
    }

    fn refusal(&self, text: &str) -> String {
        format!("{:#}", self.import(text).unwrap_err())
    }
}

fn counts(imported: &Imported) -> (u64, u64, u64) {
    (imported.new, imported.known, imported.tip)
}

#[test]
fn a_chain_is_imported_in_batches_and_what_is_known_is_skipped() {
    let blocks = plain_chain(&network("import"), 1_203);
    let place = Place::new();
    let first = place.import(&block_lines(&blocks[..700])).unwrap();
    assert_eq!(counts(&first), (699, 1, 699));
    let all = place.import(&block_lines(&blocks)).unwrap();
    assert_eq!(counts(&all), (503, 700, 1_202));
    let again = place.import(&block_lines(&blocks)).unwrap();
    assert_eq!(counts(&again), (0, 1_203, 1_202));
    let ledger = open(&place.folder(), &network("import")).unwrap();
    assert_eq!(ledger.chain().tip().hash(), blocks[1_202].hash());
}

#[test]
fn another_networks_file_is_refused_before_the_folder_is_touched() {
    let place = Place::new();
    for (text, reason) in [
        (
            block_lines(&plain_chain(&network("another"), 3)),
            "chain.jsonl: line 1: block 0 ",
        ),
        (
            Network::dev().genesis.to_json(),
            "chain.jsonl: line 1: the first block of dev, ",
        ),
        (
            header_lines(&plain_chain(&network("import"), 3)),
            "line 1: a header without its entries",
        ),
        ("a diary\n".to_owned(), "line 1: field `body`"),
        (String::new(), "line 1: missing"),
    ] {
        let said = place.refusal(&text);
        assert!(said.contains(reason), "{said}");
        assert!(!place.folder().exists());
    }
    let path = place.0.path().join("chain.jsonl");
    fs::write(&path, block_lines(&plain_chain(&network("import"), 3))).unwrap();
    let error = import(&path, &place.folder(), None, NOW).unwrap_err();
    assert!(
        error.to_string().contains("begins no built-in network"),
        "{error}"
    );
}

#[test]
fn a_bad_line_is_named_and_the_blocks_before_it_stay() {
    let blocks = plain_chain(&network("import"), 8);
    let whole = block_lines(&blocks);
    for (text, line, rule) in [
        (
            whole.replacen("\"index\":5,", "\"index\":6,", 1),
            6,
            "is not the one after",
        ),
        (
            whole.replacen(
                &blocks[5].header().unwrap().merkle_root.to_string(),
                &"ab".repeat(32),
                1,
            ),
            6,
            "block 5: refused by rule `hash`",
        ),
        (whole[..whole.len() - 9].to_owned(), 8, "torn"),
        (
            [block_lines(&blocks[..3]), block_lines(&blocks[4..])].concat(),
            4,
            "is not the one after",
        ),
        (block_lines(&blocks[..6]) + "\n", 7, "field `body`"),
    ] {
        let place = Place::new();
        let said = place.refusal(&text);
        assert!(
            said.contains(&format!("chain.jsonl: line {line}: ")) && said.contains(rule),
            "{said}"
        );
        let good = line - 2; // without the first block
        assert!(
            said.starts_with(&format!("{good} blocks before it are imported")),
            "{said}"
        );
        let rest = place.import(&whole).unwrap();
        assert_eq!(counts(&rest), (7 - good, good + 1, 7));
    }
}

#[test]
fn a_rule_broken_in_a_later_batch_is_found_there() {
    let mut blocks = plain_chain(&network("import"), 600);
    let parts = TemplateParts {
        index: 600,
        prev_hash: Some(*blocks[599].hash()),
        data: String::new(),
        timestamp: "1508895386".parse().unwrap(),
        v2: None,
    };
    blocks.push(parts.block(0)); // a classic block
    let said = Place::new().refusal(&block_lines(&blocks));
    assert!(
        said.contains("line 601: block 600: refused by rule `kind`"),
        "{said}"
    );
}

#[test]
fn a_branch_of_less_work_is_kept_beside_the_chain_of_the_folder() {
    let blocks = plain_chain(&network("import"), 6);
    let place = Place::new();
    place.import(&block_lines(&blocks)).unwrap();
    let side = [blocks[..3].to_vec(), vec![next(&blocks[2], &[b"side"])]].concat();
    let imported = place.import(&block_lines(&side)).unwrap();
    assert_eq!(counts(&imported), (1, 3, 5));
}

#[test]
fn a_folder_whose_node_runs_is_refused() {
    let place = Place::new();
    let _running = BlockStore::open(&place.folder(), &network("import")).unwrap();
    let said = place.refusal(&block_lines(&plain_chain(&network("import"), 3)));
    assert!(said.contains("in use by a node that runs"), "{said}");
}
