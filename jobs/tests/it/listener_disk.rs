//! What follows from a full disk, a broken one, written files and an audit.

use std::time::Duration;

use jbc_chain::{Block, Unchecked};
use jbc_jobs::listener::{Command, End, Input, Listener, MiningConfig, Network, News};
use jbc_jobs::peer_table::PeerTable;
use jbc_jobs::task::{
    AuditReport, Origin, Outcome, Task, Tip, TipChange, ValidateTask, Validated, Verdict,
};

use crate::fakes::{NOW, added, child, claim, first_tip, genesis, network, next, verdicts};

fn listener(lanes: usize) -> Listener {
    let config = MiningConfig {
        lanes,
        rounds: None,
        salt: 0,
    };
    let peers = Network::new(PeerTable::new([]), "me".to_owned(), network().fingerprint());
    let mut listener = Listener::new(first_tip(), next("data"), config, peers, true);
    listener.on(&Input::Started, NOW);
    listener
}

fn done(listener: &mut Listener, task: &Task, outcome: &Outcome) -> Vec<Command> {
    ended(listener, task, End::Done(outcome))
}

fn ended(listener: &mut Listener, task: &Task, end: End<'_>) -> Vec<Command> {
    let input = Input::Ended {
        task,
        end,
        elapsed: Duration::ZERO,
        kept: false,
    };
    listener.on(&input, NOW)
}

fn validation(block: &Block<Unchecked>, origin: Origin) -> Task {
    Task::Validate(ValidateTask {
        blocks: vec![block.clone()],
        origin,
    })
}

fn full() -> Outcome {
    Outcome::Validated(Validated {
        full: true,
        ..verdicts(Vec::new())
    })
}

fn moved_to(block: &Block<Unchecked>) -> Outcome {
    let claim = claim(block.index(), *block.hash());
    let change = TipChange {
        tip: Tip {
            index: claim.index,
            hash: claim.hash,
            work: claim.work,
            earliest: block.timestamp().instant(),
            ..first_tip()
        },
        block: block.clone(),
        data: "data".to_owned(),
        entries: Default::default(),
        depth: 0,
        from: *block.prev_hash().unwrap(),
    };
    Outcome::Validated(Validated {
        tip: Some(Box::new(change)),
        ..verdicts(vec![Verdict::Best(*block.hash())])
    })
}

fn kinds(commands: &[Command]) -> Vec<&'static str> {
    added(commands).into_iter().map(Task::kind).collect()
}

fn disk_news(commands: &[Command]) -> Vec<bool> {
    let news = |command: &Command| match command {
        Command::Publish(News::Disk { full }) => Some(*full),
        _ => None,
    };
    commands.iter().filter_map(news).collect()
}

#[test]
fn a_full_disk_stops_mining_and_is_looked_at_until_there_is_room() {
    let mut node = listener(2);
    let block = child(&genesis(), "mined");
    let commands = done(&mut node, &validation(&block, Origin::Mined), &full());
    let removed = commands.iter().filter_map(|command| match command {
        Command::Remove { id } => Some(id.as_str()),
        _ => None,
    });
    assert_eq!(removed.collect::<Vec<_>>(), ["mining", "mining/1"]);
    assert_eq!(disk_news(&commands), [true]);
    assert_eq!(kinds(&commands), ["space"]);
    assert!(node.disk_is_full());

    let commands = done(&mut node, &Task::Space, &Outcome::Room { free: false });
    assert_eq!(kinds(&commands), ["space"], "it goes on looking");
    let later =
        |command: &Command| matches!(command, Command::Add { delay, .. } if !delay.is_zero());
    assert!(commands.iter().all(later), "but not in a tight loop");

    let commands = done(&mut node, &Task::Space, &Outcome::Room { free: true });
    assert_eq!(disk_news(&commands), [false]);
    assert!(!node.disk_is_full());
    let mut kinds = kinds(&commands);
    kinds.sort_unstable();
    assert_eq!(kinds, ["mine", "mine", "validate"]);
    let again = added(&commands).into_iter().find_map(|task| match task {
        Task::Validate(task) => Some(task),
        _ => None,
    });
    assert_eq!(
        again.unwrap().blocks,
        [block],
        "nobody else has the block mined here"
    );
}

#[test]
fn a_look_at_the_disk_that_fails_is_followed_by_another() {
    let mut node = listener(1);
    done(
        &mut node,
        &validation(&child(&genesis(), "mined"), Origin::Mined),
        &full(),
    );
    for end in [End::Failed("panicked"), End::Cancelled(None)] {
        assert_eq!(kinds(&ended(&mut node, &Task::Space, end)), ["space"]);
    }
    let commands = node.on(
        &Input::Gone {
            task: &Task::Space,
            refused: false,
        },
        NOW,
    );
    assert_eq!(kinds(&commands), ["space"]);
}

#[test]
fn a_disk_that_is_full_twice_is_news_once() {
    let mut node = listener(1);
    let block = child(&genesis(), "mined");
    let first = done(&mut node, &validation(&block, Origin::Mined), &full());
    let second = done(&mut node, &validation(&block, Origin::Mined), &full());
    assert_eq!(
        (disk_news(&first), disk_news(&second)),
        (vec![true], vec![])
    );
}

#[test]
fn a_disk_that_failed_stops_the_node() {
    let mut node = listener(1);
    let broken = Outcome::Broken {
        reason: "no such device".to_owned(),
    };
    let commands = done(
        &mut node,
        &validation(&child(&genesis(), "mined"), Origin::Mined),
        &broken,
    );
    let reason = commands.iter().find_map(|command| match command {
        Command::Fail { reason } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(reason, Some("no such device"));
}

#[test]
fn files_are_written_after_each_tip_until_they_show_it() {
    let mut node = listener(0);
    let (first, block) = (genesis(), child(&genesis(), "next"));
    let shows = |block: &Block<Unchecked>| Outcome::FilesWritten {
        tip: *block.hash(),
        written: 1,
    };
    assert_eq!(
        kinds(&done(&mut node, &Task::Files, &shows(&first))),
        [""; 0]
    );
    let commands = done(
        &mut node,
        &validation(&block, Origin::Mined),
        &moved_to(&block),
    );
    assert_eq!(kinds(&commands), ["files"]);
    // The tip moved while they were written: a second `files` job beside the first would have been left out.
    assert_eq!(
        kinds(&done(&mut node, &Task::Files, &shows(&first))),
        ["files"]
    );
    assert_eq!(
        kinds(&done(&mut node, &Task::Files, &shows(&block))),
        [""; 0]
    );
}

#[test]
fn an_audit_is_reported() {
    let report = AuditReport {
        checked: 5,
        faults: vec![(3, "torn".to_owned())],
        cancelled: false,
    };
    let commands = done(&mut listener(0), &Task::Audit, &Outcome::Audited(report));
    assert!(matches!(
        commands[..],
        [Command::Publish(News::Audit {
            checked: 5,
            faults: 1
        })]
    ));
}
