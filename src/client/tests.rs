//! The client against canned answers: good ones, refusals, and what no honest node says.

use super::canned::{Canned, job_json, status_json};
use super::*;
use jbc_jobs::task::EntryState;

fn client(answers: Vec<(&'static str, String)>) -> (NodeClient, Canned) {
    let server = Canned::serve(answers);
    (NodeClient::new(&server.url).unwrap(), server)
}

#[tokio::test]
async fn a_status_is_read() {
    let (client, _server) = client(vec![(
        "GET /status",
        status_json("me", "http://127.0.0.1:1"),
    )]);
    let status = client.status().await.unwrap();
    assert_eq!(
        (
            status.node_id.as_str(),
            status.tip.index,
            status.mining.wasted
        ),
        ("me", 12, 3)
    );
    assert_eq!(status.tip.work, "201326592".parse().unwrap());
}

#[tokio::test]
async fn jobs_are_read_typed_and_as_the_text_they_are() {
    let job = job_json("mining", "running");
    let (client, _server) = client(vec![("GET /jobs ", format!("{{\"jobs\": [{job}]}}"))]);
    let jobs = client.jobs().await.unwrap();
    assert_eq!((jobs[0].id.as_str(), jobs[0].runs.len()), ("mining", 1));
    assert_eq!(client.jobs_json().await.unwrap().get(), format!("[{job}]"));
}

#[tokio::test]
async fn steering_sends_the_id_as_json_and_the_token() {
    let (client, server) = client(vec![("POST /jobs/pause ", job_json("mining/1", "paused"))]);
    let job = client
        .steer(Steer::Pause, "mining/1", "secret")
        .await
        .unwrap();
    assert_eq!(job.state, jbc_scheduler::JobState::Paused);
    let request = server.requests().remove(0).to_lowercase();
    assert!(
        request.contains("\r\nauthorization: bearer secret\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\ncontent-type: application/json\r\n"),
        "{request}"
    );
    assert!(request.ends_with("{\"id\":\"mining/1\"}"), "{request}");
}

#[tokio::test]
async fn the_dead_list_is_read_and_a_dead_job_forgotten() {
    let dead = r#"{"id":"audit","name":"audit","failures":3,"error":"no","died_at":1000,"durable":true,"later":1}"#;
    let (client, server) = client(vec![
        ("GET /jobs/dead ", format!("{{\"dead\": [{dead}]}}")),
        ("POST /jobs/forget ", dead.to_owned()),
    ]);
    let listed = client.dead().await.unwrap();
    assert_eq!((listed[0].id.as_str(), listed[0].failures), ("audit", 3));
    assert_eq!(client.dead_json().await.unwrap().get(), format!("[{dead}]"));
    let forgotten = client.forget("audit", "secret").await.unwrap();
    assert_eq!(forgotten, listed[0]);
    let request = server.requests().pop().unwrap();
    assert!(request.ends_with("{\"id\":\"audit\"}"), "{request}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_nodes_words() {
    let body = r#"{"error": {"field": "token", "reason": "not the token"}}"#;
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let (client, server) = client(vec![("POST /jobs/run ", answer)]);
    let error = client.steer(Steer::Run, "sync", "wrong").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}/jobs/run: 401 Unauthorized: field `token`: not the token",
            server.url
        )
    );
    assert!(client.status().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_cut_off() {
    let body = format!("{{\"jobs\": [{}]}}", " ".repeat(LIST_REPLY_BYTES));
    let (client, _server) = client(vec![("GET /jobs ", body), ("GET /status", "[]".to_owned())]);
    assert!(
        matches!(client.jobs().await, Err(ClientError::Nonsense { reason, .. }) if reason.starts_with("more than"))
    );
    assert!(matches!(
        client.status().await,
        Err(ClientError::Nonsense { .. })
    ));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable_with_the_systems_reason() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = NodeClient::on_port(port)
        .unwrap()
        .status()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ClientError::Unreachable { reason, .. } if reason.contains("refused")),
        "{error}"
    );
}

