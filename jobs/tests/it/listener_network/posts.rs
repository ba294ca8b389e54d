//! Posts and pushes, introductions and polls.

use std::time::Duration;

use jbc_chain::{Block, Unchecked};
use jbc_jobs::broadcast::PUSHES_MAX;
use jbc_jobs::listener::{End, Input};
use jbc_jobs::peer_table::PeerKind;
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::poll::POLL_INTERVAL_MS;
use jbc_jobs::ports::{JbcStatus, NetworkClaim, PeerStatus};
use jbc_jobs::task::{Origin, PollTask, Task, ValidateTask, Verdict};

use super::{
    Node, announce_task, announcements, friend, new_tip, ours, peer_news, polls, pushes, syncs,
};
use crate::fakes::{
    SECOND, added, child, claim, genesis, local, peer, remote, some_hash, status, verdicts,
};

fn posted_by(block: &Block<Unchecked>, sender: Option<PeerUrl>) -> ValidateTask {
    ValidateTask {
        blocks: vec![block.clone()],
        origin: Origin::Posted {
            address: [10, 0, 0, 99].into(),
            peer: sender,
        },
    }
}

fn mined(block: &Block<Unchecked>) -> ValidateTask {
    ValidateTask {
        blocks: vec![block.clone()],
        origin: Origin::Mined,
    }
}

#[test]
fn a_new_tip_goes_to_eight_peers_in_reach_and_to_none_twice() {
    let mut node = Node::among((1..=20).map(remote));
    node.polled(&remote(1), Err("out of reach".to_owned()));
    let block = child(&genesis(), "new");
    let pushes = pushes(&node.validated(&mined(&block), new_tip(&block)));
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].block, block);
    let mut peers = pushes[0].peers.clone();
    peers.sort();
    peers.dedup();
    assert_eq!(peers.len(), PUSHES_MAX);
    assert!(!peers.contains(&remote(1)));
}

#[test]
fn another_block_goes_to_other_peers_so_that_all_hear_soon() {
    let mut node = Node::among((1..=20).map(remote));
    let mut reached = std::collections::BTreeSet::new();
    let mut parent = genesis();
    for _ in 0..20 {
        parent = child(&parent, "new");
        reached.extend(
            pushes(&node.validated(&mined(&parent), new_tip(&parent)))
                .remove(0)
                .peers,
        );
    }
    assert_eq!(reached.len(), 20);
}

#[test]
fn a_block_is_not_pushed_back_to_its_sender() {
    let mut node = Node::among([remote(1), remote(2)]);
    let block = child(&genesis(), "new");
    let commands = node.validated(&posted_by(&block, Some(remote(1))), new_tip(&block));
    assert_eq!(pushes(&commands)[0].peers, [remote(2)]);
}

#[test]
fn a_block_is_not_pushed_to_those_who_showed_it_as_an_orphan_before() {
    let mut node = Node::among([remote(1), remote(2), remote(3)]);
    let block = child(&genesis(), "new");
    let orphan = Verdict::Orphan {
        hash: *block.hash(),
        parent: some_hash(1),
    };
    node.validated(&posted_by(&block, Some(remote(3))), verdicts(vec![orphan]));
    let commands = node.validated(&posted_by(&block, Some(remote(1))), new_tip(&block));
    assert_eq!(pushes(&commands)[0].peers, [remote(2)]);
}

#[test]
fn a_block_is_not_pushed_to_a_peer_that_claims_it_as_its_tip() {
    let mut node = Node::among([remote(1), remote(2)]);
    let block = child(&genesis(), "new");
    node.polled(&remote(2), Ok(friend(claim(1, *block.hash()))));
    let commands = node.validated(&mined(&block), new_tip(&block));
    assert_eq!(pushes(&commands)[0].peers, [remote(1)]);
}

#[test]
fn a_block_already_known_and_a_side_block_are_not_forwarded() {
    let mut node = Node::among([remote(1), remote(2)]);
    let block = child(&genesis(), "old");
    for verdict in [Verdict::Known(*block.hash()), Verdict::Side(*block.hash())] {
        let commands = node.validated(&posted_by(&block, Some(remote(1))), verdicts(vec![verdict]));
        assert_eq!(pushes(&commands).len(), 0);
    }
}

