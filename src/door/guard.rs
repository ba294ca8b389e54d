//! The socket as hyper sees it: framed strictly, cut when slow, closed without losing the last answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tracing::debug;

use super::framing::Framing;
use super::limits::Limits;

/// What hyper reads from the offending byte on: a byte that no place in a head allows, so that hyper itself answers
/// 400 and closes, in turn after the answers it owes; and the end of a head, because hyper looks at a head that came
/// in parts only once its end is there.
const POISON: &[u8] = b"\0\r\n\r\n";

/// Bytes we read at most from a peer that was refused in the middle of its request, before we close all the same:
/// what a confused but honest client sends, not a flood.
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// See the module's text.
pub(super) struct Guard {
    stream: TcpStream,
    framing: Framing,
    /// What is left to deliver of [`POISON`], once there was a violation.
    poison: Option<&'static [u8]>,
    head_timeout: Duration,
    /// Runs from the accept, and again from a later head's first byte, until the head is complete.
    head_timer: Option<Pin<Box<Sleep>>>,
    timed_head: Option<u64>,
    write_timeout: Duration,
    /// Runs while a write waits for the peer.
    write_timer: Option<Pin<Box<Sleep>>>,
    linger_timeout: Duration,
    linger: Option<Linger>,
}

struct Linger {
    timer: Pin<Box<Sleep>>,
    left_bytes: usize,
}

impl Guard {
    /// Guards a connection just accepted.
    pub(super) fn new(stream: TcpStream, limits: &Limits) -> Self {
        let head_timeout = Duration::from_millis(limits.header_timeout_ms);
        Self {
            stream,
            framing: Framing::new(limits.max_head_bytes),
            poison: None,
            head_timeout,
            head_timer: Some(Box::pin(sleep(head_timeout))),
            timed_head: Some(1),
            write_timeout: Duration::from_millis(limits.write_timeout_ms),
            write_timer: None,
            linger_timeout: Duration::from_millis(limits.linger_ms),
            linger: None,
        }
    }

    /// Checks what was read into `buf` from `start` on, and poisons it from the first violation.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        if let Err(violation) = self.framing.feed(&buf.filled()[start..]) {
            debug!(fault = %violation.fault, "request refused");
            buf.set_filled(start + violation.at);
            self.poison = Some(deliver(POISON, buf));
        }
        let open = self.framing.open_head();
        if open != self.timed_head {
            self.timed_head = open;
            self.head_timer = open.map(|_| Box::pin(sleep(self.head_timeout)));
        }
    }

    /// Remembers since when a write has been waiting, and fails it when that is too long.
    fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let timeout = self.write_timeout;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "peer does not read",
        )))
    }

    /// Reads and drops what the refused peer still sends, within limits.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.linger_timeout;
        let linger = self.linger.get_or_insert_with(|| Linger {
            timer: Box::pin(sleep(timeout)),
            left_bytes: LINGER_BYTES,
        });
        let mut scratch = [0; 8 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Pending => return linger.timer.as_mut().poll(cx),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let count = buf.filled().len();
                    linger.left_bytes = linger.left_bytes.saturating_sub(count);
                    if count == 0 || linger.left_bytes == 0 {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }
}

/// Moves what fits of `bytes` into `buf` and returns the rest.
fn deliver(bytes: &'static [u8], buf: &mut ReadBuf<'_>) -> &'static [u8] {
    let (now, later) = bytes.split_at(bytes.len().min(buf.remaining()));
    buf.put_slice(now);
    later
}

impl AsyncRead for Guard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        match guard.poison {
            // hyper has all it needs to refuse; nothing else is to be read from this peer.
            Some([]) => return Poll::Pending,
            Some(rest) => {
                guard.poison = Some(deliver(rest, buf));
                return Poll::Ready(Ok(()));
            }
            None => {}
        }
        let start = buf.filled().len();
        match Pin::new(&mut guard.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > start {
                    guard.inspect(buf, start);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let Some(timer) = &mut guard.head_timer else {
                    return Poll::Pending;
                };
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "request head took too long",
                )))
            }
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        let written = Pin::new(&mut guard.stream).poll_write(cx, bytes);
        guard.watch_write(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        let written = Pin::new(&mut guard.stream).poll_write_vectored(cx, slices);
        guard.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        if guard.linger.is_none() {
            ready!(Pin::new(&mut guard.stream).poll_shutdown(cx))?;
        }
        if !guard.framing.is_between_requests() {
            ready!(guard.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
