//! The jobs' `Peers` port on reqwest: every call has a timeout and a cap on the reply, follows no redirect and asks no
//! proxy.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jbc_chain::{Block, Unchecked};
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::{Answer, HeaderClaim, JbcStatus, PeerError, PeerStatus, Peers};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Header in which a node that pushes a block says where it listens, so that a missing parent can be asked for.
pub const PEER_HEADER: &str = "jbc-peer";

/// Time to connect, in milliseconds: a machine that is there answers within a second or two.
const CONNECT_TIMEOUT_MS: u64 = 3_000;
/// Time for a small question, in milliseconds.
const SHORT_TIMEOUT_MS: u64 = 5_000;
/// Time for blocks, in milliseconds (RELIABILITY.md, "a hostile peer while we sync … 20 s").
const LONG_TIMEOUT_MS: u64 = 20_000;
/// Cap on a small reply, in bytes.
const SHORT_REPLY_BYTES: usize = 64 << 10;
/// Cap on a list of headers or a batch of blocks, in bytes: twice what a jbc node gives.
const BATCH_REPLY_BYTES: usize = 8 << 20;
/// Cap on a tutorial node's whole chain, in bytes: some 200,000 of its blocks.
const CHAIN_REPLY_BYTES: usize = 64 << 20;

/// Waits between pushes of one block to a peer that says it cannot take it now, in milliseconds. A tutorial node answers 500
/// while it validates another block, and never asks for what it missed.
const PUSH_AGAIN_AFTER_MS: [u64; 3] = [50, 200, 800];

/// Calls over HTTP.
pub struct HttpPeers {
    client: Client,
    /// Where others reach us; none for a miner that serves nobody.
    own_url: Option<PeerUrl>,
}

/// A list of peers, and an announcement, on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct PeerList {
    /// Each with at least its URL.
    pub peers: Vec<PeerEntry>,
}

/// One peer on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct PeerEntry {
    /// Where it listens.
    pub url: String,
}

impl HttpPeers {
    /// A client.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(own_url: Option<PeerUrl>) -> reqwest::Result<Self> {
        let client = Client::builder()
            .connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(2)
            .user_agent(concat!("jbc/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, own_url })
    }

    /// Our URL, where it leads this peer to us.
    fn own_url_for(&self, peer: &PeerUrl) -> Option<&PeerUrl> {
        self.own_url.as_ref().filter(|own| own.means_us_to(peer))
    }

    fn get(&self, peer: &PeerUrl, path: &str) -> RequestBuilder {
        self.client.get(format!("{peer}{path}"))
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        peer: &PeerUrl,
        path: &str,
        limits: Limits,
    ) -> Result<T, PeerError> {
        let body = read(self.get(peer, path), limits).await?;
        parse(&body, path)
    }
}

#[derive(Clone, Copy)]
struct Limits {
    timeout_ms: u64,
    reply_bytes: usize,
}

const SHORT: Limits = Limits {
    timeout_ms: SHORT_TIMEOUT_MS,
    reply_bytes: SHORT_REPLY_BYTES,
};
const BATCH: Limits = Limits {
    timeout_ms: LONG_TIMEOUT_MS,
    reply_bytes: BATCH_REPLY_BYTES,
};
const CHAIN: Limits = Limits {
    timeout_ms: LONG_TIMEOUT_MS,
    reply_bytes: CHAIN_REPLY_BYTES,
};

/// The reply's body, if it is a good one.
async fn read(request: RequestBuilder, limits: Limits) -> Result<Vec<u8>, PeerError> {
    let response = send(request, limits).await?;
    if !response.status().is_success() {
        return Err(refused(response.status()));
    }
    body(response, limits).await
}

async fn send(request: RequestBuilder, limits: Limits) -> Result<Response, PeerError> {
    request
        .timeout(Duration::from_millis(limits.timeout_ms))
        .send()
        .await
        .map_err(|error| unreachable(&error))
}

/// The body, read piece by piece so that a reply without end costs no more than the cap.
async fn body(mut response: Response, limits: Limits) -> Result<Vec<u8>, PeerError> {
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| unreachable(&error))?
    {
        if body.len() + piece.len() > limits.reply_bytes {
            return Err(PeerError::Nonsense {
                reason: format!("a reply over {} bytes", limits.reply_bytes),
            });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn parse<T: DeserializeOwned>(body: &[u8], path: &str) -> Result<T, PeerError> {
    serde_json::from_slice(body).map_err(|error| PeerError::Nonsense {
        reason: format!("{path}: {error}"),
    })
}

fn refused(status: StatusCode) -> PeerError {
    PeerError::Nonsense {
        reason: format!("it answered {status}"),
    }
}

/// The innermost cause says what happened ("connection refused"); the outer ones only that a request was being sent.
fn unreachable(error: &reqwest::Error) -> PeerError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let reason = if error.is_timeout() {
        "timed out".to_owned()
    } else {
        cause.to_string()
    };
    PeerError::Unreachable { reason }
}

impl Peers for HttpPeers {
    fn status<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, PeerStatus> {
        Box::pin(async move {
            let response = send(self.get(peer, "/status"), SHORT).await?;
            match response.status() {
                StatusCode::NOT_FOUND => Ok(PeerStatus::Tutorial),
                status if status.is_success() => {
                    let status: JbcStatus = parse(&body(response, SHORT).await?, "/status")?;
                    Ok(PeerStatus::Jbc(Box::new(status)))
                }
                status => Err(refused(status)),
            }
        })
    }

    fn headers<'a>(
        &'a self,
        peer: &'a PeerUrl,
        from: u64,
        count: u64,
    ) -> Answer<'a, Vec<HeaderClaim>> {
        Box::pin(async move {
            self.get_json(peer, &format!("/headers?from={from}&count={count}"), BATCH)
                .await
        })
    }

