//! The door: the accept loop in front of warp, bounded in every way a stranger can stretch it ("At the door" in RELIABILITY.md).
//!
//! `warp::serve` 0.4 has neither a header timeout nor a cap on connections, so `warp::service` runs here under hyper's
//! own HTTP/1 builder. From the socket inwards:
//!
//! - [`serve`] accepts and seats: `seats` bounds connections, all and by address; newcomers push out who keeps us waiting.
//! - `guard` is the socket as hyper sees it: `framing` turns ambiguous requests into a 400 before hyper reads them;
//!   slow heads and slow readers are cut.
//! - hyper parses, answers 400 and 431 by itself, and cuts idle connections.
//! - `service` runs `checks` (the head's rules, answered as JSON) and hands on to warp; `body` puts a deadline on bodies.
//!
//! Invariants: no connection outlives its limits unless a handler is answering it; the number of open sockets never
//! passes `max_connections` + [`TURNED_AWAY_AT_ONCE`]; nothing of a body is gathered here; a handler that panics
//! takes no more than its own answer with it.
//!
//! Not here: rates (429 by request), the cap on `/events`, scoring: the routes know what a request costs.

mod body;
mod checks;
mod framing;
mod guard;
mod limits;
mod seats;
mod service;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Bytes};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};

pub use self::body::{BodyError, RequestBody};
use self::checks::Refusal;
use self::guard::Guard;
pub use self::limits::{HostPolicy, Limits};
pub use self::seats::share_of;
use self::seats::{NoSeat, Seat, Seats};
use self::service::DoorService;

/// Sockets open at once only to tell a newcomer that there is no seat; beyond it newcomers are dropped without a word.
pub const TURNED_AWAY_AT_ONCE: usize = 16;

/// The pause after an accept that failed for want of file descriptors or memory, in milliseconds: long enough not to
/// spin, short enough not to be noticed.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Bytes that hyper may hold of one connection, each way. Above the longest head; 256 connections then hold 32 MiB at most.
const BUFFER_BYTES: usize = 64 * 1024;

/// The address of the peer, in the extensions of every request: `warp::ext::get::<PeerAddress>()`. (`warp::addr::remote`
/// is always `None` here: the type it looks for is private to `warp::serve`.) IPv4 in IPv6 is unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// What the door did, counted in connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DoorReport {
    /// Seated.
    pub accepted: u64,
    /// Closed to make room while they kept us waiting for a request, or for the rest of one.
    pub made_room: u64,
    /// Turned away because all were being answered.
    pub turned_away_full: u64,
    /// Turned away because their address had its share.
    pub turned_away_by_address: u64,
    /// Ended by a panic outside a handler's answer, such as in a streaming body.
    pub panicked: u64,
    /// Still open when the grace was over.
    pub cut_at_shutdown: u64,
}

/// Serves until `shutdown` resolves, then lets answers under way finish for `shutdown_grace_ms` at most, and cuts the rest.
/// `service` is what `warp::service(routes)` returns. The listener is closed as soon as shutdown begins.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> DoorReport
where
    S: Clone + Send + 'static,
    TowerToHyperService<S>: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut door = Door::new(limits);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = door.tasks.join_next() => door.note_end(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => door.welcome(stream, peer, service.clone()).await,
                Err(error) => door.accept_failed(&error).await,
            },
        }
    }
    drop(listener);
    door.close().await
}

/// The accept loop's state.
struct Door {
    limits: Arc<Limits>,
    seats: Arc<Seats>,
    turning_away: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
    report: DoorReport,
}

impl Door {
    fn new(limits: Limits) -> Self {
        Self {
            seats: Seats::new(&limits),
            limits: Arc::new(limits),
            turning_away: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
            closing: watch::Sender::new(false),
            tasks: JoinSet::new(),
            report: DoorReport::default(),
        }
    }

