//! warp: decode → enqueue → answer. A handler reads, or puts a job into the scheduler; it decides nothing.

mod answers;
mod blocks;
mod chain;
mod entries;
mod events;
mod jobs;
mod limits;
mod peers;
mod status;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::door::{PeerAddress, share_of};
use crate::node::Node;

use answers::Answer;
pub use answers::ApiError;
pub use limits::RateLimit;

/// Longest body of a steering or announcing request, in bytes: one URL or one job id.
const SMALL_BODY_BYTES: usize = 1 << 10;

/// Gives a route the node.
type WithNode = BoxedFilter<(Arc<Node>,)>;
/// Gives a route who orders something, the body, and the node.
type Given = BoxedFilter<(Caller, Bytes, Arc<Node>)>;
/// A family of routes.
type Routes = BoxedFilter<(Response,)>;

/// All routes of a node.
pub fn routes(
    node: Arc<Node>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let max_block_bytes = node.jobs.ledger.network().rules.max_block_bytes() as u64;
    let node: WithNode = warp::any().map(move || Arc::clone(&node)).boxed();
    // Each route looks at its path before its method, so that a wrong method is a 405 only where there is something.
    let others = [
        blocks::routes(&node),
        blocks::mined(&node, max_block_bytes),
        entries::routes(&node),
        chain::routes(&node),
        jobs::reading(&node),
        jobs::steering(&node),
        peers::reading(&node),
        peers::announcing(&node),
        peers::removing(&node),
        events::routes(&node),
    ];
    any_of(status::routes(&node), others)
        .recover(answers::of_rejection)
        .unify()
}

// Parts of routes are boxed, and paths are no `path!`: otherwise each route is a type of its own through and through, which
// cost a release build ten seconds and more.

/// The first of these routes that takes a request.
fn any_of(first: Routes, others: impl IntoIterator<Item = Routes>) -> Routes {
    others
        .into_iter()
        .fold(first, |one, other| one.or(other).unify().boxed())
}

/// A path of this one word.
fn path(word: &'static str) -> BoxedFilter<()> {
    warp::path(word).and(warp::path::end()).boxed()
}

/// A path of this word and one more, which the caller chose.
fn path_with(word: &'static str) -> BoxedFilter<(String,)> {
    warp::path(word)
        .and(warp::path::param())
        .and(warp::path::end())
        .boxed()
}

/// A question to the node.
fn get(node: &WithNode) -> WithNode {
    warp::get().and(node.clone()).boxed()
}

/// An order to the node.
fn post(node: &WithNode) -> Given {
    warp::post().and(given(node)).boxed()
}

/// An order to remove something.
fn delete(node: &WithNode) -> Given {
    warp::delete().and(given(node)).boxed()
}

/// Who gives an order, and the rest of it.
fn given(node: &WithNode) -> Given {
    caller().and(warp::body::bytes()).and(node.clone()).boxed()
}

/// Whoever asks for something that steers the node must show the token.
#[derive(Clone, Debug)]
struct Caller {
    address: IpAddr,
    authorization: Option<String>,
}

fn caller() -> BoxedFilter<(Caller,)> {
    warp::ext::get::<PeerAddress>()
        .and(warp::header::optional("authorization"))
        .map(|address: PeerAddress, authorization| Caller {
            address: share_of(address.0.ip()),
            authorization,
        })
        .boxed()
}

/// A query string as a struct; what is wrong with it is named.
fn query<T: DeserializeOwned + Send + 'static>() -> BoxedFilter<(Answer<T>,)> {
    warp::query::raw()
        .or(warp::any().map(String::new))
        .unify()
        .map(|raw: String| answers::parse_query(&raw))
        .boxed()
}

/// `from` and `count` of a list.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    from: u64,
    count: Option<u64>,
}

/// Runs what reads the disk or waits for the chain off the threads that serve.
async fn off_thread<T: Send + 'static>(
    read: impl FnOnce() -> Answer<T> + Send + 'static,
) -> Answer<T> {
    match tokio::task::spawn_blocking(read).await {
        Ok(answer) => answer,
        Err(error) => Err(ApiError::internal(&error)),
    }
}

fn received() -> Response {
    warp::reply::with_status(
        warp::reply::json(&serde_json::json!({ "received": true })),
        StatusCode::ACCEPTED,
    )
    .into_response()
}
