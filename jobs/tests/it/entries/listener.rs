//! What follows from an entry, and from a block before its time.

use std::time::Duration;

use jbc_chain::Target;
use jbc_jobs::listener::{
    Command, End, Input, Listener, MiningConfig, Network as Peers, News, ROLLS,
};
use jbc_jobs::peer_table::PeerTable;
use jbc_jobs::task::{
    Admission, AdmitTask, EntryState, GossipTask, MineTask, Origin, Outcome, PollTask, Polled,
    Task, ValidateTask, Validated, Verdict,
};

use super::{carrying_at, leaf, posted, v2_genesis, v2_ledger, v2_network};
use crate::fakes::{NOW, SECOND, added, next, remote, verdicts};

/// A listener of the v2 network with one mining lane, started.
fn listener() -> (Listener, MineTask) {
    let config = MiningConfig {
        lanes: 1,
        rounds: None,
        salt: 7,
    };
    let table = PeerTable::new([remote(1), remote(2)]);
    let peers = Peers::new(table, "me".to_owned(), v2_network().fingerprint());
    let tip = v2_ledger().snapshot().tip.clone();
    let mut listener = Listener::new(tip, next("words"), config, peers, false);
    let commands = listener.on(&Input::Started, NOW);
    let range = only_range(&commands);
    (listener, range)
}

fn only_range(commands: &[Command]) -> MineTask {
    let mut ranges = added(commands).into_iter().filter_map(|task| match task {
        Task::Mine(range) => Some(range.clone()),
        _ => None,
    });
    ranges.next().expect("a range is armed")
}

fn done(listener: &mut Listener, task: &Task, outcome: &Outcome) -> Vec<Command> {
    let input = Input::Ended {
        task,
        end: End::Done(outcome),
        elapsed: Duration::from_millis(1),
        kept: false,
    };
    listener.on(&input, NOW)
}

fn exhausted(listener: &mut Listener, range: &MineTask) -> MineTask {
    let outcome = Outcome::Mined(jbc_jobs::task::Mined {
        searched: 0,
        found: None,
    });
    only_range(&done(listener, &Task::Mine(range.clone()), &outcome))
}

#[test]
fn a_range_of_a_v2_network_is_rolled_over_many_roots_and_says_the_tips_target() {
    let (_, range) = listener();
    let parts = &range.template.parts;
    assert_eq!(parts.prefixes().len() as u64, ROLLS);
    assert_eq!(
        range.template.target,
        Target::from_be_bytes(range.template.target.to_be_bytes())
    );
    assert!(parts.prefix().ends_with("\n207fffff\n"));
    // Twenty digits fill the last block behind 161 bytes.
    assert_eq!(range.nonces.start, 10_000_000_000_000_000_000);
    let block = parts.rolled_block(99, range.nonces.start);
    assert_eq!(block.data(), "words");
    let root = jbc_chain::merkle_root(block.entries());
    assert_eq!(block.header().unwrap().merkle_root, root);
}

/// The difficulty follows these stamps: those of the start of a search would make every block look quick.
#[test]
fn each_range_has_its_own_time_and_goes_on_where_the_last_one_ended() {
    let (mut listener, first) = listener();
    let outcome = Outcome::Mined(jbc_jobs::task::Mined {
        searched: 0,
        found: None,
    });
    let (task, later) = (Task::Mine(first.clone()), NOW.plus(SECOND / 10));
    let input = Input::Ended {
        task: &task,
        end: End::Done(&outcome),
        elapsed: Duration::from_millis(100),
        kept: false,
    };
    let next = only_range(&listener.on(&input, later));
    let (before, after) = (&first.template.parts, &next.template.parts);
    assert_eq!(before.timestamp.instant(), NOW);
    assert_eq!(after.timestamp.instant(), later);
    assert_eq!(
        (next.nonces.start, &after.v2),
        (first.nonces.end, &before.v2)
    );
}

#[test]
fn a_new_entry_is_gathered_once_and_carried_by_the_next_range() {
    let (mut listener, range) = listener();
    let admit = |text: &str| {
        let entry = text.as_bytes().into();
        let (task, leaf) = (AdmitTask { entry }, leaf(text));
        let admission = Admission::Taken;
        let admitted = Outcome::Admitted(jbc_jobs::task::Admitted { leaf, admission });
        (Task::Admit(task), admitted)
    };
    let (task, outcome) = admit("a");
    let first = done(&mut listener, &task, &outcome);
    let gathers = |commands: &[Command]| {
        let tasks = added(commands).into_iter();
        tasks.filter(|task| matches!(task, Task::Gather)).count()
    };
    assert_eq!(gathers(&first), 1);
    assert!(
        first
            .iter()
            .any(|command| matches!(command, Command::Publish(News::Entry { bytes: 1, .. })))
    );
    let (task, outcome) = admit("b");
    assert_eq!(
        gathers(&done(&mut listener, &task, &outcome)),
        0,
        "one is out"
    );

    let gathered = |tip| Outcome::Gathered {
        tip,
        entries: vec![b"a".to_vec(), b"b".to_vec()].into(),
    };
    // For another tip it is of no use.
    done(&mut listener, &Task::Gather, &gathered(leaf("another tip")));
    let range = exhausted(&mut listener, &range);
    assert_eq!(range.template.parts.block(0).entries().len(), 1);
    done(
        &mut listener,
        &Task::Gather,
        &gathered(*v2_genesis().hash()),
    );
    let range = exhausted(&mut listener, &range);
    assert_eq!(
        range.template.parts.block(0).entries()[1..],
        [b"a".to_vec(), b"b".to_vec()]
    );

    let (task, outcome) = admit("c");
    assert_eq!(gathers(&done(&mut listener, &task, &outcome)), 1);
}

