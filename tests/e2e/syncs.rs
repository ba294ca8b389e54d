//! Nodes that were away, or begin.

use jbc_chain::Target;
use serde_json::json;

use crate::events::Events;
use crate::http::{JSON, send};
use crate::process::url;
use crate::stage::{EASY, RACING, Stage};
use crate::wait::until_true;

/// The scenario of the tutorial's second part, "Syncing Chains From Different Nodes".
#[test]
fn the_tutorials_six_steps_end_with_two_equal_chains() {
    let stage = Stage::new(RACING);
    let (one, two) = (stage.node("one"), stage.node("two"));
    let (one, two) = (one.with_peers(&[two.port]), two.with_peers(&[one.port]));

    // 1. Node one makes a chain, alone, and rests.
    let first = one.mining().start();
    first.reaches(5);
    first.rest();
    let early = first.tip();

    // 2. Node two starts with nothing and takes over that chain; it mines only then, or it might be ahead with one of its own.
    let second = two.start();
    second.reaches(early.index);
    second.stop();
    let second = two.mining().with(&["--tag", "two"]).start();
    assert_eq!(
        second.chain()[..=early.index as usize],
        first.chain()[..=early.index as usize]
    );

    // 3. Node one stops; what it has now is what it will come back with.
    first.stop();

    // 4. Node two mines on alone.
    let height = second.height();
    second.reaches(height + 5);
    second.rest();
    let late = second.tip();

    // 5. Node one comes back, behind, and asks node two.
    let first = one.start();
    until_true("node one has node two's tip", || first.tip() == late);

    // 6. Both hold the same chain, which begins with what node one made and goes on with what node two made.
    let chain = first.chain();
    assert_eq!(chain, second.chain());
    assert_eq!(chain[early.index as usize].hash().to_string(), early.hash);
    assert_eq!(chain.last().unwrap().data(), "two");
}

#[test]
fn a_long_chain_is_fetched_in_batches_also_when_it_is_cut_off_in_between() {
    let stage = Stage::new(0.0);
    assert_eq!(stage.network.rules.easiest_target(), Target::MAX);
    let branch = stage.branch(2_100);
    stage.block_files("full", &branch);
    let full = stage.node("full").start();
    let empty = stage.node("empty").with_peers(&[full.port]);
    for _ in 0..2 {
        let node = empty.start();
        until_true("some blocks are there", || node.height() > 0);
        let seen = node.tip();
        node.kill();
        let node = empty.start();
        let kept = node.get(&format!("/blocks/{}", seen.index)).json();
        assert_eq!(
            kept["hash"],
            seen.hash.as_str(),
            "what was shown before the kill is there after it"
        );
    }
    let node = empty.start();
    until_true("all of it is there", || node.tip() == full.tip());
    assert_eq!(node.chain(), branch.blocks);
    assert_eq!(node.status()["chain"]["side_blocks"], 0);
}

#[test]
fn a_peer_that_announces_itself_with_more_work_is_fetched_from() {
    let stage = Stage::new(EASY);
    let branch = stage.branch(8);
    stage.block_files("knows", &branch);
    let (knows, asks) = (stage.node("knows").start(), stage.node("asks").start());
    assert_eq!(
        asks.post("/peers", &json!({ "url": url(knows.port) }).to_string())
            .status,
        202
    );
    until_true("the longer chain is fetched", || asks.tip() == knows.tip());
    assert_eq!(asks.chain(), branch.blocks);
    until_true("and they know each other", || {
        let peers = knows.get("/peers").json();
        peers["peers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|peer| peer["url"] == url(asks.port) && peer["kind"] == "jbc")
    });
}

#[test]
fn a_block_whose_parent_is_unknown_brings_the_chain_below_it() {
    let stage = Stage::new(EASY);
    let (short, long) = (stage.branch(2), stage.branch(9));
    stage.block_files("short", &short);
    let peer = stage.node("short");
    let knows = peer.start();
    let asks = stage.node("asks").with_peers(&[peer.port]).start();
    until_true("both are equal", || asks.tip() == knows.tip());
    // The peer comes back with more, and tells nobody, since it knows nobody.
    knows.stop();
    let knows = peer.on(&stage.block_files("long", &long)).start();
    let mut news = Events::of(asks.port);
    let from = url(peer.port);
    let orphan = send(
        asks.port,
        "POST",
        "/mined",
        &[JSON, ("jbc-peer", &from)],
        long.tip().to_json().as_bytes(),
    )
    .unwrap();
    assert_eq!(orphan.status, 202);
    news.next("orphan", |news| {
        news["hash"] == long.tip().hash().to_string()
    });
    let tip = news.next("tip", |news| news["index"] == 9);
    assert_eq!(
        (&tip["origin"], &tip["peer"]),
        (&json!("synced"), &json!(from))
    );
    assert_eq!(asks.chain(), knows.chain());
}

#[test]
fn blocks_in_any_order_and_twice_make_the_same_chain() {
    let stage = Stage::new(EASY);
    let branch = stage.branch(9);
    let node = stage.node("node").start();
    for index in [3, 1, 9, 7, 7, 2, 8, 5, 3, 6, 4, 1] {
        node.takes(&branch.blocks[index]);
    }
    until_true("all have found their parents", || node.height() == 9);
    assert_eq!(node.chain(), branch.blocks);
    assert_eq!(node.status()["chain"]["orphans"], 0);
}

#[test]
fn nodes_of_different_networks_leave_each_other_alone() {
    let (ours, theirs) = (Stage::new(EASY), Stage::new(EASY));
    let foreign = theirs.node("foreign");
    theirs.block_files("foreign", &theirs.branch(3));
    let foreign = foreign.start();
    assert_eq!(foreign.height(), 3);
    let node = ours.node("node").with_peers(&[foreign.port]).start();
    until_true("the other is known as a foreigner", || {
        node.get("/peers").json()["peers"][0]["kind"] == "foreign"
    });
    assert_eq!(node.height(), 0);
    assert!(node.log().contains("other network"), "{}", node.log());
}
