//! `sync`: fetch the next blocks of a peer's chain. One step a job: find the fork by headers, bring one batch of
//! blocks; the listener validates them and asks for the next step.

use jbc_chain::{Block, Hash, Unchecked};

use crate::ledger::Ledger;
use crate::peer_url::PeerUrl;
use crate::ports::{HeaderClaim, PeerError, PeerStatus, Peers, Store};
use crate::task::{SyncStep, SyncTask};

/// Blocks asked for in one step.
pub const BATCH_BLOCKS: u64 = 500;
/// Headers asked for at once while the fork is sought; the most that a node answers.
pub const HEADERS_MAX: u64 = 2_000;

/// Brings the next batch from the peer.
pub async fn run<S: Store, P: Peers>(task: &SyncTask, ledger: &Ledger<S>, peers: &P) -> SyncStep {
    match step(task, ledger, peers).await {
        Ok(step) => step,
        Err(PeerError::Unreachable { reason }) => SyncStep::Unreachable { reason },
        Err(PeerError::Nonsense { reason }) => SyncStep::Nonsense { reason },
    }
}

async fn step<S: Store, P: Peers>(
    task: &SyncTask,
    ledger: &Ledger<S>,
    peers: &P,
) -> Result<SyncStep, PeerError> {
    let status = match peers.status(&task.peer).await? {
        PeerStatus::Tutorial if ledger.network().rules.is_v2() => {
            // Asking for its whole chain would keep it from mining, to learn what is known.
            let theirs = "a node of the Python tutorial".to_owned();
            return Ok(SyncStep::OtherNetwork { theirs });
        }
        PeerStatus::Tutorial => return from_tutorial(&task.peer, ledger, peers).await,
        PeerStatus::Jbc(status) => status,
    };
    if status.network.id != ledger.network().fingerprint() {
        return Ok(SyncStep::OtherNetwork {
            theirs: status.network.description,
        });
    }
    if knows(ledger, &status.tip.hash)
        || (task.next.is_none() && status.tip.work <= ledger.snapshot().tip.work)
    {
        return Ok(SyncStep::UpToDate);
    }
    let from = match task.next {
        Some(next) => next,
        None => find_fork(&task.peer, status.tip.index, ledger, peers).await? + 1,
    };
    let blocks = peers.blocks(&task.peer, from, BATCH_BLOCKS).await?;
    check_links(&blocks, from, ledger)?;
    let last = from + blocks.len() as u64 - 1;
    let next = (last < status.tip.index).then_some(last + 1);
    Ok(SyncStep::Fetched {
        blocks,
        claim: Some(status.tip.clone()),
        next,
    })
}

/// The height of the highest block that the peer's best chain and ours share, found with a few short lists of headers:
/// steps back from our tip that double, then the list in between.
pub(crate) async fn find_fork<S: Store, P: Peers>(
    peer: &PeerUrl,
    their_height: u64,
    ledger: &Ledger<S>,
    peers: &P,
) -> Result<u64, PeerError> {
    let mut high = ledger.snapshot().tip.index.min(their_height);
    let mut back = 1;
    loop {
        let headers = peers.headers(peer, high, 1).await?;
        if headers.first().is_some_and(|header| {
            header.index == high && ours_at(ledger, high) == Some(header.hash)
        }) {
            break;
        }
        if high == 0 {
            return Err(PeerError::Nonsense {
                reason: "its first block is not this network's".to_owned(),
            });
        }
        high = high.saturating_sub(back);
        back = (back * 2).min(HEADERS_MAX / 2);
    }
    // The block at `high` is shared; the fork lies less than one list above it.
    let headers = peers.headers(peer, high, HEADERS_MAX).await?;
    Ok(shared_run(&headers, high, ledger))
}

fn shared_run<S: Store>(headers: &[HeaderClaim], from: u64, ledger: &Ledger<S>) -> u64 {
    let chain = ledger.chain();
    let ours = |index| chain.find_by_index(index).map(|entry| *entry.hash());
    let shared = (from..)
        .zip(headers)
        .take_while(|(index, header)| header.index == *index && ours(*index) == Some(header.hash));
    shared.last().map_or(from, |(index, _)| index)
}

/// A batch must be one chain that starts on a block we know; otherwise it is not worth validating.
fn check_links<S: Store>(
    blocks: &[Block<Unchecked>],
    from: u64,
    ledger: &Ledger<S>,
) -> Result<(), PeerError> {
    let nonsense = |reason: String| Err(PeerError::Nonsense { reason });
    let Some(first) = blocks.first() else {
        return nonsense(format!(
            "it claims more blocks than it gives: none from {from}"
        ));
    };
    if blocks.len() as u64 > BATCH_BLOCKS {
        return nonsense(format!(
            "it gave {} blocks where {BATCH_BLOCKS} were asked for",
            blocks.len()
        ));
    }
    if !first
        .prev_hash()
        .is_some_and(|parent| knows(ledger, parent))
    {
        return nonsense(format!(
            "field `prev_hash`: block {} does not follow any block we know",
            first.index()
        ));
    }
    let linked = blocks
        .windows(2)
        .all(|pair| pair[1].prev_hash() == Some(pair[0].hash()));
    let counted = (from..)
        .zip(blocks)
        .all(|(index, block)| block.index() == index);
    if linked && counted {
        Ok(())
    } else {
        nonsense(format!("its blocks from {from} are not one chain"))
    }
}

/// A tutorial node gives its whole chain in one body, in the order of its folder, and nothing else.
async fn from_tutorial<S: Store, P: Peers>(
    peer: &PeerUrl,
    ledger: &Ledger<S>,
    peers: &P,
) -> Result<SyncStep, PeerError> {
    let mut blocks = peers.whole_chain(peer).await?;
    if blocks.is_empty() {
        return Ok(SyncStep::UpToDate); // its folder is still empty
    }
    blocks.sort_by_key(Block::index);
    let genesis = blocks
        .first()
        .is_some_and(|block| block.index() == 0 && block.hash() == ledger.network().genesis.hash());
    if !genesis {
        let theirs = "a tutorial chain with another first block".to_owned();
        return Ok(SyncStep::OtherNetwork { theirs });
    }
    blocks.retain(|block| !knows(ledger, block.hash()));
    if blocks.is_empty() {
        return Ok(SyncStep::UpToDate);
    }
    Ok(SyncStep::Fetched {
        blocks,
        claim: None,
        next: None,
    })
}

fn knows<S: Store>(ledger: &Ledger<S>, hash: &Hash) -> bool {
    ledger.chain().find_by_hash(hash).is_some()
}

fn ours_at<S: Store>(ledger: &Ledger<S>, index: u64) -> Option<Hash> {
    ledger
        .chain()
        .find_by_index(index)
        .map(|entry| *entry.hash())
}
