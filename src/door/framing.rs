//! Follows where a connection's requests begin and end, and says where they become ambiguous. Pure: bytes in, verdict out.
//!
//! hyper reads some ambiguous requests in its own way (it accepts a bare LF, takes two equal lengths as one, lets
//! Transfer-Encoding win over Content-Length). A proxy in front of us may read them in another, and what one takes for
//! a body the other takes for the next request: request smuggling. So nothing ambiguous reaches hyper.

use thiserror::Error;

/// Why a request is refused before hyper reads it. Sources: RFC 9112 (HTTP/1.1), sections 2.2, 3, 5 and 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("line feed without carriage return")]
    BareLineFeed,
    #[error("carriage return without line feed")]
    BareCarriageReturn,
    #[error("request line does not end in HTTP/1.0 or HTTP/1.1")]
    Version,
    #[error("header line without a proper name before its colon")]
    HeaderName,
    #[error("header line continued on the next line")]
    FoldedHeader,
    #[error("content-length is not one decimal number")]
    ContentLength,
    #[error("more than one content-length")]
    RepeatedContentLength,
    #[error("content-length and transfer-encoding together")]
    LengthAndEncoding,
}

/// A fault and the offset, in the slice just fed, of the byte that made it certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) at: usize,
    pub(super) fault: Fault,
}

/// Where in the stream of requests the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Head,
    Body {
        left_bytes: u64,
    },
    /// No request will be read any more: hyper answers 431 to a head this long, or the door closes after a request
    /// with Transfer-Encoding, or there was a fault.
    Beyond,
}

/// The state machine of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    place: Place,
    max_head_bytes: usize,
    heads_begun: u64,
    head: Head,
}

/// What is known of the head being read.
#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    line: Vec<u8>,
    after_carriage_return: bool,
    has_request_line: bool,
    content_length: Option<u64>,
    has_transfer_encoding: bool,
}

impl Framing {
    /// A connection on which nothing was read. A head of more than `max_head_bytes` is hyper's to refuse.
    pub(super) fn new(max_head_bytes: usize) -> Self {
        Self {
            place: Place::Between,
            max_head_bytes,
            heads_begun: 0,
            head: Head::default(),
        }
    }

    /// Follows the next bytes.
    ///
    /// # Errors
    /// The first violation; nothing after it is looked at, now or later.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.place {
                Place::Beyond => return Ok(()),
                Place::Body { left_bytes } => {
                    let rest = bytes.len() - at;
                    let taken = usize::try_from(*left_bytes).map_or(rest, |left| left.min(rest));
                    *left_bytes -= taken as u64;
                    at += taken;
                    if *left_bytes == 0 {
                        self.place = Place::Between;
                    }
                }
                Place::Between => {
                    self.head.restart();
                    self.heads_begun += 1;
                    self.place = Place::Head;
                }
                Place::Head => {
                    if let Err(fault) = self.head_byte(bytes[at]) {
                        self.place = Place::Beyond;
                        return Err(Violation { at, fault });
                    }
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Whether every request so far was read to its end.
    pub(super) fn is_between_requests(&self) -> bool {
        self.place == Place::Between
    }

    /// The number of the head that is being read, counted from 1; `None` outside heads.
    pub(super) fn open_head(&self) -> Option<u64> {
        (self.place == Place::Head).then_some(self.heads_begun)
    }

    fn head_byte(&mut self, byte: u8) -> Result<(), Fault> {
        self.head.bytes += 1;
        if self.head.bytes > self.max_head_bytes {
            self.place = Place::Beyond;
            return Ok(());
        }
        match (self.head.after_carriage_return, byte) {
            (true, b'\n') => {
                self.head.after_carriage_return = false;
                self.end_line()?;
            }
            (true, _) => return Err(Fault::BareCarriageReturn),
            (false, b'\n') => return Err(Fault::BareLineFeed),
            (false, b'\r') => self.head.after_carriage_return = true,
            (false, byte) => self.head.line.push(byte),
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), Fault> {
        let head = &mut self.head;
        if head.line.is_empty() {
            // Empty lines before a request line are allowed (RFC 9112, 2.2); after it, one ends the head.
            if head.has_request_line {
                self.place = head.end()?;
            }
            return Ok(());
        }
        if head.has_request_line {
            head.header_line()?;
        } else {
            // This also stops the HTTP/2 preface, which hyper would drop without an answer.
            if !head.line.ends_with(b" HTTP/1.1") && !head.line.ends_with(b" HTTP/1.0") {
                return Err(Fault::Version);
            }
            head.has_request_line = true;
        }
        head.line.clear();
        Ok(())
    }
}

impl Head {
    fn restart(&mut self) {
        // The line's buffer is kept only while small: a connection must not hold its longest line for ever.
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        line.shrink_to(256);
        *self = Self {
            line,
            ..Self::default()
        };
    }

    fn header_line(&mut self) -> Result<(), Fault> {
        if matches!(self.line.first(), Some(b' ' | b'\t')) {
            return Err(Fault::FoldedHeader);
        }
        let colon = self
            .line
            .iter()
            .position(|&byte| byte == b':')
            .ok_or(Fault::HeaderName)?;
        let (name, value) = (&self.line[..colon], &self.line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
            return Err(Fault::HeaderName);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = parse_length(value).ok_or(Fault::ContentLength)?;
            if self.content_length.replace(length).is_some() {
                return Err(Fault::RepeatedContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.has_transfer_encoding = true;
        }
        Ok(())
    }

    fn end(&self) -> Result<Place, Fault> {
        match (self.has_transfer_encoding, self.content_length) {
            (true, Some(_)) => Err(Fault::LengthAndEncoding),
            (true, None) => Ok(Place::Beyond),
            (false, Some(left_bytes)) if left_bytes > 0 => Ok(Place::Body { left_bytes }),
            (false, _) => Ok(Place::Between),
        }
    }
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `1*DIGIT` between optional spaces and tabs; no sign, no list. `None` also where it passes a u64.
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number
        .then(|| str::from_utf8(digits).ok()?.parse().ok())
        .flatten()
}
