//! `broadcast`: push a block to peers, to all at once, so that a hanging one holds up nobody.

use futures_util::future::join_all;

use crate::ports::Peers;
use crate::task::{BroadcastTask, Pushed};

/// Pushes to at most this many peers (issue 2, "at most 8 pushes").
pub const PUSHES_MAX: usize = 8;

/// Pushes the block to the task's peers.
pub async fn run<P: Peers>(task: &BroadcastTask, peers: &P) -> Vec<Pushed> {
    let mut pushes = Vec::new();
    for peer in task.peers.iter().take(PUSHES_MAX) {
        pushes.push(async move {
            let error = peers.push(peer, &task.block).await.err();
            Pushed {
                peer: peer.clone(),
                error,
            }
        });
    }
    join_all(pushes).await
}
