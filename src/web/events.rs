//! `/events`: what happens, as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::sse::Event;
use warp::{Filter, Reply};

use super::answers::{Answer, ApiError, reply};
use super::{Routes, WithNode, get, path};
use crate::node::Node;

/// Readers at once: well below the door's connections, so that watching never locks peers out.
const READERS_MAX: usize = 32;
/// How often an idle stream says that it lives, in milliseconds: below the idle limits of what may stand between.
const HEARTBEAT_MS: u64 = 10_000;

pub(super) fn routes(node: &WithNode) -> Routes {
    path("events")
        .and(get(node))
        .map(|node: Arc<Node>| reply(events(&node)))
        .boxed()
}

fn events(node: &Node) -> Answer<Response> {
    if node.feed.readers() >= READERS_MAX {
        let reason = format!("{READERS_MAX} readers are all that are served at once");
        return Err(ApiError::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "request",
            reason,
            10,
        ));
    }
    let (news, stopping) = (node.feed.subscribe(), node.stopping());
    let lines = stream::unfold((news, stopping), |(mut news, mut stopping)| async move {
        let line = tokio::select! {
            line = news.recv() => line,
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        };
        let text = match line {
            Ok(line) => line.to_string(),
            Err(RecvError::Lagged(count)) => format!(r#"{{"type":"missed","count":{count}}}"#),
            Err(RecvError::Closed) => return None,
        };
        Some((text, (news, stopping)))
    });
    let events = lines.map(|line| Ok::<_, Infallible>(Event::default().data(line)));
    let kept = warp::sse::keep_alive()
        .interval(Duration::from_millis(HEARTBEAT_MS))
        .stream(events);
    Ok(warp::sse::reply(kept).into_response())
}
