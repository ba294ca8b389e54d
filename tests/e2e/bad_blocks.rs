//! Every kind of bad block at `/mined`: the tip does not move, and a good block is accepted afterwards.

use jbc_chain::{Block, Hash, TemplateParts, Timestamp, Unchecked};
use serde_json::json;

use crate::branch::{Branch, now};
use crate::events::Events;
use crate::process::{Node, Tip};
use crate::stage::{EASY, Stage};
use crate::wire::{quoted, with};

const HOUR: i64 = 3_600_000_000;

/// A node at the tip of a branch of four blocks.
pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) branch: Branch,
    pub(crate) tip: Tip,
    stage: Stage,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let stage = Stage::new(EASY);
        let (node, branch) = (stage.node("node").start(), stage.branch(4));
        for block in &branch.blocks[1..] {
            node.takes(block);
        }
        let tip = node.tip();
        assert_eq!(
            (tip.index, tip.hash.clone()),
            (4, branch.tip().hash().to_string())
        );
        Self {
            node,
            branch,
            tip,
            stage,
        }
    }

    #[track_caller]
    pub(crate) fn tip_is_unmoved(&self) {
        assert_eq!(self.node.tip(), self.tip);
    }

    /// The proof that the node is as good as before.
    #[track_caller]
    pub(crate) fn takes_a_good_block(mut self) {
        let good = self.branch.grow("a good block");
        self.node.takes(&good);
        assert_eq!(
            self.node.tip(),
            Tip {
                index: 5,
                hash: good.hash().to_string()
            }
        );
        assert_eq!(self.node.chain(), self.branch.blocks);
    }

    /// The good next block as the JSON of a file, to be spoiled.
    pub(crate) fn next_json(&self) -> String {
        self.branch.mine(&self.branch.next("next")).to_json()
    }
}

/// "Classic's holes, closed" in RELIABILITY.md: without separators, characters can move between fields and keep the hash.
#[test]
fn a_block_whose_characters_moved_between_fields_is_refused_though_its_hash_is_right() {
    let scene = Scene::new();
    let old = &scene.branch.blocks[1];
    let (parent, json) = (old.prev_hash().unwrap().to_string(), old.to_json());
    assert!(
        parent.starts_with('0'),
        "the target of this network gives hashes that begin with a zero"
    );
    let digits = old.timestamp().to_string();
    let moved = [
        // a leading zero of prev_hash becomes a digit of index: block 1 as block 10
        (
            with(
                &with(&json, "index", "10"),
                "prev_hash",
                &format!("\"{}\"", &parent[1..]),
            ),
            "prev_hash",
        ),
        // … as a number, and with the hash's length mended by a zero in front
        (
            with(
                &with(&json, "index", "\"10\""),
                "prev_hash",
                &format!("\"0{}\"", &parent[2..]),
            ),
            "prev_hash",
        ),
        // the last character of data becomes the first digit of the timestamp
        (
            with(
                &with(&json, "data", "\"block \""),
                "timestamp",
                &format!("\"1{digits}\""),
            ),
            "timestamp",
        ),
        // the last digit of the timestamp becomes the first of the nonce
        (
            with(
                &with(&json, "timestamp", &quoted(&digits[..19])),
                "nonce",
                &quoted(&format!("{}{}", &digits[19..], old.nonce())),
            ),
            "timestamp",
        ),
    ];
    for (body, field) in moved {
        let answer = scene.node.post("/mined", &body);
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (400, field),
            "{body}"
        );
    }
    scene.tip_is_unmoved();
    assert_eq!(scene.node.get("/blocks/10").status, 404);

    // The first ten digits of a 20-digit timestamp become data: a twin that cost no work, posted before the block itself.
    let good = scene.branch.mine(&scene.branch.next("next"));
    let digits = good.timestamp().to_string();
    let twin = with(
        &with(
            &good.to_json(),
            "data",
            &quoted(&format!("next{}", &digits[..10])),
        ),
        "timestamp",
        &quoted(&digits[10..]),
    );
    let mut news = Events::of(scene.node.port);
    assert_eq!(scene.node.post("/mined", &twin).status, 202);
    let refused = news.next("refused", |_| true);
    assert_eq!(
        (&refused["rule"], &refused["field"]),
        (&json!("ten-digit-data"), &json!("data"))
    );
    scene.tip_is_unmoved();
    scene.takes_a_good_block();
}

/// One block that keeps the form and breaks a rule.
struct Broken {
    rule: &'static str,
    field: &'static str,
    block: Block<Unchecked>,
}

