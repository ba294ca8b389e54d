//! One node's API from the other side, for the commands: typed calls with a timeout and a cap on every reply.
//!
//! docs/protocol.md describes the API. A node that answers nonsense, or without end, costs a caller a named error and
//! bounded memory, nothing else.

mod chain;
mod choice;
mod entries;
mod jobs;
mod status;
mod streams;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::chain::{BLOCKS_AT_ONCE, Fork, HEADERS_AT_ONCE};
pub use self::choice::NodeChoice;
pub use self::jobs::Steer;
pub use self::status::{ChainStatus, MiningStatus, NetworkStatus, Status, Tip};
pub use self::streams::{Events, Pieces};

/// Time for one answer, in milliseconds; of a stream, for its next piece. A node answers within a few.
const TIMEOUT_MS: u64 = 5_000;
/// Time for an answer of many blocks or headers, and for one that waits for a disk, in milliseconds.
const LONG_TIMEOUT_MS: u64 = 20_000;
/// Time without a byte after which a stream of events is dead, in milliseconds: three of the node's heartbeats.
const EVENTS_TIMEOUT_MS: u64 = 30_000;
/// Cap on small answers, in bytes.
const SMALL_REPLY_BYTES: usize = 1 << 20;
/// Cap on a list of jobs, of runs or of blocks, in bytes: twice the largest batch of blocks a node gives.
const LIST_REPLY_BYTES: usize = 8 << 20;

/// What went wrong with a call to a node.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The text is no address of a node.
    #[error("`{text}` is not the URL of a node: {reason}")]
    NotUrl {
        /// What was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// No connection, or it broke, or took too long.
    #[error("{url}: no answer: {reason}")]
    Unreachable {
        /// The node.
        url: String,
        /// The network's own words.
        reason: String,
    },
    /// The node said no.
    #[error("{url}{path}: {status}{}", Detail(.detail))]
    Refused {
        /// The node.
        url: String,
        /// What was asked for.
        path: String,
        /// Its status.
        status: StatusCode,
        /// The field at fault and the reason, if it said so.
        detail: Option<Fault>,
        /// In how many seconds to ask again, if it said so.
        retry_after_s: Option<u64>,
    },
    /// The answer is not what the API promises.
    #[error("{url}{path}: a wrong answer: {reason}")]
    Nonsense {
        /// The node.
        url: String,
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// Whether the node answered that it has no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether the same call may be answered later: nobody was there, or had no time or room.
    pub fn may_pass_later(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => {
                let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
                status.is_server_error() || busy.contains(status)
            }
            Self::NotUrl { .. } | Self::Nonsense { .. } => false,
        }
    }

    /// In how many seconds the node asks to be asked again.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Refused { retry_after_s, .. } => *retry_after_s,
            _ => None,
        }
    }

    /// The field at fault, where the node named one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Refused { detail, .. } => detail.as_ref().map(|fault| fault.field.as_str()),
            _ => None,
        }
    }
}

/// A field at fault and the reason, as every error of the API names them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// The field.
    pub field: String,
    /// The reason.
    pub reason: String,
}

/// The second half of a refusal's text.
struct Detail<'a>(&'a Option<Fault>);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Fault { field, reason }) => write!(f, ": field `{field}`: {reason}"),
            None => Ok(()),
        }
    }
}

/// A client of one node.
#[derive(Clone, Debug)]
pub struct NodeClient {
    http: Client,
    origin: Url,
    url: String, // the origin without the slash at its end
}

