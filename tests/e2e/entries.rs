//! Entries: taken in for good, passed on, included once, and never lost.

use jbc_chain::{Hash, leaf_hash};
use serde_json::{Value, json};

use crate::process::Node;
use crate::stage::{EASY, RACING, Stage};
use crate::wait::{until, until_true};

/// Posts a text; its leaf hash, which is what it must be.
#[track_caller]
fn post(node: &Node, text: &str) -> Hash {
    let answer = node.post("/entries", &json!({ "text": text }).to_string());
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    let leaf = leaf_hash(text.as_bytes());
    assert_eq!(answer.json()["leaf"], leaf.to_string());
    leaf
}

/// What a node says of an entry.
#[track_caller]
fn state(node: &Node, leaf: &Hash) -> Value {
    let answer = node.get(&format!("/entries/{leaf}"));
    match answer.status {
        200 => answer.json(),
        status => json!({ "state": status }),
    }
}

/// Waits until an entry is on a node's chain; the height of its block.
#[track_caller]
fn confirmed(node: &Node, leaf: &Hash) -> u64 {
    until("the entry is in a block", || {
        let state = state(node, leaf);
        (state["state"] == "confirmed").then(|| state["index"].as_u64().unwrap())
    })
}

/// How many times the best chain has this text.
fn times(node: &Node, text: &str) -> usize {
    let chain = node.chain();
    let entries = chain
        .iter()
        .flat_map(|block| block.entries().iter().skip(1));
    entries.filter(|entry| *entry == text.as_bytes()).count()
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_goes_into_one_block() {
    let stage = Stage::v2(RACING);
    let plan = stage.node("node");
    let node = plan.start();
    let texts: Vec<String> = (0..20).map(|number| format!("entry {number}")).collect();
    let leaves: Vec<Hash> = texts.iter().map(|text| post(&node, text)).collect();
    node.kill();

    let node = plan.start();
    for leaf in &leaves {
        assert_eq!(state(&node, leaf)["state"], "pending");
    }
    assert_eq!(node.status()["entries"]["waiting"], 20);
    node.stop();

    let node = plan.mining().start();
    let blocks: Vec<u64> = leaves.iter().map(|leaf| confirmed(&node, leaf)).collect();
    assert!(blocks.is_sorted(), "the oldest first: {blocks:?}");
    node.rest();
    assert!(texts.iter().all(|text| times(&node, text) == 1));
    assert_eq!(node.status()["entries"]["waiting"], 0);

    // Posted again it is known, and says how deep it lies.
    let again = node.post("/entries", &json!({ "text": texts[0] }).to_string());
    assert_eq!(again.status, 200);
    let (again, tip) = (again.json(), node.height());
    assert_eq!(
        (&again["state"], &again["index"]),
        (&json!("confirmed"), &json!(blocks[0]))
    );
    assert_eq!(again["confirmations"], tip - blocks[0] + 1);
}

#[test]
fn an_entry_posted_to_a_node_that_does_not_mine_is_passed_on_to_one_that_does() {
    let stage = Stage::v2(RACING);
    let (one, two) = (stage.node("one"), stage.node("two"));
    let miner = one.with_peers(&[two.port]).mining().start();
    let node = two.with_peers(&[one.port]).start();
    until_true("they know each other", || {
        let reachable = |node: &Node| node.status()["peers"]["reachable"] == 1;
        reachable(&miner) && reachable(&node)
    });
    let leaf = post(&node, "passed on");
    confirmed(&miner, &leaf);
    confirmed(&node, &leaf);
    miner.rest();
    assert_eq!(times(&miner, "passed on"), 1);
}

#[test]
fn an_entry_whose_block_is_taken_off_waits_again_and_comes_into_another() {
    let stage = Stage::v2(EASY);
    let plan = stage.node("node");
    let node = plan.start();
    let (ours, shared) = (post(&node, "only here"), post(&node, "in both"));

    let mut short = stage.branch(0);
    let mut long = short.clone();
    node.takes(&short.grow_v2("short", &["only here", "in both"]));
    assert_eq!(state(&node, &ours)["index"], 1);
    for (data, entries) in [("long 1", &["in both"][..]), ("long 2", &[])] {
        node.takes(&long.grow_v2(data, entries));
    }
    assert_eq!(node.tip().hash, long.tip().hash().to_string());
    assert_eq!(state(&node, &ours)["state"], "pending");
    assert_eq!(
        state(&node, &shared)["index"],
        1,
        "the other branch has it too"
    );
    // The losers' own words are no entries.
    assert_eq!(state(&node, &leaf_hash(b"short"))["state"], 404);

    // Also after a kill, and then it is mined once.
    node.kill();
    let node = plan.mining().start();
    let block = confirmed(&node, &ours);
    assert!(block > 2);
    node.rest();
    assert_eq!((times(&node, "only here"), times(&node, "in both")), (1, 1));
}

#[test]
fn an_entry_that_another_miner_included_waits_no_more() {
    let stage = Stage::v2(EASY);
    let node = stage.node("node").start();
    let leaf = post(&node, "theirs");
    let mut branch = stage.branch(0);
    node.takes(&branch.grow_v2("a miner", &["theirs"]));
    assert_eq!(state(&node, &leaf)["confirmations"], 1);
    assert_eq!(node.status()["entries"]["waiting"], 0);
    // One that repeats it is valid; the first counts.
    node.takes(&branch.grow_v2("a dishonest miner", &["theirs"]));
    assert_eq!(state(&node, &leaf)["confirmations"], 2);
}

#[test]
fn what_is_no_entry_is_refused_with_the_field_and_the_reason() {
    let stage = Stage::v2(EASY);
    let node = stage.node("node").start();
    let long = "x".repeat(4_097);
    for (body, status, field) in [
        (json!({ "text": "" }), 400, "entry"),
        (json!({ "text": long }), 413, "entry"),
        (json!({ "base64": "QQ" }), 400, "base64"),
        (json!({ "base64": "a", "text": "b" }), 400, "body"),
        (json!({}), 400, "body"),
        (json!({ "text": 5 }), 400, "body"),
        (json!({ "text": "a", "more": 1 }), 400, "body"),
        (json!({ "text": "x".repeat(100_000) }), 413, "body"),
    ] {
        let answer = node.post("/entries", &body.to_string());
        assert_eq!(
            (answer.status, answer.fault()),
            (status, field.to_owned()),
            "{body}"
        );
    }
    // The longest ones, however they are spelled.
    assert_eq!(post(&node, &"\u{1}".repeat(4_096)), leaf_hash(&[1; 4_096]));
    let bytes = node.post("/entries", &json!({ "base64": "AAECAw==" }).to_string());
    assert_eq!(bytes.json()["leaf"], leaf_hash(&[0, 1, 2, 3]).to_string());

    let unknown = node.get(&format!("/entries/{}", leaf_hash(b"never posted")));
    assert_eq!((unknown.status, unknown.fault()), (404, "leaf".to_owned()));
    let wrong = node.get("/entries/xyz");
    assert_eq!((wrong.status, wrong.fault()), (400, "leaf".to_owned()));

    let classic = Stage::new(EASY);
    let node = classic.node("classic").start();
    let answer = node.post("/entries", &json!({ "text": "a" }).to_string());
    assert_eq!((answer.status, answer.fault()), (404, "entries".to_owned()));
}

#[test]
fn a_full_pool_says_so_and_loses_nothing() {
    let stage = Stage::v2(EASY);
    let node = stage.node("node").start();
    let text = |number: u64| format!("{number:04}{}", "x".repeat(4_092));
    let refused = (0..3_000).find_map(|number| {
        let answer = node.post("/entries", &json!({ "text": text(number) }).to_string());
        (answer.status != 201).then_some((number, answer))
    });
    let (taken, answer) = refused.expect("8 MiB are full");
    assert_eq!(
        (taken, answer.status, answer.fault()),
        (2_048, 503, "entry".to_owned())
    );
    assert!(answer.header("retry-after").is_some());
    assert_eq!(node.status()["entries"]["waiting"], taken);
    assert_eq!(
        state(&node, &leaf_hash(text(0).as_bytes()))["state"],
        "pending"
    );
    assert_eq!(
        post(&node, &text(5)),
        leaf_hash(text(5).as_bytes()),
        "it is known"
    );
}
