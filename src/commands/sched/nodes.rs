//! The nodes that run on this machine, and the token that steers one.
//!
//! A node leaves `node.json` in its data folder while it runs. After a kill the file stays, and another process may have
//! its port by now: so a node counts as running only if it answers with the id in the file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::task::JoinSet;

use crate::client::NodeClient;
use crate::node::{NODE_FILE, NodeFile, TOKEN_FILE};

/// Where people put the token of another machine's node.
const TOKEN_VARIABLE: &str = "JBC_TOKEN";

/// A node that runs from a folder of this machine.
#[derive(Clone, Debug)]
pub(super) struct LocalNode {
    pub(super) client: NodeClient,
    pub(super) folder: PathBuf,
}

/// What a folder says of its node, not asked yet.
struct Claim {
    node: LocalNode,
    node_id: String,
}

/// The nodes that run from the folders in `data_dir`, or from it itself, in the order of their folders.
pub(super) async fn running_from(data_dir: &Path) -> Vec<LocalNode> {
    let mut asked = JoinSet::new();
    for claim in claims(data_dir) {
        asked.spawn(async move { is_true(&claim).await.then_some(claim.node) });
    }
    let mut running: Vec<LocalNode> = asked.join_all().await.into_iter().flatten().collect();
    running.sort_by_key(|node| (node.client.origin().port(), node.folder.clone()));
    running
}

/// The data folder of the node that `client` talks to, if it runs from one in `data_dir`.
///
/// A token is a secret, so a node's word that it is ours does not do: a stranger's `/status` can repeat any id. The
/// address has to be the one in the file, or one of this machine with the same port.
pub(super) async fn folder_of(client: &NodeClient, data_dir: &Path) -> Option<PathBuf> {
    for claim in claims(data_dir) {
        let (theirs, ours) = (client.origin(), claim.node.client.origin());
        let same_host = theirs.host() == ours.host() || is_loopback(client);
        if same_host
            && theirs.port_or_known_default() == ours.port_or_known_default()
            && answers_as(client, &claim.node_id).await
        {
            return Some(claim.node.folder);
        }
    }
    None
}

/// The token in a data folder; without a folder, the one in the environment.
pub(super) fn token(folder: Option<&Path>) -> io::Result<Option<String>> {
    let Some(folder) = folder else {
        return Ok(std::env::var(TOKEN_VARIABLE).ok());
    };
    let path = folder.join(TOKEN_FILE);
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    fs::read_to_string(&path)
        .map(|token| Some(token.trim().to_owned()))
        .map_err(named)
}

fn is_loopback(client: &NodeClient) -> bool {
    // A host in the brackets of an IPv6 address, too, is compared as it is written there.
    matches!(
        client.origin().host_str(),
        Some("localhost" | "127.0.0.1" | "[::1]")
    )
}

async fn is_true(claim: &Claim) -> bool {
    answers_as(&claim.node.client, &claim.node_id).await
}

async fn answers_as(client: &NodeClient, node_id: &str) -> bool {
    client
        .status()
        .await
        .is_ok_and(|status| status.node_id == node_id)
}

/// All `node.json` below a folder. What can not be read is no node's.
fn claims(data_dir: &Path) -> Vec<Claim> {
    let inner = fs::read_dir(data_dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let folders = std::iter::once(data_dir.to_owned()).chain(inner);
    folders.filter_map(claim).collect()
}

fn claim(folder: PathBuf) -> Option<Claim> {
    let text = fs::read(folder.join(NODE_FILE)).ok()?;
    let note: NodeFile = serde_json::from_slice(&text).ok()?;
    let client = NodeClient::new(note.url?.as_str()).ok()?;
    Some(Claim {
        node: LocalNode { client, folder },
        node_id: note.node_id,
    })
}
