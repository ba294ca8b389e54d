//! A block's hash.

use std::fmt;
use std::str::FromStr;

use crate::error::ValueError;
use crate::text::{bytes_from_hex, serde_as_text};

/// The SHA-256 of a block's preimage: its name, and as a big-endian number its proof of work.
///
/// Text form, also in JSON: exactly 64 lowercase hex digits. Ordered as the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of these bytes, most significant first.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its first 12 hex digits, for people: `000002f9c703`.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }

    /// Its 64 hex digits, as they stand in a preimage, without an allocation.
    pub(crate) fn to_hex(self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.to_hex()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = ValueError;

    /// Reads exactly 64 lowercase hex digits.
    ///
    /// # Errors
    /// [`ValueError::NotHex`] for anything else; capitals and missing zeros are not forgiven, since a
    /// preimage holds the digits themselves.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        bytes_from_hex(text).map(Self)
    }
}

serde_as_text!(Hash);