#[test]
fn an_early_block_comes_again_at_its_time_but_only_so_many() {
    let (mut listener, _) = listener();
    let mut held = 0;
    for number in 0..150 {
        let time = NOW.plus(10 * SECOND + number);
        let block = carrying_at(&v2_genesis(), &format!("{number}"), &[], time);
        let (hash, until) = (*block.hash(), NOW.plus(8 * SECOND));
        let task_blocks = vec![block];
        let task = Task::Validate(ValidateTask {
            blocks: task_blocks.clone(),
            origin: posted(),
        });
        let outcome = Outcome::Validated(Validated {
            early: task_blocks.clone(),
            ..verdicts(vec![Verdict::Early { hash, until }])
        });
        let commands = done(&mut listener, &task, &outcome);
        let again = commands.iter().find_map(|command| match command {
            Command::Add {
                task: Task::Validate(_),
                delay,
            } => Some(*delay),
            _ => None,
        });
        if let Some(delay) = again {
            assert!(delay >= Duration::from_secs(8) && delay < Duration::from_secs(9));
            held += 1;
        }
    }
    assert_eq!(held, 100);
}

#[test]
fn new_entries_go_to_peers_one_job_at_a_time_and_old_ones_again_after_a_poll() {
    let (mut listener, _) = listener();
    let friend = |mut status: jbc_jobs::ports::PeerStatus| {
        if let jbc_jobs::ports::PeerStatus::Jbc(status) = &mut status {
            status.network.id = v2_network().fingerprint();
        }
        status
    };
    let tip = v2_ledger().snapshot().tip.clone();
    let claim = jbc_jobs::ports::TipClaim {
        index: tip.index,
        hash: tip.hash,
        work: tip.work,
    };
    let answers = [remote(1), remote(2)].map(|peer| Polled {
        peer,
        status: Ok(friend(crate::fakes::status("other", claim.clone()))),
    });
    let poll = Task::Poll(PollTask { peers: Vec::new() });
    let commands = done(&mut listener, &poll, &Outcome::Polled(answers.to_vec()));
    let gossip = |commands: &[Command]| -> Vec<GossipTask> {
        let tasks = added(commands).into_iter();
        let gossip = tasks.filter_map(|task| match task {
            Task::Gossip(task) => Some(task.clone()),
            _ => None,
        });
        gossip.collect()
    };
    let reminder = gossip(&commands);
    assert_eq!(reminder.len(), 1);
    assert!(reminder[0].remind && reminder[0].leaves.is_empty());
    assert_eq!(reminder[0].peers, [remote(1), remote(2)]);

    // While that is out, what comes waits for it, and goes together.
    let mut admit = |text: &str, admission| {
        let task = AdmitTask {
            entry: text.as_bytes().into(),
        };
        let admitted = Outcome::Admitted(jbc_jobs::task::Admitted {
            leaf: leaf(text),
            admission,
        });
        gossip(&done(&mut listener, &Task::Admit(task), &admitted)).len()
    };
    assert_eq!(admit("a", Admission::Taken), 0);
    assert_eq!(admit("known", Admission::Known(EntryState::Pending)), 0);
    assert_eq!(admit("b", Admission::Taken), 0);
    let ended = Outcome::Gossiped {
        entries: 0,
        peers: 2,
    };
    let first = Task::Gossip(reminder[0].clone());
    let passed = gossip(&done(&mut listener, &first, &ended));
    assert_eq!(passed.len(), 1);
    assert_eq!(
        passed[0].leaves,
        [leaf("a"), leaf("b")],
        "no echo of what was known"
    );
    assert!(!passed[0].remind);
    let second = Task::Gossip(passed[0].clone());
    assert!(gossip(&done(&mut listener, &second, &ended)).is_empty());
}

/// A clock that is an hour behind finds most of an honest chain early: nobody is to blame, and the download ends there.
#[test]
fn an_early_block_ends_a_sync_and_costs_its_peer_nothing() {
    let (mut listener, _) = listener();
    let block = carrying_at(&v2_genesis(), "x", &[], NOW.plus(3_600 * SECOND));
    let (hash, until) = (*block.hash(), NOW.plus(3_598 * SECOND));
    let task = Task::Validate(ValidateTask {
        blocks: vec![block.clone()],
        origin: Origin::Synced {
            peer: remote(1),
            claim: None,
            next: Some(501),
        },
    });
    for _ in 0..10 {
        let outcome = Outcome::Validated(Validated {
            early: vec![block.clone()],
            ..verdicts(vec![Verdict::Early { hash, until }])
        });
        let commands = done(&mut listener, &task, &outcome);
        let syncs = added(&commands).into_iter();
        assert_eq!(
            syncs.filter(|task| matches!(task, Task::Sync(_))).count(),
            0
        );
        let held = added(&commands).into_iter();
        assert_eq!(
            held.filter(|task| matches!(task, Task::Validate(_)))
                .count(),
            0
        );
    }
    assert_eq!(listener.peers().get(&remote(1)).unwrap().score, 0);
}
