//! A target in the four bytes that a header has for it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use ruint::aliases::U256;

use crate::error::ValueError;
use crate::target::Target;
use crate::text::{serde_as_text, shortened};

/// A target in Bitcoin's compact form: a byte that says how many bytes the number has, and its first three. The first bit of
/// those would be a sign and is never set.
///
/// Only the one spelling of a target that can be written so is a `Bits`, and never zero, which no hash meets.
///
/// Text form, also in JSON: exactly 8 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits(NonZeroU32); // its order is that of the targets, as both are canonical

/// The sign of the mantissa.
const SIGN: u32 = 0x0080_0000;
/// Bytes of the mantissa.
const MANTISSA_BYTES: usize = 3;

impl Bits {
    /// The compact form of these four bytes; `None` where they are negative, zero, too large, or not canonical.
    pub fn new(compact: u32) -> Option<Self> {
        if compact & SIGN != 0 {
            return None;
        }
        // What is too large loses its first bits here, and then is not spelled so.
        let bits = Self::from_number(number_of(compact))?;
        (bits.as_u32() == compact).then_some(bits)
    }

    /// The largest compact target that is not above `target`; of a target of zero the one above it, 1.
    pub fn from_target(target: &Target) -> Self {
        Self::from_number(U256::from_be_bytes(target.to_be_bytes())).unwrap_or(Self::HARDEST)
    }

    const HARDEST: Self = match NonZeroU32::new(0x0101_0000) {
        Some(one) => Self(one),
        None => unreachable!(),
    };

    /// The four bytes as a number.
    pub fn as_u32(self) -> u32 {
        self.0.get()
    }

    /// The target.
    pub fn target(self) -> Target {
        Target::from_be_bytes(self.number().to_be_bytes())
    }

    /// Its 8 hex digits, as they stand in a preimage, without an allocation.
    pub(crate) fn to_hex(self) -> [u8; 8] {
        let mut text = [0; 8];
        hex::encode_to_slice(self.as_u32().to_be_bytes(), &mut text)
            .expect("four bytes are eight digits");
        text
    }

    pub(crate) fn number(self) -> U256 {
        number_of(self.as_u32())
    }

    /// Rounds down; `None` for zero.
    pub(crate) fn from_number(number: U256) -> Option<Self> {
        let size = number.byte_len();
        let mantissa = match size.checked_sub(MANTISSA_BYTES) {
            Some(shift) => number >> (8 * shift),
            None => number << (8 * (MANTISSA_BYTES - size)),
        };
        let (mut size, mut mantissa) = (size as u32, mantissa.to::<u32>());
        if mantissa & SIGN != 0 {
            (size, mantissa) = (size + 1, mantissa >> 8);
        }
        NonZeroU32::new(mantissa)
            .and_then(|mantissa| mantissa.checked_add(size << 24))
            .map(Self)
    }
}

/// The number that four bytes spell, without the bits of it that are above the 256th.
fn number_of(compact: u32) -> U256 {
    let (size, mantissa) = ((compact >> 24) as usize, compact & 0x00ff_ffff);
    match size.checked_sub(MANTISSA_BYTES) {
        Some(shift) => U256::from(mantissa) << (8 * shift),
        None => U256::from(mantissa >> (8 * (MANTISSA_BYTES - size))),
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Bits {
    type Err = ValueError;

    /// Reads exactly 8 lowercase hex digits.
    ///
    /// # Errors
    /// [`ValueError::NotBits`] for anything else, and for what [`Bits::new`] refuses.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical = text.len() == 8
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        canonical
            .then(|| u32::from_str_radix(text, 16).ok())
            .flatten()
            .and_then(Self::new)
            .ok_or_else(|| ValueError::NotBits {
                found: shortened(text),
            })
    }
}

serde_as_text!(Bits);
