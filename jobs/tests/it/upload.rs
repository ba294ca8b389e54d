//! A miner that nobody can call back brings its peers what they lack.

use std::sync::Arc;

use futures_util::FutureExt;
use jbc_jobs::ledger::Ledger;
use jbc_jobs::task::{UploadTask, Uploaded};
use jbc_jobs::upload::{self, UPLOAD_BLOCKS};

use crate::fakes::{
    MemoryStore, ScriptedPeers, Serving, best_chain, branch, genesis, ledger_of, remote,
};

fn upload(ours: &Ledger<MemoryStore>, peers: &ScriptedPeers) -> Uploaded {
    let task = UploadTask { peer: remote(1) };
    upload::run(&task, ours, peers)
        .now_or_never()
        .expect("scripted peers keep nobody waiting")
}

#[test]
fn a_peer_that_is_behind_gets_the_missing_blocks_from_the_fork_on() {
    for (ours, theirs) in [(5, 0), (7, 3), (UPLOAD_BLOCKS as usize + 50, 1)] {
        let ours = ledger_of(&branch(&genesis(), "ours", ours));
        let theirs = Arc::new(ledger_of(&branch(&genesis(), "theirs", theirs)));
        let peers = ScriptedPeers::of(&remote(1), Serving(Arc::clone(&theirs)));
        let mut jobs = 1;
        while upload(&ours, &peers).count == UPLOAD_BLOCKS {
            jobs += 1;
        }
        assert_eq!(best_chain(&theirs), best_chain(&ours));
        assert_eq!(
            jobs,
            best_chain(&ours).len().div_ceil(UPLOAD_BLOCKS as usize)
        );
    }
}

#[test]
fn a_peer_that_is_level_or_ahead_gets_nothing() {
    for theirs in [4, 9] {
        let ours = ledger_of(&branch(&genesis(), "ours", 4));
        let theirs = Arc::new(ledger_of(&branch(&genesis(), "theirs", theirs)));
        let peers = ScriptedPeers::of(&remote(1), Serving(theirs));
        assert_eq!(upload(&ours, &peers).count, 0);
        assert_eq!(peers.count("push"), 0);
    }
}

#[test]
fn a_peer_out_of_reach_is_an_error_and_nothing_else() {
    let ours = ledger_of(&branch(&genesis(), "ours", 4));
    let uploaded = upload(&ours, &ScriptedPeers::default());
    assert!(uploaded.error.is_some() && uploaded.count == 0);
}