#[test]
fn a_push_that_nobody_took_makes_its_peer_wait() {
    let mut node = Node::among([remote(1)]);
    let block = child(&genesis(), "new");
    let commands = node.validated(&mined(&block), new_tip(&block));
    let task = Task::Broadcast(pushes(&commands).remove(0));
    let error = jbc_jobs::ports::PeerError::Unreachable {
        reason: "a test".to_owned(),
    };
    let outcome = jbc_jobs::task::Outcome::Broadcast(vec![jbc_jobs::task::Pushed {
        peer: remote(1),
        error: Some(error),
    }]);
    node.done(&task, &outcome);
    assert!(!node.peer(&remote(1)).reachable);
    let next = child(&block, "next");
    assert_eq!(
        pushes(&node.validated(&mined(&next), new_tip(&next))).len(),
        0
    );
}

#[test]
fn a_poll_is_always_armed() {
    let mut node = Node::with_peers([remote(1)]);
    let commands = node.on(&Input::Started);
    assert_eq!(polls(&commands), [(vec![remote(1)], Duration::ZERO)]);

    let task = Task::Poll(PollTask {
        peers: vec![remote(1)],
    });
    let later = Duration::from_millis(POLL_INTERVAL_MS);
    for end in [End::Failed("panicked"), End::Cancelled(None)] {
        let commands = node.ended(&task, end);
        assert_eq!(polls(&commands), [(vec![remote(1)], later)]);
    }
    let commands = node.polled(&remote(1), Ok(friend(ours())));
    assert_eq!(polls(&commands), [(vec![remote(1)], later)]);

    let removed = Input::Gone {
        task: &task,
        refused: false,
    };
    assert_eq!(polls(&node.on(&removed)).len(), 1);
    let other = Input::Gone {
        task: &Task::Audit,
        refused: false,
    };
    assert_eq!(polls(&node.on(&other)).len(), 0, "one is enough");
}

#[test]
fn a_refused_poll_is_armed_with_the_next_input() {
    let mut node = Node::among([remote(1)]);
    let task = Task::Poll(PollTask { peers: Vec::new() });
    let refused = Input::Gone {
        task: &task,
        refused: true,
    };
    assert_eq!(node.on(&refused).len(), 0);
    let next = Input::PeerRemoved { url: remote(9) };
    assert_eq!(polls(&node.on(&next)).len(), 1);
}

#[test]
fn a_paused_poll_is_not_doubled() {
    let mut node = Node::among([remote(1)]);
    let task = Task::Poll(PollTask { peers: Vec::new() });
    let kept = Input::Ended {
        task: &task,
        end: End::Cancelled(None),
        elapsed: Duration::ZERO,
        kept: true,
    };
    assert_eq!(polls(&node.on(&kept)).len(), 0);
}

#[test]
fn a_peer_that_comes_into_reach_gets_to_know_us_once() {
    let mut node = Node::with_peers([remote(1)]);
    node.on(&Input::Started);
    let first = node.polled(&remote(1), Ok(friend(ours())));
    assert_eq!(announcements(&first), [remote(1)]);
    assert_eq!(peer_news(&first), [(remote(1), "reachable")]);

    let second = node.polled(&remote(1), Ok(friend(ours())));
    assert_eq!(
        (announcements(&second).len(), peer_news(&second).len()),
        (0, 0)
    );

    let lost = node.polled(&remote(1), Err("gone".to_owned()));
    assert_eq!(peer_news(&lost), [(remote(1), "unreachable")]);
    let back = node.polled(&remote(1), Ok(friend(ours())));
    assert_eq!(
        announcements(&back),
        [remote(1)],
        "it may have forgotten us"
    );
}

#[test]
fn this_node_recognises_itself_and_does_not_call_again() {
    let mut node = Node::with_peers([remote(1)]);
    node.on(&Input::Started);
    let commands = node.polled(&remote(1), Ok(status("me", ours())));
    assert_eq!(peer_news(&commands), [(remote(1), "myself")]);
    assert_eq!(announcements(&commands).len(), 0);
    assert_eq!(node.peer(&remote(1)).kind, PeerKind::Myself);
    assert_eq!(polls(&commands)[0].0, []);

    let block = child(&genesis(), "new");
    assert_eq!(
        pushes(&node.validated(&mined(&block), new_tip(&block))).len(),
        0
    );
}

fn foreigner() -> PeerStatus {
    PeerStatus::Jbc(Box::new(JbcStatus {
        node_id: "a stranger".to_owned(),
        network: NetworkClaim {
            id: "0123456789abcdef".to_owned(),
            description: "another".to_owned(),
        },
        tip: claim(100, some_hash(1)),
    }))
}

