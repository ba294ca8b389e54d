//! A block as JSON: a classic one in the tutorial's two spellings, all strings (files, `GET /blockchain.json`), or
//! `index`, `nonce` and `timestamp` as numbers (`POST /mined`); a `v2` one, and its header, in the one of docs/protocol.md.
//!
//! Reading accepts all of them, classic field by field, in any key order, and nothing else. A value is first taken
//! as the raw text it is, since a 20-digit timestamp as a number would lose digits on the way.

mod write;

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Block, Entries, Unchecked};
use crate::error::ParseError;
use crate::hash::Hash;
use crate::header::{Header, NO_PARENT};
use crate::rules::MAX_V2_BLOCK_BYTES;
use crate::text::{shortened, u64_from_decimal};
use crate::time::Timestamp;

pub use write::entry_json_bytes;

/// The keys of both kinds of block. Which of them may be there, the kind says, and that `version` does.
const FIELDS: [&str; 10] = [
    VERSION,
    INDEX,
    PREV_HASH,
    DATA,
    MERKLE_ROOT,
    TIMESTAMP,
    BITS,
    NONCE,
    HASH,
    ENTRIES,
];
const VERSION: &str = "version";
const INDEX: &str = "index";
const PREV_HASH: &str = "prev_hash";
const DATA: &str = "data";
const MERKLE_ROOT: &str = "merkle_root";
const TIMESTAMP: &str = "timestamp";
const BITS: &str = "bits";
const NONCE: &str = "nonce";
const HASH: &str = "hash";
const ENTRIES: &str = "entries";

/// What `version` says in a `v2` block; a classic block has no such key.
const V2: &str = "2";

impl Block<Unchecked> {
    /// Reads one block from JSON: of the `v2` kind where there is a `version`, else a classic one.
    ///
    /// Accepted for `index`, `timestamp` and `nonce` of a classic block are strings and bare numbers of up to 20 digits, alike;
    /// its other fields are strings. In a `v2` block `version`, `index` and `timestamp` are numbers, `entries` a list of strings
    /// in base64, the others strings.
    ///
    /// # Errors
    /// The first field at fault, for: keys that are unknown, missing or there twice; numbers that are
    /// not canonical; hashes that are not 64 lowercase hex digits; a `prev_hash` that is not empty (in `v2` 64 zeros) at
    /// height 0, or is above it; a timestamp that is no date; text before or after the block.
    pub fn from_json(text: &[u8]) -> Result<Self, ParseError> {
        parse_whole(text, RawFields::block)
    }

    /// Reads a JSON array of blocks, as `/blockchain.json` has it, in one pass.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json), of the first block at fault, its position before the field:
    /// `[3].nonce`.
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>, ParseError> {
        whole(text, |json, fault| {
            json.deserialize_seq(ListVisitor { fault })
        })
    }
}

impl Header {
    /// Reads one header from JSON: a `v2` block's without `entries`.
    ///
    /// # Errors
    /// The first field at fault, as of [`Block::from_json`].
    pub fn from_json(text: &[u8]) -> Result<Self, ParseError> {
        parse_whole(text, RawFields::header_alone)
    }
}

/// Reads an object that is all of `text`.
fn parse_whole<T>(
    text: &[u8],
    read: fn(&RawFields) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    whole(text, |json, fault| {
        ObjectSeed { fault, read }.deserialize(json)
    })
}

/// Runs `read` over all of `text`. What it puts into the `fault` it is given beats serde's own error.
fn whole<T>(
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
        of_object(deserializer, RawFields::block)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        of_object(deserializer, RawFields::header_alone)
    }
}

fn of_object<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: fn(&RawFields) -> Result<T, ParseError>,
) -> Result<T, D::Error> {
    let mut fault = None;
    let fault_of = &mut fault;
    let result = ObjectSeed {
        fault: fault_of,
        read,
    }
    .deserialize(deserializer);
    match fault {
        Some(fault) => Err(D::Error::custom(fault)),
        None => result,
    }
}

/// Reads one object, and leaves in `fault` which field was wrong: serde's errors are only text.
struct ObjectSeed<'f, T> {
    fault: &'f mut Option<ParseError>,
    read: fn(&RawFields) -> Result<T, ParseError>,
}

