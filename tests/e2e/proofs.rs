//! What outlives a node: proofs of files, and chains in files. By the commands, as people type them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use jbc_chain::{Block, Header};

use crate::commands::jbc;
use crate::http::ask;
use crate::process::{JBC, url};
use crate::stage::{EASY, RACING, Stage};
use crate::wait::until_true;

#[track_caller]
fn good(args: &[&str]) -> String {
    let output = jbc(args);
    assert!(output.status.success(), "jbc {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs it, which must end with exit code 1; what it says.
#[track_caller]
fn bad(args: &[&str]) -> String {
    let Output { status, stderr, .. } = jbc(args);
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "jbc {args:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_stamped_file_is_proven_by_a_node_by_a_folder_and_offline_and_a_changed_one_is_not() {
    let stage = Stage::v2(RACING);
    let network = stage.path("network.json");
    let plan = stage.node("node").mining();
    let node = plan.start();
    let (address, file) = (url(node.port), stage.path("thesis.txt"));
    fs::write(&file, "All of it is true.\n").unwrap();

    let stamp = [
        "stamp",
        text(&file),
        "--url",
        &address,
        "--network",
        text(&network),
    ];
    let stamped = good(&[&stamp[..], &["--confirmations", "3"]].concat());
    assert!(stamped.contains("thesis.txt.jbcproof"), "{stamped}");
    assert!(bad(&stamp).contains("--overwrite"));
    node.rest();

    let verify = ["verify", text(&file), "--network", text(&network)];
    let by_node = good(&[&verify[..], &["--url", &address]].concat());
    assert!(
        by_node.starts_with("proven: the miners of network v2 e2e"),
        "{by_node}"
    );
    assert_eq!(by_node.lines().count(), 1);

    let headers = stage.path("headers.jsonl");
    good(&[
        "chain",
        "export",
        "--headers",
        "--out",
        text(&headers),
        "--url",
        &address,
    ]);
    node.stop();
    let offline = [&verify[..], &["--headers", text(&headers)]].concat();
    let folder = [&verify[..], &["--data-dir", text(&plan.folder)]].concat();
    assert_eq!((good(&offline), good(&folder)), (by_node.clone(), by_node));

    // The pinned network is not this one.
    assert!(bad(&["verify", text(&file), "--headers", text(&headers)]).contains("network"));
    // A home-made chain: other blocks upon the same first one.
    let mut own = stage.branch(0);
    for number in 0..5 {
        own.grow_v2(&format!("home-made {number}"), &[]);
    }
    let lines: String = own
        .blocks
        .iter()
        .map(|block| block.header().unwrap().to_json() + "\n")
        .collect();
    fs::write(&headers, lines).unwrap();
    assert!(bad(&offline).starts_with("jbc: not proven"));

    // One byte of the file.
    let good_folder = good(&folder);
    fs::write(&file, "All of it is True.\n").unwrap();
    let said = bad(&folder);
    assert!(
        said.contains("not proven") && said.contains("changed"),
        "{said}"
    );
    fs::write(&file, "All of it is true.\n").unwrap();
    assert_eq!(good(&folder), good_folder);
    // Some bytes of the proof; the unit tests have all.
    let path = stage.path("thesis.txt.jbcproof");
    let proof = fs::read(&path).unwrap();
    for position in (0..proof.len()).step_by(proof.len() / 12) {
        let mut changed = proof.clone();
        changed[position] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(bad(&folder).contains("not proven"), "byte {position}");
    }
}

#[test]
fn an_exported_chain_is_continued_and_makes_the_same_node_elsewhere() {
    let stage = Stage::v2(EASY);
    let plan = stage.node("node");
    let (node, mut branch) = (plan.start(), stage.branch(0));
    let (address, out) = (url(node.port), stage.path("chain.jsonl"));
    let export = ["chain", "export", "--out", text(&out), "--url", &address];
    node.takes(&branch.grow_v2("one", &["an entry"]));
    let mut loser = branch.clone();
    node.takes(&loser.grow_v2("to be taken off", &[]));
    good(&export);
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 3);

    // It goes on from the fork, also where the last line is torn.
    for data in ["two", "three", "four"] {
        node.takes(&branch.grow_v2(data, &[]));
    }
    let torn = fs::read_to_string(&out).unwrap();
    fs::write(&out, &torn[..torn.len() - 40]).unwrap();
    good(&export);
    let lines = fs::read_to_string(&out).unwrap();
    let blocks: Vec<_> = lines
        .lines()
        .map(|line| Block::from_json(line.as_bytes()).unwrap())
        .collect();
    assert_eq!(blocks, branch.blocks);

    let network = stage.path("network.json");
    let import = [
        "chain",
        "import",
        text(&out),
        "--network",
        text(&network),
        "--data-dir",
    ];
    let elsewhere = stage.path("elsewhere");
    good(&[&import[..], &[text(&elsewhere)]].concat());
    good(&[&import[..], &[text(&elsewhere)]].concat()); // nothing is new
    let copy = stage.node("copy").on(&elsewhere).start();
    assert_eq!(copy.tip(), node.tip());
    assert_eq!(copy.chain(), branch.blocks);
    let known = copy
        .get(&format!("/entries/{}", jbc_chain::leaf_hash(b"an entry")))
        .json();
    assert_eq!(known["index"], 1);
    // A folder in use is left alone, and so is another network's file.
    assert!(bad(&[&import[..], &[text(&elsewhere)]].concat()).contains("in use"));
    let other = Stage::v2(EASY);
    let foreign = ["chain", "import", text(&out), "--network"];
    let said = bad(&[
        &foreign[..],
        &[
            text(&other.path("network.json")),
            "--data-dir",
            text(&other.path("x")),
        ],
    ]
    .concat());
    assert!(
        said.contains("line 1") && !other.path("x").exists(),
        "{said}"
    );
}

#[test]
fn side_branches_are_shown_below_the_block_they_leave_from() {
    let stage = Stage::v2(EASY);
    let (node, mut best) = (stage.node("node").start(), stage.branch(0));
    node.takes(&best.grow_v2("shared", &[]));
    let mut side = best.clone();
    node.takes(&best.grow_v2("winner", &[]));
    node.takes(&best.grow_v2("after it", &[]));
    node.takes(&side.grow_v2("loser", &[]));
    until_true("the side branch is there", || {
        node.status()["chain"]["side_blocks"] == 1
    });
    let shown = good(&["chain", "show", "--forks", &url(node.port)]);
    let place = |words: &str| {
        shown
            .find(words)
            .unwrap_or_else(|| panic!("no `{words}` in:\n{shown}"))
    };
    assert!(
        place("shared") < place("loser") && place("loser") < place("after it"),
        "{shown}"
    );
}

#[test]
fn a_block_is_explained_by_a_line_that_any_shell_runs_whatever_its_data() {
    let hostile = "it's \"$(touch PWNED)\" `touch PWNED` %s%n \\ \n;touch PWNED\u{0}é";
    for v2 in [true, false] {
        let stage = if v2 {
            Stage::v2(EASY)
        } else {
            Stage::new(EASY)
        };
        let (node, mut branch) = (stage.node("node").start(), stage.branch(0));
        let (one, two) = match v2 {
            true => (
                branch.grow_v2(hostile, &["a"]),
                branch.grow_v2("after", &[hostile, "b", "c"]),
            ),
            false => (branch.grow(hostile), branch.grow("after")),
        };
        node.takes(&one);
        node.takes(&two);
        for block in [&one, &two] {
            let explained = good(&[
                "explain",
                &block.hash().to_string(),
                "--url",
                &url(node.port),
            ]);
            let lines: Vec<_> = explained
                .lines()
                .filter(|line| line.trim_start().starts_with("printf "))
                .collect();
            assert_eq!(lines.len(), 1, "{explained}");
            for shell in ["sh", "bash"] {
                let run = Command::new(shell)
                    .args(["-c", lines[0].trim()])
                    .current_dir(stage.path(""))
                    .output()
                    .unwrap();
                assert_eq!(
                    String::from_utf8_lossy(&run.stdout)[..64],
                    block.hash().to_string(),
                    "{run:?}"
                );
            }
            assert!(!stage.path("PWNED").exists());
            assert!(
                !explained.contains('\u{0}') && !explained.contains("WRONG"),
                "{explained}"
            );
        }
        if v2 {
            let header: Header = two.header().unwrap();
            let explained = good(&["explain", "2", "--url", &url(node.port)]);
            assert!(
                explained.contains(&header.bits.to_string())
                    && explained.contains(&header.merkle_root.to_string())
            );
        }
    }
}

/// Runs it with nobody at the other end of its stdout; its exit code, and what it says on stderr.
fn unread(args: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let command = Command::new(JBC).args(args).stdout(writer).output();
    let Output { status, stderr, .. } = command.unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// The port of a node that answers as this one, but for the times of its blocks.
fn liar(port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut reader = BufReader::new(&stream);
            reader.read_line(&mut line).unwrap();
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap() > 2 {
                head.clear();
            }
            let path = line.split(' ').nth(1).unwrap();
            let body = ask(port, "GET", path, &[]).unwrap().text();
            let body = body.replace("\"timestamp\":1", "\"timestamp\":2");
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close");
            // Whoever asked may be gone.
            let _ = write!(stream, "{head}\r\n\r\n{body}");
        }
    });
    own
}

