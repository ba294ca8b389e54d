//! Flags, layouts, and how nodes are found, against canned answers.

use std::fs;
use std::path::Path;

use jbc_chain::UnixMicros;
use jbc_scheduler::{JobInfo, JobStore, RedbStore, RunRecord, StoreChange};

use super::*;
use crate::client::canned::{Canned, job_json, status_json};
use crate::dead::DeadInfo;

fn parse(line: &str) -> Result<SchedArgs, structopt::clap::Error> {
    SchedArgs::from_iter_safe(std::iter::once("jbc-sched").chain(line.split_whitespace()))
}

/// A folder for a node's port in `data_dir`, as the node itself leaves it.
fn data_folder(data_dir: &Path, name: &str, url: &str, node_id: &str) -> PathBuf {
    let folder = data_dir.join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("node.json"),
        json!({ "pid": 1, "url": url, "node_id": node_id }).to_string(),
    )
    .unwrap();
    fs::write(folder.join("token"), format!("secret of {node_id}\n")).unwrap();
    folder
}

/// A node of this id: a server for it, which does not know yet where it listens, so the URL in its status is not used.
fn node(node_id: &str) -> Canned {
    Canned::serve(vec![
        ("GET /status", status_json(node_id, "http://127.0.0.1:1")),
        (
            "GET /jobs ",
            format!("{{\"jobs\": [{}]}}", job_json("mining", "running")),
        ),
        ("GET /jobs/history?count=7 ", "{\"runs\": []}".to_owned()),
        ("POST /jobs/", job_json("mining", "paused")),
    ])
}

fn args(line: &str, data_dir: &Path) -> SchedArgs {
    parse(&format!("{line} --data-dir {}", data_dir.display())).unwrap()
}

