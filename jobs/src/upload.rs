//! `upload`: bring a peer the blocks it lacks. For a miner that nobody can call back: its peers see its newest block,
//! miss the parent, and have nobody to ask.

use crate::ledger::Ledger;
use crate::ports::{PeerError, PeerStatus, Peers, Store};
use crate::sync::find_fork;
use crate::task::{UploadTask, Uploaded};

/// Blocks pushed by one job, so that it ends and the next poll sees how far it came.
pub const UPLOAD_BLOCKS: u64 = 200;
/// About how many bytes of blocks are held for it.
const UPLOAD_BYTES: usize = 4 << 20;

/// Pushes what the peer lacks of our best chain, lowest first, until it refuses one.
pub async fn run<S: Store, P: Peers>(task: &UploadTask, ledger: &Ledger<S>, peers: &P) -> Uploaded {
    match pushed(task, ledger, peers).await {
        Ok(count) => Uploaded { count, error: None },
        Err(error) => Uploaded {
            count: 0,
            error: Some(error),
        },
    }
}

async fn pushed<S: Store, P: Peers>(
    task: &UploadTask,
    ledger: &Ledger<S>,
    peers: &P,
) -> Result<u64, PeerError> {
    let PeerStatus::Jbc(status) = peers.status(&task.peer).await? else {
        return Ok(0); // a tutorial node asks for the whole chain when it starts, and never again
    };
    if status.network.id != ledger.network().fingerprint()
        || status.tip.work >= ledger.snapshot().tip.work
    {
        return Ok(0);
    }
    let from = find_fork(&task.peer, status.tip.index, ledger, peers).await? + 1;
    let blocks = ledger.blocks(from, UPLOAD_BLOCKS, UPLOAD_BYTES);
    let blocks = blocks.map_err(|error| PeerError::Nonsense {
        reason: error.to_string(),
    })?;
    for block in &blocks {
        peers.push(&task.peer, block).await?;
    }
    Ok(blocks.len() as u64)
}
