//! Peers that are slow, silent or many.

use std::time::Duration;

use tokio::time::interval;

use super::{Limits, TestDoor, assert_refused, good_post, within_deadline};
use crate::door::seats::{NoSeat, Seats};

/// Limits with one of them so low that it, and not another, is what a test meets.
fn limits() -> Limits {
    let never = 3_600_000;
    Limits {
        header_timeout_ms: never,
        body_timeout_ms: never,
        idle_timeout_ms: never,
        write_timeout_ms: never,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_silent_newcomer_is_cut() {
    let door = TestDoor::open(Limits {
        header_timeout_ms: 100,
        ..limits()
    })
    .await;
    assert_eq!(door.connect().await.read_to_close().await, "");
    door.assert_alive().await;
}

#[tokio::test]
async fn a_slow_head_is_cut_though_bytes_keep_coming() {
    let door = TestDoor::open(Limits {
        header_timeout_ms: 200,
        ..limits()
    })
    .await;
    let mut client = door.connect().await;
    client
        .send("GET /hello HTTP/1.1\r\nHost: localhost\r\n")
        .await;
    assert_eq!(client.dribble_to_close("X: y\r\n").await, "");
    assert_eq!(door.connect().await.dribble_to_close("\r\n").await, "");
    door.assert_alive().await;
}

#[tokio::test]
async fn a_slow_second_head_is_cut_as_well() {
    let door = TestDoor::open(Limits {
        header_timeout_ms: 200,
        ..limits()
    })
    .await;
    let mut client = door.connect().await;
    client
        .send(format!("{}GET /hello HT", good_post("{}")))
        .await;
    assert_eq!(client.read_answer().await.1, "{}");
    assert_eq!(client.read_to_close().await, "");
}

#[tokio::test]
async fn a_slow_body_is_cut_with_408_though_bytes_keep_coming() {
    let door = TestDoor::open(Limits {
        body_timeout_ms: 200,
        ..limits()
    })
    .await;
    let body = "x".repeat(16_000);
    let mut client = door.connect().await;
    client.send(&good_post(&body).as_bytes()[..200]).await;
    assert_refused(&client.dribble_to_close("x").await, 408, "body");
    door.assert_alive().await;
}

#[tokio::test]
async fn an_idle_connection_is_cut() {
    // hyper's timer for heads is the idle cut, so the guard's own must be the lower one.
    let door = TestDoor::open(Limits {
        header_timeout_ms: 100,
        idle_timeout_ms: 200,
        ..limits()
    })
    .await;
    let mut client = door.connect().await;
    client.send(good_post("{}")).await;
    assert_eq!(client.read_answer().await.1, "{}");
    assert_eq!(client.read_to_close().await, "");
    door.assert_alive().await;
}

#[tokio::test]
async fn who_does_not_read_a_stream_is_cut() {
    let door = TestDoor::open(Limits {
        write_timeout_ms: 200,
        ..limits()
    })
    .await;
    let mut client = door.connect().await;
    client
        .send("GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    within_deadline(door.stage.flood_ended.notified()).await;
    door.assert_alive().await;
}

#[tokio::test]
async fn who_reads_a_stream_with_pauses_is_not_cut() {
    let door = TestDoor::open(Limits {
        write_timeout_ms: 1_000,
        ..limits()
    })
    .await;
    let mut client = door.connect().await;
    client
        .send("GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let mut pause = interval(Duration::from_millis(25));
    // In each pause the door's writes wait; all pauses together are longer than one may be.
    for _ in 0..80 {
        pause.tick().await;
        client.read_exactly(1 << 20).await;
    }
}

#[tokio::test]
async fn a_stream_with_little_to_say_outlives_every_timeout() {
    let door = TestDoor::open(Limits {
        header_timeout_ms: 100,
        body_timeout_ms: 100,
        idle_timeout_ms: 100,
        write_timeout_ms: 100,
        ..limits()
    })
    .await;
    let mut client = door.connect().await;
    client
        .send("GET /ticks HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    for _ in 0..10 {
        client.read_past("tick").await;
    }
}

#[tokio::test]
async fn however_many_are_silent_a_newcomer_is_answered() {
    let door = TestDoor::open(limits()).await;
    for _ in 0..8 {
        door.assert_alive().await;
    }
    let mut silent = Vec::new();
    for _ in 0..256 {
        silent.push(door.connect().await);
    }
    for _ in 0..8 {
        door.assert_alive().await;
    }
    // The first made room; the last is still there.
    assert_eq!(silent[0].read_to_close().await, "");
    silent[255].send(good_post("{}")).await;
    assert_eq!(silent[255].read_answer().await.1, "{}");
    let report = door.close().await;
    assert_eq!((report.accepted, report.turned_away_full), (8 + 256 + 8, 0));
    assert!(report.made_room >= 1, "{report:?}");
}

#[tokio::test]
async fn an_idle_connection_makes_room_before_one_being_answered() {
    let door = TestDoor::open(Limits {
        max_connections: 2,
        ..limits()
    })
    .await;
    let mut busy = door.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    within_deadline(door.stage.entered.notified()).await;
    let mut idle = door.connect().await;
    idle.send(good_post("{}")).await;
    idle.read_answer().await;
    door.assert_alive().await;
    assert_eq!(idle.read_to_close().await, "");
    door.stage.release.notify_one();
    assert_eq!(busy.read_answer().await.1, "waited");
}

#[tokio::test]
async fn a_half_sent_body_makes_room() {
    let door = TestDoor::open(Limits {
        max_connections: 2,
        ..limits()
    })
    .await;
    let mut slow = [door.connect().await, door.connect().await];
    for client in &mut slow {
        client
            .send(&good_post("{}")[..good_post("{}").len() - 1])
            .await;
    }
    door.assert_alive().await;
    for client in &mut slow {
        client.send("}").await;
    }
    // One of the two had to go, and only one.
    let answers = [
        slow[0].read_past_or_close("{}").await,
        slow[1].read_past_or_close("{}").await,
    ];
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.ends_with("{}"))
            .count(),
        1,
        "{answers:?}"
    );
}

#[tokio::test]
async fn when_all_are_being_answered_a_newcomer_gets_503() {
    let door = TestDoor::open(Limits {
        max_connections: 2,
        ..limits()
    })
    .await;
    let mut busy = [door.connect().await, door.connect().await];
    for client in &mut busy {
        client
            .send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        within_deadline(door.stage.entered.notified()).await;
    }
    let mut late = door.connect().await;
    late.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let answer = late.read_past("}}").await;
    assert_refused(&answer, 503, "connection");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    late.expect_orderly_end().await;
    drop(late);
    for client in &mut busy {
        door.stage.release.notify_one();
        assert_eq!(client.read_answer().await.1, "waited");
    }
    door.assert_alive().await;
    assert_eq!(door.close().await.turned_away_full, 1);
}

#[tokio::test]
async fn the_ninth_connection_of_an_address_gets_429_until_another_ends() {
    let door = TestDoor::open(Limits {
        exempt_loopback: false,
        ..limits()
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut client = door.connect().await;
        client.send(good_post("{}")).await;
        client.read_answer().await;
        open.push(client);
    }
    let mut ninth = door.connect().await;
    assert_refused(&ninth.read_past("}}").await, 429, "connection");
    open[0]
        .send("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    open[0].read_to_close().await;
    let answered = async {
        loop {
            // The seat is free a moment after the socket is closed.
            let answer = door
                .exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .await;
            if answer.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    };
    within_deadline(answered).await;
}

#[tokio::test]
async fn shares_are_counted_by_ipv4_address_and_by_ipv6_network() {
    let seats = Seats::new(&Limits {
        max_connections_per_address: 1,
        ..Limits::default()
    });
    let mut taken = Vec::new();
    for (address, is_seated) in [
        ("10.0.0.1", true),
        ("10.0.0.1", false),
        ("::ffff:10.0.0.1", false),
        ("10.0.0.2", true),
        ("2001:db8:0:1::1", true),
        ("2001:db8:0:1:ffff::2", false),
        ("2001:db8:0:2::1", true),
        ("127.0.0.1", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("::1", true),
    ] {
        match seats.take(address.parse().unwrap()).await {
            Ok(seat) => {
                assert!(is_seated, "{address}");
                taken.push(seat);
            }
            Err(none) => assert!(!is_seated && none == NoSeat::AddressFull, "{address}"),
        }
    }
    taken.clear();
    assert!(seats.take("10.0.0.1".parse().unwrap()).await.is_ok());
}
