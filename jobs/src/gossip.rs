//! `gossip`: push entries to peers: new ones at once, and now and then some of those that still wait, which a peer may have
//! missed.

use futures_util::future::join_all;
use jbc_chain::UnixMicros;

use crate::broadcast::PUSHES_MAX;
use crate::ledger::Ledger;
use crate::poll::POLL_INTERVAL_MS;
use crate::ports::{Peers, Store};
use crate::task::{GossipTask, Outcome};

/// How long an entry has been waiting when it is pushed again, in microseconds: a block or two has passed it by.
const AGAIN_AFTER_MICROS: i64 = 15_000_000;
/// Entries pushed again by one job: after each poll, so half of what a peer takes from one address.
const AGAIN_MAX: usize = 25;

/// Pushes to the task's peers, all at once, to each one entry after the other; a peer that refuses one gets no more.
pub async fn run<S: Store, P: Peers>(
    task: &GossipTask,
    ledger: &Ledger<S>,
    peers: &P,
    now: UnixMicros,
) -> Outcome {
    let mut entries = ledger.waiting(&task.leaves);
    if task.remind {
        // Each time others, so that all have their turn.
        let turn = now.0.unsigned_abs() / 1_000 / POLL_INTERVAL_MS;
        let since = now.plus(-AGAIN_AFTER_MICROS);
        entries.extend(ledger.waiting_since(since, turn as usize, AGAIN_MAX));
    }
    if entries.is_empty() {
        let (entries, peers) = (0, 0);
        return Outcome::Gossiped { entries, peers };
    }
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
