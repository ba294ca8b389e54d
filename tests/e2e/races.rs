//! Nodes that mine against each other.

use std::collections::BTreeSet;

use jbc_chain::{Accepted, Chain};
use serde_json::json;

use crate::branch::now;
use crate::events::Events;
use crate::process::{Node, agreed, url};
use crate::stage::{RACING, Stage};
use crate::wait::until_true;

fn found(node: &Node) -> u64 {
    node.status()["mining"]["found"].as_u64().unwrap()
}

#[test]
fn two_nodes_race_and_agree() {
    let stage = Stage::new(RACING);
    let (one, two) = (
        stage.node("one").mining().with(&["--tag", "one"]),
        stage.node("two").mining().with(&["--tag", "two"]),
    );
    let (first, second) = (
        one.with_peers(&[two.port]).start(),
        two.with_peers(&[one.port]).start(),
    );
    let nodes = [&first, &second];
    for node in nodes {
        node.reaches(10);
        until_true("each finds blocks", || found(node) >= 2);
    }
    let tip = agreed(&nodes);
    assert!(tip.index >= 10);

    let chains = nodes.map(Node::chain);
    assert_eq!(chains[0], chains[1]);
    assert_eq!(chains[0].last().unwrap().hash().to_string(), tip.hash);
    let mut checked = Chain::new(&stage.network);
    for block in &chains[0][1..] {
        let block = block.clone().check(&stage.network.rules).unwrap();
        assert_eq!(checked.accept(&block, now()).unwrap(), Accepted::Extended);
    }
    let miners: BTreeSet<_> = chains[0][1..]
        .iter()
        .map(|block| block.data().into_owned())
        .collect();
    assert!(
        miners.is_subset(&BTreeSet::from(["one".to_owned(), "two".to_owned()])),
        "{miners:?}"
    );
}

#[test]
fn a_partition_of_four_heals_to_the_tip_of_the_longer_side() {
    let stage = Stage::new(RACING);
    let plans = ["a", "b", "c", "d"].map(|name| stage.node(name).mining().with(&["--tag", name]));
    let ports = plans.each_ref().map(|plan| plan.port);
    let nodes = [0, 1, 2, 3].map(|n: usize| plans[n].with_peers(&[ports[n ^ 1]]).start());
    let [a, b, c, d] = &nodes;
    // Parted: a and b know each other, and c and d.
    for node in &nodes {
        node.reaches(4);
    }
    let shorter = agreed(&[c, d]);
    agreed(&[a, b]);
    a.go_on();
    until_true("one side is ahead", || a.height() > shorter.index + 1);
    let longer = agreed(&[a, b]);
    assert_eq!(
        [c.tip(), d.tip()],
        [shorter.clone(), shorter.clone()],
        "nothing crosses while they are parted"
    );
    assert_ne!(a.chain()[1], c.chain()[1]);

    // Healed: one of one side hears of one of the other.
    let mut news = Events::of(d.port);
    assert_eq!(
        a.post("/peers", &json!({ "url": url(ports[2]) }).to_string())
            .status,
        202
    );
    for node in &nodes {
        until_true("one tip", || node.tip() == longer);
    }
    let chains = nodes.each_ref().map(Node::chain);
    assert!(chains.iter().all(|chain| *chain == chains[0]));
    assert_eq!(c.status()["chain"]["deepest_reorganisation"], shorter.index);
    let told = news.next("tip", |news| news["hash"] == longer.hash.as_str());
    assert!(
        told["depth"].as_u64().is_some() && told["origin"] != "mined",
        "{told}"
    );
}