fn broken_blocks(branch: &Branch, target_is_met: impl Fn(&Hash) -> bool) -> Vec<Broken> {
    let next = branch.next("broken");
    let good = branch.mine(&next);
    let at = |micros: i64| TemplateParts {
        timestamp: Timestamp::from_instant(now().plus(micros)),
        ..next.clone()
    };
    let of = |rule, field, parts: TemplateParts| Broken {
        rule,
        field,
        block: branch.mine(&parts),
    };
    let without_work = (0..)
        .map(|nonce| next.block(nonce))
        .find(|block| !target_is_met(block.hash()))
        .unwrap();
    let restated = |block: &Block<Unchecked>, index: u64, data: &str| {
        Block::new(
            index,
            block.prev_hash().copied(),
            data.to_owned(),
            block.timestamp(),
            block.nonce(),
            *block.hash(),
        )
    };
    let old = &branch.blocks[2];
    let median = branch.blocks[2].timestamp(); // of the five blocks there are
    vec![
        Broken {
            rule: "work",
            field: "hash",
            block: without_work,
        },
        Broken {
            rule: "hash",
            field: "hash",
            block: restated(&good, good.index(), "other words"),
        },
        Broken {
            rule: "hash",
            field: "hash",
            block: Block::new(
                5,
                next.prev_hash,
                "of no work".into(),
                next.timestamp,
                7,
                Hash::from_bytes([0; 32]),
            ),
        },
        // An old block, again, at another height.
        Broken {
            rule: "hash",
            field: "hash",
            block: restated(old, 5, &old.data()),
        },
        Broken {
            rule: "hash",
            field: "hash",
            block: restated(old, 50, &old.data()),
        },
        of(
            "index",
            "index",
            TemplateParts {
                index: 6,
                ..next.clone()
            },
        ),
        of(
            "index",
            "index",
            TemplateParts {
                index: 4,
                ..next.clone()
            },
        ),
        of(
            "index",
            "index",
            TemplateParts {
                index: u64::MAX,
                ..next.clone()
            },
        ),
        of(
            "genesis",
            "index",
            TemplateParts {
                index: 0,
                prev_hash: None,
                ..next.clone()
            },
        ),
        of("time-ahead", "timestamp", at(2 * HOUR + HOUR / 10)),
        of("time-ahead", "timestamp", at(100 * 365 * 24 * HOUR)),
        of(
            "median",
            "timestamp",
            TemplateParts {
                timestamp: median,
                ..next.clone()
            },
        ),
        of("median", "timestamp", at(-365 * 24 * HOUR)),
        of(
            "ten-digit-timestamp",
            "timestamp",
            TemplateParts {
                timestamp: "1508895381".parse().unwrap(),
                ..next.clone()
            },
        ),
    ]
}

#[test]
fn a_well_formed_block_that_breaks_a_rule_is_received_refused_and_told_of() {
    let scene = Scene::new();
    let target = scene.stage.network.rules.easiest_target();
    let mut news = Events::of(scene.node.port);
    for Broken { rule, field, block } in broken_blocks(&scene.branch, |hash| target.is_met_by(hash))
    {
        for json in [block.to_json(), block.to_wire_json()] {
            let answer = scene.node.post("/mined", &json);
            assert_eq!(
                (answer.status, answer.json()),
                (202, json!({ "received": true })),
                "{json}"
            );
            let refused = news.next("refused", |_| true);
            assert_eq!(
                (&refused["rule"], &refused["field"]),
                (&json!(rule), &json!(field)),
                "{json}"
            );
            assert_eq!(refused["origin"], "posted");
            scene.tip_is_unmoved();
        }
    }
    scene.takes_a_good_block();
}

#[test]
fn orphans_and_known_blocks_leave_the_tip_alone() {
    let scene = Scene::new();
    let stranger = Hash::from_bytes([7; 32]);
    let mut news = Events::of(scene.node.port);
    for n in 0..30 {
        let parts = TemplateParts {
            prev_hash: Some(stranger),
            data: format!("orphan {n}"),
            ..scene.branch.next("")
        };
        let orphan = scene.branch.mine(&parts);
        assert_eq!(scene.node.post("/mined", &orphan.to_json()).status, 202);
        news.next("orphan", |news| {
            news["hash"] == orphan.hash().to_string() && news["parent"] == stranger.to_string()
        });
    }
    for block in &scene.branch.blocks {
        assert_eq!(scene.node.post("/mined", &block.to_json()).status, 202);
        assert_eq!(scene.node.post("/mined", &block.to_wire_json()).status, 202);
    }
    scene.tip_is_unmoved();
    let waiting = scene.node.status()["chain"]["orphans"].as_u64().unwrap();
    assert!(waiting <= 10, "{waiting} orphans of one sender are kept");
    scene.takes_a_good_block();
}
