//! Orphans, downloads and liars.

use jbc_chain::{Block, Unchecked};
use jbc_jobs::listener::{Command, End, Input};
use jbc_jobs::peer_table::PeerKind;
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::{PeerStatus, TipClaim};
use jbc_jobs::task::{Origin, Outcome, SyncStep, SyncTask, Task, ValidateTask, Validated, Verdict};

use super::{Node, friend, heavy, new_tip, peer_news, pushes, refused, syncs};
use crate::fakes::{SECOND, added, branch, child, claim, genesis, remote, some_hash, verdicts};

fn orphan_from(node: &mut Node, number: u64, peer: Option<PeerUrl>) -> Vec<Command> {
    let orphan = Verdict::Orphan {
        hash: some_hash(number),
        parent: some_hash(number + 1),
    };
    let task = ValidateTask {
        blocks: vec![child(&genesis(), "orphan")],
        origin: Origin::Posted {
            address: [10, 0, 0, 99].into(),
            peer,
        },
    };
    node.validated(&task, verdicts(vec![orphan]))
}

fn batch(
    peer: &PeerUrl,
    blocks: &[Block<Unchecked>],
    claim: Option<TipClaim>,
    next: Option<u64>,
) -> ValidateTask {
    ValidateTask {
        blocks: blocks.to_vec(),
        origin: Origin::Synced {
            peer: peer.clone(),
            claim,
            next,
        },
    }
}

fn fetched(blocks: &[Block<Unchecked>], claim: Option<TipClaim>, next: Option<u64>) -> SyncStep {
    SyncStep::Fetched {
        blocks: blocks.to_vec(),
        claim,
        next,
    }
}

fn tip_of(blocks: &[Block<Unchecked>]) -> TipClaim {
    let last = blocks.last().unwrap();
    claim(last.index(), *last.hash())
}

#[test]
fn an_orphan_is_looked_for_at_its_sender() {
    let mut node = Node::among((1..=3).map(remote));
    assert_eq!(
        syncs(&orphan_from(&mut node, 1, Some(remote(2)))),
        [(remote(2), None)]
    );
}

#[test]
fn an_orphan_of_an_unknown_sender_is_looked_for_at_reachable_peers_once_a_second() {
    let mut node = Node::among((1..=20).map(remote));
    node.polled(&remote(1), Err("gone".to_owned()));
    let asked = syncs(&orphan_from(&mut node, 1, None));
    assert_eq!(asked.len(), 8);
    assert!(!asked.contains(&(remote(1), None)));
    for number in 2..100 {
        assert_eq!(
            syncs(&orphan_from(&mut node, number, None)).len(),
            0,
            "random parents cost no more"
        );
    }
    node.now = node.now.plus(SECOND);
    let unknown = Some(remote(200));
    assert_eq!(syncs(&orphan_from(&mut node, 100, unknown)).len(), 8);
}

#[test]
fn an_orphan_with_nobody_to_ask_starts_nothing() {
    let mut node = Node::with_peers([remote(1)]);
    node.on(&Input::Started);
    assert_eq!(syncs(&orphan_from(&mut node, 1, None)).len(), 0);
}

#[test]
fn a_peer_that_claims_more_work_is_synced_from_batch_by_batch_until_done() {
    let blocks = branch(&genesis(), "theirs", 7);
    let theirs = tip_of(&blocks);
    let mut node = Node::among([remote(1)]);
    let commands = node.polled(&remote(1), Ok(friend(theirs.clone())));
    let mut batches = 0;
    let ran = node.run(commands, 20, |task| match task {
        Task::Sync(sync) => {
            let from = sync.next.unwrap_or(1) as usize;
            let until = (from + 2).min(blocks.len());
            let next = (until < blocks.len()).then_some(until as u64 + 1);
            let part = &blocks[from - 1..until];
            batches += 1;
            Some(Outcome::Synced(fetched(part, Some(theirs.clone()), next)))
        }
        Task::Validate(task) => Some(Outcome::Validated(new_tip(task.blocks.last().unwrap()))),
        _ => None,
    });
    assert_eq!(batches, 3);
    let sync_steps: Vec<_> = ran
        .iter()
        .filter_map(|task| match task {
            Task::Sync(task) => Some(task.next),
            _ => None,
        })
        .collect();
    assert_eq!(sync_steps, [None, Some(4), Some(7)]);
}

#[test]
fn only_the_last_block_of_a_download_is_pushed_on() {
    let blocks = branch(&genesis(), "theirs", 2);
    let claim = Some(tip_of(&blocks));
    let mut node = Node::among([remote(1), remote(2)]);
    let middle = batch(&remote(1), &blocks[..1], claim.clone(), Some(2));
    assert_eq!(
        pushes(&node.validated(&middle, new_tip(&blocks[0]))).len(),
        0
    );
    let last = batch(&remote(1), &blocks[1..], claim, None);
    let pushes = pushes(&node.validated(&last, new_tip(&blocks[1])));
    assert_eq!(pushes[0].peers, [remote(2)]);
}

