//! Requests that no handler gets to see.

use tokio::io::AsyncWriteExt;

use super::{Limits, TestDoor, assert_bad_request, assert_refused, good_post, post};
use crate::door::HostPolicy;

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn ambiguous_requests_get_400_and_are_closed() {
    let door = TestDoor::open(Limits::default()).await;
    let smuggled = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for head in [
        "GET /hello HTTP/1.1\nHost: localhost\n\n",
        "GET /hello HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\n\n",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n",
        "GET /hello\r\n\r\n",
        "GET /hello HTTP/3.0\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        &post(
            &format!("{JSON}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            "0\r\n\r\n",
        ),
        &post(
            &format!("{JSON}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            "0\r\n\r\n",
        ),
        &post(&format!("{JSON}Transfer-Encoding: identity\r\n"), ""),
        &post(
            &format!("{JSON}Content-Length: 2\r\nContent-Length: 2\r\n"),
            "{}",
        ),
        &post(
            &format!("{JSON}Content-Length: 2\r\nContent-Length: 3\r\n"),
            "{}",
        ),
        &post(&format!("{JSON}Content-Length: 2, 2\r\n"), "{}"),
        &post(&format!("{JSON}Content-Length: +2\r\n"), "{}"),
        &post(&format!("{JSON}Content-Length: two\r\n"), "{}"),
        &post(
            &format!("{JSON}Content-Length: 99999999999999999999\r\n"),
            "{}",
        ),
    ] {
        assert_bad_request(&door.exchange(format!("{head}{smuggled}")).await);
    }
    door.assert_alive().await;
}

/// hyper looks at a head that came in parts only when its end is there, so a fault must bring its own end.
#[tokio::test]
async fn a_fault_in_a_later_packet_is_answered_at_once() {
    let door = TestDoor::open(Limits::default()).await;
    for (start, rest) in [
        ("GET /hello HTTP/1.1\r\nHost: loc", "alhost\nX: y"),
        ("GET /hello HTTP/1.1\r\nHost: localhost\r", "\r"),
        ("GET /hello HTTP/1.1\r\nHost: localhost\r\n", "\n"),
        ("PRI * HTTP/2", ".0\r\n"),
        ("\r\n", "\n"),
        ("\r", "\r"),
    ] {
        let mut client = door.connect().await;
        // A whole exchange first: when its answer is here, `start` has been read in a packet of its own, or soon is.
        client.send(format!("{}{start}", good_post("{}"))).await;
        client.read_answer().await;
        client.send(rest).await;
        assert_bad_request(&client.read_to_close().await);
    }
}

#[tokio::test]
async fn a_fault_is_answered_after_the_good_requests_before_it() {
    let door = TestDoor::open(Limits::default()).await;
    let mut client = door.connect().await;
    client
        .send(format!(
            "{}GET /hello HTTP/1.1\nHost: localhost\n\n",
            good_post("{\"a\":1}")
        ))
        .await;
    let (head, body) = client.read_answer().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, "{\"a\":1}");
    assert_bad_request(&client.read_to_close().await);
}

