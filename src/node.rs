//! The composition root: store, ledger, scheduler, listener and door put together, and their life cycle.

mod folder;
mod job_store;
mod open;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jbc_chain::{CheckpointError, UnixMicros};
use jbc_jobs::executor::Jobs;
use jbc_jobs::listener::{Listener, MiningConfig, Network as NetworkState};
use jbc_jobs::peer_table::PeerTable;
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::{Clock, Store};
use jbc_jobs::recurring::recurring_jobs;
use jbc_scheduler::{AddError, JobId, JobStore, Scheduler};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::config::Config;
use crate::dispatch::{Dispatch, NodeJobs};
use crate::door::{self, HostPolicy, Limits};
use crate::feed::Feed;
use crate::import::ImportError;
use crate::peers::HttpPeers;
use crate::store::OpenError;
use crate::web::{self, ApiError, RateLimit};

pub use folder::{NODE_FILE, NodeFile, TOKEN_FILE};
pub use job_store::JOBS_FILE;
pub use open::OpenedFolder;

/// Blocks one address may post a second, and at once: far above an honest node's, far below what costs us hashing.
const POSTS: (f64, f64) = (50.0, 200.0);
/// Entries one address may post a second, and at once: what a class room's scripts need, far below what fills the pool in an
/// hour.
const ENTRIES: (f64, f64) = (5.0, 100.0);
/// Announcements one address may make a second, and at once: each makes us call somebody.
const ANNOUNCEMENTS: (f64, f64) = (0.2, 5.0);
/// Whole chains streamed at once (RELIABILITY.md, "few at once").
const WHOLE_CHAINS_AT_ONCE: usize = 4;
/// Jobs on the network at once.
const IO_JOBS: usize = 32;
/// Threads that never mine (DESIGN.md, "at least one").
const PROMPT_WORKERS: usize = 1;
/// How long a stop may take, in milliseconds: with the door's grace below the 2 s of RELIABILITY.md.
const DRAIN_MS: u64 = 1_000;
/// How long answers under way have when the node stops, in milliseconds.
const DOOR_GRACE_MS: u64 = 500;

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMicros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        UnixMicros(since.map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        }))
    }
}