#[test]
fn a_download_stops_at_a_refused_block_an_orphan_and_a_full_disk() {
    let blocks = branch(&genesis(), "theirs", 2);
    let orphan = Verdict::Orphan {
        hash: some_hash(1),
        parent: some_hash(2),
    };
    let full = Validated {
        full: true,
        ..verdicts(Vec::new())
    };
    for answer in [
        verdicts(vec![refused(true)]),
        verdicts(vec![refused(false)]),
        verdicts(vec![orphan]),
        full,
    ] {
        let mut node = Node::among([remote(1)]);
        let task = batch(&remote(1), &blocks, Some(tip_of(&blocks)), Some(3));
        assert_eq!(syncs(&node.validated(&task, answer)).len(), 0);
    }
}

#[test]
fn there_is_one_long_download_at_a_time_from_the_peer_that_claims_most() {
    let mut node = Node::among((1..=3).map(remote));
    let started = syncs(&node.polled(&remote(1), Ok(heavy(5, some_hash(5)))));
    assert_eq!(started, [(remote(1), None)]);
    assert_eq!(
        syncs(&node.polled(&remote(2), Ok(heavy(7, some_hash(7))))).len(),
        0
    );
    assert_eq!(
        syncs(&node.polled(&remote(3), Ok(heavy(9, some_hash(9))))).len(),
        0
    );
    let next = syncs(&node.synced(&remote(1), SyncStep::UpToDate));
    assert_eq!(next, [(remote(3), None)]);
}

#[test]
fn blocks_under_validation_are_not_fetched_a_second_time() {
    let blocks = branch(&genesis(), "theirs", 3);
    let theirs = tip_of(&blocks);
    let mut node = Node::among([remote(1), remote(2)]);
    // An orphan starts the sync, not the poll.
    assert_eq!(
        syncs(&orphan_from(&mut node, 1, Some(remote(1)))),
        [(remote(1), None)]
    );
    let commands = node.synced(&remote(1), fetched(&blocks, Some(theirs.clone()), None));
    assert_eq!(syncs(&commands).len(), 0);
    assert_eq!(added(&commands).len(), 1, "only the validation");
    let commands = node.polled(&remote(1), Ok(friend(theirs)));
    assert_eq!(syncs(&commands).len(), 0);
}

#[test]
fn a_sync_that_breaks_off_in_any_way_leaves_room_for_the_next() {
    let ends = [
        End::Failed("panicked"),
        End::Cancelled(None),
        End::Done(&Outcome::Synced(SyncStep::UpToDate)),
        End::Done(&Outcome::Polled(Vec::new())),
    ];
    for end in ends {
        let mut node = Node::among([remote(1)]);
        node.polled(&remote(1), Ok(heavy(5, some_hash(5))));
        let task = Task::Sync(SyncTask {
            peer: remote(1),
            next: None,
        });
        node.ended(&task, end);
        let again = syncs(&node.polled(&remote(1), Ok(heavy(6, some_hash(6)))));
        assert_eq!(again, [(remote(1), None)], "after {end:?}");
    }
}

#[test]
fn a_batch_whose_validation_breaks_off_in_any_way_leaves_room_for_the_next() {
    let blocks = branch(&genesis(), "theirs", 2);
    let task = Task::Validate(batch(&remote(1), &blocks, Some(tip_of(&blocks)), Some(3)));
    let after = |tell: &dyn Fn(&mut Node)| {
        let mut node = Node::among([remote(1)]);
        node.polled(&remote(1), Ok(heavy(5, some_hash(5))));
        node.synced(&remote(1), fetched(&blocks, Some(tip_of(&blocks)), Some(3)));
        tell(&mut node);
        syncs(&node.polled(&remote(1), Ok(heavy(6, some_hash(6)))))
    };
    let again = [(remote(1), None)];
    for end in [End::Failed("panicked"), End::Cancelled(None)] {
        let found = after(&|node| {
            node.ended(&task, end);
        });
        assert_eq!(found, again, "after {end:?}");
    }
    for refused in [true, false] {
        let gone = Input::Gone {
            task: &task,
            refused,
        };
        let found = after(&|node| {
            node.on(&gone);
        });
        assert_eq!(found, again, "after {gone:?}");
    }
}

/// A peer that gives two blocks of the heavy chain it claims, the second of them bad, each time it is asked.
fn lying_world(task: &Task, lie: &TipClaim) -> Option<Outcome> {
    match task {
        Task::Sync(_) => {
            let blocks = branch(&genesis(), "lies", 2);
            Some(Outcome::Synced(fetched(
                &blocks,
                Some(lie.clone()),
                Some(3),
            )))
        }
        Task::Validate(_) => Some(Outcome::Validated(verdicts(vec![
            Verdict::Side(some_hash(1)),
            refused(true),
        ]))),
        _ => None,
    }
}

