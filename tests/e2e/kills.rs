//! kill -9 at any moment.

use std::fs;

use crate::process::Tip;
use crate::stage::{RACING, Stage, block_file};
use crate::wait::until_true;

#[test]
fn a_miner_killed_again_and_again_has_every_block_it_ever_showed() {
    let stage = Stage::new(RACING);
    let plan = stage.node("miner").mining();
    let mut shown = Vec::new();
    for _ in 0..4 {
        let node = plan.start();
        for tip in &shown {
            let Tip { index, hash } = tip;
            assert_eq!(
                node.get(&format!("/blocks/{index}")).json()["hash"],
                hash.as_str()
            );
        }
        let height = node.height();
        for ahead in 1..=3 {
            shown.push(node.reaches(height + ahead));
        }
        assert!(node.folder.join("node.json").exists());
        node.kill();
    }
    let node = plan.start();
    let (chain, last) = (node.chain(), shown.last().unwrap());
    assert_eq!(chain[last.index as usize].hash().to_string(), last.hash);
}

#[test]
fn kills_while_block_files_are_imported_lose_none_of_them() {
    let stage = Stage::new(0.0);
    let branch = stage.branch(3_000);
    let folder = stage.block_files("tutorial", &branch);
    let (plan, database) = (stage.node("tutorial"), folder.join("chain.redb"));
    let state = || {
        fs::metadata(&database)
            .ok()
            .map(|file| (file.len(), file.modified().unwrap()))
    };
    for _ in 0..4 {
        let (node, before) = (plan.spawn(), state());
        until_true("something was written, or all of it", || {
            state() != before || node.try_get("/status").is_ok()
        });
        node.kill();
    }
    let node = plan.start();
    assert_eq!(node.height(), 3_000);
    assert_eq!(node.chain(), branch.blocks);
    let history = || {
        node.get("/jobs/history").json()["runs"]
            .as_array()
            .unwrap()
            .clone()
    };
    until_true("the block files were seen to", || {
        history().iter().any(|run| run["job_id"] == "files")
    });
    for block in &branch.blocks {
        assert_eq!(
            fs::read_to_string(block_file(&folder, block.index())).unwrap(),
            block.to_json()
        );
    }
}
