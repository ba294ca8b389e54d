//! Who waits, who is banned, and who is not to blame.

use std::net::IpAddr;

use jbc_chain::{Block, Unchecked, UnixMicros};
use jbc_jobs::listener::Input;
use jbc_jobs::peer_table::{BACKOFF_LAST_MICROS, BAN_MICROS, BAN_SCORE};
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::task::{Origin, ValidateTask, Verdict};

use super::{Node, friend, heavy, new_tip, ours, polls, pushes, refused, syncs};
use crate::fakes::{NOW, SECOND, child, claim, genesis, local, remote, some_hash, verdicts};

/// How long this peer is not called from now on, in microseconds.
fn wait(node: &Node, peer: &PeerUrl) -> i64 {
    let due = |wait: i64| {
        node.listener
            .peers()
            .due(node.now.plus(wait))
            .contains(peer)
    };
    let (mut never, mut surely) = (-1, 4 * BAN_MICROS);
    assert!(due(surely), "it is never called again");
    while surely - never > 1 {
        let middle = never + (surely - never) / 2;
        if due(middle) {
            surely = middle
        } else {
            never = middle
        }
    }
    surely
}

fn bad_post(node: &mut Node, address: IpAddr, peer: Option<PeerUrl>, blame: bool) {
    let origin = Origin::Posted { address, peer };
    let task = ValidateTask {
        blocks: vec![child(&genesis(), "bad")],
        origin,
    };
    node.validated(&task, verdicts(vec![refused(blame)]));
}

#[test]
fn the_wait_after_failed_calls_doubles_up_to_five_minutes() {
    let mut node = Node::with_peers([]);
    node.met(&remote(1), friend(ours()), Vec::new());
    let mut waits = Vec::new();
    for _ in 0..40 {
        node.polled(&remote(1), Err("nobody there".to_owned()));
        waits.push(wait(&node, &remote(1)));
    }
    assert!((SECOND..=2 * SECOND).contains(&waits[0]), "{waits:?}");
    let most = BACKOFF_LAST_MICROS / 4 * 5;
    assert!(waits.iter().all(|wait| *wait <= most), "{waits:?}");
    assert!(waits[1..8].is_sorted(), "{waits:?}");
    assert!(
        waits[20..].iter().all(|wait| *wait >= BACKOFF_LAST_MICROS),
        "{waits:?}"
    );

    node.polled(&remote(1), Ok(friend(ours())));
    assert_eq!(wait(&node, &remote(1)), 0, "an answer ends it");
}

#[test]
fn a_peer_that_the_operator_named_is_asked_again_with_every_poll() {
    let mut node = Node::among([remote(1)]);
    for _ in 0..40 {
        node.polled(&remote(1), Err("nobody there".to_owned()));
        assert!(wait(&node, &remote(1)) < 10 * SECOND);
    }
}

#[test]
fn peers_that_failed_together_do_not_come_back_together() {
    let peers: Vec<_> = (1..=20).map(remote).collect();
    let mut node = Node::among(peers.clone());
    for peer in &peers {
        for _ in 0..10 {
            node.polled(peer, Err("nobody there".to_owned()));
        }
    }
    let mut waits: Vec<_> = peers.iter().map(|peer| wait(&node, peer)).collect();
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 10, "{waits:?}");
}

#[test]
fn an_address_is_banned_after_five_bad_blocks_for_a_time() {
    let address: IpAddr = [10, 0, 0, 9].into();
    let mut node = Node::with_peers([]);
    for _ in 0..4 {
        bad_post(&mut node, address, None, true);
    }
    assert!(!node.listener.peers().is_banned(address, NOW));
    bad_post(&mut node, address, None, true);
    assert!(node.listener.peers().is_banned(address, NOW));
    assert!(!node.listener.peers().is_banned([10, 0, 0, 10].into(), NOW));
    assert!(
        !node
            .listener
            .peers()
            .is_banned(address, NOW.plus(BAN_MICROS))
    );
}

#[test]
fn loopback_is_never_banned() {
    let mut node = Node::among([local(5001)]);
    for address in [IpAddr::from([127, 0, 0, 1]), "::1".parse().unwrap()] {
        for _ in 0..100 {
            bad_post(&mut node, address, Some(local(5001)), true);
        }
        assert!(!node.listener.peers().is_banned(address, NOW));
    }
    assert_eq!(wait(&node, &local(5001)), 0);
    let block = child(&genesis(), "new");
    assert_eq!(pushes(&mined(&mut node, &block)).len(), 1);
}

fn mined(node: &mut Node, block: &Block<Unchecked>) -> Vec<jbc_jobs::listener::Command> {
    let task = ValidateTask {
        blocks: vec![block.clone()],
        origin: Origin::Mined,
    };
    node.validated(&task, new_tip(block))
}

