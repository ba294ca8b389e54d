//! HTTP/1.1 in a few lines: one request a connection, and the answer as it came.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longest silence in an answer.
const SILENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer");
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or_else(broken)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(broken)?;
        let mut answer = Self {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        };
        if answer.header("transfer-encoding") == Some("chunked") && !answer.body.is_empty() {
            answer.body = unchunk(&answer.body).ok_or_else(broken)?;
        }
        Ok(answer)
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        lines
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The names of all headers, in lower case.
    pub(crate) fn header_names(&self) -> Vec<String> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()))
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The field that an error names.
    #[track_caller]
    pub(crate) fn fault(&self) -> String {
        let json = self.json();
        assert!(
            json["error"]["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{json}"
        );
        json["error"]["field"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {json}"))
            .to_owned()
    }
}

/// The pieces of a chunked body put together; `None` if it breaks off.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

/// Sends these bytes and reads until the other side closes.
pub(crate) fn exchange(port: u16, request: &[u8]) -> io::Result<Answer> {
    let mut stream = connect(port)?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Answer::parse(&bytes)
}

/// A connection to a port of this machine.
pub(crate) fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    Ok(stream)
}

/// A request without a body.
pub(crate) fn ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Answer> {
    exchange(port, head(port, method, path, headers).as_bytes())
}

/// A request with a body and its length.
pub(crate) fn send(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let length = body.len().to_string();
    let headers = [headers, &[("content-length", &length)]].concat();
    let mut request = head(port, method, path, &headers).into_bytes();
    request.extend_from_slice(body);
    exchange(port, &request)
}

fn head(port: u16, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{lines}\r\n"
    )
}

/// The header of a JSON body.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
