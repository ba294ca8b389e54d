//! `v2` blocks and headers as JSON: one spelling out, all else refused by field.

use jbc_chain::{Block, Header, MAX_V2_BLOCK_BYTES, Network, ParseError, Unchecked};
use proptest::prelude::*;

use super::fixtures::{easy, first_header};
use super::preimage::{any_header, any_v2_block};
use crate::fixtures::ARTICLES;

const ROOT: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const PARENT: &str = "0000009de228c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7abcdef";
const HASH: &str = "000000257df186344486c2c3c1ebaa159e812ca1c5c29947651672e2588efe1e";

/// The keys of a header, in the order in which they are written.
const KEYS: [&str; 8] = [
    "version",
    "index",
    "prev_hash",
    "merkle_root",
    "timestamp",
    "bits",
    "nonce",
    "hash",
];

/// A block's keys and values, each as the JSON text it is given as.
fn fields(change: &[(&str, &str)]) -> Vec<(String, String)> {
    let values = [
        "2".to_owned(),
        "7".to_owned(),
        format!("\"{PARENT}\""),
        format!("\"{ROOT}\""),
        "1795262405000".to_owned(),
        "\"1e0fffff\"".to_owned(),
        "\"18446744073709551615\"".to_owned(),
        format!("\"{HASH}\""),
        "[\"dGFn\",\"\",\"AP8=\"]".to_owned(),
    ];
    let keys = KEYS.iter().chain(&["entries"]);
    keys.zip(values)
        .map(|(key, value)| {
            let changed = change.iter().find(|(name, _)| name == key);
            let value = changed.map_or(value, |(_, value)| (*value).to_owned());
            ((*key).to_owned(), value)
        })
        .collect()
}