#[test]
fn nobody_is_banned_for_what_may_be_our_own_clock() {
    // RELIABILITY.md, "clock −1 h or +3 h: … nobody banned for it".
    let address: IpAddr = [10, 0, 0, 1].into();
    let mut node = Node::among([remote(1)]);
    for number in 0..20 {
        bad_post(&mut node, address, Some(remote(1)), false);
        let tip = claim(10 + number, some_hash(number));
        let origin = Origin::Synced {
            peer: remote(1),
            claim: Some(tip),
            next: None,
        };
        let task = ValidateTask {
            blocks: vec![child(&genesis(), "ahead of us")],
            origin,
        };
        node.validated(&task, verdicts(vec![refused(false)]));
    }
    assert!(!node.listener.peers().is_banned(address, NOW));
    assert_eq!(wait(&node, &remote(1)), 0);
    assert_eq!(node.peer(&remote(1)).score, 0);
}

#[test]
fn what_is_ahead_of_our_clock_is_fetched_again_when_a_poll_names_it_again() {
    let mut node = Node::among([remote(1)]);
    let tip = claim(5, some_hash(5));
    assert_eq!(
        syncs(&node.polled(&remote(1), Ok(friend(tip.clone())))).len(),
        1
    );
    let task = ValidateTask {
        blocks: vec![child(&genesis(), "ahead of us")],
        origin: Origin::Synced {
            peer: remote(1),
            claim: Some(tip.clone()),
            next: None,
        },
    };
    let commands = node.validated(&task, verdicts(vec![refused(false)]));
    assert_eq!(
        syncs(&commands).len(),
        0,
        "not at once: that would be a loop"
    );
    let commands = node.polled(&remote(1), Ok(friend(tip)));
    assert_eq!(
        syncs(&commands).len(),
        1,
        "by now the clock may have got there"
    );
}

#[test]
fn a_banned_peer_is_neither_asked_nor_pushed_to_nor_synced_from() {
    let mut node = Node::among([remote(1), remote(2)]);
    for _ in 0..5 {
        bad_post(&mut node, [10, 0, 0, 1].into(), Some(remote(1)), true);
    }
    assert_eq!(node.peer(&remote(1)).score, BAN_SCORE);
    assert!(wait(&node, &remote(1)) > BAN_MICROS / 2);
    let block = child(&genesis(), "new");
    assert_eq!(pushes(&mined(&mut node, &block))[0].peers, [remote(2)]);

    // The answer of a poll that was under way already ends no ban.
    let commands = node.polled(&remote(1), Ok(heavy(9, some_hash(9))));
    assert_eq!(syncs(&commands).len(), 0);
    assert!(wait(&node, &remote(1)) > BAN_MICROS / 2);

    // Nor does offering itself anew.
    let offer = Input::PeerOffered {
        url: remote(1),
        from_loopback: false,
    };
    node.on(&offer);
    assert!(wait(&node, &remote(1)) > BAN_MICROS / 2);
}

#[test]
fn a_ban_ends_and_the_slate_is_clean() {
    let mut node = Node::among([remote(1)]);
    for _ in 0..5 {
        bad_post(&mut node, [10, 0, 0, 1].into(), Some(remote(1)), true);
    }
    node.now = UnixMicros(NOW.0 + BAN_MICROS);
    let commands = node.polled(&remote(1), Ok(heavy(9, some_hash(9))));
    assert_eq!(syncs(&commands), [(remote(1), None)]);
    assert_eq!(node.peer(&remote(1)).score, 0);
}

#[test]
fn nobody_can_get_another_banned_by_speaking_in_its_name() {
    let mut node = Node::among([remote(1)]);
    for _ in 0..50 {
        bad_post(&mut node, [10, 0, 0, 66].into(), Some(remote(1)), true);
    }
    assert!(node.listener.peers().is_banned([10, 0, 0, 66].into(), NOW));
    assert_eq!(node.peer(&remote(1)).score, 0);
    assert_eq!(wait(&node, &remote(1)), 0);
}

#[test]
fn a_sound_block_after_bad_ones_costs_its_sender_nothing() {
    let mut node = Node::with_peers([]);
    let address: IpAddr = [10, 0, 0, 9].into();
    let block = child(&genesis(), "good");
    for verdict in [
        Verdict::Best(*block.hash()),
        Verdict::Side(*block.hash()),
        Verdict::Known(*block.hash()),
    ] {
        for _ in 0..10 {
            let task = ValidateTask {
                blocks: vec![block.clone()],
                origin: Origin::Posted {
                    address,
                    peer: None,
                },
            };
            node.validated(&task, verdicts(vec![verdict.clone()]));
        }
    }
    assert!(!node.listener.peers().is_banned(address, NOW));
}

#[test]
fn a_poll_that_is_armed_leaves_out_who_has_to_wait() {
    let mut node = Node::among([remote(2)]);
    node.met(&remote(1), friend(ours()), Vec::new());
    for _ in 0..8 {
        node.polled(&remote(1), Err("nobody there".to_owned()));
    }
    let commands = node.polled(&remote(2), Ok(friend(ours())));
    assert_eq!(polls(&commands)[0].0, [remote(2)]);
}
