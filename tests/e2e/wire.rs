//! What `/mined` takes for a block, and what not.

use jbc_chain::{Block, Unchecked};
use serde_json::Value;

use crate::bad_blocks::Scene;
use crate::http::{JSON, exchange, send};
use crate::stage::{EASY, Stage};
use crate::wait::until_true;

/// The value of a key in a block's JSON, replaced by any JSON text.
#[track_caller]
pub(crate) fn with(block: &str, key: &str, value: &str) -> String {
    let start = block.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
    let end = start + 1 + block[start + 1..].find('"').unwrap() + 1;
    format!("{}{value}{}", &block[..start], &block[end..])
}

fn without(block: &str, key: &str) -> String {
    let mut value: Value = serde_json::from_str(block).unwrap();
    value.as_object_mut().unwrap().remove(key).unwrap();
    value.to_string()
}

pub(crate) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[test]
fn what_is_no_block_is_refused_with_400_and_the_field_at_fault() {
    let scene = Scene::new();
    let block = scene.next_json();
    let inner = &block[1..block.len() - 1];
    let hash = scene.tip.hash.as_str();
    let mut cases: Vec<(String, &str)> = vec![
        // no JSON object
        (String::new(), "body"),
        ("hello".into(), "body"),
        ("[]".into(), "body"),
        ("null".into(), "body"),
        ("\"block\"".into(), "body"),
        ("12".into(), "body"),
        (format!("[{block}]"), "body"),
        (block[..block.len() / 2].to_owned(), "body"),
        (format!("{block} {block}"), "body"),
        (format!("{block}x"), "body"),
        (format!("{block}\0"), "body"),
        ("[".repeat(10_000), "body"),
        ("{\"data\":".repeat(1_000), "body"),
        // keys
        ("{}".into(), "index"),
        (format!("{{{inner},\"extra\":1}}"), "extra"),
        (format!("{{{inner},\"Index\":\"5\"}}"), "Index"),
        (format!("{{\"index\":\"5\",{inner}}}"), "index"),
        (format!("{{{inner},\"hash\":\"{hash}\"}}"), "hash"),
        // types
        (with(&block, "data", "7"), "data"),
        (with(&block, "data", "null"), "data"),
        (with(&block, "data", "{\"a\":[1]}"), "data"),
        (with(&block, "hash", "0"), "hash"),
        (with(&block, "index", "{\"index\":5}"), "index"),
        (with(&block, "index", "[5]"), "index"),
        (with(&block, "index", "null"), "index"),
        (with(&block, "nonce", "true"), "nonce"),
        (with(&block, "prev_hash", "null"), "prev_hash"),
        // hashes
        (with(&block, "prev_hash", "\"\""), "prev_hash"),
        (with(&block, "prev_hash", &quoted(&hash[1..])), "prev_hash"),
        (
            with(&block, "prev_hash", &quoted(&format!("0{hash}"))),
            "prev_hash",
        ),
        (
            with(&block, "prev_hash", &quoted(&format!(" {}", &hash[1..]))),
            "prev_hash",
        ),
        (with(&block, "hash", &quoted(&"AB".repeat(32))), "hash"),
        (with(&block, "hash", &quoted(&"xy".repeat(32))), "hash"),
        (
            with(&with(&block, "index", "0"), "prev_hash", &quoted(hash)),
            "prev_hash",
        ),
        // timestamps
        (with(&block, "timestamp", "\"15088953810\""), "timestamp"), // 11 digits
        (with(&block, "timestamp", "150889538"), "timestamp"),
        (
            with(&block, "timestamp", "\"20261301000000000000\""),
            "timestamp",
        ), // month 13
        (
            with(&block, "timestamp", "20260230000000000000"),
            "timestamp",
        ),
        (with(&block, "timestamp", "\"0508895381\""), "timestamp"),
        (
            with(&block, "timestamp", "\"2026112107595308315３\""),
            "timestamp",
        ), // a digit, but not of ours
        (with(&block, "timestamp", "1.5088953810e9"), "timestamp"),
        (with(&block, "timestamp", "-150889538"), "timestamp"),
    ];
    for key in ["index", "prev_hash", "data", "timestamp", "nonce", "hash"] {
        cases.push((without(&block, key), key));
    }
    // Numbers that are not in their one canonical spelling, as strings and, where JSON has them, bare.
    for key in ["index", "nonce"] {
        for number in [
            "05",
            "+5",
            "-5",
            "-0",
            " 5",
            "5 ",
            "",
            "0x5",
            "5.0",
            "5e0",
            "٥",
            "1_000",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            cases.push((with(&block, key, &quoted(number)), key));
        }
        for number in ["-5", "-0", "5.0", "5e0", "18446744073709551616", "1e400"] {
            cases.push((with(&block, key, number), key));
        }
        cases.push((with(&block, key, "05"), "body")); // a bare number with a leading zero is no JSON at all
    }
    for (body, field) in &cases {
        let answer = scene.node.post("/mined", body);
        let start: String = body.chars().take(300).collect();
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (400, *field),
            "{start}: {}",
            answer.text()
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let answer = send(
        scene.node.port,
        "POST",
        "/mined",
        &[JSON],
        b"{\"data\":\"\xff\xfe\"}",
    )
    .unwrap();
    assert_eq!(
        (answer.status, answer.fault().is_empty()),
        (400, false),
        "bytes that are no UTF-8"
    );
    scene.tip_is_unmoved();
    scene.takes_a_good_block();
}

#[test]
fn a_request_that_is_no_small_json_post_is_refused_at_the_door() {
    let scene = Scene::new();
    let (port, block) = (scene.node.port, scene.next_json());
    let body = block.as_bytes();
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        send(port, "POST", "/mined", headers, body).unwrap()
    };
    for (headers, status, field) in [
        (&[][..], 415, "content-type"),
        (&[("content-type", "text/plain")], 415, "content-type"),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            415,
            "content-type",
        ),
        (&[JSON, JSON], 415, "content-type"),
        (
            &[JSON, ("content-encoding", "gzip")],
            415,
            "content-encoding",
        ),
        (&[JSON, ("upgrade", "h2c")], 400, "upgrade"),
    ] {
        let answer = post(headers, body);
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (status, field),
            "{headers:?}"
        );
    }
    // A block that is too large: as JSON says it, and by one byte.
    let padding = 16 * 1024 - body.len();
    let large = with(&block, "data", &quoted(&"x".repeat(20_000)));
    let answer = post(&[JSON], large.as_bytes());
    assert_eq!(
        (answer.status, answer.fault().as_str()),
        (413, "content-length")
    );
    let answer = post(
        &[JSON],
        format!("{block}{}", " ".repeat(padding + 1)).as_bytes(),
    );
    assert_eq!(answer.status, 413);
    scene.tip_is_unmoved();

    let raw = |head: &str| {
        exchange(
            port,
            format!("POST /mined HTTP/1.1\r\n{head}\r\n\r\n").as_bytes(),
        )
        .unwrap()
    };
    let json = "content-type: application/json";
    for (head, status, field) in [
        (format!("host: localhost\r\n{json}"), 411, "content-length"),
        (
            format!("host: localhost\r\n{json}\r\ntransfer-encoding: chunked"),
            411,
            "transfer-encoding",
        ),
        (format!("{json}\r\ncontent-length: 0"), 400, "host"),
        (
            format!("host: evil.example\r\n{json}\r\ncontent-length: 0"),
            403,
            "host",
        ),
    ] {
        let answer = raw(&head);
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (status, field),
            "{head}"
        );
    }
    let smuggled = raw(&format!(
        "host: localhost\r\n{json}\r\ncontent-length: 3\r\ntransfer-encoding: chunked"
    ));
    assert_eq!(smuggled.status, 400);
    scene.tip_is_unmoved();

    // Space around a block is JSON, too; parameters of the content type are fine.
    let spaced = format!("\n{block}{}", " ".repeat(padding - 1));
    assert_eq!(
        post(
            &[("content-type", "application/json; charset=utf-8")],
            spaced.as_bytes()
        )
        .status,
        202
    );
    until_true("the block in 16 KiB is taken", || scene.node.height() == 5);
}