#[tokio::test]
async fn a_head_too_long_or_of_too_many_lines_gets_431() {
    let door = TestDoor::open(Limits::default()).await;
    let hello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n";
    for flood in [
        format!("{hello}X: {}\r\n\r\n", "x".repeat(20_000)),
        format!("{hello}X: {}", "x".repeat(20_000)),
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000)),
        format!("{hello}X: {}\r\n\r\n", "x".repeat(2_000_000)),
        format!("{hello}{}\r\n", "X: y\r\n".repeat(64)),
        format!("{hello}{}", "X: y\r\n".repeat(300_000)),
    ] {
        let answer = door.exchange(flood).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let mut client = door.connect().await;
    client
        .send(format!("{hello}{}\r\n", "X: y\r\n".repeat(63)))
        .await;
    assert_eq!(client.read_answer().await.1, "hello");
    let room = 16 * 1024 - hello.len() - "X: \r\n\r\n".len();
    client
        .send(format!("{hello}X: {}\r\n\r\n", "x".repeat(room)))
        .await;
    assert_eq!(client.read_answer().await.1, "hello");
    client
        .send(format!("{hello}X: {}\r\n\r\n", "x".repeat(room + 1)))
        .await;
    assert!(client.read_to_close().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_host_that_is_missing_or_doubled_or_malformed_gets_400() {
    let door = TestDoor::open(Limits::default()).await;
    for hosts in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: evil.example@localhost\r\n",
        "Host: http://localhost/\r\n",
    ] {
        assert_refused(
            &door
                .exchange(format!("GET /hello HTTP/1.1\r\n{hosts}\r\n"))
                .await,
            400,
            "host",
        );
    }
}

#[tokio::test]
async fn a_foreign_host_gets_403_and_ours_is_answered() {
    let door = TestDoor::open(Limits::default()).await;
    for host in [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1:5000",
        "127.1",
        "[::2]",
        "0.0.0.0",
        "localhost.",
    ] {
        assert_refused(
            &door
                .exchange(format!("GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .await,
            403,
            "host",
        );
    }
    let absolute = "GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_refused(&door.exchange(absolute).await, 403, "host");
    let mut client = door.connect().await;
    for host in [
        "localhost",
        "LocalHost:5000",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:5000",
        "127.0.0.2:9",
    ] {
        client
            .send(format!("GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        assert_eq!(client.read_answer().await.1, "hello", "{host}");
    }
}

#[tokio::test]
async fn any_host_passes_where_the_policy_says_so() {
    let door = TestDoor::open(Limits {
        hosts: HostPolicy::Any,
        ..Limits::default()
    })
    .await;
    let mut client = door.connect().await;
    client
        .send("GET /hello HTTP/1.1\r\nHost: node.example:5000\r\n\r\n")
        .await;
    assert_eq!(client.read_answer().await.1, "hello");
    client.send("GET /hello HTTP/1.1\r\n\r\n").await;
    assert_refused(&client.read_to_close().await, 400, "host");
}

#[test]
fn the_policy_follows_the_address_listened_on() {
    for (address, policy) in [
        ("127.0.0.1:1", HostPolicy::LoopbackNames),
        ("[::1]:1", HostPolicy::LoopbackNames),
        ("[::ffff:127.0.0.1]:1", HostPolicy::LoopbackNames),
        ("0.0.0.0:1", HostPolicy::Any),
        ("[::]:1", HostPolicy::Any),
        ("192.168.0.1:1", HostPolicy::Any),
    ] {
        assert_eq!(
            HostPolicy::for_listener(address.parse().unwrap()),
            policy,
            "{address}"
        );
    }
}

#[tokio::test]
async fn bodies_of_the_wrong_kind_are_refused_by_name() {
    let door = TestDoor::open(Limits::default()).await;
    let length = "Content-Length: 2\r\n";
    for (headers, status, field) in [
        (length.to_owned(), 415, "content-type"),
        (
            format!("{length}Content-Type: text/plain\r\n"),
            415,
            "content-type",
        ),
        (
            format!("{length}Content-Type: application/x-www-form-urlencoded\r\n"),
            415,
            "content-type",
        ),
        (
            format!("{length}Content-Type: application/jsonp\r\n"),
            415,
            "content-type",
        ),
        (
            format!("{length}Content-Type: text/plain; application/json\r\n"),
            415,
            "content-type",
        ),
        (
            format!("{length}{JSON}Content-Type: text/plain\r\n"),
            415,
            "content-type",
        ),
        (
            format!("{length}{JSON}Content-Encoding: gzip\r\n"),
            415,
            "content-encoding",
        ),
        (
            format!("{length}{JSON}Content-Encoding: identity\r\nContent-Encoding: br\r\n"),
            415,
            "content-encoding",
        ),
        (JSON.to_owned(), 411, "content-length"),
        (
            format!("{JSON}Transfer-Encoding: chunked\r\n"),
            411,
            "transfer-encoding",
        ),
        (
            format!("{JSON}Content-Length: 16385\r\n"),
            413,
            "content-length",
        ),
        (
            format!(
                "{length}{JSON}Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
            ),
            400,
            "upgrade",
        ),
    ] {
        assert_refused(&door.exchange(post(&headers, "{}")).await, status, field);
    }
    let connect = "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n";
    assert_refused(&door.exchange(connect).await, 405, "method");
    let mut client = door.connect().await;
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json ;charset=utf-8",
    ] {
        client
            .send(post(
                &format!("{length}Content-Type: {kind}\r\nContent-Encoding: identity\r\n"),
                "{}",
            ))
            .await;
        assert_eq!(client.read_answer().await.1, "{}", "{kind}");
    }
}

/// Whatever follows a request with Transfer-Encoding must not be taken for another request.
#[tokio::test]
async fn nothing_after_a_chunked_request_is_read_as_a_request() {
    let door = TestDoor::open(Limits::default()).await;
    let chunked = post(
        &format!("{JSON}Transfer-Encoding: chunked\r\n"),
        "2\r\n{}\r\n0\r\n\r\n",
    );
    let answer = door.exchange(format!("{chunked}{}", good_post("{}"))).await;
    assert_refused(&answer, 411, "transfer-encoding");
}

#[tokio::test]
async fn a_huge_body_is_refused_while_little_of_it_is_read() {
    let door = TestDoor::open(Limits::default()).await;
    for (headers, status) in [
        ("Content-Length: 600000000\r\n", 413),
        ("Transfer-Encoding: chunked\r\n", 411),
    ] {
        let mut client = door.connect().await;
        client.send(post(&format!("{JSON}{headers}"), "")).await;
        let answer = client.read_past("}}").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        let chunk = [b'x'; 64 * 1024];
        let mut sent = 0;
        while super::within_deadline(client.stream.write_all(&chunk))
            .await
            .is_ok()
        {
            sent += chunk.len();
            assert!(sent < 64 << 20, "the door reads on and on");
        }
    }
    door.assert_alive().await;
}

#[tokio::test]
async fn who_is_refused_may_finish_sending_without_a_reset() {
    let door = TestDoor::open(Limits {
        linger_ms: 3_600_000,
        ..Limits::default()
    })
    .await;
    let mut client = door.connect().await;
    client
        .send(post(&format!("{JSON}Content-Length: 1048576\r\n"), ""))
        .await;
    assert_refused(&client.read_past("}}").await, 413, "content-length");
    for _ in 0..16 {
        let chunk = client.stream.write_all(&[b'x'; 64 * 1024]);
        super::within_deadline(chunk).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.stream.shutdown().await.unwrap();
    client.expect_orderly_end().await;
}
