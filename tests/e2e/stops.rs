//! How a node ends, and what it is when it comes back.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{EASY, RACING, Stage};

#[test]
fn sigterm_ctrl_c_and_the_api_end_a_mining_node_with_0_and_it_comes_back_as_it_was() {
    let stage = Stage::new(RACING);
    let plan = stage.node("miner").mining();
    let mut floor = 0;
    for how in ["SIGTERM", "SIGINT", "shutdown"] {
        let mut node = plan.start();
        let note: Value =
            serde_json::from_slice(&std::fs::read(node.folder.join("node.json")).unwrap()).unwrap();
        assert_eq!(
            (&note["pid"], &note["node_id"]),
            (&json!(node.pid()), &node.status()["node_id"])
        );
        assert!(node.height() >= floor);
        floor = node.height();
        floor = node.reaches(floor + 2).index;
        match how {
            "SIGTERM" => node.signal(Signal::TERM),
            "SIGINT" => node.signal(Signal::INT),
            _ => assert_eq!(node.steer("POST", "/shutdown", &json!({})).status, 200),
        }
        let status = node.ended();
        assert_eq!(status.code(), Some(0), "{how}: {status}");
        assert!(!node.folder.join("node.json").exists(), "{how}");
        assert!(
            node.log().contains("stopping") || node.log().contains("asked to stop"),
            "{how}"
        );
    }
    // Resting, so that nothing is added between the last look and the end.
    let node = plan.start();
    node.rest();
    let (tip, chain) = (node.tip(), node.chain());
    node.stop();
    let node = stage.node("other port").on(&plan.folder).start();
    assert_eq!((node.tip(), node.chain()), (tip, chain));
}

#[test]
fn of_two_blocks_at_one_height_the_first_seen_stays_also_after_a_restart_and_a_kill() {
    let stage = Stage::new(EASY);
    let plan = stage.node("node");
    let (mut first, mut second) = (stage.branch(2), stage.branch(2));
    let (first, second) = (first.grow("seen first"), second.grow("seen second"));
    let node = plan.start();
    for block in stage.branch(2).blocks[1..].iter().chain([&first, &second]) {
        node.takes(block);
    }
    let tip = node.tip();
    assert_eq!(tip.hash, first.hash().to_string());
    let mut node = node;
    for round in 0..4 {
        let side = node.get(&format!("/blocks/{}", second.hash())).json();
        assert_eq!(side["data"], "seen second");
        assert_eq!(node.tip(), tip, "round {round}");
        assert_eq!(node.status()["chain"]["side_blocks"], 1);
        if round % 2 == 0 {
            node.stop()
        } else {
            node.kill()
        }
        node = plan.start();
    }
    // Work decides all the same: a block upon the second makes it the better one.
    let mut branch = stage.branch(2);
    branch.blocks.push(second);
    node.takes(&branch.grow("upon the second"));
    assert_eq!(node.height(), 4);
    assert_eq!(node.chain()[3].data(), "seen second");
}
