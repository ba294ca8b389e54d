//! How the node is.

use std::sync::Arc;

use jbc_chain::Rules;
use jbc_jobs::peer_table::PeerKind;
use serde_json::{Value, json};
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answers::{ApiError, json_reply};
use super::{Routes, WithNode, any_of, get, path};
use crate::node::Node;

/// What `GET /` says to somebody who came with a browser.
const WELCOME: &str = "\
This is a jbc node: a proof-of-work chain whose every step is a scheduled job.

  /status            how it is             /jobs           what it does right now
  /blockchain.json   the whole chain       /jobs/history   what it did
  /blocks/0          one block             /events         what happens, as it happens
  /peers             whom it knows         /network         what it is a node of
  /forks             branches that lost
";

pub(super) fn routes(node: &WithNode) -> Routes {
    let root = warp::path::end()
        .and(warp::get())
        .map(|| WELCOME.into_response())
        .boxed();
    let status = path("status")
        .and(get(node))
        .map(|node: Arc<Node>| json_reply(&status(&node)))
        .boxed();
    let alive = path("healthz")
        .and(warp::get())
        .map(|| json_reply(&json!({ "alive": true })))
        .boxed();
    let ready = path("readyz")
        .and(get(node))
        .map(|node: Arc<Node>| ready(&node))
        .boxed();
    any_of(root, [status, alive, ready])
}

fn ready(node: &Node) -> Response {
    match node.unready() {
        None => json_reply(&json!({ "ready": true })),
        Some(reason) => {
            ApiError::later(StatusCode::SERVICE_UNAVAILABLE, "node", reason, 5).into_response()
        }
    }
}

/// The status as docs/protocol.md describes it.
fn status(node: &Node) -> Value {
    let snapshot = node.jobs.ledger.snapshot();
    let network = node.jobs.ledger.network();
    let (mining, peers) = {
        let listener = node.dispatch.listener();
        let (searched, wasted) = listener.mining().searched();
        let others = || {
            listener
                .peers()
                .list()
                .filter(|peer| peer.kind != PeerKind::Myself)
        };
        let reachable = others().filter(|peer| peer.reachable).count();
        (
            json!({
                "on": listener.mining().lanes() > 0 && !listener.disk_is_full(),
                "threads": listener.mining().lanes(),
                "hash_rate": listener.mining().hash_rate(),
                "searched": searched,
                "wasted": wasted,
                "found": listener.mining().found(),
            }),
            json!({ "known": others().count(), "reachable": reachable }),
        )
    };
    let interval_ms = match network.rules {
        Rules::V2(rules) => Some(rules.interval_ms),
        Rules::Classic { .. } => None,
    };
    let (waiting, waiting_bytes) = node.jobs.ledger.pool_size();
    json!({
        "node_id": node.jobs.node_id,
        "version": env!("CARGO_PKG_VERSION"),
        "url": node.own_url,
        "network": {
            "id": node.jobs.fingerprint,
            "name": network.name,
            "description": network.describe(),
            "rules": if network.rules.is_v2() { "v2" } else { "classic" },
            "interval_ms": interval_ms,
            "target": snapshot.tip.target,
            "genesis": network.genesis.hash(),
        },
        "tip": { "index": snapshot.tip.index, "hash": snapshot.tip.hash, "work": snapshot.tip.work },
        "chain": {
            "blocks": snapshot.blocks,
            "side_blocks": snapshot.side_blocks,
            "orphans": snapshot.orphans,
            "reorganisations": snapshot.reorganisations,
            "deepest_reorganisation": snapshot.deepest,
        },
        "entries": { "waiting": waiting, "waiting_bytes": waiting_bytes },
        "mining": mining,
        "peers": peers,
        "uptime_ms": u64::try_from(node.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "ready": node.unready().is_none(),
        "disk_full": node.dispatch.listener().disk_is_full(),
    })
}
