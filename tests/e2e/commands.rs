//! The other commands, and the words around them.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Output};

use jbc_pow::{Kernel, hash_of};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::JBC;
use crate::stage::{RACING, Stage, free_port};
use crate::wait::until_true;

pub(crate) fn jbc(args: &[&str]) -> Output {
    Command::new(JBC).args(args).output().unwrap()
}

#[test]
fn jbc_mine_builds_upon_a_nodes_chain_pushes_what_it_finds_and_serves_nobody() {
    let stage = Stage::new(200_000.0);
    // A chain that no miner is ahead of before it has asked for it.
    stage.block_files("node", &stage.branch(30));
    let node = stage.node("node").start();
    assert_eq!(node.height(), 30);
    for words in ["Mined by jbc mine", "second"] {
        let height = node.height();
        let plan = stage
            .miner(words)
            .with(&["--threads", "1"])
            .with_peers(&[node.port]);
        let plan = if words == "second" {
            plan.with(&["--tag", words])
        } else {
            plan
        };
        let mut miner = plan.spawn();
        node.reaches(height + 3);
        // It listens nowhere, so nobody can have learned of it.
        assert_eq!(node.get("/peers").json()["peers"], json!([]));
        let note = fs::read(miner.folder.join("node.json")).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&note).unwrap()["url"],
            Value::Null
        );
        miner.signal(Signal::TERM);
        assert_eq!(miner.ended().code(), Some(0));
        let chain = node.chain();
        assert!(chain.len() > height as usize + 3);
        assert!(
            chain[height as usize + 1..]
                .iter()
                .all(|block| block.data() == words)
        );
    }
    assert_eq!(node.status()["mining"]["found"], 0);
}

#[test]
fn jbc_mine_brings_up_a_node_that_was_away() {
    let stage = Stage::new(RACING);
    let plan = stage.node("node");
    let miner = stage
        .miner("miner")
        .with(&["--threads", "1"])
        .with_peers(&[plan.port])
        .spawn();
    until_true("the miner is ahead", || miner.log().contains("block 3 "));
    plan.start().reaches(3);
}

#[test]
fn jbc_genesis_makes_a_network_once_and_nodes_join_it_by_its_file() {
    let stage = Stage::new(RACING);
    let file = stage.path("class.json");
    let out = file.to_str().unwrap();
    let made = jbc(&[
        "genesis",
        "--zeros",
        "3",
        "--name",
        "our class",
        "--data",
        "Hello.",
        "--out",
        out,
    ]);
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stdout).contains("our class, 3 zeros"));
    let before = fs::read(&file).unwrap();
    let again = jbc(&["genesis", "--zeros", "3", "--out", out]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("there already"));
    assert_eq!(fs::read(&file).unwrap(), before);

    let node = stage.node("node").mining().of(&file).start();
    node.reaches(2);
    let (status, first) = (node.status(), node.chain()[0].clone());
    assert_eq!(
        (&status["network"]["name"], first.data().as_ref()),
        (&json!("our class"), "Hello.")
    );

    let finer = stage.path("finer.json");
    let target = format!("000{}", "7".repeat(61));
    assert!(
        jbc(&[
            "genesis",
            "--target",
            &target,
            "--out",
            finer.to_str().unwrap()
        ])
        .status
        .success()
    );
    let network: Value = serde_json::from_slice(&fs::read(&finer).unwrap()).unwrap();
    assert_eq!(network["target"], target);
    for wrong in [
        &["--zeros", "65"][..],
        &["--zeros", "x"],
        &["--target", "ff"],
        &["--rules", "classic"],
        &["--zeros", "1", "--target", &target],
        &["--zeros", "1", "--interval", "5s"],
        &["--zeros", "11"],
        &["--interval", "0s"],
        &["--hashes", "0"],
        &["--tag", ""],
        &["--data", "Hello."],
    ] {
        let path = stage.path("wrong.json");
        let made = jbc(&[&["genesis", "--out", path.to_str().unwrap()], wrong].concat());
        assert_eq!(made.status.code(), Some(2), "{wrong:?}: {made:?}");
        assert!(!made.stderr.is_empty() && !path.exists(), "{wrong:?}");
    }
}

#[test]
fn help_teaches_and_a_wrong_command_is_no_success() {
    let help = jbc(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        help.status.success()
            && text.contains("jbc node --port 5001 --mine")
            && text.contains("genesis"),
        "{text}"
    );
    for command in ["node", "mine", "genesis", "bench"] {
        let help = jbc(&[command, "--help"]);
        assert!(
            help.status.success() && help.stdout.len() > 300,
            "{command}: {help:?}"
        );
    }
    for args in [
        &[][..],
        &["nonsense"],
        &["node", "--nonsense"],
        &["node", "--port", "70000"],
    ] {
        assert!(!jbc(args).status.success(), "{args:?}");
    }
}

