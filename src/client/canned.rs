//! A server of canned answers, for the tests of what talks to a node.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Answers requests from a list, each connection in turn and then closed, as long as the test process lives.
#[derive(Debug)]
pub(crate) struct Canned {
    /// Where it listens.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// `answers` are pairs of the start of a request line, `GET /status`, and the body to answer with, or a whole response
    /// where it begins with `HTTP/`. Of several answers to the same request each is given once, and the last from then on.
    /// All else gets a 404 as of the tutorial's nodes.
    pub(crate) fn serve(mut answers: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = read_request(&stream);
                let answer = take_answer(&mut answers, &request);
                seen.lock().unwrap().push(request);
                let mut stream = stream;
                // A client that has seen enough may be gone.
                let _ = stream.write_all(response(answer.as_deref()).as_bytes());
            }
        });
        Self { url, requests }
    }

    /// What was asked so far, heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn take_answer(answers: &mut Vec<(&'static str, String)>, request: &str) -> Option<String> {
    let position = answers
        .iter()
        .position(|(start, _)| request.starts_with(start))?;
    let (start, body) = answers[position].clone();
    if answers[position + 1..]
        .iter()
        .any(|(later, _)| *later == start)
    {
        answers.remove(position);
    }
    Some(body)
}

fn response(answer: Option<&str>) -> String {
    match answer {
        None => "HTTP/1.1 404 NOT FOUND\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno\n"
            .to_owned(),
        Some(whole) if whole.starts_with("HTTP/") => whole.to_owned(),
        Some(body) => format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ),
    }
}

/// A request's head and body.
fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut length = 0;
    loop {
        let start = request.len();
        if reader.read_line(&mut request).unwrap_or(0) == 0 || request[start..].trim().is_empty() {
            break;
        }
        if let Some(value) = request[start..]
            .to_lowercase()
            .strip_prefix("content-length:")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    request.push_str(&String::from_utf8_lossy(&body));
    request
}

/// A `/status` answer, as docs/protocol.md has it.
pub(crate) fn status_json(node_id: &str, url: &str) -> String {
    let zeros = "0".repeat(61);
    serde_json::json!({
        "node_id": node_id, "version": "0.1.0", "url": url,
        "network": {
            "id": "9f0c", "name": "classic6", "description": "classic6 (…)",
            "target": format!("000{}", "f".repeat(61)), "genesis": format!("001{zeros}"),
        },
        "tip": { "index": 12, "hash": format!("002{zeros}"), "work": "201326592" },
        "chain": { "blocks": 14, "side_blocks": 1, "orphans": 0, "reorganisations": 2, "deepest_reorganisation": 1 },
        "mining": { "on": true, "threads": 1, "hash_rate": 4_812_331.5, "searched": 99, "wasted": 3, "found": 4 },
        "peers": { "known": 4, "reachable": 1 },
        "uptime_ms": 53_211, "disk_full": false, "ready": true,
    })
    .to_string()
}

/// One job of a `/jobs` answer.
pub(crate) fn job_json(id: &str, state: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"mine","lane":"bulk","priority":0,"trigger":"now","state":"{state}","next_run_time":null,"paused":false,"runs":[{{"run_id":"01a1b2c3-0000-7000-8000-000000000000","started_at":1000,"progress":"45 %"}}],"max_instances":1,"coalesce":true,"misfire_grace_time_ms":null,"added_later":[1,2]}}"#
    )
}
