//! A block as JSON, in the tutorial's two spellings: all strings (files, `GET /blockchain.json`), or
//! `index`, `nonce` and `timestamp` as numbers (`POST /mined`).
//!
//! Reading accepts both, field by field, in any key order, and nothing else. A value is first taken
//! as the raw text it is, since a 20-digit timestamp as a number would lose digits on the way.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Block, Unchecked};
use crate::error::ParseError;
use crate::text::{decimal_len, shortened, u64_from_decimal};
use crate::time::Timestamp;

const FIELDS: [&str; 6] = ["index", "prev_hash", "data", "timestamp", "nonce", "hash"];

impl Block<Unchecked> {
    /// Reads one block from JSON. Accepted for `index`, `timestamp` and `nonce` are strings and bare
    /// numbers of up to 20 digits, alike; the other fields are strings.
    ///
    /// # Errors
    /// The first field at fault, for: keys that are unknown, missing or there twice; numbers that are
    /// not canonical; hashes that are not 64 lowercase hex digits; a `prev_hash` that is not empty at
    /// height 0, or empty above it; a timestamp that is no date; text before or after the block.
    pub fn from_json(text: &[u8]) -> Result<Self, ParseError> {
        parse_whole(text, |json, fault| BlockSeed { fault }.deserialize(json))
    }

    /// Reads a JSON array of blocks, as `/blockchain.json` has it, in one pass.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json), of the first block at fault, its position before the field:
    /// `[3].nonce`.
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>, ParseError> {
        parse_whole(text, |json, fault| {
            json.deserialize_seq(ListVisitor { fault })
        })
    }
}

/// Runs `read` over all of `text`. What it puts into the `fault` it is given beats serde's own error.
fn parse_whole<T>(
    text: &[u8],
    read: impl FnOnce(
        &mut serde_json::Deserializer<serde_json::de::SliceRead<'_>>,
        &mut Option<ParseError>,
    ) -> serde_json::Result<T>,
) -> Result<T, ParseError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let mut fault = None;
    read(&mut json, &mut fault)
        .and_then(|value| json.end().map(|()| value))
        .map_err(|error| {
            fault.unwrap_or_else(|| ParseError::new(ParseError::BODY, error.to_string()))
        })
}

impl<'de> Deserialize<'de> for Block<Unchecked> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fault = None;
        let result = BlockSeed { fault: &mut fault }.deserialize(deserializer);
        match fault {
            Some(fault) => Err(D::Error::custom(fault)),
            None => result,
        }
    }
}

/// Reads one block, and leaves in `fault` which field was wrong: serde's errors are only text.
struct BlockSeed<'f> {
    fault: &'f mut Option<ParseError>,
}

impl<'de> DeserializeSeed<'de> for BlockSeed<'_> {
    type Value = Block<Unchecked>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BlockSeed<'_> {
    type Value = Block<Unchecked>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block: an object of six fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = RawFields::default();
        let mut read = || -> Result<Result<Self::Value, ParseError>, A::Error> {
            while let Some(key) = map.next_key::<Key>()? {
                let place = match fields.place(key) {
                    Ok(place) => place,
                    Err(fault) => return Ok(Err(fault)),
                };
                *place = Some(map.next_value()?);
            }
            Ok(fields.block())
        };
        read()?.map_err(|fault| {
            let error = A::Error::custom(&fault);
            *self.fault = Some(fault);
            error
        })
    }
}

/// Reads a list of blocks; a fault gets its block's position.
struct ListVisitor<'f> {
    fault: &'f mut Option<ParseError>,
}

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = Vec<Block<Unchecked>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of blocks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut blocks = Vec::new();
        loop {
            match list.next_element_seed(BlockSeed { fault: self.fault }) {
                Ok(Some(block)) => blocks.push(block),
                Ok(None) => return Ok(blocks),
                Err(error) => {
                    let (field, reason) = match self.fault.take() {
                        Some(fault) => (fault.field, fault.reason),
                        None => (ParseError::BODY.to_owned(), error.to_string()),
                    };
                    *self.fault = Some(ParseError::new(
                        format!("[{}].{field}", blocks.len()),
                        reason,
                    ));
                    return Err(error);
                }
            }
        }
    }
}

/// A key of an object: the position of a field of ours, or another's name.
enum Key {
    Field(usize),
    Unknown(String),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match FIELDS.iter().position(|field| *field == key) {
                    Some(position) => Key::Field(position),
                    None => Key::Unknown(shortened(key)),
                })
            }
        }

        deserializer.deserialize_identifier(KeyVisitor)
    }
}

