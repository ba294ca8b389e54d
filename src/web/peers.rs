//! Whom the node knows.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Bytes;
use jbc_jobs::peer_url::PeerUrl;
use serde::Deserialize;
use serde_json::json;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::answers::{Answer, ApiError, json_reply, parse_body, reply};
use super::{Caller, Routes, SMALL_BODY_BYTES, WithNode, delete, get, path, post, received};
use crate::node::Node;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Announcement {
    url: String,
}

pub(super) fn reading(node: &WithNode) -> Routes {
    path("peers")
        .and(get(node))
        .map(|node: Arc<Node>| {
            let listener = node.dispatch.listener();
            json_reply(&json!({ "peers": listener.peers().list().collect::<Vec<_>>() }))
        })
        .boxed()
}

/// Open to all, but limited, and believed only after a call back.
pub(super) fn announcing(node: &WithNode) -> Routes {
    path("peers")
        .and(post(node))
        .map(|caller: Caller, body: Bytes, node: Arc<Node>| reply(announce(&caller, &body, &node)))
        .boxed()
}

fn announce(caller: &Caller, body: &Bytes, node: &Node) -> Answer<Response> {
    if !node.announce_limit.allows(caller.address, Instant::now()) {
        return Err(ApiError::later(
            StatusCode::TOO_MANY_REQUESTS,
            "request",
            "announce less often",
            10,
        ));
    }
    let url = url_of(body)?;
    if url.is_loopback() && !caller.address.is_loopback() {
        return Err(ApiError::bad(
            "url",
            "a loopback address says nothing to another machine",
        ));
    }
    if !url.is_fixed() {
        return Err(ApiError::bad(
            "url",
            "only an address is taken here; a name is the operator's to give, with --peer",
        ));
    }
    node.dispatch.offer_peer(url, caller.address.is_loopback());
    Ok(received())
}

pub(super) fn removing(node: &WithNode) -> Routes {
    path("peers")
        .and(delete(node))
        .map(|caller: Caller, body: Bytes, node: Arc<Node>| {
            reply(
                node.permits(caller.authorization.as_deref())
                    .and_then(|()| remove(&body, &node)),
            )
        })
        .boxed()
}

fn remove(body: &Bytes, node: &Node) -> Answer<Response> {
    let url = url_of(body)?;
    if node.dispatch.listener().peers().get(&url).is_none() {
        return Err(ApiError::missing(
            "url",
            format!("{url} is not among the peers"),
        ));
    }
    node.dispatch.remove_peer(url);
    Ok(json_reply(&json!({ "removed": true })))
}

fn url_of(body: &Bytes) -> Answer<PeerUrl> {
    let announcement: Announcement = parse_body(body, SMALL_BODY_BYTES)?;
    PeerUrl::parse(&announcement.url).map_err(|error| ApiError::bad("url", error.reason))
}
