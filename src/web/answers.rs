//! Answers: one shape for every error, whatever its cause.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use warp::reject::{InvalidHeader, MethodNotAllowed, PayloadTooLarge};
use warp::reply::Response;
use warp::{Rejection, Reply};

/// What a handler answers.
pub(super) type Answer<T> = Result<T, ApiError>;

/// A refusal, as the caller reads it.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    field: Cow<'static, str>,
    reason: String,
    retry_after_s: Option<u32>,
}

impl ApiError {
    /// A refusal with this status, naming the field at fault.
    pub fn new(
        status: StatusCode,
        field: impl Into<Cow<'static, str>>,
        reason: impl fmt::Display,
    ) -> Self {
        Self {
            status,
            field: field.into(),
            reason: reason.to_string(),
            retry_after_s: None,
        }
    }

    /// Wrong input in a field.
    pub fn bad(field: impl Into<Cow<'static, str>>, reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, field, reason)
    }

    /// Nothing there.
    pub fn missing(field: &'static str, reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, field, reason)
    }

    /// Not now; again in so many seconds.
    pub fn later(
        status: StatusCode,
        field: &'static str,
        reason: impl fmt::Display,
        retry_after_s: u32,
    ) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(status, field, reason)
        }
    }

    /// Our own fault; the details go to the log, not to the caller.
    pub fn internal(error: &dyn fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server",
            "failed; its log says why",
        )
    }
}

impl Reply for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "field": self.field, "reason": self.reason } });
        let mut response =
            warp::reply::with_status(warp::reply::json(&body), self.status).into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A handler's answer as a response.
pub(super) fn reply<T: Reply>(answer: Answer<T>) -> Response {
    match answer {
        Ok(reply) => reply.into_response(),
        Err(error) => error.into_response(),
    }
}

/// A value as a JSON response that nobody keeps.
pub(super) fn json_reply(value: &impl Serialize) -> Response {
    let mut response = warp::reply::json(value).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A text of JSON as a response.
pub(super) fn json_text(text: String) -> Response {
    warp::reply::with_header(text, "content-type", "application/json").into_response()
}

/// A small JSON body as a struct; what is wrong with it is named.
pub(super) fn parse_body<T: DeserializeOwned>(body: &[u8], limit: usize) -> Answer<T> {
    if body.len() > limit {
        let reason = format!("{} bytes, where {limit} are enough", body.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body", reason));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::bad("body", error))
}

/// `a=1&b=2` as a struct of numbers.
pub(super) fn parse_query<T: DeserializeOwned>(raw: &str) -> Answer<T> {
    let mut fields = serde_json::Map::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let number: u64 = value
            .parse()
            .map_err(|_| ApiError::bad("query", format!("`{key}` is not a number")))?;
        if fields.insert(key.to_owned(), number.into()).is_some() {
            return Err(ApiError::bad("query", format!("`{key}` is given twice")));
        }
    }
    serde_json::from_value(fields.into()).map_err(|error| ApiError::bad("query", error))
}

/// What warp itself refused.
pub(super) async fn of_rejection(rejection: Rejection) -> Result<Response, Infallible> {
    let error = if rejection.is_not_found() {
        ApiError::missing("path", "nothing is here; docs/protocol.md lists what is")
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "this path does not take it",
        )
    } else if rejection.find::<PayloadTooLarge>().is_some() {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body",
            "larger than this path takes",
        )
    } else if let Some(header) = rejection.find::<InvalidHeader>() {
        ApiError::bad(header.name().to_owned(), "this header is not readable text")
    } else {
        tracing::warn!(?rejection, "a request was refused without a reason of ours");
        ApiError::bad("request", "cannot be read")
    };
    Ok(error.into_response())
}
