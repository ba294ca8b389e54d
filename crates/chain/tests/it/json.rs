//! Blocks as JSON: both spellings in, all else refused by field.

use jbc_chain::{Block, ParseError, Unchecked};
use proptest::prelude::*;

use crate::blocks::any_block;
use crate::fixtures::{ARTICLES, TWENTY_DIGITS};

/// Block 1 of the articles with each value as the JSON text it is given as.
fn spelled(change: &[(&str, &str)]) -> String {
    let fact = &ARTICLES[1];
    let mut fields = [
        ("nonce", "\"1225518\"".to_owned()),
        ("index", "\"1\"".to_owned()),
        ("hash", format!("\"{}\"", fact.hash)),
        ("timestamp", "\"1508895386\"".to_owned()),
        ("prev_hash", format!("\"{}\"", fact.prev_hash)),
        ("data", "\"I block #1\"".to_owned()),
    ];
    for (name, value) in change {
        fields
            .iter_mut()
            .find(|(field, _)| field == name)
            .unwrap()
            .1 = (*value).to_owned();
    }
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

fn parse(text: &str) -> Result<Block<Unchecked>, ParseError> {
    Block::from_json(text.as_bytes())
}

/// The field at fault.
fn fault(text: &str) -> String {
    parse(text).expect_err(text).field
}

#[test]
fn strings_and_numbers_mean_the_same() {
    let expected = ARTICLES[1].block();
    assert_eq!(parse(&spelled(&[])), Ok(expected.clone()));
    let numbers = [
        ("index", "1"),
        ("nonce", "1225518"),
        ("timestamp", "1508895386"),
    ];
    assert_eq!(parse(&spelled(&numbers)), Ok(expected.clone()));
    for number in numbers {
        assert_eq!(parse(&spelled(&[number])), Ok(expected.clone()));
    }
}

#[test]
fn a_bare_number_of_20_digits_loses_none() {
    // Greater than u64::MAX, and a double would round it to …000000 or worse.
    let text = spelled(&[
        ("timestamp", "20261121075953083153"),
        ("nonce", "18446744073709551615"),
    ]);
    let block = parse(&text).unwrap();
    assert_eq!(block.timestamp().to_string(), "20261121075953083153");
    assert_eq!(block.nonce(), u64::MAX);
    let through_serde: Block<Unchecked> = serde_json::from_str(&text).unwrap();
    assert_eq!(through_serde, block);
    let posted = TWENTY_DIGITS[1].block().to_wire_json();
    assert!(posted.contains("\"timestamp\":20121102120001000000,"));
    assert_eq!(parse(&posted), Ok(TWENTY_DIGITS[1].block()));
}

#[test]
fn both_forms_are_written_as_the_tutorial_writes_them() {
    let block = ARTICLES[1].block();
    let (hash, prev_hash) = (ARTICLES[1].hash, ARTICLES[1].prev_hash);
    let rest = format!("\"prev_hash\":\"{prev_hash}\",\"data\":\"I block #1\"");
    let file = format!(
        "{{\"index\":\"1\",{rest},\"timestamp\":\"1508895386\",\"nonce\":\"1225518\",\"hash\":\"{hash}\"}}"
    );
    let posted = format!(
        "{{\"index\":1,{rest},\"timestamp\":1508895386,\"nonce\":1225518,\"hash\":\"{hash}\"}}"
    );
    assert_eq!(block.to_json(), file);
    assert_eq!(serde_json::to_string(&block).unwrap(), file);
    assert_eq!(block.to_wire_json(), posted);
    assert!(ARTICLES[0].block().to_json().contains("\"prev_hash\":\"\""));
}

#[test]
fn white_space_escapes_and_any_key_order_are_the_same_block() {
    let text = spelled(&[("data", "\"\\u0049 block\\u0020#1\"")]).replace(", ", " ,\r\n\t ");
    assert_eq!(parse(&format!("\n {text} \n")), Ok(ARTICLES[1].block()));
    let escaped_key = spelled(&[]).replace("\"nonce\"", "\"\\u006eonce\"");
    assert_eq!(parse(&escaped_key), Ok(ARTICLES[1].block()));
}

#[test]
fn text_in_any_script_comes_back_as_it_went() {
    let data = "naïve 区块 🦀 \"quoted\" \\ \u{0} \n \u{7f} \u{2028}";
    let quoted = serde_json::to_string(data).unwrap();
    assert_eq!(parse(&spelled(&[("data", &quoted)])).unwrap().data(), data);
    // Python escapes what is not ASCII, in surrogate pairs.
    let block = parse(&spelled(&[("data", "\"\\ud83e\\udd80 \\u533a\"")])).unwrap();
    assert_eq!(block.data(), "🦀 区");
}

#[test]
fn numbers_that_are_not_canonical_are_refused() {
    let wrong = [
        "\"\"",
        "\"01\"",
        "01",
        "\"+1\"",
        "\"-1\"",
        "-1",
        "-0",
        "1.0",
        "1e0",
        "\"1.0\"",
        "\" 1\"",
        "\"1 \"",
        "\"0x1\"",
        "\"1_0\"",
        "\"١\"",
        "18446744073709551616",
        "\"18446744073709551616\"",
        "null",
        "true",
        "[]",
        "{}",
        "[1]",
        "\"None\"",
    ];
    for value in wrong {
        for field in ["index", "nonce"] {
            let name = fault(&spelled(&[(field, value)]));
            // What is not JSON at all has no field.
            assert!(
                name == field || (value == "01" && name == "body"),
                "{field} {value}: {name}"
            );
        }
    }
    for value in [
        "1508895386.0",
        "150889538e1",
        "0508895386",
        "\"01508895386\"",
        "null",
        "1",
        "[]",
    ] {
        let name = fault(&spelled(&[("timestamp", value)]));
        assert!(
            name == "timestamp" || (value.starts_with('0') && name == "body"),
            "{value}: {name}"
        );
    }
}

#[test]
fn hashes_are_64_lowercase_digits_in_strings() {
    let hash = ARTICLES[1].hash;
    let wrong = [
        format!("\"{}\"", hash.to_uppercase()),
        format!("\"{}\"", &hash[5..]),
        format!("\"{hash}0\""),
        format!("\"0x{}\"", &hash[2..]),
        "\"\"".to_owned(),
        "0".to_owned(),
        "null".to_owned(),
    ];
    for value in &wrong {
        assert_eq!(fault(&spelled(&[("hash", value)])), "hash");
        assert_eq!(fault(&spelled(&[("prev_hash", value)])), "prev_hash");
    }
}

#[test]
fn only_the_first_block_has_an_empty_prev_hash() {
    assert_eq!(fault(&spelled(&[("index", "0")])), "prev_hash");
    assert!(parse(&spelled(&[("index", "0"), ("prev_hash", "\"\"")])).is_ok());
    assert_eq!(
        fault(&spelled(&[("index", "1"), ("prev_hash", "\"\"")])),
        "prev_hash"
    );
}

#[test]
fn keys_missing_unknown_or_twice_are_named() {
    for field in ["index", "prev_hash", "data", "timestamp", "nonce", "hash"] {
        let other = spelled(&[]).replace(&format!("\"{field}\""), "\"x\"");
        assert_eq!(
            parse(&other).unwrap_err(),
            ParseError {
                field: "x".to_owned(),
                reason: "unknown key".to_owned(),
            }
        );

        let value: serde_json::Value = serde_json::from_str(&spelled(&[])).unwrap();
        let mut without = value.as_object().unwrap().clone();
        let there = without.remove(field).unwrap();
        let missing = serde_json::to_string(&without).unwrap();
        assert_eq!(
            parse(&missing).unwrap_err().to_string(),
            format!("field `{field}`: missing")
        );

        let twice = spelled(&[]).replacen('{', &format!("{{\"{field}\": {there},"), 1);
        assert_eq!(parse(&twice).unwrap_err().reason, "key there twice");
        assert_eq!(fault(&twice), field);
    }
    let long_key = spelled(&[]).replace("\"data\"", &format!("\"{}\"", "é".repeat(10_000)));
    assert!(fault(&long_key).chars().count() < 100);
}

#[test]
fn data_is_text() {
    for value in [
        "1",
        "null",
        "[]",
        "{\"a\":1}",
        "\"\\ud800\"",
        "\"\\ud800x\"",
    ] {
        assert_eq!(fault(&spelled(&[("data", value)])), "data", "{value}");
    }
    assert_eq!(fault(&spelled(&[("data", "\"tab\there\"")])), "body");
    let mut latin1 = spelled(&[("data", "\"x\"")]).into_bytes();
    let place = latin1.iter().rposition(|&byte| byte == b'x').unwrap();
    latin1[place] = 0xe9;
    assert!(Block::from_json(&latin1).is_err());
}

#[test]
fn what_is_not_one_whole_block_is_refused() {
    let block = spelled(&[]);
    let cut = &block[..block.len() - 1];
    let wrong = [
        "",
        " ",
        "null",
        "1",
        "\"x\"",
        "[]",
        "{",
        cut,
        &format!("{block}x"),
        &format!("{block}{block}"),
    ];
    for text in wrong {
        assert_eq!(fault(text), "body", "{text}");
    }
    assert_eq!(fault("{}"), "index");
    assert!(Block::from_json(b"\xff\xfe{}").is_err());
    let marked = format!("\u{feff}{block}");
    assert_eq!(fault(&marked), "body");
}

#[test]
fn deep_nesting_is_refused_without_deep_recursion() {
    let depth = 1_000_000;
    let deep = "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(fault(&deep), "body");
    assert_eq!(fault(&spelled(&[("nonce", &deep)])), "nonce");
    let objects = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    assert_eq!(fault(&spelled(&[("data", &objects)])), "data");
    assert!(Block::list_from_json(deep.as_bytes()).is_err());
}

#[test]
fn a_list_names_the_block_at_fault() {
    let good: Vec<Block<Unchecked>> = ARTICLES.iter().map(|fact| fact.block()).collect();
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(Block::list_from_json(text.as_bytes()).as_ref(), Ok(&good));
    assert_eq!(Block::list_from_json(b"[]"), Ok(Vec::new()));
    assert_eq!(
        serde_json::from_str::<Vec<Block<Unchecked>>>(&text).unwrap(),
        good
    );

    let refused = |text: &str| Block::list_from_json(text.as_bytes()).unwrap_err().field;
    assert_eq!(refused(&text.replace("\"1315081\"", "\"x\"")), "[2].nonce");
    assert_eq!(
        refused(&text.replace("\"1225518\"", "{\"a\": 1}")),
        "[1].nonce"
    );
    assert_eq!(refused(&format!("[{},7]", good[0].to_json())), "[1].body");
    assert_eq!(refused(&text[..text.len() - 1]), "[5].body");
    assert_eq!(refused(&format!("{text}]")), "body");
    assert_eq!(refused("{}"), "body");
}

#[test]
fn serde_names_the_field_in_its_error() {
    let text = spelled(&[("nonce", "\"x\"")]);
    let error = serde_json::from_str::<Block<Unchecked>>(&text)
        .unwrap_err()
        .to_string();
    assert!(error.contains("field `nonce`"), "{error}");
    let value: serde_json::Value = serde_json::from_str(&spelled(&[])).unwrap();
    assert_eq!(
        serde_json::from_value::<Block<Unchecked>>(value).unwrap(),
        ARTICLES[1].block()
    );
    let reader = spelled(&[]).into_bytes();
    let read: Block<Unchecked> = serde_json::from_reader(reader.as_slice()).unwrap();
    assert_eq!(read, ARTICLES[1].block());
}

proptest! {
    #[test]
    fn every_block_survives_both_spellings(block in any_block()) {
        prop_assert_eq!(Block::from_json(block.to_json().as_bytes()).unwrap(), block.clone());
        prop_assert_eq!(Block::from_json(block.to_wire_json().as_bytes()).unwrap(), block.clone());
        prop_assert_eq!(serde_json::to_string(&block).unwrap(), block.to_json());
        prop_assert_eq!(block.size_bytes(), block.to_json().len());
    }

    #[test]
    fn what_is_read_from_torn_text_is_written_back_as_the_same_block(
        block in any_block(), place: prop::sample::Index, byte: u8,
    ) {
        let mut text = block.to_wire_json().into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        if let Ok(read) = Block::from_json(&text) {
            prop_assert_eq!(Block::from_json(read.to_json().as_bytes()), Ok(read));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[\\[\\]{}\":,0-9a-z\\\\ ]{0,80}") {
        prop_assert!(Block::from_json(&bytes).is_err());
        prop_assert!(Block::from_json(text.as_bytes()).is_err());
        let list = Block::list_from_json(text.as_bytes());
        prop_assert!(list.is_err() || list.unwrap().is_empty());
    }
}