#[test]
fn both_spellings_are_taken_in_any_order_of_keys_and_twenty_digits_survive() {
    let stage = Stage::new(EASY);
    let (node, branch) = (stage.node("node").start(), stage.branch(4));
    let [_, strings, numbers, mixed, odd] = &branch.blocks[..] else {
        unreachable!()
    };
    let digits = numbers.timestamp().to_string();
    assert!(
        digits.len() == 20 && digits.parse::<u64>().is_err(),
        "more than a u64 holds: {digits}"
    );
    assert!(
        numbers
            .to_wire_json()
            .contains(&format!("\"timestamp\":{digits},"))
    );
    let fields =
        |block: &Block<Unchecked>| serde_json::from_str::<Value>(&block.to_json()).unwrap();
    let mixed_json = {
        let of = fields(mixed);
        let (hash, prev, data, nonce) = (&of["hash"], &of["prev_hash"], &of["data"], mixed.nonce());
        let (index, timestamp) = (mixed.index(), mixed.timestamp());
        format!(
            "{{ \"hash\":{hash},\n\"nonce\": {nonce}, \"timestamp\":{timestamp},\"data\":{data},\"prev_hash\":{prev},\"index\":\"{index}\" }}"
        )
    };
    // Escapes are another spelling of the same characters.
    let odd_json = odd.to_json().replace("block 4", "\\u0062lock\\u00204");
    for (json, block) in [
        (strings.to_json(), strings),
        (numbers.to_wire_json(), numbers),
        (mixed_json, mixed),
        (odd_json, odd),
    ] {
        assert_eq!(node.post("/mined", &json).status, 202, "{json}");
        node.reaches(block.index());
        let kept = node.get(&format!("/blocks/{}", block.index()));
        assert_eq!(kept.json(), fields(block));
    }
    assert_eq!(node.get("/blocks/2").json()["timestamp"], digits);
    assert_eq!(node.chain(), branch.blocks);
}
