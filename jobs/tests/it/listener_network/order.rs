//! Two validations may end in the other order than they wrote, and one that was cancelled has written all the same.

use jbc_jobs::listener::{Command, End, News};
use jbc_jobs::task::{Origin, Outcome, SyncStep, Task, ValidateTask, Verdict};

use super::{Node, friend, new_tip, syncs};
use crate::fakes::{branch, claim, genesis, remote, some_hash, verdicts};

fn tips(commands: &[Command]) -> Vec<u64> {
    let tip = |command: &Command| match command {
        Command::Publish(News::Tip { index, .. }) => Some(*index),
        _ => None,
    };
    commands.iter().filter_map(tip).collect()
}

#[test]
fn older_news_of_a_tip_does_not_set_it_back() {
    let mut node = Node::among([remote(1)]);
    let blocks = branch(&genesis(), "theirs", 2);
    let task = |n: usize| ValidateTask {
        blocks: vec![blocks[n].clone()],
        origin: Origin::Mined,
    };
    assert_eq!(tips(&node.validated(&task(1), new_tip(&blocks[1]))), [2]);
    assert_eq!(tips(&node.validated(&task(0), new_tip(&blocks[0]))), [0; 0]);
    // Nor is anything of less work than the newer tip fetched.
    let commands = node.polled(&remote(1), Ok(friend(claim(1, *blocks[0].hash()))));
    assert!(syncs(&commands).is_empty());
}

#[test]
fn a_validation_that_was_cancelled_while_it_ran_moves_the_tip_all_the_same() {
    let mut node = Node::among([]);
    let block = branch(&genesis(), "theirs", 1).remove(0);
    let outcome = Outcome::Validated(new_tip(&block));
    let task = Task::Validate(ValidateTask {
        blocks: vec![block],
        origin: Origin::Mined,
    });
    assert_eq!(
        tips(&node.ended(&task, End::Cancelled(Some(&outcome)))),
        [1]
    );
}

#[test]
fn a_peer_that_claims_more_and_gives_what_we_have_does_not_hold_the_download() {
    let mut node = Node::among([remote(1), remote(2)]);
    let false_claim = claim(90, some_hash(90));
    assert_eq!(
        syncs(&node.polled(&remote(1), Ok(friend(false_claim.clone())))).len(),
        1
    );
    let fetched = SyncStep::Fetched {
        blocks: vec![genesis()],
        claim: Some(false_claim.clone()),
        next: Some(1),
    };
    node.synced(&remote(1), fetched);
    let origin = Origin::Synced {
        peer: remote(1),
        claim: Some(false_claim.clone()),
        next: Some(1),
    };
    let task = ValidateTask {
        blocks: vec![genesis()],
        origin,
    };
    let commands = node.validated(&task, verdicts(vec![Verdict::Known(*genesis().hash())]));
    assert!(syncs(&commands).is_empty(), "it is not asked on");
    assert!(
        syncs(&node.polled(&remote(1), Ok(friend(false_claim)))).is_empty(),
        "nor for the same tip again"
    );
    let honest = claim(50, some_hash(50));
    assert_eq!(
        syncs(&node.polled(&remote(2), Ok(friend(honest)))),
        [(remote(2), None)]
    );
}
