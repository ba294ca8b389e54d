//! Nodes that cannot start say why, at once, and end with an exit code that is not 0.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::stage::{EASY, Stage};

#[test]
fn a_second_node_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let stage = Stage::new(EASY);
    let first = stage.node("folder").start();
    let note = fs::read(first.folder.join("node.json")).unwrap();
    let (code, log) = stage.node("other").on(&first.folder).fail();
    assert_eq!(code, Some(1));
    assert!(
        log.contains("in use by another node") && log.contains("folder"),
        "{log}"
    );
    first.takes(&stage.branch(1).blocks[1]);
    assert_eq!(first.height(), 1);
    assert_eq!(fs::read(first.folder.join("node.json")).unwrap(), note);
}

#[test]
fn a_port_in_use_is_named_and_the_folder_left_alone() {
    let stage = Stage::new(EASY);
    let plan = stage.node("node");
    let taken = TcpListener::bind(("127.0.0.1", plan.port)).unwrap();
    let (code, log) = plan.fail();
    assert_eq!(code, Some(1));
    assert!(
        log.contains(&format!("127.0.0.1:{} is in use", plan.port)),
        "{log}"
    );
    assert!(!plan.folder.exists());
    drop(taken);
    plan.start();
}

/// Permissions do not bind a superuser, so these are folders that nobody can make.
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let stage = Stage::new(EASY);
    let file = stage.path("a file");
    fs::write(&file, "not a folder").unwrap();
    for folder in [
        file.as_path(),
        &file.join("below"),
        Path::new("/sys/jbc-e2e"),
        Path::new("/proc/jbc-e2e"),
    ] {
        let (code, log) = stage.node("node").on(folder).fail();
        assert_eq!(code, Some(1), "{log}");
        assert!(
            log.contains(&format!(
                "the data folder {} cannot be used",
                folder.display()
            )),
            "{log}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a folder");
}

#[test]
fn an_unknown_network_is_named_with_those_there_are() {
    let stage = Stage::new(EASY);
    let (code, log) = stage.node("node").of("nowhere").fail();
    assert_eq!(code, Some(2));
    assert!(
        log.contains("--network: `nowhere` is no built-in network (dev, classic6, classic)"),
        "{log}"
    );

    let broken = stage.path("broken.json");
    for text in [
        "",
        "{}",
        "[]",
        r#"{"name":"x","rules":"v9","zeros":1,"genesis":{}}"#,
    ] {
        fs::write(&broken, text).unwrap();
        let (code, log) = stage.node("node").of(&broken).fail();
        assert_eq!(code, Some(2), "{text}");
        assert!(
            log.contains("--network: ") && log.contains("broken.json"),
            "{text}: {log}"
        );
    }
    assert!(
        !stage.path("node").exists(),
        "a wrong flag leaves nothing behind"
    );
}

#[test]
fn a_folder_of_another_network_is_refused_by_database_and_by_block_files() {
    let (ours, theirs) = (Stage::new(EASY), Stage::new(EASY));
    let folder = theirs.path("theirs");
    let node = theirs.node("theirs").start();
    node.takes(&theirs.branch(1).blocks[1]);
    node.stop();
    let (code, log) = ours.node("node").on(&folder).fail();
    assert_eq!(code, Some(1));
    assert!(
        log.contains("holds the network e2e") && log.contains("--network"),
        "{log}"
    );

    let files = theirs.block_files("files", &theirs.branch(3));
    for _ in 0..2 {
        // The second time finds whatever the first has left.
        let (code, log) = ours.node("node").on(&files).fail();
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains("is not the first block of e2e"), "{log}");
    }
    // Where they belong, both are good still.
    let node = theirs.node("theirs").start();
    assert_eq!(node.height(), 1);
    let node = theirs.node("files").start();
    assert_eq!(node.height(), 3);
}

#[test]
fn wrong_flags_are_named() {
    let stage = Stage::new(EASY);
    for (flags, words) in [
        (&["--threads", "0"][..], "--threads"),
        (&["--rounds", "0"], "--rounds"),
        (&["--peer", "ftp://localhost:1"], "--peer"),
        (&["--url", "http://169.254.169.254:80"], "--url"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let plan = stage
            .node("node")
            .with_peers(if flags[0] == "--peer" { &[1] } else { &[] })
            .with(flags);
        let (code, log) = plan.fail();
        assert_eq!(code, Some(2), "{flags:?}: {log}");
        assert!(log.contains(words), "{flags:?}: {log}");
    }
}