impl NodeClient {
    /// A client of the node at `url`: `http://host:port`, where `host:port` alone is taken too.
    ///
    /// # Errors
    /// [`ClientError::NotUrl`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let not_url = |reason: &str| ClientError::NotUrl {
            text: url.to_owned(),
            reason: reason.to_owned(),
        };
        let spelled = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let origin = Url::parse(&spelled).map_err(|error| not_url(&error.to_string()))?;
        if origin.scheme() != "http" {
            return Err(not_url("nodes speak http only"));
        }
        if origin.path() != "/" || origin.query().is_some() || origin.fragment().is_some() {
            return Err(not_url("give http://host:port without a path"));
        }
        let http = Client::builder()
            .connect_timeout(Duration::from_millis(TIMEOUT_MS))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("jbc/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| not_url(&innermost(&error)))?;
        let url = origin.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, origin, url })
    }

    /// A client of the node on this machine's `port`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn on_port(port: u16) -> Result<Self, ClientError> {
        Self::new(&format!("http://127.0.0.1:{port}"))
    }

    /// Where the node is: `http://127.0.0.1:5001`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same, in its parts.
    pub fn origin(&self) -> &Url {
        &self.origin
    }

    /// `GET /status`. A 404 marks a node of the Python tutorial ([`ClientError::is_not_found`]).
    ///
    /// # Errors
    /// As every call: [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/status", SMALL_REPLY_BYTES).await
    }

    /// `GET /blockchain.json`, piece by piece.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn whole_chain(&self) -> Result<Pieces, ClientError> {
        self.stream("/blockchain.json", TIMEOUT_MS).await
    }

    /// `GET /events`, event by event.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self) -> Result<Events, ClientError> {
        Ok(Events::new(
            self.stream("/events", EVENTS_TIMEOUT_MS).await?,
        ))
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .get(self.address(path))
            .timeout(Duration::from_millis(TIMEOUT_MS))
    }

    /// An answer that may be long, or come from far.
    async fn long_body(&self, path: &str, limit_bytes: usize) -> Result<Vec<u8>, ClientError> {
        let timeout = Duration::from_millis(LONG_TIMEOUT_MS);
        let response = self.send(self.request(path).timeout(timeout), path).await?;
        self.body(response, path, limit_bytes).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        limit_bytes: usize,
    ) -> Result<T, ClientError> {
        let response = self.send(self.request(path), path).await?;
        self.parse(&self.body(response, path, limit_bytes).await?, path)
    }

    /// A body without an end in sight: no time for the whole of it, but for each piece.
    async fn stream(&self, path: &str, timeout_ms: u64) -> Result<Pieces, ClientError> {
        let node = self.clone();
        let sent = self.send(self.http.get(self.address(path)), path);
        let response = tokio::time::timeout(Duration::from_millis(TIMEOUT_MS), sent)
            .await
            .map_err(|_| self.unreachable("timed out"))??;
        let timeout = Duration::from_millis(timeout_ms);
        Ok(Pieces::new(response, node, path, timeout))
    }

    /// The response, if it is a good one.
    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        path: &str,
    ) -> Result<Response, ClientError> {
        #[derive(Deserialize)]
        struct Reply {
            error: Fault,
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(innermost(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after_s = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        // A node of another kind may say no in other words, or break off: the status stands.
        let body = self
            .body(response, path, SMALL_REPLY_BYTES)
            .await
            .unwrap_or_default();
        let detail = serde_json::from_slice::<Reply>(&body)
            .ok()
            .map(|reply| reply.error);
        Err(ClientError::Refused {
            url: self.url.clone(),
            path: path.to_owned(),
            status,
            detail,
            retry_after_s,
        })
    }

    async fn body(
        &self,
        mut response: Response,
        path: &str,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(innermost(&error)))?
        {
            if body.len() + piece.len() > limit_bytes {
                return Err(self.nonsense(path, format_args!("more than {limit_bytes} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8], path: &str) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.nonsense(path, error))
    }

    fn unreachable(&self, reason: impl Into<String>) -> ClientError {
        ClientError::Unreachable {
            url: self.url.clone(),
            reason: reason.into(),
        }
    }

    fn nonsense(&self, path: &str, reason: impl fmt::Display) -> ClientError {
        ClientError::Nonsense {
            url: self.url.clone(),
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl FromStr for NodeClient {
    type Err = ClientError;

    /// As [`NodeClient::new`].
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::new(url)
    }
}

/// The innermost cause says what happened ("connection refused"); the outer ones only that a request was being sent.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
pub(crate) mod canned;
#[cfg(test)]
mod tests;
