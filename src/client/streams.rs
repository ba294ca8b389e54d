//! Answers that come bit by bit.

use std::time::Duration;

use reqwest::Response;

use super::{ClientError, NodeClient, innermost};

/// Cap on one line of `/events`, in bytes: a block's data and some names fit.
const EVENT_LINE_BYTES: usize = 64 << 10;

/// A body as it comes.
#[derive(Debug)]
pub struct Pieces {
    response: Response,
    node: NodeClient,
    path: String,
    timeout: Duration,
}

impl Pieces {
    pub(super) fn new(response: Response, node: NodeClient, path: &str, timeout: Duration) -> Self {
        Self {
            response,
            node,
            path: path.to_owned(),
            timeout,
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when it breaks off, or stalls.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        match tokio::time::timeout(self.timeout, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece.map(|piece| piece.to_vec())),
            Ok(Err(error)) => Err(self.node.unreachable(innermost(&error))),
            Err(_) => Err(self.node.unreachable("stalled")),
        }
    }
}

/// What a node tells on `/events`, as it happens.
#[derive(Debug)]
pub struct Events {
    pieces: Pieces,
    lines: EventLines,
}

impl Events {
    pub(super) fn new(pieces: Pieces) -> Self {
        Self {
            pieces,
            lines: EventLines::default(),
        }
    }

    /// The next event, one object of JSON with `type` and `at_ms`; `None` when the node ended the stream.
    ///
    /// # Errors
    /// [`ClientError`] when the stream breaks off, stalls or holds something else.
    pub async fn next(&mut self) -> Result<Option<serde_json::Value>, ClientError> {
        loop {
            if let Some(data) = self.lines.next() {
                return Ok(Some(
                    self.pieces.node.parse(data.as_bytes(), &self.pieces.path)?,
                ));
            }
            let Some(piece) = self.pieces.next().await? else {
                return Ok(None);
            };
            if !self.lines.push(&piece) {
                let reason = format!("a line of more than {EVENT_LINE_BYTES} bytes");
                return Err(self.pieces.node.nonsense(&self.pieces.path, reason));
            }
        }
    }
}

/// Cuts a stream of server-sent events into its `data:` lines. The nodes' events are one line each, so the parts of the
/// format that join lines are not needed; comments (the heartbeat) and other fields are skipped.
#[derive(Debug, Default)]
struct EventLines {
    bytes: Vec<u8>,
}

impl EventLines {
    /// Takes a piece; false when what waits for its line end has grown too long.
    fn push(&mut self, piece: &[u8]) -> bool {
        self.bytes.extend_from_slice(piece);
        self.bytes.len() <= EVENT_LINE_BYTES || self.bytes.contains(&b'\n')
    }

    fn next(&mut self) -> Option<String> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(data) = line.trim_end().strip_prefix("data:") {
                return Some(data.trim_start().to_owned());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_events_without_an_end_is_refused() {
        let mut lines = EventLines::default();
        assert!(lines.push(&vec![b'x'; EVENT_LINE_BYTES]) && lines.next().is_none());
        assert!(!lines.push(b"x"));
        assert!(lines.push(b"\n"), "its end has come after all");
    }
}
