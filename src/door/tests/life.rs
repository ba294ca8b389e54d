//! What honest peers see, and how the door ends.

use super::{Limits, TestDoor, good_post, within_deadline};

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn pipelined_requests_are_all_answered_in_turn() {
    let door = TestDoor::open(Limits::default()).await;
    let mut client = door.connect().await;
    client
        .send(format!(
            "{HELLO}{}{HELLO}\r\n{}",
            good_post("{\"a\":1}"),
            good_post("[2]")
        ))
        .await;
    for expected in ["hello", "{\"a\":1}", "hello", "[2]"] {
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn a_connection_is_kept_though_requests_come_byte_by_byte() {
    let door = TestDoor::open(Limits::default()).await;
    let mut client = door.connect().await;
    // The bodies look like requests, with every fault in them.
    for body in [
        "{\"a\": 1}",
        "GET / HTTP/1.1\nHost: a\n\n",
        "\r\n\r\n\0\n",
        "",
    ] {
        client.send_bytewise(&good_post(body)).await;
        assert_eq!(client.read_answer().await.1, body);
        client.send_bytewise(HELLO).await;
        assert_eq!(client.read_answer().await.1, "hello");
    }
    drop(client);
    assert_eq!(door.close().await.accepted, 1);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let door = TestDoor::open(Limits {
        max_body_bytes: 1 << 20,
        ..Limits::default()
    })
    .await;
    let body = "x".repeat(1 << 20);
    let mut client = door.connect().await;
    client.send(good_post(&body)).await;
    assert_eq!(client.read_answer().await.1, body);
}

#[tokio::test]
async fn who_expects_a_go_ahead_gets_it_only_for_a_body_we_take() {
    let door = TestDoor::open(Limits::default()).await;
    let with_expect = |length: usize| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = door.connect().await;
    client.send(with_expect(2)).await;
    client.read_past("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("{}").await;
    assert_eq!(client.read_answer().await.1, "{}");
    client.send(with_expect(1_000_000)).await;
    assert!(client.read_to_close().await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_handler_learns_the_address_of_its_peer() {
    let door = TestDoor::open(Limits::default()).await;
    let mut client = door.connect().await;
    let own = client.stream.local_addr().unwrap();
    client
        .send("GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(client.read_answer().await.1, own.to_string());
}

#[tokio::test]
async fn a_handler_that_panics_costs_only_its_own_answer() {
    let door = TestDoor::open(Limits::default()).await;
    for _ in 0..3 {
        let answer = door
            .exchange("GET /panic HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        super::assert_refused(&answer, 500, "request");
    }
    door.assert_alive().await;
    assert_eq!(door.close().await.panicked, 0);
}

#[tokio::test]
async fn answers_under_way_are_finished_at_shutdown_and_idle_connections_closed() {
    let door = TestDoor::open(Limits {
        shutdown_grace_ms: 3_600_000,
        ..Limits::default()
    })
    .await;
    let mut idle = door.connect().await;
    idle.send(HELLO).await;
    idle.read_answer().await;
    let mut busy = door.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    within_deadline(door.stage.entered.notified()).await;
    let (address, release) = (door.address, door.stage.release.clone());
    let closed = tokio::spawn(door.close());
    // Only after the door has begun to close is the idle one ended, and the busy one let go on.
    assert_eq!(idle.read_to_close().await, "");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    release.notify_one();
    assert_eq!(busy.read_answer().await.1, "waited");
    assert_eq!(busy.read_to_close().await, "");
    let report = within_deadline(closed).await.unwrap();
    assert_eq!((report.accepted, report.cut_at_shutdown), (2, 0));
}

#[tokio::test]
async fn what_never_ends_is_cut_when_the_grace_is_over() {
    let door = TestDoor::open(Limits {
        shutdown_grace_ms: 50,
        ..Limits::default()
    })
    .await;
    let mut stuck = door.connect().await;
    stuck
        .send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let mut stream = door.connect().await;
    stream
        .send("GET /ticks HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    stream.read_past("tick").await;
    within_deadline(door.stage.entered.notified()).await;
    let report = door.close().await;
    assert_eq!(report.cut_at_shutdown, 2);
    assert_eq!(stuck.read_to_close().await, "");
    stream.read_to_close().await;
}
