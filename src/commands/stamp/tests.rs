//! Stamping by canned nodes: patient ones, full ones, ones that change branches, and liars.

use std::fs;

use jbc_chain::{Block, Network, Unchecked, leaf_hash};

use super::*;
use crate::client::NodeClient;
use crate::client::canned::Canned;
use crate::commands::chain::fixtures::{header_list, network, next};
use crate::commands::proof::Proof;
use crate::commands::proof::tests::{ENTRY, stamped};

/// Content whose entry is [`ENTRY`].
const CONTENT: &[u8] = b"abc";

fn stamping(url: &str, confirmations: u64) -> Stamping {
    Stamping {
        node: NodeClient::new(url).unwrap(),
        network: network("stamp"),
        confirmations,
        overwrite: false,
        deadline: Instant::now() + Duration::from_secs(60),
        pause: Duration::from_millis(1),
        turns: Semaphore::new(2),
    }
}

fn pending() -> String {
    let leaf = leaf_hash(ENTRY.as_bytes());
    format!("{{\"leaf\":\"{leaf}\",\"state\":\"pending\"}}")
}

fn confirmed(block: &Block<Unchecked>, confirmations: u64) -> String {
    let (leaf, index, hash) = (leaf_hash(ENTRY.as_bytes()), block.index(), block.hash());
    format!(
        "{{\"leaf\":\"{leaf}\",\"state\":\"confirmed\",\"index\":{index},\"hash\":\"{hash}\",\"confirmations\":{confirmations}}}"
    )
}