/// Why a node did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The port is taken.
    #[error("{address} is in use: does another node run there? (choose another --port)")]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// The block files in the data folder.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The chain in the data folder has another block where the operator pins one.
    #[error("--checkpoint: the data folder {folder} has another chain: {source}", folder = .folder.display())]
    Checkpoint {
        /// The folder.
        folder: PathBuf,
        /// Which block.
        source: CheckpointError,
    },
    /// A file of the data folder.
    #[error("{file} in the data folder: {source}")]
    File {
        /// The file.
        file: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// A part of the machinery did not start.
    #[error("{part} did not start: {reason}")]
    Start {
        /// The part.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// The disk failed while the node ran.
    #[error("stopped, because what is on disk is no longer known: {reason}")]
    Broken {
        /// The store's words.
        reason: String,
    },
}

/// A running node, as its handlers see it.
pub struct Node {
    /// The jobs and what they work with.
    pub jobs: Arc<NodeJobs>,
    /// The scheduler.
    pub scheduler: Scheduler<NodeJobs>,
    /// The way to the listener.
    pub dispatch: Arc<Dispatch>,
    /// News.
    pub feed: Feed,
    /// Where others reach us, if they do.
    pub own_url: Option<PeerUrl>,
    /// When it started.
    pub started: Instant,
    /// How often one address may post.
    pub post_limit: RateLimit,
    /// How often one address may post an entry.
    pub entry_limit: RateLimit,
    /// How often one address may announce.
    pub announce_limit: RateLimit,
    /// Permits to stream a whole chain.
    pub whole_chains: Arc<Semaphore>,
    token: String,
    stop: watch::Sender<bool>,
}

impl Node {
    /// Whether these credentials may steer.
    ///
    /// # Errors
    /// A 401 that says where the token is.
    pub fn permits(&self, authorization: Option<&str>) -> Result<(), ApiError> {
        let given = authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        // Every byte is looked at, so that the time taken does not tell how many were right.
        let differs = given.len() ^ self.token.len()
            | given
                .bytes()
                .zip(self.token.bytes())
                .fold(0, |seen, (a, b)| seen | usize::from(a ^ b));
        if differs == 0 {
            return Ok(());
        }
        let reason = "needs `Bearer` and the content of the file `token` in the node's data folder";
        Err(ApiError::new(
            warp::http::StatusCode::UNAUTHORIZED,
            "authorization",
            reason,
        ))
    }

    /// Why the node is not ready to accept blocks, if it is not.
    pub fn unready(&self) -> Option<&'static str> {
        if *self.stop.borrow() {
            Some("stopping")
        } else if self.dispatch.listener().disk_is_full() {
            Some("the disk is full")
        } else {
            None
        }
    }

    /// Asks the node to stop.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Turns true when the node stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

/// Runs a node until it is told to stop, by a signal, by its API, or by a disk that failed.
///
/// # Errors
/// [`NodeError`]; by then nothing of it runs any more.
pub async fn run(
    config: Config,
    signal: impl Future<Output = &'static str>,
) -> Result<(), NodeError> {
    let listener = match config.serve {
        Some((host, port)) => Some(bind(host, port).await?),
        None => None,
    };
    let mut signal = pin!(signal);
    let config = Arc::new(config);
    let opening = tokio::task::spawn_blocking({
        let config = Arc::clone(&config);
        move || open::open(&config)
    });
    // A long replay or import may be left at any moment: what it wrote is whole.
    let folder = tokio::select! {
        opened = opening => opened.map_err(|error| NodeError::Start { part: "the store", reason: error.to_string() })??,
        _ = signal.as_mut() => return Ok(()),
    };
    let token = folder::token(&config.folder).map_err(|source| NodeError::File {
        file: folder::TOKEN_FILE,
        source,
    })?;
    let own_url = listener.as_ref().and(config.own_url.clone());
    let paused = folder.jobs.load().map(|stored| job_store::paused(&stored));
    let paused = paused.map_err(|error| NodeError::Start {
        part: "the scheduler",
        reason: error.to_string(),
    })?;
    let node = Arc::new(assemble(&config, folder, own_url, token)?);
    let note = NodeFile {
        pid: std::process::id(),
        url: config.local_url(),
        node_id: node.jobs.node_id.clone(),
    };
    let note = note
        .write(&config.folder)
        .map_err(|source| NodeError::File {
            file: folder::NODE_FILE,
            source,
        })?;
    introduce(&node, &config);
    say_paused(&paused);
    node.dispatch.start(&node.scheduler);
    add_recurring_jobs(&node.scheduler);

    let door = listener.map(|listener| tokio::spawn(serve(listener, Arc::clone(&node))));
    let outcome = wait(&node, signal).await;
    node.stop();
    if let Some(door) = door {
        // It ends by itself within its grace; a panic in it was logged where it happened.
        let _ = door.await;
    }
    let report = node
        .scheduler
        .drain_async(Duration::from_millis(DRAIN_MS))
        .await;
    match report.is_clean() {
        true => tracing::info!(
            "stopped: {} jobs dropped, {} runs cancelled",
            report.dropped,
            report.cancelled
        ),
        false => tracing::warn!(?report, "stopped, though some runs ignored it"),
    }
    drop(note);
    outcome
}

/// Starts a node that serves nobody and runs until its scheduler is drained; for benchmarks. To be called in a tokio
/// runtime, on a thread that may wait for the disk.
///
/// # Errors
/// [`NodeError`] names what stands in the way.
pub(crate) fn start_alone(config: &Config) -> Result<Node, NodeError> {
    let folder = open::open(config)?;
    // Nobody can steer it: there is no door.
    let node = assemble(config, folder, None, Uuid::now_v7().to_string())?;
    node.dispatch.start(&node.scheduler);
    Ok(node)
}

async fn bind(host: IpAddr, port: u16) -> Result<TcpListener, NodeError> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => NodeError::PortInUse { address },
            _ => NodeError::Listen { address, source },
        })
}

fn assemble(
    config: &Config,
    folder: OpenedFolder,
    own_url: Option<PeerUrl>,
    token: String,
) -> Result<Node, NodeError> {
    let failed = |part| move |reason: String| NodeError::Start { part, reason };
    let (ledger, network) = (folder.ledger, &config.network);
    let (node_id, fingerprint) = (Uuid::now_v7().to_string(), network.fingerprint());
    let mining = MiningConfig {
        lanes: config.threads,
        rounds: config.rounds,
        salt: salt(),
    };
    let peers = NetworkState::new(
        PeerTable::new(config.peers.iter().cloned()),
        node_id.clone(),
        fingerprint.clone(),
    );
    let peers = peers.reached_at(own_url.clone());
    let tip = ledger.snapshot().tip.clone();
    let next = (ledger.store().miner_data(), ledger.next_entries());
    let listener = Listener::new(tip, next, mining, peers, config.files);

    let client = HttpPeers::new(own_url.clone())
        .map_err(|error| failed("the HTTP client")(error.to_string()))?;
    let jobs = Arc::new(Jobs {
        ledger,
        peers: client,
        clock: SystemClock,
        kernel: config.kernel,
        node_id,
        fingerprint,
    });
    let feed = Feed::default();
    let dispatch = Arc::new(Dispatch::new(listener, feed.clone()));
    let scheduler = Scheduler::builder(Arc::clone(&jobs))
        .store(folder.jobs)
        // From the first moment on: a job that was missed while no node ran ends before anything else is done.
        .listener(Dispatch::EVENTS, Dispatch::ear(&dispatch))
        .workers(config.threads.max(1), PROMPT_WORKERS)
        .tokio(tokio::runtime::Handle::current())
        .io_limit(IO_JOBS)
        .start()
        .map_err(|error| failed("the scheduler")(error.to_string()))?;
    Ok(Node {
        jobs,
        scheduler,
        dispatch,
        feed,
        own_url,
        started: Instant::now(),
        post_limit: RateLimit::new(POSTS.0, POSTS.1),
        entry_limit: RateLimit::new(ENTRIES.0, ENTRIES.1),
        announce_limit: RateLimit::new(ANNOUNCEMENTS.0, ANNOUNCEMENTS.1),
        whole_chains: Arc::new(Semaphore::new(WHOLE_CHAINS_AT_ONCE)),
        token,
        stop: watch::Sender::new(false),
    })
}

