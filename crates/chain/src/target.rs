//! How hard the work is, and how much of it was done.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;

use ruint::aliases::U256;

use crate::error::ValueError;
use crate::hash::Hash;
use crate::text::{bytes_from_hex, is_canonical_decimal, serde_as_text, shortened};

/// The largest hash that counts as valid work: work is valid when the hash as a big-endian 256-bit
/// number is at most this. A *smaller* target is harder.
///
/// Text form, also in JSON: exactly 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target([u8; 32]); // big-endian bytes: comparing them compares the numbers, without conversion

impl Target {
    /// The easiest target: every hash meets it.
    pub const MAX: Self = Self([0xff; 32]);

    /// The tutorial's difficulty: the hex hash starts with this many zeros. `None` above 64, the
    /// length of a hash.
    pub fn from_zeros(zeros: u32) -> Option<Self> {
        match zeros {
            0..=63 => Some(Self::from_number(U256::MAX >> (4 * zeros as usize))),
            64 => Some(Self([0; 32])),
            _ => None,
        }
    }

    /// The number of leading zeros in hex that says the same as this target, if one does.
    pub fn zeros(&self) -> Option<u32> {
        (0..=64).find(|&zeros| Self::from_zeros(zeros) == Some(*self))
    }

    /// The target of these bytes, most significant first.
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, most significant first.
    pub const fn to_be_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Whether `hash` is valid work for this target.
    pub fn is_met_by(&self, hash: &Hash) -> bool {
        hash.as_bytes() <= &self.0
    }

    /// The work of one block at this target: the tries it takes on average,
    /// `floor(2^256 / (target + 1))`. The hardest target (0) would be 2^256 and counts one less.
    pub fn work(&self) -> Work {
        let target = U256::from_be_bytes(self.0);
        match target.checked_add(U256::ONE) {
            // 2^256 does not fit, but 2^256 / d = (2^256 - d) / d + 1, and 2^256 - d is `!target`.
            Some(divisor) => Work((!target / divisor).saturating_add(U256::ONE)),
            None => Work(U256::ONE),
        }
    }

    /// The target that takes about this many tries a block. One try or fewer (and what is not a
    /// number) gives [`Target::MAX`]; the rest is exact to a double's 53 bits.
    pub fn from_expected_hashes(tries: f64) -> Self {
        if tries.is_nan() || tries <= 1.0 {
            return Self::MAX;
        }
        if tries.is_infinite() {
            return Self([0; 32]);
        }
        // tries = mantissa * 2^exponent, with the mantissa a whole number of 53 bits.
        let bits = tries.to_bits();
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        let exponent = ((bits >> 52) & 0x7ff) as i32 - 1075;
        let quotient = U256::MAX / U256::from(mantissa);
        let shift = exponent.unsigned_abs() as usize;
        // Left cannot overflow: there mantissa >= 2^shift, since tries > 1.
        Self::from_number(if exponent >= 0 {
            quotient >> shift
        } else {
            quotient << shift
        })
    }

    fn from_number(number: U256) -> Self {
        Self(number.to_be_bytes())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hash::from_bytes(self.0), f)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Target {
    type Err = ValueError;

    /// Reads exactly 64 lowercase hex digits.
    ///
    /// # Errors
    /// [`ValueError::NotHex`] for anything else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        bytes_from_hex(text).map(Self)
    }
}

serde_as_text!(Target);

/// An amount of work: the number of hashes that a block, or a whole chain, stands for on average.
///
/// Text form, also in JSON: decimal digits without a leading zero. Adding saturates, so that no sum
/// of honest work can wrap to nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Work(U256);

impl Work {
    /// No work.
    pub const ZERO: Self = Self(U256::ZERO);
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Work {
    type Err = ValueError;

    /// Reads a canonical decimal number below 2^256.
    ///
    /// # Errors
    /// [`ValueError::NotDecimal`] for anything else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_decimal = || ValueError::NotDecimal {
            found: shortened(text),
        };
        if !is_canonical_decimal(text) {
            return Err(not_decimal());
        }
        U256::from_str_radix(text, 10)
            .map(Self)
            .map_err(|_| not_decimal())
    }
}

serde_as_text!(Work);