#[test]
fn a_node_of_another_network_is_told_apart_and_left_alone() {
    let mut node = Node::with_peers([remote(1)]);
    node.on(&Input::Started);
    let commands = node.polled(&remote(1), Ok(foreigner()));
    assert_eq!(peer_news(&commands), [(remote(1), "other network")]);
    assert_eq!(
        (syncs(&commands).len(), announcements(&commands).len()),
        (0, 0)
    );
    assert_eq!(
        polls(&commands)[0].0,
        [],
        "it is asked again later, and seldom"
    );

    let block = child(&genesis(), "new");
    assert_eq!(
        pushes(&node.validated(&mined(&block), new_tip(&block))).len(),
        0
    );
}

#[test]
fn an_offered_peer_is_called_before_it_is_believed() {
    let mut node = Node::with_peers([]);
    let offer = Input::PeerOffered {
        url: remote(1),
        from_loopback: false,
    };
    assert_eq!(announcements(&node.on(&offer)), [remote(1)]);
    assert_eq!(
        node.listener.peers().list().count(),
        0,
        "nothing is remembered of a mere claim"
    );

    let task = announce_task(&remote(1));
    let met = jbc_jobs::task::Met {
        peer: remote(1),
        status: Err("nobody there".to_owned()),
        learned: Vec::new(),
    };
    node.done(&task, &jbc_jobs::task::Outcome::Met(met));
    assert_eq!(node.listener.peers().list().count(), 0);

    let commands = node.met(&remote(1), friend(ours()), vec![remote(2), remote(3)]);
    assert_eq!(node.peer(&remote(1)).kind, PeerKind::Jbc);
    assert_eq!(
        announcements(&commands),
        [remote(2), remote(3)],
        "peers are learned from peers"
    );
    assert_eq!(
        announcements(&node.on(&offer)).len(),
        0,
        "it is known by now"
    );
}

#[test]
fn loopback_is_learned_from_loopback_only_and_names_not_at_all() {
    let offers = |node: &mut Node, url: PeerUrl, from_loopback: bool| {
        announcements(&node.on(&Input::PeerOffered { url, from_loopback })).len()
    };
    let mut node = Node::with_peers([]);
    assert_eq!(offers(&mut node, local(5001), false), 0);
    assert_eq!(offers(&mut node, local(5001), true), 1);
    assert_eq!(
        offers(&mut node, peer("http://example.org"), true),
        0,
        "a name server could lead it elsewhere"
    );

    let taught = vec![local(5002), remote(2), peer("http://example.org")];
    let commands = node.met(&remote(1), friend(ours()), taught.clone());
    assert_eq!(announcements(&commands), [remote(2)]);
    let commands = node.met(&local(5001), friend(ours()), taught);
    assert_eq!(announcements(&commands), [local(5002)]);
}

#[test]
fn a_tutorial_node_is_asked_for_its_chain_seldom() {
    let mut node = Node::with_peers([remote(1)]);
    node.on(&Input::Started);
    let mut asked = 0;
    let mut at = Vec::new();
    // Twenty polls, ten seconds apart: 200 seconds.
    for poll in 0..20 {
        if node.listener.peers().due(node.now).contains(&remote(1)) {
            let commands = node.polled(&remote(1), Ok(PeerStatus::Tutorial));
            assert_eq!(
                syncs(&commands),
                [(remote(1), None)],
                "it claims no tip, so its chain is looked at"
            );
            node.synced(&remote(1), jbc_jobs::task::SyncStep::UpToDate);
            asked += 1;
            at.push(poll * 10);
        } else {
            let none = jbc_jobs::task::Outcome::Polled(Vec::new());
            let commands = node.done(&Task::Poll(PollTask { peers: Vec::new() }), &none);
            assert_eq!(syncs(&commands).len(), 0);
        }
        node.now = node.now.plus(10 * SECOND);
    }
    assert!((3..=7).contains(&asked), "asked at {at:?} s");
    assert_eq!(node.peer(&remote(1)).kind, PeerKind::Tutorial);
    let block = child(&genesis(), "new");
    assert_eq!(
        pushes(&node.validated(&mined(&block), new_tip(&block)))[0].peers,
        [remote(1)]
    );
}

#[test]
fn a_peer_the_operator_removed_is_neither_asked_nor_pushed_to() {
    let mut node = Node::among([remote(1), remote(2)]);
    node.on(&Input::PeerRemoved { url: remote(1) });
    let commands = node.polled(&remote(2), Ok(friend(ours())));
    assert_eq!(polls(&commands)[0].0, [remote(2)]);
    let block = child(&genesis(), "new");
    let commands = node.validated(&mined(&block), new_tip(&block));
    assert_eq!(pushes(&commands)[0].peers, [remote(2)]);
    assert_eq!(added(&commands).len(), 1);
}
