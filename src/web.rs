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

use serde::Deserialize;
use serde::de::DeserializeOwned;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::door::{PeerAddress, share_of};
use crate::node::Node;

use answers::Answer;
pub use answers::ApiError;
pub use limits::RateLimit;

/// Longest body of a steering or announcing request, in bytes: one URL or one job id.
const SMALL_BODY_BYTES: usize = 1 << 10;

/// Gives a route the node.
type WithNode = BoxedFilter<(Arc<Node>,)>;
/// A family of routes.
type Routes = BoxedFilter<(Response,)>;

/// All routes of a node.
pub fn routes(
    node: Arc<Node>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let max_block_bytes = node.jobs.ledger.network().rules.max_block_bytes() as u64;
    let node: WithNode = warp::any().map(move || Arc::clone(&node)).boxed();
    // Each route looks at its path before its method, so that a wrong method is a 405 only where there is something.
    status::routes(node.clone())
        .or(blocks::routes(node.clone()))
        .unify()
        .or(blocks::mined(node.clone(), max_block_bytes))
        .unify()
        .or(entries::routes(node.clone()))
        .unify()
        .or(chain::routes(node.clone()))
        .unify()
        .or(jobs::reading(node.clone()))
        .unify()
        .or(jobs::steering(node.clone()))
        .unify()
        .or(peers::reading(node.clone()))
        .unify()
        .or(peers::announcing(node.clone()))
        .unify()
        .or(peers::removing(node.clone()))
        .unify()
        .or(events::routes(node))
        .unify()
        .recover(answers::of_rejection)
        .unify()
}

/// Whoever asks for something that steers the node must show the token.
#[derive(Clone, Debug)]
struct Caller {
    address: IpAddr,
    authorization: Option<String>,
}

fn caller() -> impl Filter<Extract = (Caller,), Error = Rejection> + Clone {
    warp::ext::get::<PeerAddress>()
        .and(warp::header::optional("authorization"))
        .map(|address: PeerAddress, authorization| Caller {
            address: share_of(address.0.ip()),
            authorization,
        })
}

/// A query string as a struct; what is wrong with it is named.
fn query<T: DeserializeOwned + Send + 'static>()
-> impl Filter<Extract = (Result<T, ApiError>,), Error = Infallible> + Clone {
    warp::query::raw()
        .or(warp::any().map(String::new))
        .unify()
        .map(|raw: String| answers::parse_query(&raw))
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
