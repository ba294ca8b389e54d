//! `gossip`: push entries to peers: a new one at once, and now and then those that still wait, which a peer may have missed.

use futures_util::future::join_all;
use jbc_chain::UnixMicros;

use crate::broadcast::PUSHES_MAX;
use crate::ledger::Ledger;
use crate::ports::{Peers, Store};
use crate::task::{GossipTask, Outcome};

/// How long an entry has been waiting when it is pushed again, in microseconds: a block or two has passed it by.
const AGAIN_AFTER_MICROS: i64 = 15_000_000;
/// Entries pushed again by one job: the rest have their turn when these are in a block.
const AGAIN_MAX: usize = 100;

/// Pushes to the task's peers, all at once, to each one entry after the other; a peer that refuses one gets no more.
pub async fn run<S: Store, P: Peers>(
    task: &GossipTask,
    ledger: &Ledger<S>,
    peers: &P,
    now: UnixMicros,
) -> Outcome {
    let since = now.plus(-AGAIN_AFTER_MICROS);
    let entries = ledger.waiting(task.leaf.as_ref(), since, AGAIN_MAX);
    let pushes = task.peers.iter().take(PUSHES_MAX).map(async |peer| {
        for entry in &entries {
            if let Err(error) = peers.offer(peer, entry).await {
                tracing::debug!(%peer, %error, "it did not take an entry");
                return false;
            }
        }
        true
    });
    let took = join_all(pushes).await;
    Outcome::Gossiped {
        entries: entries.len(),
        peers: took.into_iter().filter(|took| *took).count(),
    }
}