    async fn welcome<S, B>(&mut self, stream: TcpStream, peer: SocketAddr, service: S)
    where
        S: Clone + Send + 'static,
        TowerToHyperService<S>: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
            + Clone,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        match self.seats.take(peer.ip()).await {
            Ok(seat) => {
                self.report.accepted += 1;
                let seat = Arc::new(seat);
                let service = DoorService {
                    inner: TowerToHyperService::new(service),
                    limits: Arc::clone(&self.limits),
                    peer,
                    seat: Arc::clone(&seat),
                };
                self.tasks
                    .spawn(attend(stream, seat, service, self.closing.subscribe()));
            }
            Err(NoSeat::Full) => {
                self.report.turned_away_full += 1;
                self.turn_away(stream, Refusal::FULL);
            }
            Err(NoSeat::AddressFull) => {
                self.report.turned_away_by_address += 1;
                self.turn_away(stream, Refusal::ADDRESS_FULL);
            }
        }
    }

    /// Tells a newcomer why there is no seat, aside from the accept loop.
    fn turn_away(&mut self, stream: TcpStream, refusal: Refusal) {
        let Ok(permit) = Arc::clone(&self.turning_away).try_acquire_owned() else {
            return;
        };
        let patience = Duration::from_millis(self.limits.linger_ms);
        self.tasks.spawn(async move {
            // A peer that does not take the answer has only itself to blame.
            let _ = timeout(patience, say_and_close(stream, refusal)).await;
            drop(permit);
        });
    }

    async fn accept_failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // The newcomer is gone already.
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset
        ) {
            return;
        }
        warn!(%error, "cannot accept connections");
        self.seats.ask_one_to_leave();
        sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
    }

    fn note_end(&mut self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            error!(%error, "connection ended by a panic");
            self.report.panicked += 1;
        }
    }

    async fn close(mut self) -> DoorReport {
        self.closing.send_replace(true);
        let grace = Duration::from_millis(self.limits.shutdown_grace_ms);
        let drained = timeout(grace, async {
            while let Some(ended) = self.tasks.join_next().await {
                self.note_end(ended);
            }
        })
        .await;
        if drained.is_err() {
            self.report.cut_at_shutdown = self.tasks.len() as u64;
            self.tasks.shutdown().await;
        }
        self.report.made_room = self.seats.made_room();
        debug!(report = ?self.report, "the door is closed");
        self.report
    }
}

/// Serves one connection until it ends, has to make room, or was given its grace at shutdown.
async fn attend<S, B>(
    stream: TcpStream,
    seat: Arc<Seat>,
    service: DoorService<S>,
    mut closing: watch::Receiver<bool>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (peer, limits) = (service.peer, Arc::clone(&service.limits));
    // Small answers must not wait for the acknowledgement of the ones before; a socket that refuses is closing.
    let _ = stream.set_nodelay(true);
    let guard = TokioIo::new(Guard::new(stream, &limits));
    let mut connection = pin!(http1_builder(&limits).serve_connection(guard, service));
    let mut is_closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(%peer, error = &error as &dyn Error, "connection failed");
                }
                return;
            }
            () = seat.asked_to_leave() => {
                debug!(%peer, "connection closed to make room");
                return;
            }
            _ = closing.wait_for(|closing| *closing), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper starts this when the answer before is written: it is our idle cut. The guard times heads, more strictly.
        .header_read_timeout(Duration::from_millis(
            limits.idle_timeout_ms.max(limits.header_timeout_ms),
        ))
        .max_headers(limits.max_headers)
        .max_header_size(limits.max_head_bytes)
        .max_buf_size(BUFFER_BYTES.max(2 * limits.max_head_bytes))
        .keep_alive(true)
        // Who has stopped sending is taken to be gone: a socket in that state could otherwise stay for ever.
        .half_close(false);
    builder
}

/// Writes a refusal and reads what comes until the peer has closed, so that no reset overtakes the answer.
async fn say_and_close(mut stream: TcpStream, refusal: Refusal) -> io::Result<()> {
    stream.write_all(&refusal.to_bytes()).await?;
    stream.shutdown().await?;
    let mut scratch = [0; 4 * 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}
