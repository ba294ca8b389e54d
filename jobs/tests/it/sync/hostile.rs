//! Peers that lie, boast and talk nonsense.

use std::sync::Arc;

use jbc_chain::{Block, Target, Unchecked};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::ports::{HeaderClaim, JbcStatus, NetworkClaim, PeerError, PeerStatus};
use jbc_jobs::sync::BATCH_BLOCKS;
use jbc_jobs::task::{Origin, SyncStep, Verdict};

use super::{diverged, download, step};
use crate::fakes::{
    MemoryStore, NOW, ScriptedPeers, Serving, Site, best_chain, branch, claim, empty_ledger,
    genesis, ledger_of, network_of, remote, some_hash, status, with_hash,
};

type Reply<T> = Result<T, PeerError>;
type Give = Box<dyn Fn(u64, u64) -> Vec<Block<Unchecked>> + Send + Sync>;

/// It boasts of a tip a thousand blocks up, and gives what `give` makes of each question.
struct Boaster {
    honest: Serving,
    give: Give,
}

impl Site for Boaster {
    fn status(&self) -> Reply<PeerStatus> {
        Ok(status("a boaster", claim(1_000, some_hash(1))))
    }

    fn headers(&self, from: u64, count: u64) -> Reply<Vec<HeaderClaim>> {
        self.honest.headers(from, count)
    }

    fn blocks(&self, from: u64, count: u64) -> Reply<Vec<Block<Unchecked>>> {
        Ok((self.give)(from, count))
    }
}

/// A ledger of ten blocks, and a boaster that knows the same ten.
fn against(
    give: impl Fn(u64, u64) -> Vec<Block<Unchecked>> + Send + Sync + 'static,
) -> (Ledger<MemoryStore>, ScriptedPeers) {
    let (ours, theirs) = diverged(10, 0, 0);
    let honest = Serving(theirs);
    let give = Box::new(give);
    (
        ours,
        ScriptedPeers::of(&remote(1), Boaster { honest, give }),
    )
}

fn nonsense(step: &SyncStep) -> bool {
    matches!(step, SyncStep::Nonsense { .. })
}

#[test]
fn blocks_that_are_no_chain_on_ours_are_nonsense() {
    let common = branch(&genesis(), "common", 10);
    let next = branch(&common[9], "next", BATCH_BLOCKS as usize + 1);
    let answers: Vec<(&str, Vec<Block<Unchecked>>)> = vec![
        ("none", Vec::new()),
        ("too many", next.clone()),
        ("of unknown parents", next[1..4].to_vec()),
        ("with a gap", vec![next[0].clone(), next[2].clone()]),
        ("backwards", vec![next[1].clone(), next[0].clone()]),
        ("one twice", vec![next[0].clone(), next[0].clone()]),
        ("from another height", common[3..6].to_vec()),
        ("the first block again", vec![genesis()]),
        (
            "unlinked",
            vec![
                next[0].clone(),
                with_hash(&next[1], some_hash(1)),
                next[2].clone(),
            ],
        ),
    ];
    for (what, blocks) in answers {
        let (ours, peers) = against(move |_, _| blocks.clone());
        let step = step(&ours, &peers, &remote(1), None);
        assert!(nonsense(&step), "{what}: {step:?}");
        assert!(peers.calls() <= 6, "{what}: {} calls", peers.calls());
    }
}

#[test]
fn a_peer_that_claims_more_than_it_has_is_found_out_when_it_runs_dry() {
    let (ours, theirs) = diverged(10, 0, 30);
    let honest = Serving(Arc::clone(&theirs));
    let give =
        Box::new(move |from, count: u64| theirs.blocks(from, count.min(20), usize::MAX).unwrap());
    let peers = ScriptedPeers::of(&remote(1), Boaster { honest, give });
    // Two batches of true blocks, which are welcome, and then nothing.
    assert_eq!(download(&ours, &peers, &remote(1)), 3);
    assert_eq!(ours.snapshot().tip.index, 40);
    assert!(nonsense(&step(&ours, &peers, &remote(1), Some(41))));
}

#[test]
fn an_answer_that_repeats_itself_for_ever_ends() {
    let common = branch(&genesis(), "common", 10);
    let (ours, peers) = against(move |_, _| common[5..].to_vec());
    assert!(download(&ours, &peers, &remote(1)) <= 2);
    assert_eq!(ours.snapshot().tip.index, 10);
}