impl<'de, T> DeserializeSeed<'de> for ObjectSeed<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T> Visitor<'de> for ObjectSeed<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the fields of a block")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut fields = RawFields::default();
        let mut read = || -> Result<Result<T, ParseError>, A::Error> {
            while let Some(key) = map.next_key::<Key>()? {
                let place = match fields.place(key) {
                    Ok(place) => place,
                    Err(fault) => return Ok(Err(fault)),
                };
                *place = Some(map.next_value()?);
            }
            Ok((self.read)(&fields))
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
            let seed = ObjectSeed {
                fault: self.fault,
                read: RawFields::block,
            };
            match list.next_element_seed(seed) {
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
        if self.value(VERSION).is_some() {
            self.none_of(&[DATA])?;
            Ok(Block::v2(self.header()?, self.entries()?))
        } else {
            self.none_of(&[MERKLE_ROOT, BITS, ENTRIES])?;
            self.classic()
        }
    }

    fn classic(&self) -> Result<Block<Unchecked>, ParseError> {
        let index = self.parsed(INDEX, Spelling::StringOrNumber, u64_from_decimal)?;
        let prev_hash = match index {
            0 => self.parsed(PREV_HASH, Spelling::String, |text| match text {
                "" => Ok(None),
                _ => Err("must be empty at index 0"),
            })?,
            _ => Some(self.parsed(PREV_HASH, Spelling::String, str::parse)?),
        };
        let timestamp = self.parsed(TIMESTAMP, Spelling::StringOrNumber, Timestamp::parse)?;
        let nonce = self.parsed(NONCE, Spelling::StringOrNumber, u64_from_decimal)?;
        let hash = self.parsed(HASH, Spelling::String, str::parse)?;
        let data = self.text(DATA, Spelling::String)?.into_owned();
        Ok(Block::new(index, prev_hash, data, timestamp, nonce, hash))
    }

    fn header_alone(&self) -> Result<Header, ParseError> {
        self.none_of(&[DATA, ENTRIES])?;
        self.header()
    }

    fn header(&self) -> Result<Header, ParseError> {
        self.parsed(VERSION, Spelling::Number, |text| match text {
            V2 => Ok(()),
            _ => Err("must be 2; a classic block has no such key"),
        })?;
        let index = self.parsed(INDEX, Spelling::Number, u64_from_decimal)?;
        let prev_hash: Hash = self.parsed(PREV_HASH, Spelling::String, str::parse)?;
        let prev_hash = match (index, prev_hash == NO_PARENT) {
            (0, true) => None,
            (1.., false) => Some(prev_hash),
            (0, false) => return Err(ParseError::new(PREV_HASH, "must be 64 zeros at index 0")),
            (1.., true) => return Err(ParseError::new(PREV_HASH, "must be the parent's hash")),
        };
        Ok(Header {
            index,
            prev_hash,
            merkle_root: self.parsed(MERKLE_ROOT, Spelling::String, str::parse)?,
            timestamp: self.parsed(TIMESTAMP, Spelling::Number, Timestamp::parse_millis)?,
            bits: self.parsed(BITS, Spelling::String, str::parse)?,
            nonce: self.parsed(NONCE, Spelling::String, u64_from_decimal)?,
            hash: self.parsed(HASH, Spelling::String, str::parse)?,
        })
    }

    fn entries(&self) -> Result<Entries, ParseError> {
        let value = self
            .value(ENTRIES)
            .ok_or_else(|| ParseError::new(ENTRIES, "missing"))?;
        // Before they are taken apart: short ones take eight times as much memory as text.
        if value.len() > MAX_V2_BLOCK_BYTES {
            let reason = format!("more than {MAX_V2_BLOCK_BYTES} bytes, which no block may be");
            return Err(ParseError::new(ENTRIES, reason));
        }
        let entries: Vec<Text<'_>> = serde_json::from_str(value)
            .map_err(|error| ParseError::new(ENTRIES, error.to_string()))?;
        let decoded = entries.iter().enumerate().map(|(position, entry)| {
            BASE64.decode(entry.0.as_bytes()).map_err(|error| {
                ParseError::new(
                    format!("{ENTRIES}[{position}]"),
                    format!("not base64: {error}"),
                )
            })
        });
        decoded.collect()
    }

    /// Refuses keys that only the other kind of block has.
    fn none_of(&self, fields: &[&'static str]) -> Result<(), ParseError> {
        match fields.iter().find(|field| self.value(field).is_some()) {
            Some(field) => Err(ParseError::new(*field, "unknown key")),
            None => Ok(()),
        }
    }

    /// The text of the value of `field`, where it is there.
    fn value(&self, field: &str) -> Option<&str> {
        let position = FIELDS.iter().position(|name| *name == field)?;
        self.0[position].as_deref().map(RawValue::get)
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
        let value = self
            .value(field)
            .ok_or_else(|| ParseError::new(field, "missing"))?;
        match (value.as_bytes().first(), spelling) {
            (Some(b'"'), Spelling::String | Spelling::StringOrNumber) => {
                serde_json::from_str::<Text<'_>>(value)
                    .map(|text| text.0)
                    .map_err(|error| ParseError::new(field, error.to_string()))
            }
            (Some(b'-' | b'0'..=b'9'), Spelling::Number | Spelling::StringOrNumber) => {
                Ok(Cow::Borrowed(value))
            }
            (_, Spelling::Number) => Err(ParseError::new(field, "must be a number")),
            (_, Spelling::StringOrNumber) => {
                Err(ParseError::new(field, "must be a string or a number"))
            }
            (_, Spelling::String) => Err(ParseError::new(field, "must be a string")),
        }
    }
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// How a field may be spelled in JSON.
#[derive(Clone, Copy)]
enum Spelling {
    String,
    Number,
    StringOrNumber,
}
