//! Peers that hang, babble, never end or lead elsewhere: the tip goes on, and a stop is as quick as ever.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use crate::process::url;
use crate::stage::{EASY, RACING, Stage};
use crate::wait::until_true;

/// A breath between two looks of a hostile peer at its socket.
const BREATH: Duration = Duration::from_millis(10);

/// What a hostile peer does with one connection: once, and then again for as long as it says so.
type Behaviour = fn(&mut TcpStream, &str) -> bool;

/// Somebody who listens and means no good.
struct Hostile {
    port: u16,
    calls: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    /// Says `elsewhere` to the behaviour, for the one that leads there.
    fn new(behaviour: Behaviour, elsewhere: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (calls, over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counted, stop) = (Arc::clone(&calls), Arc::clone(&over));
        let elsewhere = url(elsewhere);
        let thread = thread::spawn(move || {
            let mut open: Vec<TcpStream> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        counted.fetch_add(1, Ordering::Relaxed);
                        stream.set_nonblocking(true).unwrap();
                        open.push(stream);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("{error}"),
                }
                open.retain_mut(|stream| behaviour(stream, &elsewhere));
                thread::sleep(BREATH);
            }
        });
        Self {
            port,
            calls,
            over,
            thread: Some(thread),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || thread::panicking(),
                "a hostile peer fell over itself"
            );
        }
    }
}

/// Whether the request has come; reads it.
fn asked(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 8_192]).is_ok_and(|count| count > 0)
}

/// Accepts and never answers.
fn silent(_: &mut TcpStream, _: &str) -> bool {
    true
}

/// Answers a byte at a time.
fn trickling(stream: &mut TcpStream, _: &str) -> bool {
    stream.write(b"H").is_ok()
}

