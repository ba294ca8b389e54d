//! The scheduler, looked into and steered.

use std::sync::Arc;

use hyper::body::Bytes;
use jbc_scheduler::{ChangeError, JobId, JobLookupError};
use serde::Deserialize;
use serde_json::json;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::answers::{Answer, ApiError, json_reply, parse_body, reply};
use super::{Caller, Page, Routes, SMALL_BODY_BYTES, WithNode, caller, query};
use crate::node::Node;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    id: String,
}

pub(super) fn reading(node: WithNode) -> Routes {
    let jobs = warp::path!("jobs")
        .and(node.clone())
        .map(|node: Arc<Node>| json_reply(&json!({ "jobs": node.scheduler.get_jobs() })));
    let history = warp::path!("jobs" / "history")
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
        .and(caller())
        .and(warp::body::bytes())
        .and(node.clone());
    let jobs = jobs.map(
        |action: String, caller: Caller, body: Bytes, node: Arc<Node>| {
            reply(
                node.permits(caller.authorization.as_deref())
                    .and_then(|()| steer(&action, &body, &node)),
            )
        },
    );
    let shutdown = warp::path!("shutdown")
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

fn steer(action: &str, body: &Bytes, node: &Node) -> Answer<Response> {
    let Which { id } = parse_body(body, SMALL_BODY_BYTES)?;
    let id = JobId::from(id);
    let unknown = |error: JobLookupError| ApiError::missing("id", error);
    let job = match action {
        "pause" => node.scheduler.pause_job(&id).map_err(unknown)?,
        "resume" => node.scheduler.resume_job(&id).map_err(unknown)?,
        "remove" => node.scheduler.remove_job(&id).map_err(unknown)?,
        "run" => node.scheduler.run_job(&id).map_err(|error| match error {
            ChangeError::NotFound(error) => unknown(error),
            error => ApiError::new(StatusCode::CONFLICT, "id", error),
        })?,
        _ => {
            return Err(ApiError::missing(
                "path",
                "a job is steered by pause, resume, run or remove",
            ));
        }
    };
    tracing::info!(job = %id, action, "steered");
    Ok(json_reply(&job))
}
