//! The short calls to peers: `announce`, `poll` and `broadcast`.

use futures_util::FutureExt;
use jbc_jobs::broadcast::{self, PUSHES_MAX};
use jbc_jobs::ports::{PeerError, PeerStatus};
use jbc_jobs::task::{AnnounceTask, BroadcastTask, Met, PollTask};
use jbc_jobs::{announce, poll};

use crate::fakes::{
    ScriptedPeers, Site, child, claim, genesis, network, remote, some_hash, status,
};

/// A node of our network under this id, or of the tutorial; it knows two peers.
struct Neighbour(Option<&'static str>);

impl Site for Neighbour {
    fn status(&self) -> Result<PeerStatus, PeerError> {
        let tip = claim(3, some_hash(3));
        Ok(self.0.map_or(PeerStatus::Tutorial, |id| status(id, tip)))
    }

    fn peers(&self) -> Result<Vec<jbc_jobs::peer_url::PeerUrl>, PeerError> {
        Ok(vec![remote(7), remote(8)])
    }
}

fn meet(peers: &ScriptedPeers, network: &str) -> Met {
    let task = AnnounceTask { peer: remote(1) };
    let met = announce::run(&task, peers, "me", network).now_or_never();
    met.expect("scripted peers keep nobody waiting")
}

#[test]
fn a_friend_is_told_our_address_and_asked_for_its_peers() {
    let peers = ScriptedPeers::of(&remote(1), Neighbour(Some("another node")));
    let met = meet(&peers, &network().fingerprint());
    assert!(matches!(met.status, Ok(PeerStatus::Jbc(_))));
    assert_eq!(met.learned, [remote(7), remote(8)]);
    assert_eq!((peers.count("announce"), peers.count("peers")), (1, 1));
}

#[test]
fn strangers_tutorial_nodes_and_ourselves_are_told_nothing() {
    let ours = network().fingerprint();
    for (neighbour, network) in [
        (Neighbour(Some("another node")), "0123456789abcdef"),
        (Neighbour(Some("me")), ours.as_str()),
        (Neighbour(None), ours.as_str()),
    ] {
        let peers = ScriptedPeers::of(&remote(1), neighbour);
        let met = meet(&peers, network);
        assert!(met.status.is_ok() && met.learned.is_empty(), "{met:?}");
        assert_eq!(peers.calls(), 1);
    }
    let nobody = ScriptedPeers::default();
    assert!(meet(&nobody, &ours).status.is_err());
    assert_eq!(nobody.calls(), 1);
}

#[test]
fn a_poll_asks_every_peer_and_says_of_each_what_it_heard() {
    let peers = ScriptedPeers::of(&remote(1), Neighbour(Some("another node")))
        .and(&remote(2), Neighbour(None));
    let asked: Vec<_> = (1..=20).map(remote).collect();
    let task = PollTask {
        peers: asked.clone(),
    };
    let mut answers = poll::run(&task, &peers).now_or_never().unwrap();
    answers.sort_by_key(|answer| asked.iter().position(|peer| *peer == answer.peer));
    assert_eq!(answers.len(), 20);
    assert!(matches!(answers[0].status, Ok(PeerStatus::Jbc(_))));
    assert_eq!(answers[1].status, Ok(PeerStatus::Tutorial));
    assert!(answers[2..].iter().all(|answer| answer.status.is_err()));
}

#[test]
fn a_block_is_pushed_to_eight_peers_at_most_and_failures_are_told_apart() {
    let peers = ScriptedPeers::of(&remote(2), Neighbour(None));
    let task = BroadcastTask {
        block: child(&genesis(), "new"),
        peers: (1..=20).map(remote).collect(),
    };
    let pushes = broadcast::run(&task, &peers).now_or_never().unwrap();
    assert_eq!(
        (pushes.len(), peers.count("push")),
        (PUSHES_MAX, PUSHES_MAX)
    );
    for push in pushes {
        assert_eq!(push.error.is_none(), push.peer == remote(2));
    }
}
