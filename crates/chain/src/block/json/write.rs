//! The JSON that is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::{
    BITS, DATA, ENTRIES, HASH, INDEX, MERKLE_ROOT, NONCE, PREV_HASH, TIMESTAMP, V2, VERSION,
};
use crate::block::Block;
use crate::header::{Header, NO_PARENT};
use crate::text::decimal_len;

impl Header {
    /// The one JSON form of it: no white space, and keys in the order of docs/protocol.md.
    pub fn to_json(&self) -> String {
        format!("{{{}}}", self.json_members())
    }

    fn json_members(&self) -> String {
        format!(
            "\"version\":{V2},\"index\":{},\"prev_hash\":\"{}\",\"merkle_root\":\"{}\",\"timestamp\":{},\
             \"bits\":\"{}\",\"nonce\":\"{}\",\"hash\":\"{}\"",
            self.index,
            self.prev_hash.unwrap_or(NO_PARENT),
            self.merkle_root,
            self.timestamp,
            self.bits,
            self.nonce,
            self.hash,
        )
    }
}

impl<S> Block<S> {
    /// The one JSON form of it: no white space, keys in the order of docs/protocol.md. Of a classic block all values are
    /// strings, as in the tutorial's files and `/blockchain.json`.
    pub fn to_json(&self) -> String {
        self.json_text("\"")
    }

    /// The block as it is posted to `/mined`: of a classic block `index`, `timestamp` and `nonce` are numbers, as the tutorial
    /// posts them, of which the timestamp passes what most JSON readers hold exactly.
    pub fn to_wire_json(&self) -> String {
        self.json_text("")
    }

    /// The JSON with `quote` around the numbers of a classic block. Put together by hand, since no serde type writes a
    /// 20-digit number; only `data` can hold characters that need escapes.
    fn json_text(&self, quote: &str) -> String {
        if let Some(header) = self.header() {
            let mut text = format!("{{{},\"entries\":[", header.json_members());
            for (position, entry) in self.entries().iter().enumerate() {
                text.push_str(if position == 0 { "\"" } else { ",\"" });
                BASE64.encode_string(entry, &mut text);
                text.push('"');
            }
            text.push_str("]}");
            return text;
        }
        let data = serde_json::Value::from(self.data());
        format!(
            "{{\"index\":{quote}{}{quote},\"prev_hash\":\"{}\",\"data\":{data},\
             \"timestamp\":{quote}{}{quote},\"nonce\":{quote}{}{quote},\"hash\":\"{}\"}}",
            self.index(),
            self.prev_hash_text(),
            self.timestamp(),
            self.nonce(),
            self.hash(),
        )
    }

    /// The length of [`to_json`](Self::to_json) in bytes, without building it.
    pub fn size_bytes(&self) -> usize {
        const FRAME: &str =
            r#"{"index":"","prev_hash":"","data":"","timestamp":"","nonce":"","hash":""}"#;
        if let Some(header) = self.header() {
            let entries: usize = self
                .entries()
                .iter()
                .map(|entry| entry_json_bytes(entry.len()))
                .sum();
            let commas = self.entries().len().saturating_sub(1);
            return header.to_json().len() + r#","entries":[]"#.len() + entries + commas;
        }
        FRAME.len()
            + decimal_len(self.index())
            + self.prev_hash().map_or(0, |_| HASH_DIGITS)
            + self.data().bytes().map(escaped_len).sum::<usize>()
            + self.timestamp().as_bytes().len()
            + decimal_len(self.nonce())
            + HASH_DIGITS
    }

    fn prev_hash_text(&self) -> String {
        self.prev_hash()
            .map(ToString::to_string)
            .unwrap_or_default()
    }
}

/// Digits of a hash in hex.
const HASH_DIGITS: usize = 64;

/// The bytes that an entry of `len` bytes takes in a block's JSON, without the comma: base64 and its quotes.
pub fn entry_json_bytes(len: usize) -> usize {
    len.div_ceil(3) * 4 + 2
}

/// The bytes that one byte of text takes in a JSON string.
fn escaped_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2, // a backslash and a letter
        0x00..=0x1f => 6,                                        // \u00XX
        _ => 1,
    }
}

/// As [`Block::to_json`].
impl<S> Serialize for Block<S> {
    fn serialize<W: Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
        if let Some(header) = self.header() {
            let entries: Vec<_> = self
                .entries()
                .iter()
                .map(|entry| BASE64.encode(entry))
                .collect();
            let mut block = serializer.serialize_struct("Block", HEADER_KEYS + 1)?;
            header.serialize_into(&mut block)?;
            block.serialize_field(ENTRIES, &entries)?;
            return block.end();
        }
        let mut block = serializer.serialize_struct("Block", 6)?;
        block.serialize_field(INDEX, &self.index().to_string())?;
        block.serialize_field(PREV_HASH, &self.prev_hash_text())?;
        block.serialize_field(DATA, &self.data())?;
        block.serialize_field(TIMESTAMP, &self.timestamp())?;
        block.serialize_field(NONCE, &self.nonce().to_string())?;
        block.serialize_field(HASH, self.hash())?;
        block.end()
    }
}

/// Keys of a header.
const HEADER_KEYS: usize = 8;

/// As [`Header::to_json`].
impl Serialize for Header {
    fn serialize<W: Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
        let mut header = serializer.serialize_struct("Header", HEADER_KEYS)?;
        self.serialize_into(&mut header)?;
        header.end()
    }
}

impl Header {
    fn serialize_into<W: SerializeStruct>(&self, header: &mut W) -> Result<(), W::Error> {
        header.serialize_field(VERSION, &2)?;
        header.serialize_field(INDEX, &self.index)?;
        header.serialize_field(PREV_HASH, &self.prev_hash.unwrap_or(NO_PARENT))?;
        header.serialize_field(MERKLE_ROOT, &self.merkle_root)?;
        header.serialize_field(TIMESTAMP, &(self.timestamp.instant().0 / 1_000))?;
        header.serialize_field(BITS, &self.bits)?;
        header.serialize_field(NONCE, &self.nonce.to_string())?;
        header.serialize_field(HASH, &self.hash)
    }
}
