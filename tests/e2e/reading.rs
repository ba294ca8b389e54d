//! What a node tells: blocks, pages, news, and what it answers to odd requests.

use std::io::Write;

use jbc_chain::Block;
use serde_json::{Value, json};

use crate::events::Events;
use crate::http::{JSON, ask, connect, send};
use crate::stage::{EASY, RACING, Stage};
use crate::wait::until_true;

#[test]
fn pages_of_blocks_and_headers_are_the_whole_chain() {
    let stage = Stage::new(0.0);
    let branch = stage.branch(2_100);
    stage.block_files("node", &branch);
    let node = stage.node("node").start();
    let whole = node.get("/blockchain.json");
    assert_eq!(whole.header("content-type"), Some("application/json"));
    assert_eq!(Block::list_from_json(&whole.body).unwrap(), branch.blocks);
    let list = |path: &str| node.get(path).json().as_array().unwrap().clone();

    let (mut pages, mut from) = (Vec::new(), 0);
    while from <= 2_100 {
        let page = list(&format!("/blocks?from={from}&count=100000"));
        assert!(page.len() <= 500 && !page.is_empty(), "{}", page.len());
        from += page.len();
        pages.extend(page);
    }
    assert_eq!(Value::from(pages), whole.json());
    assert!(list("/blocks?from=2101&count=5").is_empty());
    assert!(list("/blocks?from=18446744073709551615&count=18446744073709551615").is_empty());
    assert!(list("/blocks?from=7&count=0").is_empty());

    let headers = list("/headers?from=0&count=100000");
    assert_eq!(
        (
            headers.len(),
            list("/headers").len(),
            list("/headers?from=2000").len()
        ),
        (2_000, 2_000, 101)
    );
    for (index, header) in headers.iter().enumerate() {
        let block = &branch.blocks[index];
        assert_eq!(
            (header["index"].as_u64(), &header["hash"]),
            (Some(index as u64), &json!(block.hash()))
        );
        assert_eq!(header["prev_hash"], json!(block.prev_hash()));
    }
    for query in [
        "from=x",
        "from=-1",
        "count=",
        "from=1&from=2",
        "start=1",
        "from=18446744073709551616",
        "from",
    ] {
        for path in ["/headers", "/blocks"] {
            let answer = node.get(&format!("{path}?{query}"));
            assert_eq!(
                (answer.status, answer.fault().as_str()),
                (400, "query"),
                "{path}?{query}"
            );
        }
    }
}

#[test]
fn a_block_is_found_by_height_and_by_hash_also_beside_the_best_chain() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").start();
    let (mut best, mut side) = (stage.branch(3), stage.branch(2));
    let (best, side) = (best.grow("best"), side.grow("side"));
    for block in stage.branch(3).blocks[1..].iter().chain([&best, &side]) {
        node.takes(block);
    }
    for name in ["4".to_owned(), best.hash().to_string()] {
        let answer = node.get(&format!("/blocks/{name}"));
        assert_eq!(
            (answer.status, Block::from_json(&answer.body).unwrap()),
            (200, best.clone())
        );
    }
    let answer = node.get(&format!("/blocks/{}", side.hash()));
    assert_eq!(Block::from_json(&answer.body).unwrap(), side);
    assert_ne!(node.get("/blocks/3").json()["data"], "side");
    for (name, status) in [
        ("5", 404),
        ("18446744073709551615", 404),
        (&"0".repeat(64)[..], 404),
        ("18446744073709551616", 400),
        ("-1", 400),
        ("tip", 400),
        (&best.hash().to_string().to_uppercase(), 400),
        ("%2e%2e", 400),
    ] {
        let answer = node.get(&format!("/blocks/{name}"));
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (status, "block"),
            "{name}"
        );
    }
}

