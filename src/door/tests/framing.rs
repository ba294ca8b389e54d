//! The state machine alone.

use crate::door::framing::{Fault, Framing};

fn verdict(bytes: &str) -> Result<bool, Fault> {
    let mut framing = Framing::new(1024);
    framing
        .feed(bytes.as_bytes())
        .map_err(|violation| violation.fault)?;
    Ok(framing.is_between_requests())
}

#[test]
fn whole_requests_end_between_requests() {
    for requests in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\ncontent-length:\t 003 \r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\nX-Empty:\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/9\n\n\r\n\0\n",
    ] {
        assert_eq!(verdict(requests), Ok(true), "{requests:?}");
    }
}

#[test]
fn unfinished_requests_do_not_end_between_requests() {
    for requests in [
        "G",
        "\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab",
    ] {
        assert_eq!(verdict(requests), Ok(false), "{requests:?}");
    }
}

#[test]
fn each_fault_is_named() {
    for (request, fault) in [
        ("GET / HTTP/1.1\n", Fault::BareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\n", Fault::BareLineFeed),
        ("GET / HTTP/1.1\r\n\n", Fault::BareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\rb", Fault::BareCarriageReturn),
        ("GET / HTTP/1.1\r\r\n", Fault::BareCarriageReturn),
        ("GET /\r\n", Fault::Version),
        ("PRI * HTTP/2.0\r\n", Fault::Version),
        ("GET / http/1.1\r\n", Fault::Version),
        ("GET / HTTP/1.1\r\nHost : a\r\n", Fault::HeaderName),
        ("GET / HTTP/1.1\r\n: a\r\n", Fault::HeaderName),
        ("GET / HTTP/1.1\r\nHost\r\n", Fault::HeaderName),
        ("GET / HTTP/1.1\r\nX: a\r\n b\r\n", Fault::FoldedHeader),
        ("GET / HTTP/1.1\r\n\tX: a\r\n", Fault::FoldedHeader),
        (
            "GET / HTTP/1.1\r\nContent-Length: +3\r\n",
            Fault::ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 3, 3\r\n",
            Fault::ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 0x3\r\n",
            Fault::ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length:\r\n",
            Fault::ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n",
            Fault::ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
            Fault::RepeatedContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 0\r\ncontent-length: 0\r\n",
            Fault::RepeatedContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            Fault::LengthAndEncoding,
        ),
        (
            "GET / HTTP/1.1\r\nTRANSFER-ENCODING: x\r\nContent-Length: 0\r\n\r\n",
            Fault::LengthAndEncoding,
        ),
    ] {
        assert_eq!(verdict(request), Err(fault), "{request:?}");
    }
}

#[test]
fn a_fault_in_a_later_request_is_found_at_its_byte() {
    let good = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\n";
    let violation = Framing::new(1024)
        .feed(format!("{good}GET\n").as_bytes())
        .unwrap_err();
    assert_eq!(
        (violation.at, violation.fault),
        (good.len() + 3, Fault::BareLineFeed)
    );
}

#[test]
fn nothing_is_judged_after_a_fault_an_overlong_head_or_a_transfer_encoding() {
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(2000));
    for start in [
        "GET\n",
        &long,
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut framing = Framing::new(1024);
        let _ = framing.feed(start.as_bytes());
        assert_eq!(framing.feed(b"\n\n\0 anything"), Ok(()), "{start:?}");
        assert!(!framing.is_between_requests(), "{start:?}");
        assert_eq!(framing.open_head(), None, "{start:?}");
    }
}

#[test]
fn how_packets_are_split_makes_no_difference() {
    let requests = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcdGET / HTTP/1.1\r\nA: b\r\n\r\n\r\nGET / HTTP/1.1\r\nA: b\n";
    let end = requests.len() - 1;
    for first in 0..=end {
        for second in first..=end {
            let mut framing = Framing::new(1024);
            framing.feed(&requests[..first]).unwrap();
            framing.feed(&requests[first..second]).unwrap();
            let violation = framing.feed(&requests[second..]).unwrap_err();
            assert_eq!(
                (violation.at + second, violation.fault),
                (end, Fault::BareLineFeed)
            );
        }
    }
}

#[test]
fn heads_are_counted_while_they_are_open() {
    let mut framing = Framing::new(1024);
    assert_eq!(framing.open_head(), None);
    framing.feed(b"GET / HT").unwrap();
    assert_eq!(framing.open_head(), Some(1));
    framing.feed(b"TP/1.1\r\n\r\n").unwrap();
    assert_eq!(framing.open_head(), None);
    framing.feed(b"GET / HTTP/1.1\r\n\r\nG").unwrap();
    assert_eq!(framing.open_head(), Some(3));
}