#[test]
fn listing_jobs_is_what_happens_without_an_action() {
    assert_eq!(parse("").unwrap().view(), View::Jobs);
    assert_eq!(
        parse("--list-jobs --port 5001 --output wide --watch")
            .unwrap()
            .view(),
        View::Jobs
    );
    assert_eq!(
        parse("--history --count 3").unwrap().view(),
        View::History { count: 3 }
    );
    assert_eq!(
        parse("--run audit").unwrap().steering(),
        Some((Action::Steer(Steer::Run), "audit"))
    );
    assert_eq!(parse("--list-dead").unwrap().view(), View::Dead);
    assert_eq!(
        parse("--forget audit").unwrap().steering(),
        Some((Action::Forget, "audit"))
    );
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for line in [
        "--pause mining --resume mining",
        "--list-jobs --history",
        "--list-jobs --list-dead",
        "--requeue audit --forget audit",
        "--forget audit --output json",
        "--port 5001 --url http://localhost:5001",
        "--pause mining --watch",
        "--remove mining --output json",
        "--output yaml",
        "--url https://localhost:5001",
        "--port 70000",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[tokio::test]
async fn nodes_are_found_by_their_folders_and_stale_folders_are_not_nodes() {
    let data_dir = tempfile::tempdir().unwrap();
    let (one, two) = (node("one"), node("two"));
    data_folder(data_dir.path(), "5001", &one.url, "one");
    data_folder(data_dir.path(), "5002", &two.url, "two");
    data_folder(data_dir.path(), "5003", &two.url, "who had the port before");
    data_folder(data_dir.path(), "5004", "http://127.0.0.1:1", "gone");
    fs::write(data_dir.path().join("README.md"), "no folder").unwrap();
    let found = nodes::running_from(data_dir.path()).await;
    let mut urls: Vec<&str> = found.iter().map(|node| node.client.url()).collect();
    urls.sort_unstable();
    let mut expected = [one.url.as_str(), two.url.as_str()];
    expected.sort_unstable();
    assert_eq!(urls, expected);

    let inside = nodes::running_from(&data_dir.path().join("5001")).await;
    assert_eq!(inside.len(), 1, "a node's own folder does too");
}

#[tokio::test]
async fn without_a_node_that_is_said() {
    let data_dir = tempfile::tempdir().unwrap();
    let error = run(args("", data_dir.path())).await.unwrap_err();
    assert!(
        error.to_string().starts_with("no node is running from "),
        "{error}"
    );
    assert!(run(args("--watch", data_dir.path())).await.is_err());
    assert!(
        run(args("--pause mining", &data_dir.path().join("nowhere")))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn several_nodes_are_listed_each_under_its_head_and_not_steered() {
    let data_dir = tempfile::tempdir().unwrap();
    let (one, two) = (node("one"), node("two"));
    data_folder(data_dir.path(), "5001", &one.url, "one");
    data_folder(data_dir.path(), "5002", &two.url, "two");
    let seen = see(&args("", data_dir.path())).await.unwrap();
    for url in [&one.url, &two.url] {
        let (head, job) = (
            format!("{url}  classic6, tip 12 002000000000…\n"),
            "\n    mining: mine (trigger: now, running",
        );
        let under = seen.text.split_once(&head).map(|(_, under)| under);
        assert!(
            under.is_some_and(|under| under.contains(job)),
            "{}",
            seen.text
        );
    }

    let json = see(&args("--output json", data_dir.path()))
        .await
        .unwrap()
        .text;
    let json: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json.len(), &json[0]["jobs"][0]["id"]),
        (2, &json!("mining"))
    );

    let refused = run(args("--pause mining", data_dir.path()))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains(&one.url) && refused.contains(&two.url),
        "{refused}"
    );
    assert!(
        one.requests()
            .iter()
            .chain(&two.requests())
            .all(|request| !request.starts_with("POST"))
    );
}

#[tokio::test]
async fn the_json_of_a_named_node_is_the_apis_own() {
    let node = node("one");
    let nowhere = Path::new("/nowhere");
    let jobs = see(&args(&format!("--url {} -o json", node.url), nowhere))
        .await
        .unwrap()
        .text;
    assert_eq!(
        jobs,
        format!("{{\"jobs\":[{}]}}\n", job_json("mining", "running"))
    );
    let runs = see(&args(
        &format!("--url {} -o json --history --count 7", node.url),
        nowhere,
    ))
    .await
    .unwrap()
    .text;
    assert_eq!(runs, "{\"runs\":[]}\n");
}

#[tokio::test]
async fn the_token_comes_from_the_folder_of_the_node_that_is_steered() {
    let data_dir = tempfile::tempdir().unwrap();
    let (one, two) = (node("one"), node("two"));
    data_folder(data_dir.path(), "5001", &one.url, "one");
    data_folder(data_dir.path(), "5002", &two.url, "two");
    let port = two.url.rsplit(':').next().unwrap();
    run(args(
        &format!("--pause mining --port {port}"),
        data_dir.path(),
    ))
    .await
    .unwrap();
    let sent = two.requests().pop().unwrap();
    assert!(
        sent.starts_with("POST /jobs/pause ") && sent.contains("Bearer secret of two\r\n"),
        "{sent}"
    );

    run(args(
        &format!("--run mining --token mine --url {}", one.url),
        data_dir.path(),
    ))
    .await
    .unwrap();
    assert!(one.requests().pop().unwrap().contains("Bearer mine\r\n"));
}

#[tokio::test]
async fn a_stranger_that_repeats_our_nodes_id_gets_no_token() {
    let data_dir = tempfile::tempdir().unwrap();
    let stranger = node("one"); // same id, other port
    data_folder(data_dir.path(), "5001", "http://127.0.0.1:1", "one");
    let client = NodeClient::new(&stranger.url).unwrap();
    assert_eq!(nodes::folder_of(&client, data_dir.path()).await, None);
}

fn jobs() -> Vec<JobInfo> {
    let job =
        |id: &str, state: &str| serde_json::from_str::<JobInfo>(&job_json(id, state)).unwrap();
    let mut poll = job("poll", "scheduled");
    poll.id = "poll\u{1b}[2J".into();
    poll.trigger = "interval[0:00:10]".to_owned();
    poll.next_run_time = Some(1_508_895_381_000);
    poll.runs.clear();
    vec![job("mining", "running"), poll]
}

#[test]
fn the_wide_layout_is_aligned_columns_without_control_characters() {
    let layout = Layout {
        wide: true,
        style: Style::PLAIN,
        now: Some(UnixMicros(3_500_000)),
    };
    let expected = "\
ID             NAME  STATE      LANE  PRIORITY  TRIGGER            NEXT RUN (UTC)       RUN
mining         mine  running    bulk         0  now                -                    45 %, for 2.5 s
poll\\u{1b}[2J  mine  scheduled  bulk         0  interval[0:00:10]  2017-10-25 01:36:21  -
";
    assert_eq!(layout.jobs(&jobs()), expected);
    let later = Layout {
        now: Some(UnixMicros(9_000_000)),
        ..layout
    };
    assert_ne!(layout.jobs(&jobs()), later.jobs(&jobs()));
    let compared = Layout {
        now: None,
        ..layout
    };
    assert!(compared.jobs(&jobs()).contains("running\n"));
    assert_eq!(layout.jobs(&[]), "No scheduled jobs\n");
}

#[test]
fn the_short_layout_is_print_jobs_with_ids() {
    let layout = Layout {
        wide: false,
        style: Style::PLAIN,
        now: None,
    };
    let text = layout.jobs(&jobs());
    let jobs: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        jobs,
        [
            "    mining: mine (trigger: now, running)",
            "    poll\\u{1b}[2J: mine (trigger: interval[0:00:10], next run at: 2017-10-25 01:36:21 UTC)",
        ]
    );
}

#[test]
fn the_history_says_when_what_and_how_long() {
    let run = |outcome: &str, elapsed_us: u64| {
        let run = json!({
            "run_id": null, "job_id": "sync", "name": "sync", "lane": "io", "outcome": outcome, "message": "no\nanswer",
            "scheduled_at": 1, "started_at": null, "finished_at": 1_508_895_381_042_u64, "elapsed_us": elapsed_us,
        });
        serde_json::from_value::<RunRecord>(run).unwrap()
    };
    let layout = Layout {
        wide: false,
        style: Style::PLAIN,
        now: None,
    };
    let expected = "\
ENDED (UTC)              JOB   NAME  LANE  OUTCOME      TOOK  MESSAGE
2017-10-25 01:36:21.042  sync  sync  io    error      850 µs  no\\nanswer
2017-10-25 01:36:21.042  sync  sync  io    executed  12.0 ms  no\\nanswer
2017-10-25 01:36:21.042  sync  sync  io    missed      2.0 s  no\\nanswer
";
    assert_eq!(
        layout.history(&[
            run("error", 850),
            run("executed", 12_000),
            run("missed", 2_000_000)
        ]),
        expected
    );
}

#[test]
fn removing_a_mining_job_explains_that_it_comes_back() {
    let layout = Layout {
        wide: false,
        style: Style::PLAIN,
        now: None,
    };
    let mining = &jobs()[0];
    assert!(
        layout
            .steered("http://x:1", Steer::Remove, mining)
            .contains("use --pause mining")
    );
    let paused = layout.steered("http://x:1", Steer::Pause, mining);
    assert_eq!(
        paused,
        "http://x:1: mining is paused\n    mining: mine (trigger: now, running)\n"
    );
}

#[test]
fn the_dead_list_says_when_what_how_often_and_why() {
    let dead = |id: &str, error: &str| DeadInfo {
        id: id.into(),
        name: "audit".to_owned(),
        failures: 3,
        error: error.to_owned(),
        died_at: 1_508_895_381_042,
        durable: true,
    };
    let layout = Layout {
        wide: false,
        style: Style::PLAIN,
        now: None,
    };
    let expected = "\
DIED (UTC)           JOB    NAME   FAILURES  ERROR
2017-10-25 01:36:21  audit  audit         3  panicked:\\nno
2017-10-25 01:36:21  files  audit         3  full
";
    assert_eq!(
        layout.dead(&[dead("audit", "panicked:\nno"), dead("files", "full")]),
        expected
    );
    assert_eq!(layout.dead(&[]), "No dead jobs\n");
}

#[tokio::test]
async fn a_running_node_hides_what_stopped_ones_have_stored() {
    let data_dir = tempfile::tempdir().unwrap();
    let running = node("one");
    data_folder(data_dir.path(), "5001", &running.url, "one");
    let stopped = data_folder(data_dir.path(), "5002", "http://127.0.0.1:1", "gone");
    RedbStore::create(stopped.join("jobs.redb")).unwrap();
    let seen = see(&args("", data_dir.path())).await.unwrap().text;
    assert!(
        seen.contains(&running.url) && !seen.contains("jobs.redb"),
        "{seen}"
    );
    let seen = see(&args("", &stopped)).await.unwrap().text;
    assert!(
        seen.ends_with("holds\nJobstore default:\n    No scheduled jobs\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn stored_jobs_are_shown_as_they_will_stand() {
    let stored = |id: &str, paused: bool, owed_us: &[u64]| {
        let job = json!({
            "id": id, "name": "audit", "task": { "kind": "audit", "args": {} }, "lane": "bulk", "priority": 0,
            "trigger": { "type": "cron", "expression": "0 17 3 * * *", "time_zone": null }, "anchor_us": 0,
            "jitter_us": 0, "misfire_grace_us": null, "coalesce": true, "max_instances": 1, "timeout_us": null,
            "retry": null, "tags": [], "paused": paused, "failures": 0, "owed_us": owed_us,
            "next_us": 1_508_895_381_000_000_u64,
        });
        StoreChange::PutJob(Box::new(serde_json::from_value(job).unwrap()))
    };
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::create(folder.path().join("jobs.redb")).unwrap();
    let jobs = [
        stored("broken-off", false, &[1_000_000]),
        stored("held", true, &[]),
        stored("nightly", false, &[]),
    ];
    store.apply(&jobs).unwrap();
    drop(store);
    let seen = see(&args("", folder.path())).await.unwrap().text;
    let lines: Vec<&str> = seen.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "    broken-off: audit (trigger: cron[0 17 3 * * *], pending)",
            "    held: audit (trigger: cron[0 17 3 * * *], paused)",
            "    nightly: audit (trigger: cron[0 17 3 * * *], next run at: 2017-10-25 01:36:21 UTC)",
        ]
    );
}

#[tokio::test]
async fn a_row_of_a_stopped_node_that_cannot_be_read_is_in_the_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.redb");
    drop(RedbStore::create(&path).unwrap());
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let jobs = redb::TableDefinition::<&str, &[u8]>::new("jobs");
    let mut table = transaction.open_table(jobs).unwrap();
    table.insert("audit", b"{".as_slice()).unwrap();
    drop(table);
    transaction.commit().unwrap();
    drop(database);
    let seen = see(&args("-o json", folder.path())).await.unwrap().text;
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let text = seen.to_string();
    assert!(text.contains(r#""key":"jobs/audit""#), "{text}");
}