#[test]
fn the_status_says_what_the_protocol_promises() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").start();
    node.takes(&stage.branch(1).blocks[1]);
    let status = node.status();
    for path in [
        "/node_id",
        "/version",
        "/url",
        "/network/id",
        "/network/name",
        "/network/description",
        "/network/target",
        "/network/genesis",
        "/tip/hash",
        "/tip/work",
    ] {
        assert!(
            status.pointer(path).is_some_and(Value::is_string),
            "{path}: {status}"
        );
    }
    for path in [
        "/tip/index",
        "/chain/blocks",
        "/chain/side_blocks",
        "/chain/orphans",
        "/chain/reorganisations",
        "/chain/deepest_reorganisation",
        "/mining/threads",
        "/mining/hash_rate",
        "/mining/searched",
        "/mining/wasted",
        "/mining/found",
        "/peers/known",
        "/peers/reachable",
        "/uptime_ms",
    ] {
        assert!(
            status.pointer(path).is_some_and(Value::is_number),
            "{path}: {status}"
        );
    }
    assert_eq!(
        (
            &status["mining"]["on"],
            &status["disk_full"],
            &status["ready"]
        ),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_eq!(
        (&status["tip"]["index"], &status["chain"]["blocks"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(status["network"]["id"], stage.network.fingerprint());
    assert_eq!(
        status["network"]["genesis"],
        json!(stage.network.genesis.hash())
    );
    for path in ["/healthz", "/readyz", "/jobs", "/jobs/history", "/peers"] {
        assert_eq!(node.get(path).status, 200, "{path}");
    }
    assert!(node.get("/").text().contains("/status"));
}

#[test]
fn what_is_not_there_is_said_in_json_and_no_other_site_is_let_in() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").start();
    let port = node.port;
    for path in [
        "/nothing",
        "/status/more",
        "/blocks/1/2",
        "/../etc/passwd",
        "/%00",
        "/mined",
    ] {
        let answer = node.get(path);
        let status = if path == "/mined" { 405 } else { 404 };
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            (answer.fault().is_empty(), answer.header("content-type")),
            (false, Some("application/json")),
            "{path}"
        );
    }
    for (method, path) in [
        ("POST", "/status"),
        ("PUT", "/mined"),
        ("PATCH", "/peers"),
        ("DELETE", "/blocks/0"),
        ("TRACE", "/status"),
    ] {
        let answer = send(port, method, path, &[JSON], b"{}").unwrap();
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (405, "method"),
            "{method} {path}"
        );
    }
    let head = ask(port, "HEAD", "/status", &[]).unwrap();
    assert!(
        matches!(head.status, 200 | 405) && head.body.is_empty(),
        "{head:?}"
    );

    let origin = ("origin", "https://evil.example");
    let wanted = ("access-control-request-method", "POST");
    for answer in [
        ask(port, "OPTIONS", "/mined", &[origin, wanted]).unwrap(),
        ask(port, "OPTIONS", "/status", &[origin, wanted]).unwrap(),
        ask(port, "GET", "/status", &[origin]).unwrap(),
        ask(port, "GET", "/events/nothing", &[origin]).unwrap(),
        send(port, "POST", "/mined", &[origin, JSON], b"{}").unwrap(),
    ] {
        let names = answer.header_names();
        assert!(
            !names.iter().any(|name| name.starts_with("access-control")),
            "{names:?}"
        );
    }
    assert_eq!(ask(port, "OPTIONS", "/mined", &[]).unwrap().status, 405);
    assert_eq!(
        ask(port, "CONNECT", "localhost:22", &[]).unwrap().status,
        405
    );
    assert_eq!(node.status()["ready"], true);
}

#[test]
fn each_new_tip_is_news_in_order_with_all_that_a_page_needs() {
    let stage = Stage::new(RACING);
    let node = stage.node("miner").mining().start();
    let mut news = Events::of(node.port);
    let mut tip = news.next("tip", |_| true);
    for _ in 0..8 {
        let next = news.next("tip", |_| true);
        let told = (&next["from"], &next["depth"], &next["origin"]);
        assert_eq!(told, (&tip["hash"], &json!(0), &json!("mined")), "{next}");
        assert_eq!(
            next["index"].as_u64(),
            tip["index"].as_u64().map(|index| index + 1)
        );
        assert!(next["at_ms"].as_u64() >= tip["at_ms"].as_u64() && next["data"].is_string());
        let kept = node.get(&format!("/blocks/{}", next["hash"].as_str().unwrap()));
        assert_eq!(kept.status, 200, "what is told is there");
        tip = next;
    }
    let job = news.next("job", |news| news["job_id"] == "mining");
    assert!(
        job["code"].as_str().unwrap().starts_with("JOB_") && job["name"] == "mine",
        "{job}"
    );
}

#[test]
fn readers_of_news_who_do_not_read_hold_up_nobody() {
    let stage = Stage::new(RACING);
    let node = stage
        .node("miner")
        .mining()
        .with(&["--rounds", "1000"])
        .start();
    let idle: Vec<_> = (0..16)
        .map(|_| {
            let mut stream = connect(node.port).unwrap();
            write!(stream, "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let height = node.height();
    node.reaches(height + 5);
    Events::of(node.port).next("tip", |_| true);
    drop(idle);
    node.stop();
}

#[test]
fn no_more_readers_of_news_are_served_than_the_door_can_spare() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").start();
    let readers: Vec<_> = (0..32).map(|_| Events::of(node.port)).collect();
    let answer = node.get("/events");
    assert_eq!(answer.status, 503);
    assert!(
        answer
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u32>().is_ok())
    );
    drop(readers);
    // Their places are free as soon as the node has noticed, which the next piece of news brings about.
    let mut branch = stage.branch(0);
    until_true("there is room again", || {
        node.takes(&branch.grow("news"));
        let mut stream = connect(node.port).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut start = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut start).unwrap();
        &start == b"HTTP/1.1 200"
    });
}
