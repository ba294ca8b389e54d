//! What happens between hyper and the handlers: the head's checks, the peer's address, the body's deadline, panics.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use http_body_util::Either;
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use tracing::{debug, error};

use super::PeerAddress;
use super::body::{AnswerBody, RequestBody};
use super::checks::{Refusal, check_head};
use super::limits::Limits;
use super::seats::{Answering, Seat};

/// One connection's service.
pub(super) struct DoorService<S> {
    pub(super) inner: S,
    pub(super) limits: Arc<Limits>,
    pub(super) peer: SocketAddr,
    pub(super) seat: Arc<Seat>,
}

impl<S, B> Service<Request<Incoming>> for DoorService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let answering = Arc::new(self.seat.begin());
        let (mut head, body) = request.into_parts();
        if let Err(refusal) = check_head(&head, &self.limits) {
            debug!(peer = %self.peer, ?refusal, "request refused");
            return Box::pin(std::future::ready(Ok(refused(&refusal, answering))));
        }
        head.extensions.insert(PeerAddress(self.peer));
        let (body, was_slow) = RequestBody::new(
            body,
            Duration::from_millis(self.limits.body_timeout_ms),
            Arc::clone(&answering),
        );
        let (inner, peer, path) = (self.inner.clone(), self.peer, head.uri.path().to_owned());
        let answer = async move { inner.call(Request::from_parts(head, body)).await };
        Box::pin(async move {
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            // The handler saw a broken body, and can only have called it malformed.
            if was_slow.load(Ordering::Relaxed) {
                return Ok(refused(&Refusal::SLOW_BODY, answering));
            }
            match answer {
                Ok(Ok(answer)) => Ok(answer.map(|body| AnswerBody {
                    body: Either::Right(body),
                    _answering: answering,
                })),
                Ok(Err(never)) => match never {},
                Err(_) => {
                    error!(%peer, path, "handler panicked");
                    Ok(refused(&Refusal::PANIC, answering))
                }
            }
        })
    }
}

fn refused<B>(refusal: &Refusal, answering: Arc<Answering>) -> Response<AnswerBody<B>> {
    refusal.response().map(|body| AnswerBody {
        body: Either::Left(body),
        _answering: answering,
    })
}
