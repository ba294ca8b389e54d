//! Blocks: taking them in, and giving them out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream;
use hyper::body::Bytes;
use jbc_chain::{Block, Entry, EntryId, Hash};
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::Clock;
use jbc_jobs::sync::{BATCH_BLOCKS, HEADERS_MAX};
use jbc_jobs::task::{Origin, Task, ValidateTask};
use jbc_scheduler::{AddError, JobId, Trigger};
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answers::{Answer, ApiError, json_reply, json_text, reply};
use super::{
    Caller, Page, Routes, WithNode, any_of, caller, get, off_thread, path, path_with, query,
    received,
};
use crate::node::{Node, SystemClock};
use crate::peers::PEER_HEADER;

/// About how many bytes of blocks one answer holds.
const BATCH_BYTES: usize = 4 << 20;
/// What an entry takes in memory beside its bytes.
const ENTRY_OVERHEAD_BYTES: usize = 48;
/// How long a whole chain may take to be read, in milliseconds: a slow reader keeps others waiting for its turn.
const WHOLE_CHAIN_MS: u64 = 300_000;
/// How long a request for the whole chain waits for its turn, in milliseconds.
const TURN_MS: u64 = 5_000;
/// Blocks read from the store at once while a whole chain is streamed, and about how many bytes of them.
const STREAMED_AT_ONCE: usize = 256;
const STREAMED_BYTES: usize = 256 << 10;

pub(super) fn routes(node: &WithNode) -> Routes {
    let headers = path("headers")
        .and(get(node))
        .and(query())
        .then(|node: Arc<Node>, page: Answer<Page>| async move {
            reply(off_thread(move || headers(page?, &node)).await)
        })
        .boxed();
    let blocks = path("blocks")
        .and(get(node))
        .and(query())
        .then(|node: Arc<Node>, page: Answer<Page>| async move {
            reply(off_thread(move || blocks(page?, &node)).await)
        })
        .boxed();
    let block = path_with("blocks")
        .and(get(node))
        .then(|name: String, node: Arc<Node>| async move {
            reply(off_thread(move || block(&name, &node)).await)
        })
        .boxed();
    let whole = path("blockchain.json")
        .and(get(node))
        .then(|node| async move { reply(whole_chain(node).await) })
        .boxed();
    any_of(headers, [blocks, block, whole])
}

pub(super) fn mined(node: &WithNode, max_block_bytes: u64) -> Routes {
    let peer = warp::header::optional::<String>(PEER_HEADER);
    let body = warp::body::content_length_limit(max_block_bytes).and(warp::body::bytes());
    path("mined")
        .and(warp::post())
        .and(caller())
        .and(peer)
        .and(body.boxed())
        .and(node.clone())
        .map(
            |caller: Caller, peer: Option<String>, body: Bytes, node: Arc<Node>| {
                reply(take(&caller, peer.as_deref(), &body, &node))
            },
        )
        .boxed()
}