#[test]
fn a_closed_stdout_neither_stops_the_work_nor_hides_a_failure() {
    let stage = Stage::v2(RACING);
    let network = stage.path("network.json");
    let node = stage.node("node").mining().start();
    let (address, file) = (url(node.port), stage.path("thesis.txt"));
    fs::write(&file, "All of it is true.\n").unwrap();
    let of_node = ["--url", &address, "--network", text(&network)];

    // One of two files is missing: the other is stamped all the same, and the exit code tells.
    let (missing, out) = (stage.path("missing.txt"), stage.path("chain.jsonl"));
    let both = ["stamp", "--confirmations", "1", text(&missing), text(&file)];
    let (code, said) = unread(&[&both[..], &of_node].concat());
    assert!(code == Some(1) && said.contains("missing.txt"), "{said}");
    assert!(stage.path("thesis.txt.jbcproof").exists());
    node.rest();
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count() as u64;
    let export = ["chain", "export", "--out", text(&out)];
    assert_eq!(unread(&[&export[..], &of_node].concat()).0, Some(0));
    assert_eq!(lines(&out), node.height() + 1);
    let verify = ["verify", text(&file)];
    assert_eq!(unread(&[&verify[..], &of_node].concat()).0, Some(0));
    assert_eq!(unread(&["explain", "1", "--url", &address]).0, Some(0));
    let folder = stage.path("elsewhere");
    let import = ["chain", "import", text(&out), "--data-dir", text(&folder)];
    let import = [&import[..], &["--network", text(&network)]].concat();
    assert_eq!(unread(&import).0, Some(0));

    let (code, said) = unread(&["explain", "1", "--url", &url(liar(node.port))]);
    assert!(code == Some(1) && said.contains("does not hold"), "{said}");
    let chain = ["chain", "verify", &address, "--network", text(&network)];
    assert_eq!(unread(&chain).0, Some(0));
    let chain = ["chain", "verify", &address, "--network", "dev"];
    let (code, said) = unread(&chain);
    assert!(code == Some(1) && said.contains("not valid"), "{said}");
    fs::write(&file, "All of it is True.\n").unwrap();
    let (code, said) = unread(&[&verify[..], &of_node].concat());
    assert!(code == Some(1) && said.contains("not proven"), "{said}");
}

#[test]
fn a_proof_whose_words_would_draw_on_the_terminal_is_refused_in_characters_that_print() {
    let stage = Stage::v2(EASY);
    let file = stage.path("thesis.txt");
    fs::write(&file, "All of it is true.\n").unwrap();
    let proof = "{\"jbcproof\":1,\"\\r\\u001b[2Kproven: \\u202e\":2}\n";
    fs::write(stage.path("thesis.txt.jbcproof"), proof).unwrap();
    let said = bad(&["verify", text(&file)]);
    let line = said.strip_suffix('\n').unwrap();
    assert!(
        !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{said:?}"
    );
    assert!(said.contains("`\\r\\u{1b}[2Kproven: \\u{202e}`"), "{said}");
}
