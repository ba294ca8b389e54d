//! The bodies on both ways: a request's, which has a deadline, and an answer's, which says when it is over.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::{Sleep, sleep};

use super::seats::Answering;

/// Why a request's body ended early.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It took longer than `body_timeout_ms` in total.
    #[error("request body took longer than {timeout_ms} ms")]
    Slow {
        /// The limit, in milliseconds.
        timeout_ms: u128,
    },
    /// The connection failed or was closed in the middle of it.
    #[error("request body broke off")]
    Broken {
        /// What hyper saw.
        #[source]
        source: hyper::Error,
    },
}

/// A request's body that fails at its deadline. Passed on piece by piece, never gathered here.
pub struct RequestBody {
    incoming: Incoming,
    timeout: Duration,
    deadline: Pin<Box<Sleep>>,
    was_slow: Arc<AtomicBool>,
    answering: Arc<Answering>,
}

impl RequestBody {
    /// The body, and a flag that turns true when it was cut at its deadline.
    pub(super) fn new(
        incoming: Incoming,
        timeout: Duration,
        answering: Arc<Answering>,
    ) -> (Self, Arc<AtomicBool>) {
        let was_slow = Arc::new(AtomicBool::new(false));
        let deadline = Box::pin(sleep(timeout));
        if incoming.is_end_stream() {
            answering.received();
        }
        (
            Self {
                incoming,
                timeout,
                deadline,
                was_slow: Arc::clone(&was_slow),
                answering,
            },
            was_slow,
        )
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let body = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut body.incoming).poll_frame(cx) {
            if body.incoming.is_end_stream() {
                body.answering.received();
            }
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|source| BodyError::Broken { source })),
            );
        }
        ready!(body.deadline.as_mut().poll(cx));
        body.was_slow.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(BodyError::Slow {
            timeout_ms: body.timeout.as_millis(),
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.answering.received();
    }
}

/// An answer's body, the handler's (right) or the door's (left). Its connection is being answered until it is dropped.
pub(super) struct AnswerBody<B> {
    pub(super) body: Either<Full<Bytes>, B>,
    pub(super) _answering: Arc<Answering>,
}

impl<B> Body for AnswerBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
