//! Sync steps against peers that serve another ledger, or lie.

mod hostile;
mod tutorial;

use std::sync::Arc;

use futures_util::FutureExt;
use jbc_chain::{Block, Unchecked};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::sync::{self, BATCH_BLOCKS};
use jbc_jobs::task::{Origin, SyncStep, SyncTask, Verdict};

use crate::fakes::{
    MemoryStore, NOW, ScriptedPeers, Serving, best_chain, branch, claim_of, empty_ledger, genesis,
    ledger_of, remote,
};

/// One step. The scripted peers answer at once, so it is done when it is first looked at.
fn step(
    ledger: &Ledger<MemoryStore>,
    peers: &ScriptedPeers,
    peer: &PeerUrl,
    next: Option<u64>,
) -> SyncStep {
    let task = SyncTask {
        peer: peer.clone(),
        next,
    };
    let step = sync::run(&task, ledger, peers).now_or_never();
    step.expect("scripted peers keep nobody waiting")
}

/// What the listener makes of it: step, admit, and on until the peer has no more. Returns the steps taken.
fn download(ledger: &Ledger<MemoryStore>, peers: &ScriptedPeers, peer: &PeerUrl) -> usize {
    let mut next = None;
    for taken in 1..=100 {
        let SyncStep::Fetched {
            blocks,
            claim,
            next: more,
        } = step(ledger, peers, peer, next)
        else {
            return taken;
        };
        let origin = Origin::Synced {
            peer: peer.clone(),
            claim,
            next: more,
        };
        let answer = ledger.admit(&blocks, &origin, NOW).unwrap();
        let stop =
            |verdict: &Verdict| matches!(verdict, Verdict::Refused { .. } | Verdict::Orphan { .. });
        if more.is_none() || answer.verdicts.iter().any(stop) {
            return taken;
        }
        next = more;
    }
    panic!("the download never ends");
}

/// A ledger of these blocks on one of ours, each a branch on top of the same `common` first blocks.
fn diverged(
    common: usize,
    ours: usize,
    theirs: usize,
) -> (Ledger<MemoryStore>, Arc<Ledger<MemoryStore>>) {
    let common = branch(&genesis(), "common", common);
    let fork = common.last().cloned().unwrap_or_else(genesis);
    let with = |own: Vec<Block<Unchecked>>| ledger_of(common.iter().chain(&own));
    (
        with(branch(&fork, "ours", ours)),
        Arc::new(with(branch(&fork, "theirs", theirs))),
    )
}

fn first_index(step: &SyncStep) -> u64 {
    match step {
        SyncStep::Fetched { blocks, .. } => blocks[0].index(),
        other => panic!("nothing was fetched: {other:?}"),
    }
}

#[test]
fn of_a_peer_on_the_same_tip_nothing_is_asked_but_its_status() {
    let (ours, theirs) = diverged(5, 0, 0);
    let peers = ScriptedPeers::of(&remote(1), Serving(theirs));
    assert!(matches!(
        step(&ours, &peers, &remote(1), None),
        SyncStep::UpToDate
    ));
    assert_eq!(peers.calls(), 1);
}

#[test]
fn a_peer_that_is_behind_or_has_no_more_work_gives_nothing() {
    for (own, their) in [(5, 0), (5, 3), (3, 3)] {
        let (ours, theirs) = diverged(5, own, their);
        let peers = ScriptedPeers::of(&remote(1), Serving(theirs));
        assert!(matches!(
            step(&ours, &peers, &remote(1), None),
            SyncStep::UpToDate
        ));
        assert_eq!(peers.calls(), 1);
    }
}

#[test]
fn a_peer_out_of_reach_is_said_to_be() {
    let peers = ScriptedPeers::default();
    let step = step(&empty_ledger(), &peers, &remote(1), None);
    assert!(matches!(step, SyncStep::Unreachable { .. }), "{step:?}");
}

#[test]
fn a_node_that_is_behind_fetches_from_its_tip_on() {
    let (ours, theirs) = diverged(20, 0, 10);
    let peers = ScriptedPeers::of(&remote(1), Serving(Arc::clone(&theirs)));
    let step = step(&ours, &peers, &remote(1), None);
    let SyncStep::Fetched {
        blocks,
        claim,
        next,
    } = step
    else {
        panic!("{step:?}");
    };
    let heights: Vec<_> = blocks.iter().map(Block::index).collect();
    assert_eq!(heights, (21..=30).collect::<Vec<_>>());
    assert_eq!((claim, next), (Some(claim_of(&theirs)), None));
    assert!(peers.calls() <= 5, "{} calls", peers.calls());
}

#[test]
fn the_fork_is_found_in_a_few_calls_however_deep() {
    for (common, own) in [
        (20, 1),
        (20, 3),
        (0, 3),
        (700, 1_500),
        (0, 1_500),
        (3_000, 1_500),
        (3_000, 2_060),
    ] {
        let (ours, theirs) = diverged(common, own, own + 1);
        let peers = ScriptedPeers::of(&remote(1), Serving(theirs));
        let step = step(&ours, &peers, &remote(1), None);
        assert_eq!(
            first_index(&step),
            common as u64 + 1,
            "{own} blocks on {common}"
        );
        assert!(
            peers.count("headers") <= 20,
            "{} calls for headers",
            peers.count("headers")
        );
        assert_eq!((peers.count("status"), peers.count("blocks")), (1, 1));
    }
}

#[test]
fn a_whole_download_reaches_the_peers_tip() {
    let batch = BATCH_BLOCKS as usize;
    for (common, own, their) in [
        (0, 0, 1),
        (0, 0, batch),
        (0, 0, batch + 1),
        (10, 0, 3 * batch + 7),
        (10, 1, 2),
        (10, 3, 4),
        (10, 1_500, 1_501),
    ] {
        let (ours, theirs) = diverged(common, own, their);
        let before = ours.snapshot().tip.hash;
        let peers = ScriptedPeers::of(&remote(1), Serving(Arc::clone(&theirs)));
        let steps = download(&ours, &peers, &remote(1));
        assert_eq!(best_chain(&ours), best_chain(&theirs));
        assert_eq!(steps, their.div_ceil(batch), "{their} blocks on {common}");
        assert_eq!(ours.snapshot().deepest, own as u64);
        assert!(
            ours.chain().find_by_hash(&before).is_some(),
            "what was left is still known"
        );
    }
}

#[test]
fn a_chain_that_grows_while_it_is_fetched_is_fetched_to_its_end() {
    let (ours, theirs) = diverged(0, 0, 700);
    let peers = ScriptedPeers::of(&remote(1), Serving(Arc::clone(&theirs)));
    let SyncStep::Fetched { blocks, next, .. } = step(&ours, &peers, &remote(1), None) else {
        panic!("nothing was fetched");
    };
    ours.admit(&blocks, &Origin::Mined, NOW).unwrap();
    let last = theirs.blocks(700, 1, usize::MAX).unwrap().remove(0);
    theirs
        .admit(&branch(&last, "more", 5), &Origin::Mined, NOW)
        .unwrap();
    let step = step(&ours, &peers, &remote(1), next);
    let SyncStep::Fetched { blocks, next, .. } = step else {
        panic!("{step:?}");
    };
    assert_eq!((blocks.last().unwrap().index(), next), (705, None));
}