    fn blocks<'a>(
        &'a self,
        peer: &'a PeerUrl,
        from: u64,
        count: u64,
    ) -> Answer<'a, Vec<Block<Unchecked>>> {
        Box::pin(async move {
            let body = read(
                self.get(peer, &format!("/blocks?from={from}&count={count}")),
                BATCH,
            )
            .await?;
            blocks(body).await
        })
    }

    fn whole_chain<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, Vec<Block<Unchecked>>> {
        Box::pin(
            async move { blocks(read(self.get(peer, "/blockchain.json"), CHAIN).await?).await },
        )
    }

    fn push<'a>(&'a self, peer: &'a PeerUrl, block: &'a Block<Unchecked>) -> Answer<'a, ()> {
        Box::pin(async move {
            let request = self
                .client
                .post(format!("{peer}/mined"))
                .header(header::CONTENT_TYPE, "application/json");
            let request = match self.own_url_for(peer) {
                Some(own) => request.header(PEER_HEADER, own.as_str()),
                None => request,
            };
            let request = request.body(block.to_wire_json());
            for wait_ms in PUSH_AGAIN_AFTER_MS {
                let again = request
                    .try_clone()
                    .expect("a body of text can be sent twice");
                match send(again, SHORT).await?.status() {
                    status if status.is_success() => return Ok(()),
                    status if status.is_server_error() => {
                        tokio::time::sleep(Duration::from_millis(wait_ms)).await
                    }
                    status => return Err(refused(status)),
                }
            }
            read(request, SHORT).await.map(drop)
        })
    }

    fn offer<'a>(&'a self, peer: &'a PeerUrl, entry: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let body = serde_json::json!({ "base64": BASE64.encode(entry) }).to_string();
            let request = self
                .client
                .post(format!("{peer}/entries"))
                .header(header::CONTENT_TYPE, "application/json");
            read(request.body(body), SHORT).await.map(drop)
        })
    }

    fn peers<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, Vec<PeerUrl>> {
        Box::pin(async move {
            let list: PeerList = self.get_json(peer, "/peers", SHORT).await?;
            // A URL that we do not take is that peer's affair, not a reason to drop the rest.
            Ok(list
                .peers
                .iter()
                .filter_map(|entry| PeerUrl::parse(&entry.url).ok())
                .collect())
        })
    }

    fn announce<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, ()> {
        Box::pin(async move {
            let Some(own) = self.own_url_for(peer) else {
                return Ok(());
            };
            let body = serde_json::json!({ "url": own }).to_string();
            let request = self
                .client
                .post(format!("{peer}/peers"))
                .header(header::CONTENT_TYPE, "application/json");
            read(request.body(body), SHORT).await.map(drop)
        })
    }
}

/// Parses a list of blocks. It may have megabytes, so not on a thread that serves.
async fn blocks(body: Vec<u8>) -> Result<Vec<Block<Unchecked>>, PeerError> {
    let nonsense = |reason: String| PeerError::Nonsense { reason };
    let parsed = tokio::task::spawn_blocking(move || Block::list_from_json(&body)).await;
    parsed
        .map_err(|error| nonsense(error.to_string()))?
        .map_err(|error| nonsense(error.to_string()))
}
