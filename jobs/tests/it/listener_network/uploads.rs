//! Who is brought blocks, and when.

use jbc_jobs::task::{Outcome, Task, UploadTask, Uploaded};
use jbc_jobs::upload::UPLOAD_BLOCKS;

use super::{Node, friend, new_tip, ours};
use crate::fakes::{child, genesis, local, remote};
use jbc_jobs::task::{Origin, ValidateTask};

/// A node with a block more than its peer.
fn ahead(callable: bool) -> Node {
    let mut node = Node::with_peers([remote(1)]);
    node.callable(callable);
    let block = child(&genesis(), "mine");
    let task = ValidateTask {
        blocks: vec![block.clone()],
        origin: Origin::Mined,
    };
    node.validated(&task, new_tip(&block));
    node
}

#[test]
fn a_node_that_nobody_can_call_brings_a_peer_what_it_lacks_and_others_wait_to_be_asked() {
    for callable in [true, false] {
        let commands = ahead(callable).polled(&remote(1), Ok(friend(ours())));
        let uploads = crate::fakes::added(&commands)
            .into_iter()
            .filter(|task| matches!(task, Task::Upload(_)));
        assert_eq!(uploads.count(), usize::from(!callable));
    }
}

#[test]
fn an_upload_goes_on_while_there_may_be_more_and_ends_with_an_error() {
    let task = Task::Upload(UploadTask { peer: remote(1) });
    for (count, error, again) in [
        (UPLOAD_BLOCKS, false, 1),
        (3, false, 1), // large ones are fewer at once
        (0, false, 0),
        (0, true, 0),
    ] {
        let error = error.then(|| jbc_jobs::ports::PeerError::Unreachable {
            reason: "gone".to_owned(),
        });
        let commands = ahead(false).done(&task, &Outcome::Uploaded(Uploaded { count, error }));
        let uploads = crate::fakes::added(&commands)
            .into_iter()
            .filter(|task| matches!(task, Task::Upload(_)));
        assert_eq!(uploads.count(), again);
    }
}

#[test]
fn a_node_on_loopback_is_called_back_by_its_own_machine_only() {
    let own = local(5000);
    assert!(own.means_us_to(&local(5001)) && !own.means_us_to(&remote(1)));
    assert!(remote(2).means_us_to(&local(5001)) && remote(2).means_us_to(&remote(1)));
}
