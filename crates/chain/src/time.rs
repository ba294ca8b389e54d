//! Instants, and the digits a block carries for one.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use serde::{Deserialize, Serialize};

use crate::error::ValueError;
use crate::text::{serde_as_text, shortened};

/// An instant: microseconds since 1970-01-01 00:00 UTC, without leap seconds. `now` is one of these,
/// given by the caller, since this crate has no clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// The last instant there is. As `now` it switches off the rule that a block is not ahead of
    /// the clock: for replaying what was accepted before.
    pub const MAX: Self = Self(i64::MAX);

    /// This instant and `micros` microseconds more (or fewer), stopping at the ends of the range.
    #[must_use]
    pub const fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Digits of part 2's timestamps, Unix seconds.
const SHORT_DIGITS: usize = 10;
/// Digits of `v2`'s timestamps, Unix milliseconds.
const MILLIS_DIGITS: usize = 13;
/// Digits of part 3's timestamps, `YYYYMMDDhhmmssffffff`.
const LONG_DIGITS: usize = 20;

const MICROS_PER_MILLI: i64 = 1_000;

/// A block's timestamp. In `classic` exactly 10 digits (Unix seconds) or 20 (UTC `YYYYMMDDhhmmssffffff`), a real date; in `v2`
/// exactly 13 (Unix milliseconds). No leading zero. It keeps its digits, since the preimage holds them.
///
/// Text form, also in JSON: the digits, of any of the three kinds.
///
/// Two timestamps are equal when their digits are; compare [`instant`](Self::instant)s to ask which is
/// later. Twenty digits exceed a `u64`, so a timestamp is never a number here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp {
    digits: [u8; LONG_DIGITS], // a shorter one fills the first ten or thirteen; the rest is zero bytes
    instant: UnixMicros,
}

impl Timestamp {
    /// Reads the digits of a classic block's timestamp.
    ///
    /// # Errors
    /// [`ValueError::NotTimestamp`] when these are not 10 or 20 digits without a leading zero,
    /// [`ValueError::NotDate`] when 20 digits are no date.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let not_timestamp = || ValueError::NotTimestamp {
            found: shortened(text),
        };
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_digit) || bytes.first() == Some(&b'0') {
            return Err(not_timestamp());
        }
        let instant = match bytes.len() {
            SHORT_DIGITS => UnixMicros(number(bytes) * MICROS_PER_SECOND),
            LONG_DIGITS => instant_of_date(bytes).ok_or_else(|| ValueError::NotDate {
                found: text.to_owned(),
            })?,
            _ => return Err(not_timestamp()),
        };
        Ok(Self::of_digits(bytes, instant))
    }

    /// Reads the digits of a `v2` block's timestamp.
    ///
    /// # Errors
    /// [`ValueError::NotMillis`] when these are not 13 digits without a leading zero.
    pub fn parse_millis(text: &str) -> Result<Self, ValueError> {
        let bytes = text.as_bytes();
        if bytes.len() == MILLIS_DIGITS && bytes.iter().all(u8::is_ascii_digit) && bytes[0] != b'0'
        {
            let instant = UnixMicros(number(bytes) * MICROS_PER_MILLI);
            return Ok(Self::of_digits(bytes, instant));
        }
        Err(ValueError::NotMillis {
            found: shortened(text),
        })
    }

    fn of_digits(bytes: &[u8], instant: UnixMicros) -> Self {
        let mut digits = [0; LONG_DIGITS];
        digits[..bytes.len()].copy_from_slice(bytes);
        Self { digits, instant }
    }

    /// The 13 digits of an instant, rounded down. Before September 2001 and after 2286 it has another number of them: the
    /// first or the last moment that has 13 stands for those times.
    pub fn from_instant_in_millis(instant: UnixMicros) -> Self {
        let millis = instant
            .0
            .div_euclid(MICROS_PER_MILLI)
            .clamp(10_i64.pow(12), 10_i64.pow(13) - 1);
        let text = millis.to_string();
        Self::of_digits(text.as_bytes(), UnixMicros(millis * MICROS_PER_MILLI))
    }

    /// The 20 digits of an instant. Years before 1000 and after 9999 have no such digits: the first
    /// or the last moment of those years stands for them.
    pub fn from_instant(instant: UnixMicros) -> Self {
        const FIRST: UnixMicros = UnixMicros(-30_610_224_000_000_000); // 1000-01-01 00:00:00.000000
        const LAST: UnixMicros = UnixMicros(253_402_300_799_999_999); // 9999-12-31 23:59:59.999999
        let instant = instant.clamp(FIRST, LAST);
        let time = DateTime::from_timestamp_micros(instant.0)
            .expect("chrono knows every year from 1000 to 9999")
            .naive_utc();
        let mut digits = [0; LONG_DIGITS];
        write_digits(&mut digits[0..4], time.year().unsigned_abs());
        write_digits(&mut digits[4..6], time.month());
        write_digits(&mut digits[6..8], time.day());
        write_digits(&mut digits[8..10], time.hour());
        write_digits(&mut digits[10..12], time.minute());
        write_digits(&mut digits[12..14], time.second());
        write_digits(&mut digits[14..20], time.nanosecond() / 1000);
        Self { digits, instant }
    }

    /// When it says it is.
    pub fn instant(&self) -> UnixMicros {
        self.instant
    }

    /// Whether it is part 2's kind, ten digits of Unix seconds.
    pub fn is_ten_digits(&self) -> bool {
        self.digits[SHORT_DIGITS] == 0
    }

    /// Whether it is `v2`'s kind, 13 digits of Unix milliseconds.
    pub fn is_millis(&self) -> bool {
        !self.is_ten_digits() && self.digits[MILLIS_DIGITS] == 0
    }

    /// Its digits, as they stand in the preimage.
    pub fn as_bytes(&self) -> &[u8] {
        if self.is_ten_digits() {
            &self.digits[..SHORT_DIGITS]
        } else if self.is_millis() {
            &self.digits[..MILLIS_DIGITS]
        } else {
            &self.digits
        }
    }
}

/// The instant of `YYYYMMDDhhmmssffffff`, if there is such a day and time.
fn instant_of_date(digits: &[u8]) -> Option<UnixMicros> {
    let part = |from: usize, to: usize| number(&digits[from..to]);
    let small = |from: usize, to: usize| u32::try_from(part(from, to)).ok();
    let year = i32::try_from(part(0, 4)).ok()?;
    let time = NaiveDate::from_ymd_opt(year, small(4, 6)?, small(6, 8)?)?.and_hms_micro_opt(
        small(8, 10)?,
        small(10, 12)?,
        small(12, 14)?,
        small(14, 20)?,
    )?;
    Some(UnixMicros(time.and_utc().timestamp_micros()))
}

/// The value of at most ten digits.
fn number(digits: &[u8]) -> i64 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
}

/// Fills `place` with the decimal digits of `value`, zeros first.
fn write_digits(place: &mut [u8], mut value: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(self.as_bytes()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = ValueError;

    /// As [`Timestamp::parse`], and of 13 digits as [`Timestamp::parse_millis`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() {
            MILLIS_DIGITS => Self::parse_millis(text),
            _ => Self::parse(text),
        }
    }
}

serde_as_text!(Timestamp);
