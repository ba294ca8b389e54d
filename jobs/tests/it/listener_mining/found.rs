//! What becomes of a block that a range found.

use std::time::Duration;

use jbc_chain::{Block, Unchecked};
use jbc_jobs::listener::{Command, End, Input};
use jbc_jobs::task::{MineTask, Mined, Origin, Outcome, Task};

use crate::fakes::NOW;

use super::{Miner, only, ranges, searched, validations};

#[test]
fn a_stale_winner_is_validated_and_never_re_arms_its_lane() {
    let (mut miner, armed) = Miner::start(1, None);
    let old = only(armed);
    let replacement = only(ranges(&miner.new_tip()));

    let block = old.template.parts.block(old.nonces.start);
    let outcome = Outcome::Mined(Mined {
        searched: 1,
        found: Some(block.clone()),
    });
    let commands = miner.end(
        &old,
        End::Cancelled(Some(&outcome)),
        Duration::from_millis(3),
    );
    let validation = only(validations(&commands));
    assert_eq!(
        (validation.blocks, validation.origin),
        (vec![block], Origin::Mined)
    );
    assert_eq!(ranges(&commands).len(), 0);
    assert_eq!(
        miner.listener.mining().tickets(),
        [Some(replacement.ticket)]
    );
}

#[test]
fn a_lane_that_found_a_block_waits_for_the_verdict_and_a_new_tip_ends_the_waiting() {
    let (mut miner, armed) = Miner::start(1, None);
    let range = only(armed);
    let outcome = Outcome::Mined(Mined {
        searched: 1,
        found: Some(range.template.parts.block(range.nonces.start)),
    });
    let delays = |commands: &[Command]| -> Vec<bool> {
        let wait = |command: &Command| match command {
            Command::Add {
                task: Task::Mine(_),
                delay,
            } => Some(!delay.is_zero()),
            _ => None,
        };
        commands.iter().filter_map(wait).collect()
    };
    let commands = miner.end(&range, End::Done(&outcome), Duration::from_millis(3));
    assert_eq!(delays(&commands), [true]);
    let waiting = only(ranges(&commands));
    let commands = miner.new_tip();
    assert_eq!(delays(&commands), [false]);
    let next = only(ranges(&commands));
    let commands = miner.end(&next, End::Done(&searched(&next)), Duration::from_millis(3));
    assert_eq!(delays(&commands), [false]);
    assert!(waiting.ticket < next.ticket);
}

/// A block that a range finds, and the outcome that tells it.
fn found(range: &MineTask) -> (Block<Unchecked>, Outcome) {
    let block = range.template.parts.block(7);
    let outcome = Outcome::Mined(Mined {
        searched: 8,
        found: Some(block.clone()),
    });
    (block, outcome)
}

#[test]
fn a_mined_block_that_the_scheduler_refuses_is_tried_again_with_the_next_input() {
    // A flood of posts may have filled the lane, and nobody else has this block.
    let (mut miner, armed) = Miner::start(1, None);
    let range = only(armed);
    let (block, outcome) = found(&range);
    let commands = miner.end(&range, End::Done(&outcome), Duration::from_millis(1));
    let next = only(ranges(&commands));
    let task = Task::Validate(only(validations(&commands)));

    let refused = Input::Gone {
        task: &task,
        refused: true,
    };
    let commands = miner.listener.on(&refused, NOW);
    assert!(
        commands.is_empty(),
        "nothing is asked for before something else has happened"
    );

    let outcome = searched(&next);
    let commands = miner.end(&next, End::Done(&outcome), Duration::from_millis(1));
    assert_eq!(only(validations(&commands)).blocks, [block]);
    let commands = miner.end(
        &only(ranges(&commands)),
        End::Failed("a test"),
        Duration::ZERO,
    );
    assert_eq!(validations(&commands).len(), 0, "once is enough");
}

#[test]
fn a_block_that_two_runs_of_a_range_found_is_validated_once_though_its_first_validation_was_refused()
 {
    // A range that was paused and resumed is searched again while its first run still comes to its end.
    let (mut miner, armed) = Miner::start(1, None);
    let range = only(armed);
    let (block, outcome) = found(&range);
    let commands = miner.end(&range, End::Done(&outcome), Duration::from_millis(1));
    let task = Task::Validate(only(validations(&commands)));
    let refused = Input::Gone {
        task: &task,
        refused: true,
    };
    miner.listener.on(&refused, NOW);

    let first_run = End::Cancelled(Some(&outcome));
    let commands = miner.end(&range, first_run, Duration::from_millis(1));
    assert_eq!(only(validations(&commands)).blocks, [block]);
    let commands = miner.new_tip();
    assert_eq!(validations(&commands).len(), 0, "once is enough");
}
