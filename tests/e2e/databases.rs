//! A damaged database: moved aside in full view, and the chain rebuilt. Never silently shorter.

use std::fs;
use std::path::{Path, PathBuf};

use crate::branch::Branch;
use crate::stage::{EASY, Stage, block_file};
use crate::wait::until_true;

const DATABASE: &str = "chain.redb";

/// A stopped node's folder with a chain of eight blocks in its database and in files.
fn folder_of_a_stopped_node(stage: &Stage, branch: &Branch) -> PathBuf {
    let node = stage.node("node").start();
    for block in &branch.blocks[1..] {
        node.takes(block);
    }
    let last = block_file(&node.folder, branch.tip().index());
    until_true("the block files are written", || last.exists());
    node.stop();
    stage.path("node")
}

fn moved_aside(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains("chain.redb.damaged"))
        .collect()
}

/// Damages the database and starts a node on it: the whole chain is there, and goes on. Says whether the damage was met:
/// then the database is kept beside the new one, with loud words.
fn survives(damage: impl FnOnce(&mut Vec<u8>)) -> bool {
    let stage = Stage::new(EASY);
    let mut branch = stage.branch(8);
    let folder = folder_of_a_stopped_node(&stage, &branch);
    let database = folder.join(DATABASE);
    let mut bytes = fs::read(&database).unwrap();
    damage(&mut bytes);
    fs::write(&database, &bytes).unwrap();

    let plan = stage.node("node");
    let node = plan.start();
    assert_eq!(node.chain(), branch.blocks);
    let (log, aside) = (node.log(), moved_aside(&folder));
    let was_met = !aside.is_empty();
    assert_eq!(
        (log.contains("DAMAGED"), log.contains("chain.redb.damaged")),
        (was_met, was_met),
        "{log}"
    );
    if was_met {
        // redb may have begun to mend it before it gave up, so of what it was only its presence is promised.
        assert!(aside.len() == 1 && fs::metadata(&aside[0]).unwrap().len() > 0);
    }
    node.takes(&branch.grow("one more"));
    node.stop();
    let node = plan.start();
    assert_eq!(node.chain(), branch.blocks);
    assert!(!node.log().contains("DAMAGED"), "once is enough");
    was_met
}

#[test]
fn a_database_overwritten_with_noise_is_rebuilt() {
    assert!(survives(|bytes| bytes
        .iter_mut()
        .enumerate()
        .for_each(|(at, byte)| *byte = (at * 31 % 251) as u8)));
}

#[test]
fn a_database_cut_off_anywhere_is_rebuilt() {
    for left in [
        |_| 1,
        |_| 100,
        |_| 4_096,
        |len| len / 4,
        |len: usize| len / 2,
    ] {
        assert!(survives(|bytes| bytes.truncate(left(bytes.len()))));
    }
    for lost in [1, 4_096] {
        survives(|bytes| bytes.truncate(bytes.len() - lost)); // perhaps of a page that nothing was on
    }
}

#[test]
fn a_database_with_one_digit_of_a_block_changed_is_rebuilt() {
    let was_met = survives(|bytes| {
        let words = b"\"data\":\"block 5\"";
        let found: Vec<_> = bytes
            .windows(words.len())
            .enumerate()
            .filter(|(_, part)| part == words)
            .map(|(at, _)| at)
            .collect();
        assert!(!found.is_empty());
        for at in found {
            bytes[at + words.len() - 2] = b'6';
        }
    });
    assert!(was_met);
}

#[test]
fn without_block_files_peers_bring_back_what_a_damaged_database_lost() {
    let stage = Stage::new(EASY);
    let branch = stage.branch(8);
    stage.block_files("peer", &branch);
    let peer = stage.node("peer").start();
    let plan = stage.node("node").with(&["--no-files"]);
    let node = plan.start();
    for block in &branch.blocks[1..] {
        node.takes(block);
    }
    node.stop();
    fs::write(stage.path("node").join(DATABASE), "noise").unwrap();
    let node = plan.with_peers(&[peer.port]).start();
    until_true("the chain is back", || node.tip() == peer.tip());
    assert!(node.log().contains("DAMAGED"));
    assert_eq!(node.chain(), branch.blocks);
}

#[test]
fn a_database_that_is_gone_or_empty_is_rebuilt_from_the_files() {
    for is_gone in [true, false] {
        let stage = Stage::new(EASY);
        let branch = stage.branch(8);
        let database = folder_of_a_stopped_node(&stage, &branch).join(DATABASE);
        fs::remove_file(&database).unwrap();
        if !is_gone {
            fs::write(&database, "").unwrap();
        }
        let node = stage.node("node").start();
        assert_eq!(node.chain(), branch.blocks);
    }
}