fn object(fields: &[(String, String)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn block_text(change: &[(&str, &str)]) -> String {
    object(&fields(change))
}

fn header_text(change: &[(&str, &str)]) -> String {
    object(&fields(change)[..KEYS.len()])
}

fn parse(text: &str) -> Result<Block<Unchecked>, ParseError> {
    Block::from_json(text.as_bytes())
}

/// The field at fault in a block and, of what is not its entries, in a header.
fn fault_with(key: &str, value: &str) -> String {
    let block = parse(&block_text(&[(key, value)])).expect_err(value).field;
    if key != "entries" {
        let header = Header::from_json(header_text(&[(key, value)]).as_bytes());
        assert_eq!(header.expect_err(value).field, block, "{key} {value}");
    }
    block
}

#[test]
fn a_block_and_its_header_have_one_text() {
    let block = parse(&block_text(&[])).unwrap();
    let header = Header::from_json(header_text(&[]).as_bytes()).unwrap();
    assert_eq!(block.header(), Some(header.clone()));
    assert_eq!(header.index, 7);
    assert_eq!(header.prev_hash.unwrap().to_string(), PARENT);
    assert_eq!(header.merkle_root.to_string(), ROOT);
    assert_eq!(header.timestamp.to_string(), "1795262405000");
    assert_eq!(header.bits.to_string(), "1e0fffff");
    assert_eq!(header.nonce, u64::MAX);
    assert_eq!(header.hash.to_string(), HASH);
    let entries: [&[u8]; 3] = [b"tag", b"", b"\x00\xff"];
    assert_eq!(block.entries(), entries);

    assert_eq!(block.to_json(), block_text(&[]));
    assert_eq!(block.to_wire_json(), block_text(&[]));
    assert_eq!(serde_json::to_string(&block).unwrap(), block_text(&[]));
    assert_eq!(block.size_bytes(), block_text(&[]).len());
    assert_eq!(header.to_json(), header_text(&[]));
    assert_eq!(serde_json::to_string(&header).unwrap(), header_text(&[]));
}

#[test]
fn the_first_block_has_a_parent_of_64_zeros() {
    let text = easy().genesis.to_json();
    assert!(text.contains(&format!("\"index\":0,\"prev_hash\":\"{}\"", "0".repeat(64))));
    assert_eq!(parse(&text), Ok(easy().genesis.clone().into_unchecked()));
    let zeros = format!("\"{}\"", "0".repeat(64));
    let with = |index: &str, prev_hash: &str| {
        let change = [("index", index), ("prev_hash", prev_hash)];
        let header = Header::from_json(header_text(&change).as_bytes());
        match parse(&block_text(&change)) {
            Ok(block) => {
                assert_eq!(block.header(), Some(header.unwrap()));
                assert_eq!(block.prev_hash(), None);
                "ok".to_owned()
            }
            Err(error) => {
                assert_eq!(header.unwrap_err(), error);
                error.field
            }
        }
    };
    assert_eq!(with("0", &zeros), "ok");
    assert_eq!(with("1", &zeros), "prev_hash");
    assert_eq!(with("0", &format!("\"{PARENT}\"")), "prev_hash");
    assert_eq!(with("0", "\"\""), "prev_hash");
}

#[test]
fn white_space_escapes_and_any_key_order_are_the_same_block() {
    let expected = parse(&block_text(&[])).unwrap();
    let mut fields = fields(&[
        ("bits", "\"\\u0031e0fffff\""),
        ("entries", "[\"d\\u0047Fn\" ,\"\", \"AP8=\"]"),
    ]);
    fields.reverse();
    let text = object(&fields)
        .replace(",\"", " ,\r\n\t \"")
        .replace("\"bits\"", "\"\\u0062its\"");
    assert_eq!(parse(&format!("\n{text} ")), Ok(expected.clone()));
    let value: serde_json::Value = serde_json::from_str(&block_text(&[])).unwrap();
    assert_eq!(
        serde_json::from_value::<Block<Unchecked>>(value).unwrap(),
        expected
    );
    let header: Header = serde_json::from_str(&header_text(&[])).unwrap();
    assert_eq!(Some(header), expected.header());
}

#[test]
fn keys_missing_or_twice_are_named() {
    let all = fields(&[]);
    for place in 0..all.len() {
        let key = all[place].0.as_str();
        let mut without = all.clone();
        without.remove(place);
        let mut twice = all.clone();
        twice.push(all[place].clone());
        let missing = parse(&object(&without)).unwrap_err();
        let doubled = parse(&object(&twice)).unwrap_err();
        assert_eq!(
            doubled.to_string(),
            format!("field `{key}`: key there twice")
        );
        // Without its version it is a classic block, in which these keys are unknown.
        match key {
            "version" => assert_eq!(missing.to_string(), "field `merkle_root`: unknown key"),
            _ => assert_eq!(missing.to_string(), format!("field `{key}`: missing")),
        }
        if key == "entries" {
            continue;
        }
        let of_header = |mut fields: Vec<(String, String)>| {
            fields.retain(|(key, _)| key != "entries");
            Header::from_json(object(&fields).as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(of_header(without), format!("field `{key}`: missing"));
        assert_eq!(of_header(twice), format!("field `{key}`: key there twice"));
    }
}

#[test]
fn unknown_keys_and_those_of_the_other_kind_are_refused() {
    let with = |text: &str, key: &str, value: &str| {
        text.replacen('{', &format!("{{\"{key}\":{value},"), 1)
    };
    for key in ["x", "Version", "difficulty", "", "data "] {
        assert_eq!(
            parse(&with(&block_text(&[]), key, "1")).unwrap_err().field,
            key
        );
    }
    let data = with(&block_text(&[]), "data", "\"x\"");
    assert_eq!(
        parse(&data).unwrap_err().to_string(),
        "field `data`: unknown key"
    );
    for (key, value) in [("data", "\"x\""), ("entries", "[]")] {
        let text = with(&header_text(&[]), key, value);
        let error = Header::from_json(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("field `{key}`: unknown key"));
    }

    let classic = ARTICLES[1].block().to_json();
    for key in ["merkle_root", "bits", "entries"] {
        let text = with(&classic, key, "\"\"");
        assert_eq!(
            parse(&text).unwrap_err().to_string(),
            format!("field `{key}`: unknown key")
        );
    }
    assert_eq!(
        parse(&with(&classic, "version", "2")).unwrap_err().field,
        "data"
    );
    assert_eq!(
        parse(&with(&classic, "version", "1")).unwrap_err().field,
        "data"
    );
    assert_eq!(
        Header::from_json(classic.as_bytes()).unwrap_err().field,
        "data"
    );
}

#[test]
fn the_version_is_the_number_2() {
    for value in [
        "1", "3", "0", "20", "-2", "2.0", "2e0", "\"2\"", "null", "[2]", "true",
    ] {
        assert_eq!(fault_with("version", value), "version", "{value}");
    }
}

#[test]
fn numbers_that_are_not_canonical_are_refused() {
    let wrong = [
        "\"7\"",
        "-7",
        "-0",
        "7.0",
        "7e0",
        "null",
        "true",
        "[]",
        "{}",
        "[7]",
        "\"\"",
        "18446744073709551616",
    ];
    for value in wrong {
        assert_eq!(fault_with("index", value), "index", "{value}");
    }
    assert_eq!(fault_with("index", "07"), "body"); // no JSON
    for value in [
        "\"1795262405000\"",
        "179526240500",
        "17952624050000",
        "1795262405",
        "20261121120005000000",
        "1795262405000.0",
        "1.795262405e12",
        "-795262405000",
        "null",
        "[1795262405000]",
    ] {
        assert_eq!(fault_with("timestamp", value), "timestamp", "{value}");
    }
    for value in [
        "7",
        "\"\"",
        "\"07\"",
        "\"-7\"",
        "\"+7\"",
        "\" 7\"",
        "\"7 \"",
        "\"7.0\"",
        "\"0x7\"",
        "\"٧\"",
        "\"18446744073709551616\"",
        "null",
        "{}",
        "[\"7\"]",
    ] {
        assert_eq!(fault_with("nonce", value), "nonce", "{value}");
    }
}

#[test]
fn hashes_and_bits_are_lowercase_hex_digits_in_strings() {
    let wrong = [
        format!("\"{}\"", HASH.to_uppercase()),
        format!("\"{}\"", &HASH[2..]),
        format!("\"{HASH}00\""),
        format!("\"0x{}\"", &HASH[2..]),
        "\"\"".to_owned(),
        "0".to_owned(),
        "null".to_owned(),
        format!("[\"{HASH}\"]"),
    ];
    for key in ["prev_hash", "merkle_root", "hash"] {
        for value in &wrong {
            assert_eq!(fault_with(key, value), key, "{value}");
        }
    }
    for value in [
        "\"1E0FFFFF\"",
        "\"1e0ffff\"",
        "\"1e0fffff0\"",
        "504365055",
        "\"\"",
        "null",
        "\"00000000\"",
        "\"1e8fffff\"",
        "\"1e000fff\"",
        "\"ff0fffff\"",
        "\"0x1e0fff\"",
    ] {
        assert_eq!(fault_with("bits", value), "bits", "{value}");
    }
}

#[test]
fn entries_are_a_list_of_canonical_base64() {
    for value in [
        "null",
        "\"dGFn\"",
        "{}",
        "7",
        "[7]",
        "[null]",
        "[[\"dGFn\"]]",
        "[\"\\ud800\"]",
    ] {
        assert_eq!(fault_with("entries", value), "entries", "{value}");
    }
    let not_base64 = [
        "dGFn\\n",
        " dGFn",
        "dGF",
        "dGFuZw",
        "dGFuZw=",
        "dGFuZw===",
        "dGFuZx==",
        "dGFuZ1==",
        "AP9=",
        "AP8",
        "A",
        "=",
        "====",
        "dG=n",
        "dGFn=",
        "dG-_",
        "dGFn dGFn",
        "dGFnAA=A",
        "é",
        "dGFn\\u0000",
        "....",
    ];
    for entry in not_base64 {
        let value = format!("[\"dGFn\",\"{entry}\"]");
        assert_eq!(fault_with("entries", &value), "entries[1]", "{value}");
    }
    let none = parse(&block_text(&[("entries", "[ ]")])).unwrap();
    assert!(none.entries().is_empty());
    assert_eq!(none.data(), "");
    assert_eq!(parse(&none.to_json()), Ok(none));
}

#[test]
fn whatever_the_first_entry_holds_data_is_text() {
    let hostile: [&[u8]; 6] = [
        b"\xff\xfe\x00\x1b[2J",
        "naïve 区块 🦀 \" \\ \u{2028}".as_bytes(),
        b"\n\n\n123",
        b"</script>\r\n",
        &[0; 4096],
        b"\xf0\x9f\x92", // a character cut off
    ];
    for first in hostile {
        let block = Block::v2(first_header(), vec![first.to_vec()].into());
        let again = parse(&block.to_json()).unwrap();
        assert_eq!(again, block);
        assert_eq!(again.entries()[0], first);
        let expected = String::from_utf8_lossy(first);
        assert!(expected.starts_with(&*again.data()), "{expected}");
        assert_eq!(serde_json::to_string(&block).unwrap(), block.to_json());
        assert_eq!(block.size_bytes(), block.to_json().len());
    }
}

#[test]
fn a_list_names_the_block_at_fault_of_either_kind() {
    let blocks = [
        ARTICLES[0].block(),
        Network::dev().genesis.into_unchecked(),
        ARTICLES[1].block(),
    ];
    let text = serde_json::to_string(&blocks).unwrap();
    assert_eq!(
        Block::list_from_json(text.as_bytes()).as_deref(),
        Ok(&blocks[..])
    );
    let refused = |from: &str, to: &str| {
        Block::list_from_json(text.replace(from, to).as_bytes())
            .unwrap_err()
            .field
    };
    assert_eq!(refused("\"2724599\"", "2724599"), "[1].nonce");
    assert_eq!(refused("\"eyJp", "\"eyJ"), "[1].entries[0]");
    assert_eq!(refused("\"version\":2", "\"version\":1"), "[1].version");
    assert_eq!(refused("I block", "\\ud800"), "[2].data");
}

#[test]
fn what_is_not_one_whole_header_is_refused() {
    let header = header_text(&[]);
    for text in [
        "",
        " ",
        "null",
        "[]",
        "{",
        &header[1..],
        &format!("{header}x"),
        &format!("[{header}]"),
    ] {
        assert_eq!(
            Header::from_json(text.as_bytes()).unwrap_err().field,
            "body",
            "{text}"
        );
    }
    assert_eq!(Header::from_json(b"{}").unwrap_err().field, "version");
    let deep = "[".repeat(1_000_000);
    assert!(Header::from_json(deep.as_bytes()).is_err());
    let deep = deep + &"]".repeat(1_000_000);
    assert_eq!(
        parse(&block_text(&[("entries", &deep)])).unwrap_err().field,
        "entries"
    );
    assert_eq!(fault_with("version", &deep), "version");
}

#[test]
fn more_entries_than_a_block_can_have_are_not_taken_apart() {
    let many = |count: usize| format!("[{}\"\"]", "\"\",".repeat(count - 1));
    // "[", three bytes for each but the last, which has no comma, and "]".
    let fitting = (MAX_V2_BLOCK_BYTES - 1) / 3;
    let block = parse(&block_text(&[("entries", &many(fitting))])).unwrap();
    assert_eq!(block.entries().len(), fitting);
    assert_eq!(block.size_bytes(), block.to_json().len());
    assert_eq!(fault_with("entries", &many(fitting + 1)), "entries");
}

proptest! {
    #[test]
    fn every_block_and_header_survives_its_text(block in any_v2_block(), header in any_header()) {
        let text = block.to_json();
        prop_assert_eq!(Block::from_json(text.as_bytes()).unwrap(), block.clone());
        prop_assert_eq!(serde_json::from_str::<Block<Unchecked>>(&text).unwrap(), block.clone());
        prop_assert_eq!(serde_json::to_string(&block).unwrap(), text.clone());
        prop_assert_eq!(&block.to_wire_json(), &text);
        prop_assert_eq!(block.size_bytes(), text.len());
        prop_assert_eq!(Header::from_json(header.to_json().as_bytes()).unwrap(), header.clone());
        prop_assert_eq!(serde_json::to_string(&header).unwrap(), header.to_json());
    }

    #[test]
    fn what_is_read_from_torn_text_is_written_back_as_the_same_block(
        block in any_v2_block(), place: prop::sample::Index, byte: u8,
    ) {
        let mut text = block.to_json().into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        if let Ok(read) = Block::from_json(&text) {
            // One spelling only: but for white space, what is read is what is written.
            let written = read.to_json();
            prop_assert_eq!(Block::from_json(written.as_bytes()), Ok(read));
            let spaced: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            prop_assert_eq!(written.into_bytes(), spaced);
        }
    }
}
