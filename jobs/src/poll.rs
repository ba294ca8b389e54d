//! `poll`: ask peers for their tips. Closes the gaps that pushes leave.

use futures_util::future::join_all;

use crate::ports::Peers;
use crate::task::{PollTask, Polled};

/// How often the tips are asked for, in milliseconds (issue 2, "a poll of tips every 10 s").
pub const POLL_INTERVAL_MS: u64 = 10_000;

/// Asks the task's peers, all at once: there are few, each call has its time limit, and one that hangs must not hold
/// back what the others say for longer than that.
pub async fn run<P: Peers>(task: &PollTask, peers: &P) -> Vec<Polled> {
    let mut calls = Vec::new();
    for peer in &task.peers {
        calls.push(async move {
            let status = peers.status(peer).await.map_err(|error| error.to_string());
            Polled {
                peer: peer.clone(),
                status,
            }
        });
    }
    join_all(calls).await
}
