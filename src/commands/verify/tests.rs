//! The whole command, on good proofs and on all that a hostile one, file, node or folder may be.

use std::fs;

use jbc_chain::{Block, Unchecked};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::task::Origin;
use structopt::StructOpt;

use super::*;
use crate::client::canned::Canned;
use crate::commands::chain::fixtures::{
    NOW, block_lines, chain, header_lines, header_list, network, next, next_by, plain_chain,
    status_json,
};
use crate::commands::proof::tests::{ENTRY, stamped};

/// The content whose entry is [`ENTRY`].
const CONTENT: &[u8] = b"abc";

struct Desk {
    folder: tempfile::TempDir,
    blocks: Vec<Block<Unchecked>>,
    proof: Proof,
}

impl Desk {
    fn new() -> Self {
        let (blocks, proof) = stamped(&network("verify"));
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            blocks,
            proof,
        };
        desk.write("report.pdf", CONTENT);
        desk.write("report.pdf.jbcproof", desk.proof.to_json().as_bytes());
        desk.write("headers", header_lines(&desk.blocks).as_bytes());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    async fn verify(&self, flags: &[&str]) -> Result<String, String> {
        let file = self.path("report.pdf");
        let words = ["verify", file.to_str().unwrap()];
        let args = VerifyArgs::from_iter_safe(words.iter().chain(flags)).unwrap();
        let checkpoints = config::checkpoints(&args.checkpoints).unwrap();
        let verified = verify(&args, network("verify"), checkpoints, NOW).await;
        verified.map_err(|error| format!("{error:#}"))
    }

    async fn by_headers(&self) -> Result<String, String> {
        let path = self.path("headers");
        self.verify(&["--headers", path.to_str().unwrap()]).await
    }

    /// What is said of a chain of these headers.
    async fn refusal(&self, headers: &str) -> String {
        self.write("headers", headers.as_bytes());
        self.by_headers().await.unwrap_err()
    }
}