/// Decode and enqueue, nothing else: what becomes of the block is the validation job's affair.
fn take(caller: &Caller, peer: Option<&str>, body: &Bytes, node: &Arc<Node>) -> Answer<Response> {
    let later = |status, reason: &str| ApiError::later(status, "request", reason, 1);
    if !node.post_limit.allows(caller.address, Instant::now()) {
        return Err(later(
            StatusCode::TOO_MANY_REQUESTS,
            "more blocks than one address may post",
        ));
    }
    if node
        .dispatch
        .listener()
        .peers()
        .is_banned(caller.address, SystemClock.now())
    {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "request",
            "this address posted too many bad blocks",
        ));
    }
    let block = Block::from_json(body).map_err(|error| ApiError::bad(error.field, error.reason))?;
    // A name that is no URL says nothing about the block.
    let peer = peer.and_then(|url| PeerUrl::parse(url).ok());
    let origin = Origin::Posted {
        address: caller.address,
        peer,
    };
    let bytes = body.len() + block.entries().len() * ENTRY_OVERHEAD_BYTES;
    let task = Task::Validate(ValidateTask {
        blocks: vec![block],
        origin,
    });
    let id = JobId::from(task.id());
    let full = || {
        later(
            StatusCode::SERVICE_UNAVAILABLE,
            "the queue of blocks is full",
        )
    };
    if !node.dispatch.make_room(&id, bytes) {
        return Err(full());
    }
    let added = node.scheduler.add_job(task.into_spec(Trigger::Now));
    if added.is_err() {
        node.dispatch.give_room_back(&id);
    }
    match added {
        Ok(_) => Ok(received()),
        Err(AddError::Full { .. }) => Err(full()),
        Err(AddError::ShuttingDown) => Err(later(
            StatusCode::SERVICE_UNAVAILABLE,
            "the node is stopping",
        )),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

fn headers(page: Page, node: &Node) -> Answer<Response> {
    let count = page.count.unwrap_or(HEADERS_MAX).min(HEADERS_MAX);
    let chain = node.jobs.ledger.chain();
    let entries =
        (page.from..page.from.saturating_add(count)).map_while(|index| chain.find_by_index(index));
    let headers: Vec<_> = entries
        .map(|entry| {
            if let Some(header) = chain.header(entry.id()) {
                return json!(header);
            }
            let parent = entry
                .parent()
                .and_then(|parent| chain.entry(parent))
                .map(Entry::hash);
            let (index, hash, timestamp) =
                (entry.height(), entry.hash(), entry.instant().0 / 1_000);
            json!({ "index": index, "hash": hash, "prev_hash": parent, "timestamp_ms": timestamp })
        })
        .collect();
    Ok(json_reply(&headers))
}

fn blocks(page: Page, node: &Node) -> Answer<Response> {
    let count = page.count.unwrap_or(BATCH_BLOCKS).min(BATCH_BLOCKS);
    let blocks = node
        .jobs
        .ledger
        .blocks(page.from, count, BATCH_BYTES)
        .map_err(|error| ApiError::internal(&error))?;
    Ok(json_reply(&blocks))
}

fn block(name: &str, node: &Node) -> Answer<Response> {
    let id = {
        let chain = node.jobs.ledger.chain();
        let entry = match (name.parse::<Hash>(), name.parse::<u64>()) {
            (Ok(hash), _) => chain.find_by_hash(&hash),
            (_, Ok(index)) => chain.find_by_index(index),
            _ => {
                return Err(ApiError::bad(
                    "block",
                    "neither a height nor a hash of 64 lowercase hex digits",
                ));
            }
        };
        entry
            .map(Entry::id)
            .ok_or_else(|| ApiError::missing("block", "no such block here"))?
    };
    let block = node
        .jobs
        .ledger
        .block(id)
        .map_err(|error| ApiError::internal(&error))?;
    Ok(json_text(block.to_json()))
}

/// The whole best chain as it stands now, read piece by piece: what is in memory is a few blocks and their positions.
async fn whole_chain(node: Arc<Node>) -> Answer<Response> {
    // A tutorial node that is told "later" when it starts gives up for good, so it waits its turn first.
    let turn = Arc::clone(&node.whole_chains).acquire_owned();
    let permit = match tokio::time::timeout(Duration::from_millis(TURN_MS), turn).await {
        Ok(Ok(permit)) => permit,
        _ => {
            return Err(ApiError::later(
                StatusCode::SERVICE_UNAVAILABLE,
                "request",
                "too many whole chains at once",
                2,
            ));
        }
    };
    let reader = Arc::clone(&node);
    let ids: Vec<EntryId> = off_thread(move || {
        let chain = reader.jobs.ledger.chain();
        Ok((0..=chain.tip().height())
            .map_while(|index| chain.find_by_index(index))
            .map(Entry::id)
            .collect())
    })
    .await?;
    let (start, begun) = ((ids.into_iter(), true, Some(permit)), Instant::now());
    let pieces = stream::try_unfold(start, move |(mut ids, first, permit)| {
        let node = Arc::clone(&node);
        async move {
            if permit.is_none() {
                return Ok(None);
            }
            if begun.elapsed() > Duration::from_millis(WHOLE_CHAIN_MS) {
                return Err("read too slowly".to_owned());
            }
            let (piece, ids, ended) = tokio::task::spawn_blocking(move || {
                let mut piece = String::from(if first { "[" } else { "" });
                let mut comma = if first { "" } else { ", " };
                let mut count = 0;
                while count < STREAMED_AT_ONCE && piece.len() < STREAMED_BYTES {
                    let Some(id) = ids.next() else { break };
                    count += 1;
                    let block = node
                        .jobs
                        .ledger
                        .block(id)
                        .map_err(|error| error.to_string())?
                        .to_json();
                    piece.push_str(comma);
                    piece.push_str(&block);
                    comma = ", ";
                }
                let ended = ids.len() == 0;
                piece.push_str(if ended { "]" } else { "" });
                Ok::<_, String>((piece, ids, ended))
            })
            .await
            .map_err(|error| error.to_string())??;
            Ok::<_, String>(Some((
                Bytes::from(piece),
                (ids, false, permit.filter(|_| !ended)),
            )))
        }
    });
    let body = warp::reply::stream(Box::pin(pieces));
    Ok(warp::reply::with_header(body, "content-type", "application/json").into_response())
}
