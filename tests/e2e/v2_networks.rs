//! v2 networks: the default one, others, and what their nodes make of each other and of blocks that break the rules.

use std::fs;
use std::sync::atomic::AtomicBool;

use jbc_chain::{Network, Timestamp};
use jbc_pow::{Search, Template, search};
use serde_json::json;

use crate::branch::now;
use crate::commands::jbc;
use crate::events::Events;
use crate::process::{Node, agreed};
use crate::stage::{EASY, RACING, Stage};
use crate::wait::until_true;

#[test]
fn a_node_without_a_network_flag_is_one_of_dev() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").of("dev").start();
    let default = stage.node("default").on_the_default_network().start();
    let status = default.status();
    assert_eq!(status["network"], node.status()["network"]);
    let dev = Network::dev();
    assert_eq!(status["network"]["id"], dev.fingerprint());
    assert_eq!(
        (
            &status["network"]["rules"],
            &status["network"]["interval_ms"]
        ),
        (&json!("v2"), &json!(5_000))
    );
    assert_eq!(
        Network::from_json(&default.get("/network").body).unwrap(),
        dev
    );
}

#[test]
fn miners_race_on_v2_rules_and_agree_on_one_chain() {
    let stage = Stage::v2(RACING);
    let (one, two) = (stage.node("one"), stage.node("two"));
    let nodes = [
        one.with_peers(&[two.port])
            .mining()
            .with(&["--tag", "one"])
            .start(),
        two.with_peers(&[one.port])
            .mining()
            .with(&["--tag", "two"])
            .start(),
    ];
    for node in &nodes {
        node.reaches(12);
    }
    let tip = agreed(&nodes.each_ref());
    let chains = nodes.each_ref().map(|node| node.chain());
    assert_eq!(chains[0], chains[1]);
    assert_eq!(chains[0].last().unwrap().hash().to_string(), tip.hash);

    // A newcomer fetches and checks all of it, with what the operators wrote.
    let newcomer = stage.node("newcomer").with_peers(&[one.port]).start();
    until_true("the newcomer has the chain", || newcomer.tip() == tip);
    assert!(
        chains[0][1..]
            .iter()
            .all(|block| ["one", "two"].contains(&block.data().as_ref()))
    );
    assert_eq!(newcomer.chain(), chains[0]);
}

#[test]
fn nodes_of_different_networks_say_so_and_keep_their_chains() {
    let (stage, other) = (Stage::v2(EASY), Stage::v2(EASY));
    let classic = Stage::new(EASY);
    let (ours, theirs, tutorial) = (
        stage.node("ours"),
        other.node("theirs"),
        classic.node("classic"),
    );
    let (theirs, tutorial) = (theirs.start(), tutorial.start());
    let ours = ours.with_peers(&[theirs.port, tutorial.port]).start();
    let foreign = |node: &Node, stage: &Stage| {
        let line = format!(
            "127.0.0.1:{}: other network ({})",
            node.port,
            stage.network.describe()
        );
        until_true("the other network is named", || ours.log().contains(&line));
    };
    foreign(&theirs, &other);
    foreign(&tutorial, &classic);

    // Blocks that come all the same are refused by name, from either side.
    let (v2_block, classic_block) = (
        stage.branch(0).grow_v2("x", &[]),
        classic.branch(1).blocks[1].clone(),
    );
    for (node, block) in [(&ours, &classic_block), (&tutorial, &v2_block)] {
        let mut events = Events::of(node.port);
        node.takes(block);
        let refused = events.next("refused", |_| true);
        assert_eq!(
            (&refused["rule"], &refused["field"]),
            (&json!("kind"), &json!("version"))
        );
        assert_eq!(node.height(), 0);
    }
}

#[test]
fn a_block_ahead_of_the_clock_is_held_until_its_time() {
    let stage = Stage::v2(EASY);
    let node = stage.node("node").start();
    let branch = stage.branch(0);
    // Two intervals are one second, so this one is two seconds too early.
    let mut parts = branch.next_v2("early", &[]);
    parts.timestamp = Timestamp::from_instant_in_millis(now().plus(3_000_000));
    let block = branch.mine(&parts);
    let mut events = Events::of(node.port);
    node.takes(&block);
    let early = events.next("early", |_| true);
    assert_eq!(early["hash"], block.hash().to_string());
    let tip = events.next("tip", |_| true);
    assert_eq!(tip["hash"], block.hash().to_string());
    assert!(now() >= block.timestamp().instant().plus(-1_000_000));
    assert_eq!(
        node.get("/peers").json()["peers"],
        json!([]),
        "nobody is blamed"
    );
}