fn sentence(desk: &Desk) -> String {
    format!(
        "proven: the miners of network verify (genesis {}) state that {} existed, unchanged, at 2023-11-14 22:13:35 UTC, in \
         block 3, under 7 confirmations and 14 hashes of work from that block on, of 20 in the whole chain, \
         whose last block is of 2023-11-14 22:14:05 UTC",
        desk.blocks[0].hash().short(),
        desk.path("report.pdf").display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_proven_by_headers_by_blocks_by_a_node_and_by_a_folder() {
    let desk = Desk::new();
    assert_eq!(desk.by_headers().await.unwrap(), sentence(&desk));
    desk.write("headers", block_lines(&desk.blocks).as_bytes());
    assert_eq!(desk.by_headers().await.unwrap(), sentence(&desk));

    let server = node(&desk.blocks);
    assert_eq!(
        desk.verify(&["--url", &server.url]).await.unwrap(),
        sentence(&desk)
    );

    let folder = desk.path("data");
    let store = BlockStore::open(&folder, &network("verify")).unwrap();
    let folder_flag = ["--data-dir", folder.to_str().unwrap()];
    let running = desk.verify(&folder_flag).await.unwrap_err();
    assert!(running.contains("its node runs"), "{running}");
    // A side branch is stored among the others.
    let ledger = Ledger::open(network("verify"), store, std::iter::empty()).unwrap();
    let side = next(&desk.blocks[4], &[b"side"]);
    let stored = [&desk.blocks[1..6], &[side], &desk.blocks[6..]].concat();
    ledger.admit(&stored, &Origin::Mined, NOW).unwrap();
    drop(ledger);
    assert_eq!(desk.verify(&folder_flag).await.unwrap(), sentence(&desk));
}

/// A node of this chain, which answers headers in pages of four.
fn node(blocks: &[Block<Unchecked>]) -> Canned {
    let mut answers = vec![("GET /status", status_json(&network("verify"), blocks))];
    for from in 0..=blocks.len() {
        for (count, page) in [(1, 1), (2_000, 4)] {
            let until = blocks.len().min(from + page);
            let path = format!("GET /headers?from={from}&count={count} ");
            answers.push((path.leak(), header_list(&blocks[from..until])));
        }
    }
    Canned::serve(answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_changed_byte_of_the_proof_makes_it_prove_nothing() {
    let desk = Desk::new();
    let mut follower = Follower::new(network("verify"), NOW);
    for header in crate::commands::chain::fixtures::headers(&desk.blocks) {
        follower.take_header(&header).unwrap();
    }
    let chain = follower.into_chain().unwrap();
    let proven = |text: &[u8]| -> anyhow::Result<()> {
        let proof = Proof::from_json(text)?;
        proof.check(ENTRY, &network("verify"))?;
        decide(&proof, chain.clone(), NOW)?;
        Ok(())
    };
    let good = desk.proof.to_json().into_bytes();
    proven(&good).unwrap();
    for position in 0..good.len() {
        let mut bad = good.clone();
        for flip in [0x01, 0x02, 0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
            bad[position] = good[position] ^ flip;
            assert!(
                proven(&bad).is_err(),
                "byte {position} flipped by {flip:#x}"
            );
        }
        let cut = [&good[..position], &good[position + 1..]].concat();
        assert!(proven(&cut).is_err(), "byte {position} cut out");
        let cut = &good[..position];
        assert!(proven(cut).is_err(), "cut at byte {position}");
    }
    // The whole command says the same.
    for position in (0..good.len()).step_by(29) {
        let mut bad = good.clone();
        bad[position] ^= 1;
        desk.write("report.pdf.jbcproof", &bad);
        let said = desk.by_headers().await;
        assert!(said.is_err(), "byte {position} flipped: {said:?}");
    }
    desk.write("report.pdf.jbcproof", &good);
    assert_eq!(desk.by_headers().await.unwrap(), sentence(&desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_changed_by_one_byte_is_not_the_one_that_was_stamped() {
    let desk = Desk::new();
    for changed in [&b"abd"[..], b"ab", b"abc\n", b""] {
        desk.write("report.pdf", changed);
        let said = desk.by_headers().await.unwrap_err();
        assert!(
            said.contains("field `leaf`: the file is not the one"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_with_another_first_block_or_against_a_rule_is_refused_naming_both_line_and_rule() {
    let desk = Desk::new();
    let good = header_lines(&desk.blocks);
    // With the entry, in a network of the same rules and another name: the work is real, the first block is not ours.
    let home_made = chain(&network("home-made"), 10, (3, ENTRY.as_bytes()));
    let said = desk.refusal(&header_lines(&home_made)).await;
    assert!(
        said.contains("line 1: block 0: refused by rule `genesis`: field `hash`: "),
        "{said}"
    );

    // A block in a hurry makes the next target smaller; the one after it keeps the easier one.
    let mut easier = desk.blocks[..5].to_vec();
    let hurried = next_by(&easier[4], &[], |header| {
        header.timestamp = "1700000020001".parse().unwrap();
    });
    let lazy = next(&hurried, &[]);
    easier.extend([hurried, lazy]);
    let said = desk.refusal(&header_lines(&easier)).await;
    let rule = "line 7: block 6: refused by rule `bits`: field `bits`: must be 207bbb";
    assert!(said.contains(rule), "{said}");

    let beyond = next_by(&desk.blocks[4], &[], |header| {
        header.bits = "2100ffff".parse().unwrap();
    });
    let beyond = [&desk.blocks[..5], &[beyond]].concat();
    let said = desk.refusal(&header_lines(&beyond)).await;
    let rule = "line 6: block 5: refused by rule `limit`: field `bits`: ";
    assert!(said.contains(rule), "{said}");

    for (changed, line, rule) in [
        (without(&good, 4), 5, "index"),
        (swapped(&good, 4, 5), 5, "index"),
        (good.replacen("\"index\":6", "\"index\":7", 1), 7, "index"),
        (nonce_changed(&good, 6), 7, "hash"),
    ] {
        let said = desk.refusal(&changed).await;
        assert!(said.contains(&format!("line {line}: block ")), "{said}");
        let named = said.contains(&format!("rule `{rule}`"));
        assert!(named, "{said}");
    }
    let said = desk.refusal("no header\n").await;
    assert!(said.contains("line 1: field `body`"), "{said}");
    let said = desk.refusal("").await;
    assert!(said.contains("it holds no block"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_mined_in_secret_is_told_by_a_checkpoint_or_by_its_work_alone() {
    let mut desk = Desk::new();
    // The same first block, every rule kept, and a proof that the miners of the other chain know nothing of.
    let theirs = plain_chain(&network("verify"), 30);
    let secret = desk.blocks.clone();
    let said = desk.by_headers().await.unwrap();
    assert!(said.contains("20 in the whole chain"), "{said}");

    let headers = desk.path("headers");
    let by = |checkpoints: Vec<(usize, &Block<Unchecked>)>| {
        let mut flags = vec!["--headers".to_owned(), headers.display().to_string()];
        for (index, block) in checkpoints {
            let pinned = format!("{index}:{}", block.hash());
            flags.extend(["--checkpoint".to_owned(), pinned]);
        }
        flags
    };
    for (checkpoints, reason) in [
        (vec![(1, &secret[1])], ""),
        (vec![(0, &secret[0]), (9, &secret[9]), (5, &secret[5])], ""),
        (
            vec![(5, &theirs[5])],
            "line 6: block 5: refused by rule `checkpoint`",
        ),
        (vec![(1, &secret[1]), (9, &theirs[9])], "line 10: block 9: "),
        (vec![(0, &theirs[3])], "--checkpoint: block 0 "),
        (
            vec![(10, &theirs[10])],
            "ends with block 9, before the checkpoint of block 10",
        ),
    ] {
        let flags = by(checkpoints);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let verified = desk.verify(&flags).await;
        match reason {
            "" => assert_eq!(verified.unwrap(), sentence(&desk)),
            _ => assert!(
                verified.as_ref().unwrap_err().contains(reason),
                "{verified:?}"
            ),
        }
    }
    // Of a node's chain, too.
    desk.blocks = theirs;
    let server = node(&secret);
    let pinned = format!("5:{}", desk.blocks[5].hash());
    let flags = ["--url", &server.url, "--checkpoint", &pinned];
    let said = desk.verify(&flags).await.unwrap_err();
    assert!(said.contains("rule `checkpoint`"), "{said}");
}

fn without(text: &str, line: usize) -> String {
    let lines = text.lines().enumerate();
    let kept = lines.filter(|(position, _)| *position != line);
    kept.map(|(_, text)| format!("{text}\n")).collect()
}

fn swapped(text: &str, one: usize, other: usize) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(one, other);
    lines.join("\n") + "\n"
}

/// With one more in a nonce; the stated hash, which meets the target, stays.
fn nonce_changed(text: &str, line: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let nonce = lines[line].split("\"nonce\":\"").nth(1).unwrap();
    let nonce = nonce.split('"').next().unwrap().to_owned();
    let next = nonce.parse::<u64>().unwrap() + 1;
    lines[line] = lines[line].replace(
        &format!("\"nonce\":\"{nonce}\""),
        &format!("\"nonce\":\"{next}\""),
    );
    lines.join("\n") + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_not_on_the_chain_that_was_checked_proves_nothing() {
    let desk = Desk::new();
    let said = desk.refusal(&header_lines(&desk.blocks[..3])).await;
    assert!(
        said.contains("its chain ends with block 2, before the proof's block 3"),
        "{said}"
    );
    let elsewhere = plain_chain(&network("verify"), 10);
    let said = desk.refusal(&header_lines(&elsewhere)).await;
    assert!(said.contains("is not on its best chain"), "{said}");
    // Exported before the proof's last header came: what is there is proven, the rest is checked.
    desk.write("headers", header_lines(&desk.blocks[..4]).as_bytes());
    let said = desk.by_headers().await.unwrap();
    assert!(said.contains("under 1 confirmation and 2 hashes"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_whose_later_headers_break_a_rule_proves_nothing() {
    let mut desk = Desk::new();
    let early = next_by(&desk.blocks[3], &[], |header| {
        header.bits = "2070ffff".parse().unwrap();
    });
    desk.proof.headers.truncate(1);
    desk.proof.headers.push(early.header().unwrap());
    desk.write("report.pdf.jbcproof", desk.proof.to_json().as_bytes());
    let said = desk.by_headers().await.unwrap_err();
    assert!(
        said.contains("field `headers[1]`") && said.contains("rule `bits`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_chain_is_not_believed() {
    let desk = Desk::new();
    let liar = node(&chain(&network("home-made"), 10, (3, ENTRY.as_bytes())));
    let said = desk.verify(&["--url", &liar.url]).await.unwrap_err();
    assert!(
        said.contains("block 0: refused by rule `genesis`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_network_has_no_entries_and_a_proof_is_of_one_network() {
    let desk = Desk::new();
    let path = desk.path("report.pdf");
    let args = VerifyArgs::from_iter_safe(["verify", path.to_str().unwrap()]).unwrap();
    let classic = verify(&args, Network::classic(), BTreeMap::new(), NOW)
        .await
        .unwrap_err();
    assert!(classic.to_string().contains("classic network"), "{classic}");
    let dev = verify(&args, Network::dev(), BTreeMap::new(), NOW)
        .await
        .unwrap_err();
    assert!(dev.to_string().starts_with("field `network`: "), "{dev}");
}

#[test]
fn one_source_at_a_time() {
    for flags in [
        ["--headers", "a", "--url", "http://x:1"],
        ["--headers", "a", "--data-dir", "b"],
        ["--data-dir", "b", "--port", "1"],
        ["--url", "http://x:1", "--port", "1"],
    ] {
        let words = ["verify", "file"].into_iter().chain(flags);
        assert!(VerifyArgs::from_iter_safe(words).is_err(), "{flags:?}");
    }
}
