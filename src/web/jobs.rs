//! The scheduler, looked into and steered.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use jbc_jobs::task::is_mining_id;
use jbc_scheduler::{ChangeError, JobId, JobLookupError, Scheduler};
use serde::Deserialize;
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answers::{Answer, ApiError, json_reply, parse_body, reply};
use super::{
    Caller, Page, Routes, SMALL_BODY_BYTES, WithNode, any_of, get, off_thread, path, path_with,
    post, query,
};
use crate::dead::DeadInfo;
use crate::dispatch::NodeJobs;
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

pub(super) fn reading(node: &WithNode) -> Routes {
    let jobs = path("jobs")
        .and(get(node))
        .map(|node: Arc<Node>| json_reply(&json!({ "jobs": node.scheduler.get_jobs() })))
        .boxed();
    let history = warp::path("jobs")
        .and(path("history"))
        .boxed()
        .and(get(node))
        .and(query())
        .map(|node: Arc<Node>, page| reply(history(page, &node)))
        .boxed();
    let dead = warp::path("jobs")
        .and(path("dead"))
        .boxed()
        .and(get(node))
        .map(|node: Arc<Node>| {
            let dead: Vec<DeadInfo> = node.scheduler.dead_jobs().iter().map(Into::into).collect();
            json_reply(&json!({ "dead": dead }))
        })
        .boxed();
    any_of(jobs, [history, dead])
}

fn history(page: Answer<Page>, node: &Node) -> Answer<Response> {
    let count = usize::try_from(page?.count.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let mut runs = node.scheduler.history();
    let older = runs.len().saturating_sub(count);
    Ok(json_reply(&json!({ "runs": runs.split_off(older) })))
}

pub(super) fn steering(node: &WithNode) -> Routes {
    let steered = path_with("jobs")
        .and(post(node))
        .then(
            |action: String, caller: Caller, body: Bytes, node: Arc<Node>| async move {
                match node.permits(caller.authorization.as_deref()) {
                    Ok(()) => reply(steer(action, &body, node).await),
                    Err(error) => error.into_response(),
                }
            },
        )
        .boxed();
    let shutdown = path("shutdown")
        .and(post(node))
        .map(|caller: Caller, _: Bytes, node: Arc<Node>| {
            reply(node.permits(caller.authorization.as_deref()).map(|()| {
                node.stop();
                json_reply(&json!({ "stopping": true }))
            }))
        })
        .boxed();
    any_of(steered, [shutdown])
}

async fn steer(action: String, body: &Bytes, node: Arc<Node>) -> Answer<Response> {
    let Which { id } = parse_body(body, SMALL_BODY_BYTES)?;
    let id = JobId::from(id);
    let mut looks = 1;
    let answer = loop {
        let (asked, job, scheduler) = (action.clone(), id.clone(), node.scheduler.clone());
        // What is to outlive the node is written before it is answered.
        match off_thread(move || Ok(steer_now(&asked, &job, &scheduler))).await? {
            // Between two ranges a mining job is gone for a moment.
            Err(Refused::NoSuchJob(_)) if is_mining_id(id.as_str()) && looks < MINING_LOOKS => {
                looks += 1;
                tokio::time::sleep(Duration::from_millis(MINING_LOOK_MS)).await;
            }
            Err(Refused::NoSuchJob(error)) => return Err(ApiError::missing("id", error)),
            Err(Refused::Other(error)) => return Err(error),
            Ok(answer) => break answer,
        }
    };
    tracing::info!(job = %id, action, "steered");
    Ok(answer)
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

/// Answers with the job as it is now, and with what is forgotten as it was.
fn steer_now(
    action: &str,
    id: &JobId,
    scheduler: &Scheduler<NodeJobs>,
) -> Result<Response, Refused> {
    let job = match action {
        "pause" => scheduler.pause_job(id)?,
        "resume" => scheduler.resume_job(id)?,
        "remove" => scheduler.remove_job(id)?,
        "run" => scheduler.run_job(id)?,
        "requeue" => scheduler.requeue_dead(id).map_err(no_dead_job)?,
        "forget" => {
            let dead = scheduler.forget_dead(id).map_err(no_dead_job)?;
            return Ok(json_reply(&DeadInfo::from(&dead)));
        }
        _ => {
            let reason = "a job is steered by pause, resume, run, remove, requeue or forget";
            return Err(Refused::Other(ApiError::missing("path", reason)));
        }
    };
    Ok(json_reply(&job))
}

fn no_dead_job(error: ChangeError) -> Refused {
    match error {
        ChangeError::NotFound(JobLookupError { id }) => {
            let reason = format!("no job with the id {id} is dead");
            Refused::Other(ApiError::missing("id", reason))
        }
        error => error.into(),
    }
}