#[test]
fn a_header_that_lies_about_its_target_is_refused_before_anything_is_written() {
    let stage = Stage::v2(EASY);
    let node = stage.node("node").start();
    let branch = stage.branch(0);
    let parts = branch.next_v2("easy work", &[]);
    // As easy as can be said, which its hash then meets.
    let text = parts
        .prefix()
        .replace(&parts.prefix()[parts.prefix().len() - 9..], "207fffff\n");
    let template = Template::new(text.as_bytes(), [0x7f; 32]);
    let Search::Found { nonce, hash, .. } = search(&template, 0..u64::MAX, &AtomicBool::new(false))
    else {
        panic!("every second nonce meets it");
    };
    let mut block = serde_json::to_value(parts.block(nonce)).unwrap();
    block["bits"] = json!("207fffff");
    block["hash"] = json!(
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    let mut events = Events::of(node.port);
    assert_eq!(node.post("/mined", &block.to_string()).status, 202);
    let refused = events.next("refused", |_| true);
    assert_eq!(
        (&refused["rule"], &refused["field"]),
        (&json!("limit"), &json!("bits"))
    );
    assert_eq!(node.height(), 0);
}

#[test]
fn jbc_genesis_makes_a_v2_network_in_one_command() {
    let stage = Stage::new(EASY);
    let file = stage.path("class.json");
    let out = file.to_str().unwrap();
    let arguments = [
        "--interval",
        "1s",
        "--hashes",
        "20000",
        "--tag",
        "my class",
        "--out",
        out,
    ];
    let made = jbc(&[&["genesis"][..], &arguments].concat());
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(
        made.status.success() && said.contains("my class, a block each 1 s"),
        "{made:?}"
    );
    let network = Network::from_json(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(network.name, "my class");

    let node = stage.node("node").mining().of(&file).start();
    node.reaches(2);
    assert_eq!(node.chain()[0].hash(), network.genesis.hash());

    for (wrong, needle) in [
        (&["--interval", "0s"][..], "--interval"),
        (&["--interval", "10 parsecs"], "no unit"),
        (&["--zeros", "3", "--rules", "v2"], "--zeros"),
        (&["--hashes", "0"], "--hashes"),
        (&["--tag", ""], "--tag"),
    ] {
        let path = stage.path("wrong.json");
        let made = jbc(&[&["genesis", "--out", path.to_str().unwrap()], wrong].concat());
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(
            matches!(made.status.code(), Some(1 | 2)) && said.contains(needle),
            "{wrong:?}: {said}"
        );
        assert!(!path.exists());
    }
}

#[test]
fn side_branches_are_listed_with_the_block_they_leave_from() {
    let stage = Stage::v2(EASY);
    let node = stage.node("node").start();
    let mut best = stage.branch(0);
    node.takes(&best.grow_v2("1", &[]));
    let mut side = best.clone();
    node.takes(&best.grow_v2("2", &[]));
    node.takes(&best.grow_v2("3", &[]));
    node.takes(&side.grow_v2("2'", &[]));
    let forks = node.get("/forks").json();
    assert_eq!(forks["forks"].as_array().unwrap().len(), 1);
    let fork = &forks["forks"][0];
    assert_eq!(
        (&fork["fork_index"], &fork["tip_index"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(fork["fork_hash"], best.blocks[1].hash().to_string());
    assert_eq!(fork["blocks"], json!([side.tip().hash()]));
}

#[test]
fn a_checkpoint_keeps_a_node_on_its_branch_and_a_folder_without_it_is_refused() {
    let stage = Stage::v2(EASY);
    let plan = stage.node("node");
    let (mut pinned, mut heavier) = (stage.branch(0), stage.branch(0));
    pinned.grow_v2("pinned", &[]);
    for number in 0..3 {
        heavier.grow_v2(&format!("heavier {number}"), &[]);
    }
    let checkpoint = format!("1:{}", pinned.tip().hash());
    let node = plan.with(&["--checkpoint", &checkpoint]).start();
    node.takes(&heavier.blocks[1]);
    assert_eq!(node.height(), 0);
    node.takes(&pinned.blocks[1]);
    assert_eq!(node.tip().hash, pinned.tip().hash().to_string());
    node.stop();

    let other = format!("1:{}", heavier.blocks[1].hash());
    let (code, log) = plan.with(&["--checkpoint", &other]).fail();
    assert_eq!(code, Some(1));
    assert!(
        log.contains("--checkpoint: the data folder") && log.contains("block 1"),
        "{log}"
    );
    // Without it the node may change its mind.
    let node = plan.start();
    for block in &heavier.blocks[1..] {
        node.takes(block);
    }
    assert_eq!(node.height(), 3);
    node.stop();
    let node = plan.with(&["--finality", "1"]).start();
    for block in &pinned_to(&pinned, 5) {
        node.takes(block);
    }
    assert_eq!(node.tip().hash, heavier.tip().hash().to_string());
}

/// The branch grown to a height, without its first block.
fn pinned_to(
    branch: &crate::branch::Branch,
    height: u64,
) -> Vec<jbc_chain::Block<jbc_chain::Unchecked>> {
    let mut branch = branch.clone();
    while branch.tip().index() < height {
        branch.grow_v2("more", &[]);
    }
    branch.blocks[1..].to_vec()
}
