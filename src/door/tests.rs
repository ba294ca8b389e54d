//! The door with a few routes behind it, and a client that speaks in raw bytes.

mod framing;
mod life;
mod refusals;
mod slowness;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use warp::Filter;

use super::{DoorReport, Limits, PeerAddress, serve};

/// How long a test waits for what must come, before it fails.
const DEADLINE: Duration = Duration::from_secs(30);

async fn within_deadline<T>(event: impl Future<Output = T>) -> T {
    timeout(DEADLINE, event)
        .await
        .expect("what the test waits for did not happen")
}

/// What the routes show to the tests and wait for.
#[derive(Default)]
struct Stage {
    /// `/wait` was entered.
    entered: Notify,
    /// Lets one request to `/wait` go on.
    release: Arc<Notify>,
    /// `/flood` was given up by the door.
    flood_ended: Arc<Notify>,
}

/// Notifies when dropped.
struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

struct TestDoor {
    address: SocketAddr,
    stage: Arc<Stage>,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<DoorReport>,
}

impl TestDoor {
    async fn open(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stage = Arc::new(Stage::default());
        let (shutdown, stopped) = oneshot::channel();
        let routes = warp::service(routes(Arc::clone(&stage)));
        let task = tokio::spawn(serve(listener, routes, limits, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stage,
            shutdown,
            task,
        }
    }

    async fn connect(&self) -> Client {
        let stream = within_deadline(TcpStream::connect(self.address))
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends `bytes` on a connection of its own and returns all that comes until the door closes it.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.read_to_close().await
    }

    async fn assert_alive(&self) {
        let answer = self
            .exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"),
            "{answer}"
        );
    }

    async fn close(self) -> DoorReport {
        self.shutdown.send(()).unwrap();
        within_deadline(self.task).await.unwrap()
    }
}

fn routes(
    stage: Arc<Stage>,
) -> impl Filter<Extract: warp::Reply, Error = warp::Rejection> + Clone + Send + Sync + 'static {
    let hello = warp::path!("hello").map(|| "hello");
    let echo = warp::path!("echo")
        .and(warp::body::bytes())
        .map(|body: Bytes| body.to_vec());
    let who = warp::path!("who")
        .and(warp::ext::get())
        .map(|PeerAddress(peer)| peer.to_string());
    let panicking = warp::path!("panic").map(|| -> &'static str { panic!("a handler's bug") });
    let waiting = {
        let stage = Arc::clone(&stage);
        warp::path!("wait").then(move || {
            let stage = Arc::clone(&stage);
            async move {
                stage.entered.notify_one();
                stage.release.notified().await;
                "waited"
            }
        })
    };
    let flood = warp::path!("flood").map(move || {
        let token = OnDrop(Arc::clone(&stage.flood_ended));
        warp::reply::stream(stream::unfold(token, |token| async {
            Some((
                Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 * 1024])),
                token,
            ))
        }))
    });
    let ticks = warp::path!("ticks").map(|| {
        warp::reply::stream(stream::unfold(
            interval(Duration::from_millis(60)),
            |mut interval| async {
                interval.tick().await;
                Some((Ok::<_, Infallible>(Bytes::from_static(b"tick\n")), interval))
            },
        ))
    });
    hello
        .or(echo)
        .or(who)
        .or(panicking)
        .or(waiting)
        .or(flood)
        .or(ticks)
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    /// Sends what the door takes; it may well close in the middle.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within_deadline(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends one byte a packet, so that the door sees every possible split.
    async fn send_bytewise(&mut self, bytes: &str) {
        for byte in bytes.as_bytes() {
            within_deadline(self.stream.write_all(&[*byte]))
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
    }

    /// Repeats `bytes` every 20 ms until the door closes; returns all that was received.
    async fn dribble_to_close(mut self, bytes: &str) -> String {
        let (mut reader, mut writer) = self.stream.split();
        let dribble = async {
            let mut interval = interval(Duration::from_millis(20));
            while writer.write_all(bytes.as_bytes()).await.is_ok() {
                interval.tick().await;
            }
            std::future::pending::<()>().await;
        };
        let read = async {
            let _ = reader.read_to_end(&mut self.received).await;
        };
        within_deadline(async {
            tokio::select! { () = read => {}, () = dribble => {} }
        })
        .await;
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Waits until the door closes the connection, by an end or by a reset; returns all that was received.
    async fn read_to_close(&mut self) -> String {
        let _ = within_deadline(self.stream.read_to_end(&mut self.received)).await;
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    /// The door must close without a reset, and without another byte.
    async fn expect_orderly_end(&mut self) {
        let count = within_deadline(self.stream.read_to_end(&mut self.received))
            .await
            .unwrap();
        assert_eq!(count + self.received.len(), 0);
    }

    /// Reads and drops `count` bytes.
    async fn read_exactly(&mut self, count: u64) {
        let mut part = (&mut self.stream).take(count);
        let mut sink = tokio::io::sink();
        assert_eq!(
            within_deadline(tokio::io::copy(&mut part, &mut sink))
                .await
                .unwrap(),
            count
        );
    }

    /// As [`Client::read_past`], but the door may also close.
    async fn read_past_or_close(&mut self, text: &str) -> String {
        while !self.received.ends_with(text.as_bytes()) {
            if !within_deadline(self.stream.read_buf(&mut self.received))
                .await
                .is_ok_and(|count| count > 0)
            {
                break;
            }
        }
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Reads until what was received contains `text`, and returns all up to its end.
    async fn read_past(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self
                .received
                .windows(text.len())
                .position(|window| window == text.as_bytes())
            {
                let rest = self.received.split_off(at + text.len());
                let read = std::mem::replace(&mut self.received, rest);
                return String::from_utf8_lossy(&read).into_owned();
            }
            let count = within_deadline(self.stream.read_buf(&mut self.received))
                .await
                .unwrap();
            assert!(
                count > 0,
                "closed before {text:?}: {}",
                String::from_utf8_lossy(&self.received)
            );
        }
    }

    /// Reads one answer that has a content-length; returns its head and body.
    async fn read_answer(&mut self) -> (String, String) {
        let head = self.read_past("\r\n\r\n").await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        let length: usize = length.parse().unwrap();
        while self.received.len() < length {
            assert!(
                within_deadline(self.stream.read_buf(&mut self.received))
                    .await
                    .unwrap()
                    > 0
            );
        }
        let rest = self.received.split_off(length);
        let body = std::mem::replace(&mut self.received, rest);
        (head, String::from_utf8(body).unwrap())
    }
}

/// A POST to `/echo` with the given header lines (each ending in CRLF) and body.
fn post(headers: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}")
}

/// A well-formed POST to `/echo`.
fn good_post(body: &str) -> String {
    post(
        &format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        ),
        body,
    )
}

/// Checks that `answer` is the door's own refusal, in JSON, and announces the close.
#[track_caller]
fn assert_refused(answer: &str, status: u16, field: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let body: serde_json::Value =
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["error"]["field"], field, "{answer}");
    assert!(
        body["error"]["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{answer}"
    );
}

/// Checks that `answer` is one bare 400 of hyper, and nothing after it.
#[track_caller]
fn assert_bad_request(answer: &str) {
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer:?}"
    );
    assert!(
        answer.ends_with("\r\n\r\n") && answer.matches("HTTP/1.1").count() == 1,
        "{answer:?}"
    );
}