/// The values of an object as the text they are, in the order of [`FIELDS`].
#[derive(Default)]
struct RawFields([Option<Box<RawValue>>; FIELDS.len()]);

impl RawFields {
    /// Where the value of `key` goes.
    fn place(&mut self, key: Key) -> Result<&mut Option<Box<RawValue>>, ParseError> {
        match key {
            Key::Unknown(name) => Err(ParseError::new(name, "unknown key")),
            Key::Field(position) if self.0[position].is_some() => {
                Err(ParseError::new(FIELDS[position], "key there twice"))
            }
            Key::Field(position) => Ok(&mut self.0[position]),
        }
    }

    fn block(&self) -> Result<Block<Unchecked>, ParseError> {
        let [index, prev_hash, data, timestamp, nonce, hash] = FIELDS;
        let index = self.parsed(index, Spelling::StringOrNumber, u64_from_decimal)?;
        let prev_hash = match index {
            0 => self.parsed(prev_hash, Spelling::String, |text| match text {
                "" => Ok(None),
                _ => Err("must be empty at index 0"),
            })?,
            _ => Some(self.parsed(prev_hash, Spelling::String, str::parse)?),
        };
        let timestamp = self.parsed(timestamp, Spelling::StringOrNumber, Timestamp::parse)?;
        let nonce = self.parsed(nonce, Spelling::StringOrNumber, u64_from_decimal)?;
        let hash = self.parsed(hash, Spelling::String, str::parse)?;
        let data = self.text(data, Spelling::String)?.into_owned();
        Ok(Block::new(index, prev_hash, data, timestamp, nonce, hash))
    }

    /// The value of `field`, read by `parse`.
    fn parsed<T, E: ToString>(
        &self,
        field: &'static str,
        spelling: Spelling,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ParseError> {
        parse(&self.text(field, spelling)?)
            .map_err(|error| ParseError::new(field, error.to_string()))
    }

    /// The text of `field`: what its string says, or the digits of its number.
    fn text(&self, field: &'static str, spelling: Spelling) -> Result<Cow<'_, str>, ParseError> {
        /// A string, borrowed where it has no escapes.
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        let value = FIELDS
            .iter()
            .position(|name| *name == field)
            .and_then(|position| self.0[position].as_deref())
            .ok_or_else(|| ParseError::new(field, "missing"))?
            .get();
        match (value.as_bytes().first(), spelling) {
            (Some(b'"'), _) => serde_json::from_str::<Text<'_>>(value)
                .map(|text| text.0)
                .map_err(|error| ParseError::new(field, error.to_string())),
            (Some(b'-' | b'0'..=b'9'), Spelling::StringOrNumber) => Ok(Cow::Borrowed(value)),
            (_, Spelling::StringOrNumber) => {
                Err(ParseError::new(field, "must be a string or a number"))
            }
            (_, Spelling::String) => Err(ParseError::new(field, "must be a string")),
        }
    }
}

/// How a field may be spelled in JSON.
#[derive(Clone, Copy)]
enum Spelling {
    String,
    StringOrNumber,
}

impl<S> Block<S> {
    /// The six fields as JSON strings: the tutorial's files and `/blockchain.json`.
    pub fn to_json(&self) -> String {
        self.json_text("\"")
    }

    /// The block as the tutorial posts it to `/mined`: `index`, `timestamp` and `nonce` are numbers,
    /// of which the timestamp passes what most JSON readers hold exactly.
    pub fn to_wire_json(&self) -> String {
        self.json_text("")
    }

    /// The JSON with `quote` around numbers. Put together by hand, since no serde type writes a
    /// 20-digit number; only `data` can hold characters that need escapes.
    fn json_text(&self, quote: &str) -> String {
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
        const HASH_DIGITS: usize = 64;
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

/// The bytes that one byte of text takes in a JSON string.
fn escaped_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2, // a backslash and a letter
        0x00..=0x1f => 6,                                        // \u00XX
        _ => 1,
    }
}

/// As [`Block::to_json`]: six strings.
impl<S> Serialize for Block<S> {
    fn serialize<W: Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
        let [index, prev_hash, data, timestamp, nonce, hash] = FIELDS;
        let mut block = serializer.serialize_struct("Block", FIELDS.len())?;
        block.serialize_field(index, &self.index().to_string())?;
        block.serialize_field(prev_hash, &self.prev_hash_text())?;
        block.serialize_field(data, self.data())?;
        block.serialize_field(timestamp, &self.timestamp())?;
        block.serialize_field(nonce, &self.nonce().to_string())?;
        block.serialize_field(hash, self.hash())?;
        block.end()
    }
}