/// A number that no other miner is likely to have.
fn salt() -> u32 {
    let bytes = *Uuid::new_v4().as_bytes();
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The first lines of the log: what runs, on what, and where to look.
fn introduce(node: &Node, config: &Config) {
    let tip = node.jobs.ledger.snapshot().tip.clone();
    tracing::info!(
        "jbc {}, network {}",
        env!("CARGO_PKG_VERSION"),
        config.network.describe()
    );
    tracing::info!(
        "chain of {} blocks in {}, tip {}",
        tip.index + 1,
        config.folder.display(),
        tip.hash.short()
    );
    match (&node.own_url, config.serve) {
        (Some(url), _) => tracing::info!("serving on {url}"),
        (None, Some((host, port))) => {
            tracing::info!("serving on {host} port {port}; give --url to be announced to peers")
        }
        (None, None) => tracing::info!("serving nobody"),
    }
    match config.threads {
        0 => tracing::info!("not mining (--mine does)"),
        threads => tracing::info!(
            "mining with {threads} thread{} on {}",
            if threads == 1 { "" } else { "s" },
            config.kernel
        ),
    }
}

/// A pause holds until it is ended, also over a restart: nobody should wonder why a node does nothing.
fn say_paused(ids: &[JobId]) {
    if !ids.is_empty() {
        let ids: Vec<&str> = ids.iter().map(JobId::as_str).collect();
        tracing::warn!(
            "paused by the operator: {} (jbc-sched --resume ID ends a pause)",
            ids.join(", ")
        );
    }
}

/// Adds the jobs that come back by themselves, or lets those of the last run go on.
fn add_recurring_jobs(scheduler: &Scheduler<NodeJobs>) {
    for mut spec in recurring_jobs() {
        let id = spec.id.clone();
        let mut added = scheduler.add_job(spec.clone());
        if let Err(AddError::Store(error)) = &added {
            tracing::error!(job = %id, %error, "a recurring job is not kept: what is missed of it is lost");
            spec.durable = false;
            added = scheduler.add_job(spec);
        }
        if let Err(error) = added {
            tracing::error!(job = %id, %error, "a recurring job could not be scheduled");
        }
    }
}

async fn serve(listener: TcpListener, node: Arc<Node>) {
    let limits = Limits {
        hosts: match &node.own_url {
            // The operator gave a name by which others come, through a tunnel for instance.
            Some(url) if !url.is_loopback() => HostPolicy::Any,
            _ => listener
                .local_addr()
                .map_or(HostPolicy::LoopbackNames, HostPolicy::for_listener),
        },
        shutdown_grace_ms: DOOR_GRACE_MS,
        max_body_bytes: node.jobs.ledger.network().rules.max_block_bytes() as u64,
        ..Limits::default()
    };
    let mut stopping = node.stopping();
    let service = warp::service(web::routes(Arc::clone(&node)));
    let stopped = async move {
        // An error means that the node is gone, which is a stop too.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    door::serve(listener, service, limits, stopped).await;
}

/// Waits for a reason to stop.
async fn wait(node: &Node, signal: impl Future<Output = &'static str>) -> Result<(), NodeError> {
    let (mut failure, mut stopping) = (node.dispatch.failure(), node.stopping());
    tokio::select! {
        name = signal => {
            tracing::info!("{name}: stopping");
            Ok(())
        }
        _ = stopping.wait_for(|stopping| *stopping) => {
            tracing::info!("asked to stop");
            Ok(())
        }
        failed = failure.wait_for(Option::is_some) => {
            let reason = failed.ok().and_then(|reason| reason.clone()).unwrap_or_default();
            Err(NodeError::Broken { reason })
        }
    }
}
