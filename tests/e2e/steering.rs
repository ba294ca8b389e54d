//! What steers a node needs the token of its folder.

use serde_json::{Value, json};

use crate::events::Events;
use crate::http::{JSON, send};
use crate::process::Node;
use crate::stage::{EASY, RACING, Stage};
use crate::wait::until_true;

#[test]
fn without_the_right_token_nothing_is_steered() {
    let stage = Stage::new(EASY);
    let mut node = stage.node("node").with_peers(&[1]).start();
    let (token, mining) = (node.token(), json!({ "id": "poll" }).to_string());
    let peer = json!({ "url": "http://127.0.0.1:1" }).to_string();
    let (shorter, wrong) = (
        format!("Bearer {}", &token[1..]),
        format!("Bearer {}", token.to_uppercase() + "x"),
    );
    let (bare, basic) = (token.clone(), format!("Basic {token}"));
    for authorization in ["", "Bearer", "Bearer ", &shorter, &wrong, &bare, &basic] {
        for (method, path, body) in [
            ("POST", "/jobs/pause", &mining),
            ("POST", "/jobs/resume", &mining),
            ("POST", "/jobs/run", &mining),
            ("POST", "/jobs/remove", &mining),
            ("POST", "/jobs/requeue", &mining),
            ("POST", "/jobs/forget", &mining),
            ("DELETE", "/peers", &peer),
            ("POST", "/shutdown", &"{}".to_owned()),
        ] {
            let headers = [JSON, ("authorization", authorization)];
            let headers = if authorization.is_empty() {
                &headers[..1]
            } else {
                &headers[..]
            };
            let answer = send(node.port, method, path, headers, body.as_bytes()).unwrap();
            assert_eq!(
                (answer.status, answer.fault().as_str()),
                (401, "authorization"),
                "{method} {path} {authorization:?}"
            );
            assert!(!answer.text().contains(&token));
        }
    }
    assert!(node.is_running());
    assert_eq!(node.job("poll").unwrap()["paused"], false);
    assert_eq!(
        node.get("/peers").json()["peers"].as_array().unwrap().len(),
        1
    );
    assert_eq!(
        node.steer("DELETE", "/peers", &json!({ "url": "http://127.0.0.1:1" }))
            .status,
        200
    );
    assert_eq!(node.get("/peers").json()["peers"], json!([]));
    assert_eq!(
        node.steer("DELETE", "/peers", &json!({ "url": "http://127.0.0.1:1" }))
            .status,
        404
    );
}

fn searched(node: &Node) -> (u64, u64) {
    (
        node.height(),
        node.status()["mining"]["searched"].as_u64().unwrap(),
    )
}

#[test]
fn mining_pauses_goes_on_and_comes_back_after_it_was_removed() {
    let stage = Stage::new(RACING);
    let node = stage
        .node("miner")
        .mining()
        .with(&["--rounds", "20000"])
        .start();
    node.reaches(2);
    node.rest();
    // A range takes some milliseconds, so a miner that went on would not show the same numbers time and again.
    let mut still = searched(&node);
    until_true("a paused miner stands still", || {
        still = searched(&node);
        (0..50).all(|_| searched(&node) == still)
    });
    assert_eq!(node.job("mining").unwrap()["state"], "paused");
    // A block from elsewhere does not wake it.
    let chain = node.chain();
    let mut branch = stage.branch(0);
    branch.blocks = chain;
    let posted = branch.blocks.last().unwrap().timestamp();
    let mut next = branch.next("from elsewhere");
    next.timestamp = jbc_chain::Timestamp::from_instant(posted.instant().plus(1));
    node.takes(&branch.mine(&next));
    assert_eq!(searched(&node), (still.0 + 1, still.1));
    assert_eq!(node.job("mining").unwrap()["paused"], true);

    node.go_on();
    node.reaches(still.0 + 3);
    assert_eq!(node.chain()[still.0 as usize + 1].data(), "from elsewhere");

    for _ in 0..5 {
        let height = node.height();
        until_true("there is a range to be removed", || {
            node.steer("POST", "/jobs/remove", &json!({ "id": "mining" }))
                .status
                == 200
        });
        node.reaches(height + 1);
    }
    until_true("mining is armed", || node.job("mining").is_some());
}

#[test]
fn a_job_is_run_at_once_and_what_is_unknown_is_named() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").start();
    for block in &stage.branch(3).blocks[1..] {
        node.takes(block);
    }
    let audit = node.job("audit").expect("there is a nightly audit");
    assert!(audit["next_run_time"].as_u64().is_some(), "{audit}");
    let mut news = Events::of(node.port);
    assert_eq!(
        node.steer("POST", "/jobs/run", &json!({ "id": "audit" }))
            .status,
        200
    );
    let told = news.next("audit", |_| true);
    assert_eq!(
        (&told["checked"], &told["faults"]),
        (&json!(4), &json!(0)),
        "{told}"
    );
    let runs = node.get("/jobs/history").json();
    assert!(
        runs["runs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|run| run["job_id"] == "audit"),
        "{runs}"
    );
    assert!(node.job("audit").is_some(), "it runs again tomorrow");

    for (path, body, status, field) in [
        ("/jobs/pause", json!({ "id": "nothing" }), 404, "id"),
        ("/jobs/resume", json!({ "id": "" }), 404, "id"),
        ("/jobs/requeue", json!({ "id": "audit" }), 404, "id"),
        ("/jobs/forget", json!({ "id": "audit" }), 404, "id"),
        ("/jobs/explode", json!({ "id": "audit" }), 404, "path"),
        ("/jobs/pause", json!({ "id": 5 }), 400, "body"),
        ("/jobs/pause", json!({}), 400, "body"),
        (
            "/jobs/pause",
            json!({ "id": "audit", "force": true }),
            400,
            "body",
        ),
        (
            "/jobs/pause",
            json!({ "id": "x".repeat(2_000) }),
            413,
            "body",
        ),
        ("/jobs/pause", Value::Null, 400, "body"),
    ] {
        let answer = node.steer("POST", path, &body);
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (status, field),
            "{path} {body}: {}",
            answer.text()
        );
    }
}
