//! `announce`: get to know one peer by calling it, let it know us, and learn whom it knows.

use crate::peer_table::PEERS_MAX;
use crate::ports::{PeerStatus, Peers};
use crate::task::{AnnounceTask, Met};

/// Calls the peer. A peer of another network, this node itself or a tutorial node is told and asked nothing further.
pub async fn run<P: Peers>(task: &AnnounceTask, peers: &P, node_id: &str, network: &str) -> Met {
    let peer = task.peer.clone();
    let status = match peers.status(&peer).await {
        Ok(status) => status,
        Err(error) => {
            return Met {
                peer,
                status: Err(error.to_string()),
                learned: Vec::new(),
            };
        }
    };
    let friend = matches!(&status, PeerStatus::Jbc(theirs) if theirs.network.id == network && theirs.node_id != node_id);
    let mut learned = Vec::new();
    if friend {
        if let Err(error) = peers.announce(&peer).await {
            tracing::debug!(%peer, %error, "it did not take our address");
        }
        match peers.peers(&peer).await {
            Ok(mut urls) => {
                urls.truncate(PEERS_MAX);
                learned = urls;
            }
            Err(error) => tracing::debug!(%peer, %error, "it did not tell its peers"),
        }
    }
    Met {
        peer,
        status: Ok(status),
        learned,
    }
}
