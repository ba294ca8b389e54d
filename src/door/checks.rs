//! What a request's head must say before a handler sees it: one `check_*` per rule of "At the door" in RELIABILITY.md.

use std::net::IpAddr;

use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Response, StatusCode};
use serde_json::json;

use super::limits::{HostPolicy, Limits};

/// An answer given without asking a handler. It closes the connection: the rest of the request is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The header, or the part of the request, to mend.
    pub(super) field: &'static str,
    pub(super) reason: &'static str,
}

impl Refusal {
    const fn new(status: StatusCode, field: &'static str, reason: &'static str) -> Self {
        Self {
            status,
            field,
            reason,
        }
    }

    /// The body took longer than `body_timeout_ms`.
    pub(super) const SLOW_BODY: Self =
        Self::new(StatusCode::REQUEST_TIMEOUT, "body", "took too long");
    /// The handler panicked.
    pub(super) const PANIC: Self = Self::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "request",
        "the node failed to answer; its log says why",
    );
    /// All connections are taken and being answered.
    pub(super) const FULL: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "connection",
        "all connections are taken",
    );
    /// The address has its share of connections.
    pub(super) const ADDRESS_FULL: Self = Self::new(
        StatusCode::TOO_MANY_REQUESTS,
        "connection",
        "too many connections from this address",
    );

    /// The error as all of the node's errors look: `{"error":{"field":…,"reason":…}}`.
    pub(super) fn body(&self) -> String {
        json!({"error": {"field": self.field, "reason": self.reason}}).to_string()
    }

    /// The whole answer.
    pub(super) fn response<B: From<Bytes>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(Bytes::from(self.body())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// The whole answer as bytes, for a newcomer without a seat: it may try again in a second.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let body = self.body();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\n\
             connection: close\r\n\r\n{body}",
            self.status,
            body.len(),
        )
        .into_bytes()
    }
}

/// All rules in turn.
///
/// # Errors
/// The first rule that the head breaks.
pub(super) fn check_head(head: &Parts, limits: &Limits) -> Result<(), Refusal> {
    check_host(head, limits.hosts)?;
    check_method(head)?;
    check_upgrade(head)?;
    check_transfer_encoding(head)?;
    check_content_length(head, limits.max_body_bytes)?;
    check_content_encoding(head)?;
    check_content_type(head)
}

/// "no Host … 400": exactly one, and well formed (RFC 9112, 3.2). "Host checked": a name of ours.
fn check_host(head: &Parts, policy: HostPolicy) -> Result<(), Refusal> {
    const fn bad(reason: &'static str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "host", reason)
    }
    let host = only_value(head, header::HOST).map_err(|_| bad("given more than once"))?;
    let host = host.ok_or(bad("missing"))?;
    let host = Authority::try_from(host.as_bytes()).map_err(|_| bad("not a host and port"))?;
    // An absolute request target names a host too, and proxies prefer it.
    for authority in [Some(&host), head.uri.authority()].into_iter().flatten() {
        if authority.as_str().contains('@') {
            return Err(bad("not a host and port"));
        }
        if policy == HostPolicy::LoopbackNames && !is_loopback_name(authority.host()) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "host",
                "not a name of this node",
            ));
        }
    }
    Ok(())
}

fn is_loopback_name(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The node is no proxy.
fn check_method(head: &Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "this is not a proxy",
        ));
    }
    Ok(())
}

/// "h2c … 400, closed"; the node has no other protocol to offer either.
fn check_upgrade(head: &Parts) -> Result<(), Refusal> {
    if head.headers.contains_key(header::UPGRADE) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "upgrade",
            "only HTTP/1.1 is spoken here",
        ));
    }
    Ok(())
}

/// "large or chunked bodies … 413, 411".
fn check_transfer_encoding(head: &Parts) -> Result<(), Refusal> {
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        let reason = "send a content-length instead";
        return Err(Refusal::new(
            StatusCode::LENGTH_REQUIRED,
            "transfer-encoding",
            reason,
        ));
    }
    Ok(())
}

/// "large or chunked bodies … 413, 411". The guard has seen to it that there is one number at most.
fn check_content_length(head: &Parts, max_body_bytes: u64) -> Result<(), Refusal> {
    let Some(length) = head.headers.get(header::CONTENT_LENGTH) else {
        if wants_body(&head.method) {
            return Err(Refusal::new(
                StatusCode::LENGTH_REQUIRED,
                "content-length",
                "missing",
            ));
        }
        return Ok(());
    };
    match length.to_str().map(str::parse::<u64>) {
        Ok(Ok(length)) if length <= max_body_bytes => Ok(()),
        Ok(Ok(_)) => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "content-length",
            "body too large",
        )),
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "content-length",
            "not a number",
        )),
    }
}

/// "compressed bodies … 400 or 415": a small compressed body can be a large one.
fn check_content_encoding(head: &Parts) -> Result<(), Refusal> {
    let mut encodings = head.headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let reason = "send the body uncompressed";
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-encoding",
            reason,
        ));
    }
    Ok(())
}

/// "JSON content type required": the one type that another site's page cannot send without asking first (CORS).
fn check_content_type(head: &Parts) -> Result<(), Refusal> {
    let refusal = Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type",
        "must be application/json",
    );
    if !wants_body(&head.method) {
        return Ok(());
    }
    let value = only_value(head, header::CONTENT_TYPE)
        .map_err(|_| refusal)?
        .ok_or(refusal)?;
    let essence = value
        .as_bytes()
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default();
    if essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
    {
        Ok(())
    } else {
        Err(refusal)
    }
}

fn wants_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// The value of a header that may come once; `Err` where it comes twice.
fn only_value(head: &Parts, name: HeaderName) -> Result<Option<&HeaderValue>, ()> {
    let mut values = head.headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        Err(())
    } else {
        Ok(first)
    }
}