#[tokio::test]
async fn a_whole_chain_comes_in_pieces_and_a_break_is_an_error() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[{\"index\"".to_owned();
    let (client, _server) = client(vec![("GET /blockchain.json", cut)]);
    let mut pieces = client.whole_chain().await.unwrap();
    let mut text = Vec::new();
    let end = loop {
        match pieces.next().await {
            Ok(Some(piece)) => text.extend(piece),
            end => break end,
        }
    };
    assert_eq!(
        (text.as_slice(), end.is_err()),
        (b"[{\"index\"".as_slice(), true)
    );
}

#[tokio::test]
async fn events_come_one_by_one_and_heartbeats_are_skipped() {
    let stream = ":\n\ndata:{\"type\":\"tip\",\"index\":1}\n\n: keep-alive\n\nevent: x\ndata: {\"type\":\"side\"}\r\n\r\n";
    let (client, _server) = client(vec![("GET /events", stream.to_owned())]);
    let mut events = client.events().await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap()["index"], 1);
    assert_eq!(events.next().await.unwrap().unwrap()["type"], "side");
    assert_eq!(events.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_entry_is_told_pending_confirmed_or_unknown() {
    let leaf = jbc_chain::leaf_hash(b"hello");
    let hash = "ab".repeat(32);
    let pending = format!("{{\"leaf\":\"{leaf}\",\"state\":\"pending\"}}");
    let confirmed = format!(
        "{{\"leaf\":\"{leaf}\",\"state\":\"confirmed\",\"index\":7,\"hash\":\"{hash}\",\"confirmations\":2}}"
    );
    let refusal = |head: &str, field: &str| {
        let body = format!("{{\"error\": {{\"field\": \"{field}\", \"reason\": \"no\"}}}}");
        let length = body.len();
        format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    let (client, _server) = client(vec![
        ("POST /entries ", pending.clone()),
        (
            "POST /entries ",
            refusal("503 Busy\r\nretry-after: 7", "pool"),
        ),
        ("POST /entries ", pending.replace(&leaf.to_string(), &hash)),
        ("POST /entries ", refusal("404 Not Found", "entries")),
        ("GET /entries/", confirmed),
        ("GET /entries/", refusal("404 Not Found", "leaf")),
        ("GET /entries/", refusal("404 Not Found", "entries")),
    ]);
    assert_eq!(
        client.post_entry("hello").await.unwrap(),
        EntryState::Pending
    );
    let busy = client.post_entry("hello").await.unwrap_err();
    assert_eq!(
        (busy.may_pass_later(), busy.retry_after_s()),
        (true, Some(7))
    );
    let other = client.post_entry("hello").await.unwrap_err();
    assert!(matches!(other, ClientError::Nonsense { .. }), "{other}");
    let classic = client.post_entry("hello").await.unwrap_err();
    assert_eq!(
        (classic.may_pass_later(), classic.field()),
        (false, Some("entries"))
    );

    let expected = EntryState::Confirmed {
        index: 7,
        hash: hash.parse().unwrap(),
        confirmations: 2,
    };
    assert_eq!(client.entry(&leaf).await.unwrap(), Some(expected));
    assert_eq!(client.entry(&leaf).await.unwrap(), None);
    assert!(client.entry(&leaf).await.unwrap_err().is_not_found());
}

#[test]
fn a_nodes_url_is_an_http_origin() {
    for (given, url) in [
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ("http://LocalHost:5001/", "http://localhost:5001"),
        ("10.0.0.7:5001", "http://10.0.0.7:5001"),
    ] {
        assert_eq!(NodeClient::new(given).unwrap().url(), url);
    }
    for text in [
        "https://localhost:5001",
        "http://localhost:5001/status",
        "http://",
        "ftp://x",
        "http://x?y",
    ] {
        assert!(
            matches!(NodeClient::new(text), Err(ClientError::NotUrl { .. })),
            "{text}"
        );
    }
}