#[test]
fn blocks_without_work_stop_a_download_at_the_door() {
    let common = branch(&genesis(), "common", 10);
    let next = branch(&common[9], "next", 3);
    let lie = with_hash(&next[2], some_hash(1));
    let (ours, peers) = against(move |_, _| vec![next[0].clone(), next[1].clone(), lie.clone()]);
    let SyncStep::Fetched {
        blocks,
        claim,
        next,
    } = step(&ours, &peers, &remote(1), None)
    else {
        panic!("links alone look right");
    };
    let origin = Origin::Synced {
        peer: remote(1),
        claim,
        next,
    };
    let answer = ours.admit(&blocks, &origin, NOW).unwrap();
    assert!(matches!(
        answer.verdicts[..],
        [
            _,
            _,
            Verdict::Refused {
                rule: "hash",
                blame: true,
                ..
            }
        ]
    ));
    assert_eq!(ours.snapshot().tip.index, 12);
}

/// It boasts, and every header it gives is wrong.
struct Liar;

impl Site for Liar {
    fn status(&self) -> Reply<PeerStatus> {
        Ok(status("a liar", claim(1_000_000, some_hash(1))))
    }

    fn headers(&self, from: u64, count: u64) -> Reply<Vec<HeaderClaim>> {
        let header = |index| HeaderClaim {
            index,
            hash: some_hash(index),
        };
        Ok((from..from + count).map(header).collect())
    }
}

#[test]
fn a_peer_whose_headers_are_all_false_is_given_up_after_a_few() {
    let ours = ledger_of(&branch(&genesis(), "ours", 3_000));
    let peers = ScriptedPeers::of(&remote(1), Liar);
    let step = step(&ours, &peers, &remote(1), None);
    assert!(nonsense(&step), "{step:?}");
    assert!(peers.calls() <= 20, "{} calls", peers.calls());
}

/// It boasts and says nothing else.
struct Mute;

impl Site for Mute {
    fn status(&self) -> Reply<PeerStatus> {
        Ok(status("a mute", claim(1_000_000, some_hash(1))))
    }
}

#[test]
fn a_peer_that_says_nothing_but_its_boast_is_given_up() {
    let ours = ledger_of(&branch(&genesis(), "ours", 300));
    let peers = ScriptedPeers::of(&remote(1), Mute);
    assert!(nonsense(&step(&ours, &peers, &remote(1), None)));
    assert!(peers.calls() <= 20, "{} calls", peers.calls());
}

/// A node of another network, with a heavier chain.
struct Stranger;

impl Site for Stranger {
    fn status(&self) -> Reply<PeerStatus> {
        let network = network_of("Another first block.", Target::MAX);
        Ok(PeerStatus::Jbc(Box::new(JbcStatus {
            node_id: "a stranger".to_owned(),
            network: NetworkClaim {
                id: network.fingerprint(),
                description: network.describe(),
            },
            tip: claim(9, some_hash(1)),
        })))
    }
}

#[test]
fn of_another_network_nothing_is_fetched() {
    let peers = ScriptedPeers::of(&remote(1), Stranger);
    let step = step(&empty_ledger(), &peers, &remote(1), None);
    assert!(matches!(step, SyncStep::OtherNetwork { .. }), "{step:?}");
    assert_eq!(peers.calls(), 1);
}

#[test]
fn a_peer_that_changes_its_chain_in_the_middle_is_started_over_with() {
    let (ours, theirs) = diverged(0, 0, 700);
    let peers = ScriptedPeers::of(&remote(1), Serving(Arc::clone(&theirs)));
    let SyncStep::Fetched { blocks, next, .. } = step(&ours, &peers, &remote(1), None) else {
        panic!("nothing was fetched");
    };
    ours.admit(&blocks, &Origin::Mined, NOW).unwrap();
    theirs
        .admit(&branch(&genesis(), "another", 900), &Origin::Mined, NOW)
        .unwrap();

    // What comes next does not follow what came before. It is not taken for its word, and the next try heals it.
    let torn = step(&ours, &peers, &remote(1), next);
    assert!(!matches!(torn, SyncStep::Fetched { .. }), "{torn:?}");
    download(&ours, &peers, &remote(1));
    assert_eq!(best_chain(&ours), best_chain(&theirs));
}
