//! A data folder: the tutorial's files in it, what the node makes of them, and `data.txt`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jbc_chain::Block;

use crate::stage::{EASY, RACING, Stage, block_file};
use crate::wait::until_true;

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
                && !path.ends_with("node.json")
        })
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn of_a_folder_with_torn_files_the_longest_valid_prefix_is_imported_and_no_file_is_lost() {
    let stage = Stage::new(EASY);
    let branch = stage.branch(12);
    let folder = stage.block_files("tutorial", &branch);
    let (torn, half) = (block_file(&folder, 7), branch.blocks[7].to_json());
    fs::write(&torn, &half[..half.len() / 2]).unwrap();
    fs::write(block_file(&folder, 9), "").unwrap();
    fs::remove_file(block_file(&folder, 10)).unwrap();
    fs::write(block_file(&folder, 11), [0xff; 40_000]).unwrap();
    fs::write(folder.join("notes.json"), "mine").unwrap();
    let before = files(&folder);

    let plan = stage.node("tutorial");
    let node = plan.start();
    assert_eq!(node.chain(), branch.blocks[..=6]);
    let log = node.log();
    for name in [
        "000007.json",
        "000008.json",
        "000009.json",
        "000011.json",
        "000012.json",
    ] {
        assert!(
            log.lines()
                .any(|line| line.contains("not imported") && line.contains(name)),
            "{name}: {log}"
        );
        let kept = fs::read(folder.join("rejected").join(name)).unwrap();
        assert!(
            before.contains(&(name.to_owned(), kept)),
            "{name} is kept as it was"
        );
    }
    assert!(log.contains("up to block 6"), "{log}");
    assert_eq!(files(&folder), before);

    // It goes on from there, under the names of the files that were not taken; what they were stays in `rejected`.
    for block in &branch.blocks[7..] {
        node.takes(block);
    }
    assert_eq!(node.height(), 12);
    until_true("the files follow", || {
        branch.blocks.iter().all(|block| file_shows(&folder, block))
    });
    node.stop();
    assert_eq!(
        fs::read(folder.join("rejected/000007.json")).unwrap(),
        &half.as_bytes()[..half.len() / 2]
    );
    assert_eq!(fs::read(folder.join("notes.json")).unwrap(), b"mine");
    assert_eq!(plan.start().height(), 12);
}

fn file_shows<S>(folder: &Path, block: &Block<S>) -> bool {
    fs::read_to_string(block_file(folder, block.index())).is_ok_and(|text| text == block.to_json())
}

#[test]
fn files_with_numbers_are_imported_and_a_torn_first_block_is_no_loss() {
    let stage = Stage::new(EASY);
    let branch = stage.branch(5);
    let folder = stage.block_files("tutorial", &branch);
    for block in &branch.blocks[1..] {
        fs::write(
            block_file(&folder, block.index()),
            format!(" {}\n", block.to_wire_json()),
        )
        .unwrap();
    }
    fs::write(block_file(&folder, 0), "{").unwrap();
    let node = stage.node("tutorial").start();
    assert_eq!(node.chain(), branch.blocks);
    assert!(
        node.log()
            .lines()
            .any(|line| line.contains("not imported") && line.contains("000000.json"))
    );
}

#[test]
fn the_files_of_a_folder_follow_the_best_chain() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").start();
    let mut short = stage.branch(2);
    let mut long = short.clone();
    for n in 0..2 {
        short.grow(&format!("left {n}"));
    }
    for n in 0..3 {
        long.grow(&format!("taken {n}"));
    }
    for block in &short.blocks[1..] {
        node.takes(block);
    }
    until_true("the files show the first branch", || {
        short
            .blocks
            .iter()
            .all(|block| file_shows(&node.folder, block))
    });
    for block in &long.blocks[3..] {
        node.takes(block);
    }
    assert_eq!(node.height(), 5);
    until_true("the files show the better branch", || {
        long.blocks
            .iter()
            .all(|block| file_shows(&node.folder, block))
    });
    assert_eq!(files(&node.folder).len(), 6);
    let others = fs::read_dir(&node.folder).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|extension| extension == "new")
    });
    assert_eq!(others.count(), 0, "nothing half-written is left");
}

#[test]
fn no_files_are_written_where_none_are_wanted() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").with(&["--no-files"]).start();
    for block in &stage.branch(2).blocks[1..] {
        node.takes(block);
    }
    assert_eq!(node.height(), 2);
    node.stop();
    assert!(files(&stage.path("node")).is_empty());
}

#[test]
fn the_token_is_for_its_owner_only_and_stays() {
    let stage = Stage::new(EASY);
    let plan = stage.node("node");
    let node = plan.start();
    let (token, mode) = (
        node.token(),
        fs::metadata(node.folder.join("token"))
            .unwrap()
            .permissions()
            .mode(),
    );
    assert_eq!(mode & 0o777, 0o600);
    assert!(token.len() >= 32, "{token}");
    node.stop();
    assert_eq!(plan.start().token(), token);
}

#[test]
fn a_node_mines_what_data_txt_says_and_a_tag_overrides_it() {
    let stage = Stage::new(RACING);
    let plan = stage.node("miner").mining();
    let file = plan.folder.join("data.txt");
    let mined = |node: &crate::process::Node, words: &str| {
        until_true(&format!("a block says {words:?}"), || {
            node.chain().last().unwrap().data() == words
        });
    };

    let node = plan.start();
    let default = format!("Mined by node on port {}", plan.port);
    assert_eq!(fs::read_to_string(&file).unwrap(), default);
    mined(&node, &default);

    // An editor leaves a line end, which is not meant.
    fs::write(&file, "Grüße, \"world\" \\ 🦀\n").unwrap();
    mined(&node, "Grüße, \"world\" \\ 🦀");
    node.stop();

    let node = plan.start();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "Grüße, \"world\" \\ 🦀\n",
        "what a person wrote stays"
    );
    let height = node.height();
    assert!(node.reaches(height + 1).index > height);
    assert_eq!(
        node.chain().last().unwrap().data(),
        "Grüße, \"world\" \\ 🦀"
    );
    node.stop();

    let node = plan.with(&["--tag", "the tag"]).start();
    assert_eq!(fs::read_to_string(&file).unwrap(), "the tag");
    mined(&node, "the tag");
    fs::remove_file(&file).unwrap();
    mined(&node, "");
}