/// A good head, and then a byte of a body at a time.
fn trickling_body(stream: &mut TcpStream, _: &str) -> bool {
    if asked(stream) {
        return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{").is_ok();
    }
    !matches!(stream.write(b" "), Err(error) if error.kind() != ErrorKind::WouldBlock)
}

/// Answers what is no HTTP, and hangs up.
fn babbling(stream: &mut TcpStream, _: &str) -> bool {
    if !asked(stream) {
        return true;
    }
    let noise: Vec<u8> = (0..4_096_usize).map(|n| (n * n % 251) as u8).collect();
    // It is all the same to it who listens.
    let _ = stream.write_all(&noise);
    false
}

/// Answers good HTTP and JSON that is no status.
fn nonsensical(stream: &mut TcpStream, _: &str) -> bool {
    let body = r#"{"node_id":7,"network":[],"tip":{"index":-1,"hash":"zz","work":"many"}}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    !asked(stream) || stream.write_all(answer.as_bytes()).is_ok()
}

/// Answers without an end.
fn endless(stream: &mut TcpStream, _: &str) -> bool {
    if asked(stream)
        && stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[")
            .is_err()
    {
        return false;
    }
    let spaces = [b' '; 65_536];
    loop {
        match stream.write(&spaces) {
            Ok(1..) => {}
            Ok(0) => return false,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Leads elsewhere.
fn redirecting(stream: &mut TcpStream, elsewhere: &str) -> bool {
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}/status\r\ncontent-length: 0\r\n\r\n");
    !asked(stream) || stream.write_all(answer.as_bytes()).is_ok()
}

/// Hangs up.
fn hanging_up(_: &mut TcpStream, _: &str) -> bool {
    false
}

const ALL: [Behaviour; 8] = [
    silent,
    trickling,
    trickling_body,
    babbling,
    nonsensical,
    endless,
    redirecting,
    hanging_up,
];

/// The most memory a node may have held, in KiB (RELIABILITY.md, "memory stays under 150 MB").
const MEMORY_KIB: u64 = 150_000;

#[test]
fn with_every_kind_of_hostile_peer_the_tip_goes_on_and_a_stop_is_a_stop() {
    let stage = Stage::new(RACING);
    let trap = Hostile::new(silent, 0);
    let hostile = ALL.map(|behaviour| Hostile::new(behaviour, trap.port));
    let ports: Vec<u16> = hostile.iter().map(|peer| peer.port).collect();
    let honest = stage.node("honest").start();
    let mut node = stage
        .node("node")
        .mining()
        .with_peers(&ports)
        .with_peers(&[honest.port])
        .start();

    until_true("all of them were called", || {
        hostile.iter().all(|peer| peer.calls() > 0)
    });
    until_true("the honest one is known", || {
        node.status()["peers"]["reachable"] == 1
    });
    let height = node.height();
    let tip = node.reaches(height + 5);
    until_true("the honest one follows", || honest.height() >= tip.index);
    assert_eq!(trap.calls(), 0, "no redirect is followed");

    let peers = node.get("/peers").json();
    for peer in peers["peers"].as_array().unwrap() {
        assert_eq!(
            peer["reachable"] == true,
            peer["url"] == url(honest.port),
            "{peer}"
        );
    }
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most < MEMORY_KIB, "{most} KiB");

    // While calls to the silent ones are under way.
    node.signal(rustix::process::Signal::TERM);
    assert_eq!(node.ended().code(), Some(0));
    assert!(node.log().contains("stopped"), "{}", node.log());
}

#[test]
fn an_announced_address_that_leads_elsewhere_is_refused_or_not_believed() {
    let stage = Stage::new(EASY);
    let node = stage.node("node").start();
    for refused in [
        "http://169.254.169.254",
        "http://[::ffff:169.254.169.254]:80",
        "http://100.100.100.200",
        "http://0.0.0.0:80",
        "file:///etc/passwd",
        "https://127.0.0.1:1",
        "http://example.org:5000",
        "http://user@127.0.0.1:1",
        "http://127.0.0.1:1/path",
        "",
    ] {
        let answer = node.post("/peers", &json!({ "url": refused }).to_string());
        assert_eq!(
            (answer.status, answer.fault().as_str()),
            (400, "url"),
            "{refused}"
        );
    }
    let trap = Hostile::new(silent, 0);
    let liars = [babbling, nonsensical, redirecting, hanging_up]
        .map(|behaviour| Hostile::new(behaviour, trap.port));
    for liar in &liars {
        assert_eq!(
            node.post("/peers", &json!({ "url": url(liar.port) }).to_string())
                .status,
            202
        );
        until_true("it is called back", || liar.calls() > 0);
    }
    // Itself, too, is no peer.
    assert_eq!(
        node.post("/peers", &json!({ "url": url(node.port) }).to_string())
            .status,
        202
    );
    let done = |port: u16| {
        let id = format!("announce:{}", url(port));
        let runs = node.get("/jobs/history").json();
        runs["runs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|run| run["job_id"] == id.as_str())
    };
    until_true("all calls are over", || {
        liars.iter().all(|liar| done(liar.port)) && done(node.port)
    });
    let peers = node.get("/peers").json();
    let believed =
        |peer: &&serde_json::Value| peer["reachable"] == true && peer["kind"] != "myself";
    assert_eq!(
        peers["peers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(believed)
            .count(),
        0,
        "{peers}"
    );
    assert_eq!(trap.calls(), 0);
}

/// One byte of a request at a time, requests that never end, and sockets that say nothing: from the other side.
#[test]
fn callers_that_hang_do_not_keep_others_out_and_do_not_hold_up_a_stop() {
    let stage = Stage::new(RACING);
    let mut node = stage.node("node").mining().start();
    let mut hanging: Vec<_> = (0..300)
        .map(|_| TcpStream::connect(("127.0.0.1", node.port)).unwrap())
        .collect();
    for (number, stream) in hanging.iter_mut().enumerate() {
        let start: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET /status HT",
            2 => b"POST /mined HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 300\r\n\r\n{",
            _ => b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n",
        };
        // A socket that had to make room is closed, which is what it is for.
        let _ = stream.write_all(start);
    }
    let height = node.height();
    node.reaches(height + 3);
    assert_eq!(node.status()["ready"], true);
    node.signal(rustix::process::Signal::TERM);
    assert_eq!(node.ended().code(), Some(0));
    drop(hanging);
}
