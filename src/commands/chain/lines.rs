//! Files of JSON Lines: one block or one header a line, lowest first.

use std::io::{self, BufRead, Read};

use jbc_chain::{Block, Hash, Header, ParseError, Unchecked};

/// The longest line that is read, in bytes: twice the largest block, since it may be spelled with white space.
const MAX_LINE_BYTES: u64 = 2 * jbc_chain::MAX_V2_BLOCK_BYTES as u64;

/// A line of a file.
#[derive(Debug)]
pub(in crate::commands) struct Line {
    /// Counted from 1, as editors do.
    pub(in crate::commands) number: u64,
    /// Its text without the line end.
    pub(in crate::commands) text: Vec<u8>,
    /// Whether it has a line end: the last line of a file that is still being written has none.
    pub(in crate::commands) is_complete: bool,
}

/// Reads a file line by line; what is in memory is one line.
#[derive(Debug)]
pub(in crate::commands) struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(in crate::commands) fn new(reader: R) -> Self {
        Self { reader, number: 0 }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// The system's, and a line that is longer than any block.
    pub(in crate::commands) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        let limited = self.reader.by_ref().take(MAX_LINE_BYTES);
        if { limited }.read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        let is_complete = text.last() == Some(&b'\n');
        if !is_complete && text.len() as u64 == MAX_LINE_BYTES {
            let reason = format!("line {number}: more than {MAX_LINE_BYTES} bytes are no block");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        if is_complete {
            text.pop();
        }
        Ok(Some(Line {
            number,
            text,
            is_complete,
        }))
    }
}

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Item {
    /// A whole block of either kind.
    Block(Block<Unchecked>),
    /// A `v2` block without its entries.
    Header(Header),
}

impl Item {
    /// Reads a block or a header, in any spelling.
    ///
    /// # Errors
    /// The first field at fault.
    pub(in crate::commands) fn from_json(text: &[u8]) -> Result<Self, ParseError> {
        match Header::from_json(text) {
            Ok(header) => Ok(Self::Header(header)),
            // Only a block has these.
            Err(fault) if matches!(fault.field.as_str(), "data" | "entries") => {
                Block::from_json(text).map(Self::Block)
            }
            Err(fault) => Err(fault),
        }
    }

    /// The one spelling of it.
    pub(in crate::commands) fn to_json(&self) -> String {
        match self {
            Self::Block(block) => block.to_json(),
            Self::Header(header) => header.to_json(),
        }
    }

    pub(in crate::commands) fn index(&self) -> u64 {
        match self {
            Self::Block(block) => block.index(),
            Self::Header(header) => header.index,
        }
    }

    pub(in crate::commands) fn prev_hash(&self) -> Option<Hash> {
        match self {
            Self::Block(block) => block.prev_hash().copied(),
            Self::Header(header) => header.prev_hash,
        }
    }

    /// Its stated hash.
    pub(in crate::commands) fn hash(&self) -> Hash {
        match self {
            Self::Block(block) => *block.hash(),
            Self::Header(header) => header.hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jbc_chain::Network;

    #[test]
    fn lines_are_counted_and_the_last_may_be_torn() {
        let mut lines = Lines::new(&b"one\n\nthree"[..]);
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push((
                line.number,
                String::from_utf8(line.text).unwrap(),
                line.is_complete,
            ));
        }
        let expected = [(1, "one", true), (2, "", true), (3, "three", false)];
        assert_eq!(
            read,
            expected.map(|(number, text, whole)| (number, text.to_owned(), whole))
        );
    }

    #[test]
    fn a_line_without_an_end_costs_bounded_memory() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let error = Lines::new(endless).next().unwrap_err();
        assert!(
            error.to_string().starts_with("line 1: more than"),
            "{error}"
        );
    }

    #[test]
    fn blocks_of_both_kinds_and_headers_are_told_apart() {
        for network in Network::built_in() {
            let block = network.genesis.into_unchecked();
            let read = Item::from_json(block.to_json().as_bytes());
            assert_eq!(read, Ok(Item::Block(block.clone())));
            if let Some(header) = block.header() {
                let read = Item::from_json(header.to_json().as_bytes());
                assert_eq!(read, Ok(Item::Header(header)));
            }
        }
        let fault = Item::from_json(b"{\"version\": 2, \"index\": 1}").unwrap_err();
        assert_eq!(fault.field, "prev_hash");
    }
}
