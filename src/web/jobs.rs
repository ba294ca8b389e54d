//! The scheduler, looked into and steered.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use jbc_jobs::task::is_mining_id;
use jbc_scheduler::{ChangeError, JobId, JobInfo, JobLookupError};
use serde::Deserialize;
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answers::{Answer, ApiError, json_reply, parse_body, reply};
use super::{Caller, Page, Routes, SMALL_BODY_BYTES, WithNode, caller, query};
use crate::node::Node;

/// How often a mining job that is not there is looked for, and the time between two looks, in milliseconds: a node without
/// mining says so after half a second.
const MINING_LOOKS: u32 = 20;
const MINING_LOOK_MS: u64 = 25;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    id: String,
}

pub(super) fn reading(node: WithNode) -> Routes {
    let jobs = warp::path!("jobs")
        .and(warp::get())
        .and(node.clone())
        .map(|node: Arc<Node>| json_reply(&json!({ "jobs": node.scheduler.get_jobs() })));
    let history = warp::path!("jobs" / "history")
        .and(warp::get())
        .and(query::<Page>())
        .and(node)
        .map(|page, node: Arc<Node>| reply(history(page, &node)));
    jobs.or(history).unify().boxed()
}

fn history(page: Answer<Page>, node: &Node) -> Answer<Response> {
    let count = usize::try_from(page?.count.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let mut runs = node.scheduler.history();
    let older = runs.len().saturating_sub(count);
    Ok(json_reply(&json!({ "runs": runs.split_off(older) })))
}

pub(super) fn steering(node: WithNode) -> Routes {
    let jobs = warp::path!("jobs" / String)
        .and(warp::post())
        .and(caller())
        .and(warp::body::bytes())
        .and(node.clone());
    let jobs = jobs.then(
        |action: String, caller: Caller, body: Bytes, node: Arc<Node>| async move {
            match node.permits(caller.authorization.as_deref()) {
                Ok(()) => reply(steer(&action, &body, &node).await),
                Err(error) => error.into_response(),
            }
        },
    );
    let shutdown = warp::path!("shutdown")
        .and(warp::post())
        .and(caller())
        .and(warp::body::bytes())
        .and(node);
    let shutdown = shutdown.map(|caller: Caller, _: Bytes, node: Arc<Node>| {
        reply(node.permits(caller.authorization.as_deref()).map(|()| {
            node.stop();
            json_reply(&json!({ "stopping": true }))
        }))
    });
    jobs.or(shutdown).unify().boxed()
}

async fn steer(action: &str, body: &Bytes, node: &Node) -> Answer<Response> {
    let Which { id } = parse_body(body, SMALL_BODY_BYTES)?;
    let id = JobId::from(id);
    let mut looks = 1;
    let job = loop {
        match steer_now(action, &id, node) {
            // Between two ranges a mining job is gone for a moment.
            Err(Refused::NoSuchJob(_)) if is_mining_id(id.as_str()) && looks < MINING_LOOKS => {
                looks += 1;
                tokio::time::sleep(Duration::from_millis(MINING_LOOK_MS)).await;
            }
            Err(Refused::NoSuchJob(error)) => return Err(ApiError::missing("id", error)),
            Err(Refused::Other(error)) => return Err(error),
            Ok(job) => break job,
        }
    };
    tracing::info!(job = %id, action, "steered");
    Ok(json_reply(&job))
}

enum Refused {
    NoSuchJob(JobLookupError),
    Other(ApiError),
}

impl From<ChangeError> for Refused {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound(error) => Self::NoSuchJob(error),
            // The change holds as long as this node runs; the reason says that it will not outlive it.
            ChangeError::Store(error) => Self::Other(ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store",
                error,
            )),
            error => Self::Other(ApiError::new(StatusCode::CONFLICT, "id", error)),
        }
    }
}

fn steer_now(action: &str, id: &JobId, node: &Node) -> Result<JobInfo, Refused> {
    Ok(match action {
        "pause" => node.scheduler.pause_job(id)?,
        "resume" => node.scheduler.resume_job(id)?,
        "remove" => node.scheduler.remove_job(id)?,
        "run" => node.scheduler.run_job(id)?,
        _ => {
            let reason = "a job is steered by pause, resume, run or remove";
            return Err(Refused::Other(ApiError::missing("path", reason)));
        }
    })
}
