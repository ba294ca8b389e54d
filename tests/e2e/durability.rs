//! What of a node's jobs outlives the node: pauses, missed audits, the dead list. All of it is in `jobs.redb`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jbc_scheduler::{DeadJob, JobStore, RedbStore, StoreChange, StoredJob};
use serde_json::{Value, json};

use crate::process::{JBC_SCHED, Node};
use crate::stage::{EASY, RACING, Stage};
use crate::wait::{until, until_true};

const STORE: &str = "jobs.redb";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn sched(args: &[&str]) -> Output {
    Command::new(JBC_SCHED).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The audit as a stopped node has left it.
fn stored_audit(folder: &Path) -> StoredJob {
    let stored = RedbStore::read(folder.join(STORE)).unwrap();
    let mut jobs = stored.jobs.into_iter();
    jobs.find(|job| job.id == "audit").expect("it is kept")
}

/// Writes to the store of a stopped node.
fn write(folder: &Path, changes: &[StoreChange]) {
    let store = RedbStore::create(folder.join(STORE)).unwrap();
    store.apply(changes).unwrap();
}

fn dead_ids(node: &Node) -> Vec<String> {
    let answer = node.get("/jobs/dead").json();
    let dead = answer["dead"].as_array().unwrap().iter();
    dead.map(|dead| dead["id"].as_str().unwrap().to_owned())
        .collect()
}

fn runs_of(node: &Node, id: &str) -> Vec<Value> {
    let runs = node.get("/jobs/history").json();
    let runs = runs["runs"].as_array().unwrap().iter();
    runs.filter(|run| run["job_id"] == id).cloned().collect()
}

#[test]
fn a_pause_outlives_kill_9_and_is_said_at_the_start_until_it_is_ended() {
    let stage = Stage::new(RACING);
    let plan = stage.node("miner").mining();
    let node = plan.start();
    node.reaches(2);
    node.rest();
    let height = node.height();
    node.kill();

    let node = plan.start();
    let mining = until("mining is armed", || node.job("mining"));
    assert_eq!(
        (&mining["paused"], &mining["state"], &mining["durable"]),
        (&json!(true), &json!("paused"), &json!(false)),
        "{mining}"
    );
    assert!(
        node.log().contains("paused by the operator: mining ("),
        "{}",
        node.log()
    );
    // A block from elsewhere does not wake it.
    let mut branch = stage.branch(0);
    branch.blocks = node.chain();
    let mut next = branch.next("from elsewhere");
    let last = branch.blocks.last().unwrap().timestamp();
    next.timestamp = jbc_chain::Timestamp::from_instant(last.instant().plus(1));
    node.takes(&branch.mine(&next));
    assert_eq!(node.height(), height + 1);
    assert_eq!(node.job("mining").unwrap()["paused"], true);
    assert_eq!(node.status()["mining"]["searched"], 0);

    node.go_on();
    node.reaches(height + 3);
    node.kill();
    let node = plan.start();
    node.reaches(height + 4);
    assert!(!node.log().contains("paused by"), "{}", node.log());
}

#[test]
fn an_audit_missed_for_days_runs_once_at_the_next_start() {
    let stage = Stage::new(EASY);
    let plan = stage.node("node");
    let node = plan.start();
    for block in &stage.branch(3).blocks[1..] {
        node.takes(block);
    }
    node.kill();

    let folder = stage.path("node");
    let mut audit = stored_audit(&folder);
    let next_us = audit.next_us.unwrap();
    audit.next_us = Some(next_us - 5 * DAY.as_micros() as u64);
    write(&folder, &[StoreChange::PutJob(Box::new(audit))]);

    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let node = plan.start();
    until_true("the audit runs and is told", || {
        node.log().contains("audit: 4 blocks hashed again")
    });
    let missed =
        |run: &Value| u128::from(run["scheduled_at"].as_u64().unwrap()) < since.as_millis();
    let runs = until("the run is in the history", || {
        let runs = runs_of(&node, "audit");
        (!runs.is_empty()).then_some(runs)
    });
    assert_eq!(runs.iter().filter(|run| missed(run)).count(), 1, "{runs:?}");
    assert_eq!(runs[0]["outcome"], "executed");
    let next_ms = node.job("audit").unwrap()["next_run_time"]
        .as_u64()
        .unwrap();
    assert!(u128::from(next_ms) >= since.as_millis());
    node.kill();

    let node = plan.start();
    let again: Vec<Value> = runs_of(&node, "audit");
    assert!(!again.iter().any(missed), "{again:?}");
}

#[test]
fn the_dead_list_outlives_the_node_and_is_requeued_or_forgotten() {
    let stage = Stage::new(EASY);
    let plan = stage.node("node");
    plan.start().stop();
    let folder = stage.path("node");
    let dead = |id: &str, died_at: u64, job: Option<StoredJob>| {
        StoreChange::PutDead(Box::new(DeadJob {
            id: id.into(),
            name: "audit".into(),
            failures: 3,
            error: "panicked: the disk is gone".to_owned(),
            died_at,
            job: job.map(Box::new),
        }))
    };
    let audit = stored_audit(&folder);
    write(
        &folder,
        &[dead("audit", 1_000, Some(audit)), dead("gone", 2_000, None)],
    );

    let node = plan.start();
    assert_eq!(
        node.get("/jobs/dead").json()["dead"][0],
        json!({
            "id": "audit", "name": "audit", "failures": 3, "error": "panicked: the disk is gone",
            "died_at": 1_000, "durable": true,
        })
    );
    let port = node.port.to_string();
    let data_dir = folder.to_str().unwrap();
    let ask = |args: &[&str]| sched(&[args, &["--port", &port, "--data-dir", data_dir]].concat());
    let listed = text(&ask(&["--list-dead"]).stdout);
    assert!(listed.contains("panicked: the disk is gone"), "{listed}");
    let refused = node.post("/jobs/requeue", &json!({ "id": "audit" }).to_string());
    assert_eq!(refused.status, 401);

    let requeued = ask(&["--requeue", "audit"]);
    assert!(requeued.status.success(), "{}", text(&requeued.stderr));
    until_true("the audit runs", || {
        node.log().contains("blocks hashed again, all sound")
    });
    let lost = node.steer("POST", "/jobs/requeue", &json!({ "id": "gone" }));
    assert_eq!((lost.status, lost.fault().as_str()), (409, "id"));
    assert_eq!(dead_ids(&node), ["gone"]);
    node.kill();

    let node = plan.start();
    assert_eq!(dead_ids(&node), ["gone"]);
    let forgotten = ask(&["--forget", "gone"]);
    assert!(forgotten.status.success(), "{}", text(&forgotten.stderr));
    for action in ["/jobs/forget", "/jobs/requeue"] {
        let missing = node.steer("POST", action, &json!({ "id": "gone" }));
        assert_eq!((missing.status, missing.fault().as_str()), (404, "id"));
    }
    node.kill();
    assert_eq!(dead_ids(&plan.start()), [""; 0]);
}

#[test]
fn block_files_that_cannot_be_written_die_with_the_reason_and_come_when_requeued() {
    let stage = Stage::new(EASY);
    let branch = stage.branch(1);
    let node = stage.node("node").start();
    let file = node.folder.join("000001.json");
    fs::create_dir(&file).unwrap();
    node.takes(&branch.blocks[1]);
    until_true("the files are given up", || dead_ids(&node) == ["files"]);
    let answer = node.get("/jobs/dead").json();
    let dead = &answer["dead"][0];
    assert!(
        dead["failures"] == 3 && dead["error"].as_str().unwrap().contains("000001.json"),
        "{dead}"
    );
    assert!(node.log().contains("--requeue ID tries again"));

    fs::remove_dir(&file).unwrap();
    let requeued = node.steer("POST", "/jobs/requeue", &json!({ "id": "files" }));
    assert_eq!(requeued.status, 200, "{}", requeued.text());
    until_true("the file is written", || file.is_file());
    assert_eq!(dead_ids(&node), [""; 0]);
}

#[test]
fn without_a_node_jbc_sched_shows_what_is_stored_and_changes_nothing() {
    let stage = Stage::new(RACING);
    let node = stage.node("miner").mining().start();
    node.reaches(1);
    node.rest();
    let folder = stage.path("miner");
    let parent = folder.parent().unwrap().to_str().unwrap().to_owned();
    let url = format!("http://127.0.0.1:{}", node.port);
    let live = sched(&["--list-jobs", "--data-dir", &parent]);
    let shown = text(&live.stdout);
    assert!(
        live.status.success() && shown.contains(&url) && !shown.contains("no node is running"),
        "{shown}"
    );
    node.kill();

    let before = fs::read(folder.join(STORE)).unwrap();
    for data_dir in [parent.as_str(), folder.to_str().unwrap()] {
        let seen = sched(&["--list-jobs", "--data-dir", data_dir]);
        let shown = text(&seen.stdout);
        assert!(seen.status.success(), "{}", text(&seen.stderr));
        for part in [
            "no node is running: this is what jobs.redb holds\nJobstore default:\n",
            "    audit: audit (trigger: cron[0 17 3 * * *], next run at: ",
            "Paused, once a node adds them: mining\n",
        ] {
            assert!(shown.contains(part), "{part:?} in {shown}");
        }
        assert!(shown.contains(folder.to_str().unwrap()), "{shown}");
        let seen = sched(&["--list-dead", "--data-dir", data_dir]);
        assert!(text(&seen.stdout).contains("No dead jobs"), "{seen:?}");
        let seen = sched(&["-o", "json", "--data-dir", data_dir]);
        let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
        assert_eq!(
            (&seen[0]["jobs"][0]["id"], &seen[0]["paused"]),
            (&json!("audit"), &json!(["mining"]))
        );
    }
    assert_eq!(fs::read(folder.join(STORE)).unwrap(), before);
    let history = sched(&["--history", "--data-dir", &parent]);
    assert_eq!(history.status.code(), Some(1));
}

#[test]
fn where_nothing_is_stored_or_it_is_damaged_jbc_sched_says_so_and_fails() {
    let stage = Stage::new(EASY);
    let sound = stage.node("sound");
    sound.start().stop();
    let empty = stage.path("empty");
    let bad = stage.path("damaged");
    fs::create_dir(&empty).unwrap();
    fs::create_dir(&bad).unwrap();
    fs::write(bad.join(STORE), vec![7; 20_000]).unwrap();
    for (folder, words) in [
        (stage.path("nowhere"), "there is no such folder"),
        (empty, "no node is running from "),
        (bad.clone(), "cannot open"),
    ] {
        let seen = sched(&["--list-jobs", "--data-dir", folder.to_str().unwrap()]);
        let said = text(&seen.stderr);
        assert_eq!(seen.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && seen.stdout.is_empty(), "{said}");
    }
    // One that is damaged does not hide the others.
    let parent = bad.parent().unwrap().to_str().unwrap();
    let seen = sched(&["--list-jobs", "--data-dir", parent]);
    let shown = text(&seen.stdout);
    assert_eq!(seen.status.code(), Some(1));
    assert!(
        shown.contains("    audit: audit (") && shown.contains("cannot open"),
        "{shown}"
    );
}

fn moved_aside(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains("jobs.redb.damaged-"))
        .collect()
}