#[test]
fn a_liars_tip_is_not_fetched_again_and_another_peer_is_tried() {
    let lie = claim(900, some_hash(900));
    let mut node = Node::among([remote(1), remote(2)]);
    let mut fetches = 0;
    for _ in 0..50 {
        let commands = node.polled(&remote(1), Ok(friend(lie.clone())));
        let ran = node.run(commands, 10, |task| lying_world(task, &lie));
        fetches += ran
            .iter()
            .filter(|task| matches!(task, Task::Sync(_)))
            .count();
        node.now = node.now.plus(10 * SECOND);
    }
    assert_eq!(fetches, 1, "once, and then never again");
    assert!(node.peer(&remote(1)).score > 0);

    let honest = claim(5, some_hash(5));
    let commands = node.polled(&remote(2), Ok(friend(honest)));
    assert_eq!(syncs(&commands), [(remote(2), None)]);
}

#[test]
fn a_liar_that_claims_another_tip_each_time_is_banned_soon() {
    let mut node = Node::among([remote(1)]);
    let mut fetches = 0;
    for number in 0..50 {
        let lie = claim(900 + number, some_hash(900 + number));
        if node.listener.peers().due(node.now).contains(&remote(1)) {
            let commands = node.polled(&remote(1), Ok(friend(lie.clone())));
            let ran = node.run(commands, 10, |task| lying_world(task, &lie));
            fetches += ran
                .iter()
                .filter(|task| matches!(task, Task::Sync(_)))
                .count();
        }
        node.now = node.now.plus(10 * SECOND);
    }
    assert_eq!(fetches, 5);
}

#[test]
fn nonsense_is_scored_and_the_next_best_peer_is_tried_at_once() {
    let mut node = Node::among([remote(1), remote(2)]);
    node.polled(&remote(1), Ok(heavy(900, some_hash(900))));
    node.polled(&remote(2), Ok(heavy(5, some_hash(5))));
    let nonsense = SyncStep::Nonsense {
        reason: "no chain".to_owned(),
    };
    let next = syncs(&node.synced(&remote(1), nonsense));
    assert_eq!(next, [(remote(2), None)]);
    assert!(node.peer(&remote(1)).score > 0);
}

#[test]
fn a_peer_out_of_reach_gives_way_to_the_next_best() {
    let mut node = Node::among([remote(1), remote(2)]);
    node.polled(&remote(1), Ok(heavy(900, some_hash(900))));
    node.polled(&remote(2), Ok(heavy(5, some_hash(5))));
    let gone = SyncStep::Unreachable {
        reason: "it hangs".to_owned(),
    };
    assert_eq!(syncs(&node.synced(&remote(1), gone)), [(remote(2), None)]);
    assert!(!node.peer(&remote(1)).reachable);
}

#[test]
fn a_peer_that_moved_to_another_network_is_not_asked_in_a_loop() {
    let mut node = Node::among([remote(1)]);
    let commands = node.polled(&remote(1), Ok(heavy(900, some_hash(900))));
    let ran = node.run(commands, 5, |task| match task {
        Task::Sync(_) => Some(Outcome::Synced(SyncStep::OtherNetwork {
            theirs: "another".to_owned(),
        })),
        _ => None,
    });
    assert_eq!(ran.len(), 1);
    assert_eq!(node.peer(&remote(1)).kind, PeerKind::Foreign);
    assert!(!node.listener.peers().due(node.now).contains(&remote(1)));
}

#[test]
fn a_tutorial_node_with_another_first_block_is_told_apart_once() {
    let mut node = Node::with_peers([remote(1)]);
    node.on(&Input::Started);
    let commands = node.polled(&remote(1), Ok(PeerStatus::Tutorial));
    assert_eq!(syncs(&commands).len(), 1);
    let other = SyncStep::OtherNetwork {
        theirs: "a tutorial chain with another first block".to_owned(),
    };
    assert_eq!(
        peer_news(&node.synced(&remote(1), other)),
        [(remote(1), "other network")]
    );
    node.now = node.now.plus(60 * SECOND);
    assert!(
        !node.listener.peers().due(node.now).contains(&remote(1)),
        "it stops mining for each answer"
    );
    let block = child(&genesis(), "new");
    let task = ValidateTask {
        blocks: vec![block.clone()],
        origin: Origin::Mined,
    };
    assert_eq!(pushes(&node.validated(&task, new_tip(&block))).len(), 0);
}

#[test]
fn a_tutorial_nodes_torn_chain_is_nobodys_fault() {
    let mut node = Node::with_peers([remote(1)]);
    node.on(&Input::Started);
    node.polled(&remote(1), Ok(PeerStatus::Tutorial));
    let blocks = branch(&genesis(), "theirs", 3);
    let orphan = Verdict::Orphan {
        hash: *blocks[2].hash(),
        parent: *blocks[1].hash(),
    };
    for _ in 0..20 {
        let task = batch(&remote(1), &blocks, None, None);
        node.validated(&task, verdicts(vec![refused(false), orphan.clone()]));
    }
    assert_eq!(node.peer(&remote(1)).score, 0);
}
