//! A reader of `/events`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use crate::http::connect;
use crate::wait::PATIENCE;

/// A stream of a node's news.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    /// Listens from now on.
    #[track_caller]
    pub(crate) fn of(port: u16) -> Self {
        let mut stream = connect(port).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut events = Self(BufReader::new(stream));
        assert!(events.line().contains(" 200 "));
        while !events.line().trim_end().is_empty() {}
        events
    }

    /// The next piece of news of this type that is as asked for.
    #[track_caller]
    pub(crate) fn next(&mut self, kind: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "waited in vain for news of type `{kind}`"
            );
            // What else is on the wire: the sizes of chunks, empty lines, and a comment as heartbeat.
            if let Some(data) = self.line().strip_prefix("data:") {
                let news: Value = serde_json::from_str(data)
                    .expect("each piece of news is one JSON object on one line");
                if news["type"] == kind && fits(&news) {
                    return news;
                }
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        let count = self
            .0
            .read_line(&mut line)
            .expect("news, or at least a heartbeat every ten seconds");
        assert!(count > 0, "the stream of news ended");
        line
    }
}