#[test]
fn a_damaged_job_store_is_moved_aside_in_full_view_and_the_node_starts() {
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.fill(0x5a),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.truncate(100),
        |bytes| *bytes = b"not a database".to_vec(),
    ];
    for damage in damages {
        let stage = Stage::new(EASY);
        let plan = stage.node("node");
        plan.start().stop();
        let folder = stage.path("node");
        let mut bytes = fs::read(folder.join(STORE)).unwrap();
        damage(&mut bytes);
        fs::write(folder.join(STORE), &bytes).unwrap();

        let node = plan.start();
        let log = node.log();
        assert!(log.contains("THE JOB STORE IS DAMAGED"), "{log}");
        let aside = moved_aside(&folder);
        assert!(
            aside.len() == 1 && log.contains(aside[0].to_str().unwrap()),
            "{log}"
        );
        until_true("the audit is scheduled", || node.job("audit").is_some());
        assert_eq!(node.job("audit").unwrap()["durable"], true);
        node.stop();
        assert!(!plan.start().log().contains("DAMAGED"), "once is enough");
    }
}

#[test]
fn a_job_store_that_another_process_holds_is_named_as_a_folder_in_use() {
    let stage = Stage::new(EASY);
    let plan = stage.node("node");
    plan.start().stop();
    let held = RedbStore::create(stage.path("node").join(STORE)).unwrap();
    let (code, log) = plan.fail();
    assert_eq!(code, Some(1));
    assert!(log.contains("is in use by another node"), "{log}");
    drop(held);
    plan.start();
    assert!(moved_aside(&stage.path("node")).is_empty());
}