fn refusal(status: &str, field: &str) -> String {
    let body = format!("{{\"error\":{{\"field\":\"{field}\",\"reason\":\"no\"}}}}");
    format!(
        "HTTP/1.1 {status}\r\nretry-after: 0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn block_answer(block: &Block<Unchecked>) -> (&'static str, String) {
    let path = format!("GET /blocks/{}", block.hash());
    (path.leak(), block.to_json())
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.file(), CONTENT).unwrap();
        desk
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("report.pdf")
    }

    async fn stamp(&self, stamping: &Stamping) -> anyhow::Result<Stamped> {
        stamping.stamp(&self.file(), &ProgressBar::hidden()).await
    }

    fn proof(&self) -> Proof {
        Proof::from_json(&fs::read(proof_path(&self.file())).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_file_waits_until_it_is_deep_enough_and_its_proof_holds() {
    let (blocks, expected) = stamped(&network("stamp"));
    let server = Canned::serve(vec![
        ("POST /entries ", refusal("503 Service Unavailable", "pool")),
        (
            "POST /entries ",
            refusal("429 Too Many Requests", "request"),
        ),
        ("POST /entries ", refusal("408 Request Timeout", "request")),
        ("POST /entries ", pending()),
        ("GET /entries/", pending()),
        ("GET /entries/", refusal("503 Service Unavailable", "node")),
        ("GET /entries/", confirmed(&blocks[3], 1)),
        ("GET /entries/", confirmed(&blocks[3], 4)),
        block_answer(&blocks[3]),
        ("GET /headers?from=3&count=3 ", header_list(&blocks[3..6])),
    ]);
    let desk = Desk::new();
    let stamped = desk.stamp(&stamping(&server.url, 3)).await.unwrap();
    assert_eq!((stamped.index, stamped.confirmations), (3, 3));
    assert_eq!(desk.proof(), expected);
    let posted = server.requests();
    assert!(
        posted[0].ends_with(&format!("{{\"text\":\"{ENTRY}\"}}")),
        "{}",
        posted[0]
    );
}

#[tokio::test]
async fn a_file_that_changes_while_it_waits_gets_no_proof() {
    let (blocks, _) = stamped(&network("stamp"));
    for late in ["abd", ""] {
        let server = Canned::serve(vec![
            ("POST /entries ", pending()),
            ("GET /entries/", confirmed(&blocks[3], 7)),
            block_answer(&blocks[3]),
            ("GET /headers?from=3&count=3 ", header_list(&blocks[3..6])),
        ]);
        let (desk, mut stamping) = (Desk::new(), stamping(&server.url, 3));
        // The only turn is ours until the entry was posted and a question after it waits.
        stamping.turns = Semaphore::new(1);
        let (file, bar) = (desk.file(), ProgressBar::hidden());
        let stamp = stamping.stamp(&file, &bar);
        tokio::pin!(stamp);
        let changed = async {
            while server.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            let turn = stamping.turns.acquire().await.unwrap();
            fs::write(desk.file(), late).unwrap();
            drop(turn);
            std::future::pending::<()>().await
        };
        let error = tokio::select! {
            outcome = &mut stamp => outcome.unwrap_err().to_string(),
            () = changed => unreachable!("it is for ever pending"),
        };
        let named = format!("{}: it was changed", desk.file().display());
        assert!(error.starts_with(&named), "{error}");
        assert!(!proof_path(&desk.file()).exists());
    }
}

#[tokio::test]
async fn a_reorganisation_that_moves_the_entry_costs_time_only() {
    let (blocks, _) = stamped(&network("stamp"));
    let mut other = blocks[..4].to_vec();
    other[3] = next(&blocks[2], &[]); // another block 3, and the entry in block 4
    other.push(next(&other[3], &[ENTRY.as_bytes()]));
    other.push(next(&other[4], &[]));
    let server = Canned::serve(vec![
        ("POST /entries ", confirmed(&blocks[3], 2)),
        block_answer(&blocks[3]),
        // By now the node has changed branches.
        ("GET /headers?from=3&count=2 ", header_list(&other[3..5])),
        ("GET /entries/", refusal("404 Not Found", "leaf")),
        ("POST /entries ", pending()),
        ("GET /entries/", pending()),
        ("GET /entries/", confirmed(&other[4], 2)),
        block_answer(&other[4]),
        ("GET /headers?from=4&count=2 ", header_list(&other[4..6])),
    ]);
    let desk = Desk::new();
    let stamped = desk.stamp(&stamping(&server.url, 2)).await.unwrap();
    assert_eq!(stamped.index, 4);
    assert_eq!(desk.proof().headers[1].hash, *other[5].hash());
}

#[tokio::test]
async fn when_the_time_is_up_no_proof_is_written() {
    for answer in [pending(), refusal("503 Service Unavailable", "pool")] {
        let server = Canned::serve(vec![
            ("POST /entries ", answer),
            ("GET /entries/", pending()),
        ]);
        let mut stamping = stamping(&server.url, 2);
        stamping.deadline = Instant::now();
        let desk = Desk::new();
        let error = desk.stamp(&stamping).await.unwrap_err();
        assert!(error.to_string().starts_with("the time is up"), "{error}");
        assert!(!proof_path(&desk.file()).exists());
    }
}

#[tokio::test]
async fn a_proof_that_is_there_is_not_replaced_unasked() {
    let (blocks, expected) = stamped(&network("stamp"));
    let server = Canned::serve(vec![
        ("POST /entries ", confirmed(&blocks[3], 7)),
        block_answer(&blocks[3]),
        ("GET /headers?from=3&count=3 ", header_list(&blocks[3..6])),
    ]);
    let desk = Desk::new();
    fs::write(proof_path(&desk.file()), "mine").unwrap();
    let mut stamping = stamping(&server.url, 3);
    let error = desk.stamp(&stamping).await.unwrap_err();
    assert!(error.to_string().contains("is there already"), "{error}");
    assert!(server.requests().is_empty());
    stamping.overwrite = true;
    desk.stamp(&stamping).await.unwrap();
    assert_eq!(desk.proof(), expected);
}

#[tokio::test]
async fn what_a_node_says_is_not_believed_before_it_is_checked() {
    let (blocks, _) = stamped(&network("stamp"));
    let without = next(&blocks[2], &[]);
    let mut false_root = blocks[3].header().unwrap();
    false_root.merkle_root = leaf_hash(b"x");
    let false_root = Block::v2(false_root, blocks[3].entries().to_vec().into());
    let path = format!("GET /blocks/{}", blocks[3].hash());
    for (block, reason) in [
        (&blocks[4], "answers another block"),
        (&without, "does not hold the entry"),
        (&false_root, "not a proof"),
    ] {
        let claimed = if *block == without {
            &without
        } else {
            &blocks[3]
        };
        let mut answers = vec![("POST /entries ", confirmed(claimed, 7))];
        answers.push((path.clone().leak(), block.to_json()));
        answers.push(block_answer(&without));
        let mut headers = header_list(&blocks[3..6]);
        if *block == false_root {
            let root = blocks[3].header().unwrap().merkle_root.to_string();
            headers = headers.replace(&root, &leaf_hash(b"x").to_string());
        }
        answers.push(("GET /headers?from=3&count=3 ", headers));
        let server = Canned::serve(answers);
        let desk = Desk::new();
        let error = desk.stamp(&stamping(&server.url, 3)).await.unwrap_err();
        assert!(format!("{error:#}").contains(reason), "{error:#}");
        assert!(!proof_path(&desk.file()).exists());
    }
}

#[tokio::test]
async fn one_file_that_fails_does_not_stop_the_others() {
    let (blocks, _) = stamped(&network("stamp"));
    let server = Canned::serve(vec![
        ("POST /entries ", confirmed(&blocks[3], 7)),
        block_answer(&blocks[3]),
        ("GET /headers?from=3&count=3 ", header_list(&blocks[3..6])),
    ]);
    let desk = Desk::new();
    let files = vec![
        desk.0.path().join("missing"),
        desk.file(),
        desk.0.path().to_owned(),
    ];
    let failed = all(&Arc::new(stamping(&server.url, 3)), files)
        .await
        .unwrap();
    assert_eq!(failed, 2);
    assert!(proof_path(&desk.file()).exists());
}

#[tokio::test]
async fn a_classic_node_is_told_apart_before_anything_is_posted() {
    let classic = Network::classic();
    let status = crate::commands::chain::fixtures::status_json(
        &classic,
        &[classic.genesis.clone().into_unchecked()],
    );
    let server = Canned::serve(vec![("GET /status", status)]);
    let args = StampArgs::from_iter_safe(["stamp", "file", "--url", &server.url]).unwrap();
    let error = run(args).await.unwrap_err();
    assert!(error.to_string().contains("a classic network"), "{error}");
}

#[test]
fn flags_are_checked() {
    let parse = |flags: &str| {
        StampArgs::from_iter_safe(["stamp"].into_iter().chain(flags.split_whitespace()))
    };
    let args = parse("a b --confirmations 2 --timeout 90s").unwrap();
    assert_eq!((args.files.len(), args.confirmations), (2, 2));
    assert_eq!(args.timeout, Duration::from_secs(90));
    assert_eq!(parse("a").unwrap().timeout, Duration::from_secs(3_600));
    for flags in [
        "",
        "a --confirmations 0",
        "a --confirmations 10001",
        "a --timeout 0s",
        "a --timeout 5",
        "a --timeout h",
        "a --timeout 1é",
        "a --timeout 99999999999999999999h",
        "a --timeout 1000h",
        "a --url ftp://x",
    ] {
        assert!(parse(flags).is_err(), "{flags}");
    }
    assert_eq!(
        proof_path(Path::new("a/b.pdf")),
        Path::new("a/b.pdf.jbcproof")
    );
}