#[test]
fn jbc_bench_node_mines_blocks_that_it_searches_on_and_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let bench = Command::new(JBC)
        .args(["bench", "node", "--quick", "--output", "json"])
        .env("TMPDIR", temp.path())
        .output()
        .unwrap();
    assert!(
        bench.status.success() && bench.stderr.is_empty(),
        "{bench:?}"
    );
    let figures: Value = serde_json::from_slice(&bench.stdout).unwrap();
    assert_eq!(figures["blocks_count"], 3);
    for figure in [
        "accepted_to_search_p50_us",
        "accepted_to_search_p99_us",
        "reported_hashes_per_s",
        "found_ratio",
    ] {
        assert!(figures[figure].as_f64().unwrap() > 0.0, "{figures}");
    }
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn jbc_bench_scheduler_prints_finite_numbers_and_an_aligned_table() {
    let bench = jbc(&["bench", "scheduler", "--quick", "--output", "json"]);
    assert!(
        bench.status.success() && bench.stderr.is_empty(),
        "{bench:?}"
    );
    let report: Value = serde_json::from_slice(&bench.stdout).unwrap();
    for name in [
        "start_p50_ratio",
        "start_p99_ratio",
        "jobs_per_s_ratio",
        "listener_p50_us",
        "cancel_p99_us",
        "cancel_hash_rate_ratio",
        "mining_efficiency",
        "timer_add_remove_us_at_1000",
    ] {
        // JSON has no other numbers than finite ones: what is not finite would be null.
        assert!(report[name].is_number(), "{name}: {report}");
    }
    for (name, value) in report.as_object().unwrap() {
        let pair = |value: &Value| {
            value
                .as_array()
                .is_some_and(|both| both.iter().all(Value::is_number))
        };
        assert!(
            value.is_number() || pair(value) || name == "quick",
            "{name}: {value}"
        );
    }
    assert_eq!(report["quick"], true);

    let bench = jbc(&["bench", "scheduler", "--quick"]);
    let text = String::from_utf8_lossy(&bench.stdout);
    assert!(
        bench.status.success() && text.contains("SCHEDULER") && text.contains("≤ 1.3"),
        "{bench:?}"
    );
    assert!(!jbc(&["bench", "nonsense"]).status.success());
}

/// All (prefix number, nonce) of an entry whose hash begins with 20 zero bits.
fn hits_by_the_plain_formula(entry: &Value) -> Vec<(usize, u64)> {
    let prefixes: Vec<String> = serde_json::from_value(entry["prefixes"].clone()).unwrap();
    let first = entry["first_nonce"].as_u64().unwrap();
    let nonces = first..first + entry["nonces"].as_u64().unwrap();
    let all = nonces.flat_map(|nonce| (0..prefixes.len()).map(move |prefix| (prefix, nonce)));
    all.filter(|(prefix, nonce)| {
        let hash = hash_of(prefixes[*prefix].as_bytes(), *nonce);
        hash[..2] == [0, 0] && hash[2] < 0x10
    })
    .collect()
}

#[test]
fn jbc_bench_pow_lists_hits_that_anyone_can_recompute_and_none_is_left_out() {
    let bench = jbc(&["bench", "pow", "--quick", "--output", "json"]);
    assert!(
        bench.status.success() && bench.stderr.is_empty(),
        "{bench:?}"
    );
    let entries: Vec<Value> = serde_json::from_slice(&bench.stdout).unwrap();
    for name in ["classic", "classic-shared", "classic-two-blocks", "v2"] {
        let kernels = entries.iter().filter(|entry| entry["layout"] == name);
        assert_eq!(kernels.count(), Kernel::available().len(), "{name}");
    }
    let mut hits_of = HashMap::new();
    for entry in &entries {
        for name in ["cpu_s", "nonces_per_cpu_s", "ratio_to_compress256"] {
            assert!(entry[name].as_f64().is_some_and(|figure| figure > 0.0));
        }
        // All kernels search the same: the plain formula does it once.
        let expected = hits_of
            .entry(entry["layout"].to_string())
            .or_insert_with(|| hits_by_the_plain_formula(entry));
        let hits: Vec<(usize, u64)> = serde_json::from_value(entry["hits"].clone()).unwrap();
        assert_eq!(hits, *expected, "{entry}");
    }
    assert!(hits_of.values().any(|hits| !hits.is_empty()));

    let one = jbc(&["bench", "pow", "--quick", "--kernel", "portable"]);
    let text = String::from_utf8_lossy(&one.stdout);
    assert!(one.status.success() && text.contains("portable"), "{one:?}");
    assert!(!text.contains("avx512") && text.contains("compress256"));
    let unknown = jbc(&["bench", "pow", "--kernel", "abacus"]);
    let words = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(words.contains("abacus") && words.contains("portable"));
}

#[test]
fn the_log_is_json_line_by_line_where_asked_for() {
    let stage = Stage::new(RACING);
    let node = stage
        .node("miner")
        .mining()
        .with(&["--log", "json"])
        .with_peers(&[free_port()])
        .start();
    node.reaches(2);
    node.rest();
    let log = node.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    assert!(lines.iter().all(|line| line["level"].is_string()
        && line["timestamp"].is_string()
        && line["message"].is_string()));
    assert!(
        lines
            .iter()
            .any(|line| line["message"].as_str().unwrap().starts_with("block 1 ")),
        "{log}"
    );
}
