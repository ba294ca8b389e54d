//! Entries: taking them in, and saying where they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::body::Bytes;
use jbc_chain::{Hash, MAX_ENTRY_BYTES, leaf_hash};
use jbc_jobs::task::{Admission, AdmitTask, EntryState, LocatedEntry, Outcome, Task, admit_id};
use jbc_scheduler::{AddError, JobId, Trigger};
use serde::Deserialize;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answers::{Answer, ApiError, json_reply, parse_body, reply};
use super::{Caller, Routes, WithNode, any_of, get, off_thread, path, path_with, post};
use crate::node::Node;

/// Longest body of a posted entry, in bytes: one of 4 KiB all of whose bytes are escaped as `\u00XX`.
const BODY_BYTES: usize = 6 * MAX_ENTRY_BYTES + 64;
/// How long a request waits for its admission, in milliseconds: below the ten seconds that clients give an answer.
const ADMISSION_WAIT_MS: u64 = 5_000;

/// A posted entry: exactly one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    text: Option<String>,
    base64: Option<String>,
}

impl Posted {
    fn entry(self) -> Answer<Vec<u8>> {
        let entry = match (self.text, self.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(code)) => BASE64
                .decode(code.as_bytes())
                .map_err(|error| ApiError::bad("base64", error))?,
            _ => {
                return Err(ApiError::bad(
                    "body",
                    "either `text` or `base64` must be there",
                ));
            }
        };
        match entry.len() {
            0 => Err(ApiError::bad(
                "entry",
                "is empty: there is nothing to prove",
            )),
            1..=MAX_ENTRY_BYTES => Ok(entry),
            bytes => Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "entry",
                format!("{bytes} bytes, where {MAX_ENTRY_BYTES} are the most"),
            )),
        }
    }
}

pub(super) fn routes(node: &WithNode) -> Routes {
    let taking = path("entries")
        .and(post(node))
        .then(|caller: Caller, body: Bytes, node: Arc<Node>| async move {
            reply(take(&caller, &body, &node).await)
        })
        .boxed();
    let finding = path_with("entries")
        .and(get(node))
        .then(|leaf: String, node: Arc<Node>| async move {
            reply(off_thread(move || find(&leaf, &node)).await)
        })
        .boxed();
    any_of(taking, [finding])
}

/// Enqueues the admission and waits for what comes of it.
async fn take(caller: &Caller, body: &Bytes, node: &Arc<Node>) -> Answer<Response> {
    carries_entries(node)?;
    let later = |reason: &str| ApiError::later(StatusCode::SERVICE_UNAVAILABLE, "entry", reason, 5);
    if !node.entry_limit.allows(caller.address, Instant::now()) {
        let (status, reason) = (
            StatusCode::TOO_MANY_REQUESTS,
            "more entries than one address may post",
        );
        return Err(ApiError::later(status, "request", reason, 1));
    }
    let entry = parse_body::<Posted>(body, BODY_BYTES)?.entry()?;
    let id = JobId::from(admit_id(&leaf_hash(&entry)));
    let task = Task::Admit(AdmitTask {
        entry: entry.into(),
    });
    let outcome = node
        .dispatch
        .outcome_of(&id)
        .ok_or_else(|| later("too many entries are being taken in"))?;
    match node.scheduler.add_job(task.into_spec(Trigger::Now)) {
        Ok(_) => {}
        Err(AddError::Full { .. }) => return Err(later("the queue is full")),
        Err(AddError::ShuttingDown) => return Err(later("the node is stopping")),
        Err(error) => return Err(ApiError::internal(&error)),
    }
    let patience = Duration::from_millis(ADMISSION_WAIT_MS);
    let Ok(Ok(Some(outcome))) = tokio::time::timeout(patience, outcome).await else {
        let reason = "whether it was taken is not known yet: ask GET /entries/, or post it again";
        return Err(later(reason));
    };
    let Outcome::Admitted(admitted) = &*outcome else {
        return Err(later("the node cannot write to its disk"));
    };
    let (status, state) = match &admitted.admission {
        Admission::Taken => (StatusCode::CREATED, EntryState::Pending),
        Admission::Known(state) => (StatusCode::OK, *state),
        Admission::PoolFull => return Err(later("the pool of entries is full")),
        Admission::DiskFull => return Err(later("the disk is full")),
    };
    let leaf = admitted.leaf;
    let answer = json_reply(&LocatedEntry { leaf, state });
    Ok(warp::reply::with_status(answer, status).into_response())
}

fn find(leaf: &str, node: &Node) -> Answer<Response> {
    carries_entries(node)?;
    let leaf: Hash = leaf
        .parse()
        .map_err(|error: jbc_chain::ValueError| ApiError::bad("leaf", error))?;
    let state = node
        .jobs
        .ledger
        .entry_state(&leaf)
        .map_err(|error| ApiError::internal(&error))?;
    match state {
        Some(state) => Ok(json_reply(&LocatedEntry { leaf, state })),
        None => Err(ApiError::missing("leaf", "no such entry is known here")),
    }
}

fn carries_entries(node: &Node) -> Answer<()> {
    if node.jobs.ledger.network().rules.is_v2() {
        return Ok(());
    }
    let reason = "this network's blocks are classic and carry none";
    Err(ApiError::missing("entries", reason))
}
