//! What the chain is of, and where it forks.

use std::sync::Arc;

use jbc_chain::{Chain, Entry};
use serde_json::{Value, json};
use warp::Filter;

use super::answers::{json_reply, json_text, reply};
use super::{Routes, WithNode, any_of, get, off_thread, path};
use crate::node::Node;

/// Branches in one answer.
const FORKS_MAX: usize = 100;
/// Blocks of a branch in one answer: those nearest to the fork.
const BRANCH_BLOCKS_MAX: usize = 100;

pub(super) fn routes(node: &WithNode) -> Routes {
    let network = path("network")
        .and(get(node))
        .map(|node: Arc<Node>| json_text(node.jobs.ledger.network().to_json()))
        .boxed();
    let forks = path("forks")
        .and(get(node))
        .then(|node: Arc<Node>| async move {
            let answer = off_thread(move || Ok(json_reply(&forks(&node.jobs.ledger.chain()))));
            reply(answer.await)
        })
        .boxed();
    any_of(network, [forks])
}

/// The side branches, those whose last block came last first.
fn forks(chain: &Chain) -> Value {
    let tips = chain.side_tips(FORKS_MAX);
    let described = tips.into_iter().filter_map(|tip| {
        let branch = chain.branch(chain.tip().hash(), tip.hash())?;
        let fork = chain.entry(branch.fork)?;
        let blocks = branch.attached.iter().take(BRANCH_BLOCKS_MAX);
        Some(json!({
            "fork_index": fork.height(),
            "fork_hash": fork.hash(),
            "tip_index": tip.height(),
            "tip_hash": tip.hash(),
            "work": tip.work(),
            "blocks": blocks.filter_map(|id| chain.entry(*id)).map(Entry::hash).collect::<Vec<_>>(),
        }))
    });
    json!({ "forks": described.collect::<Vec<_>>() })
}
