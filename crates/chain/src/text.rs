//! How values become text and come back: the digits of a preimage, hex, and serde strings.

use crate::error::ValueError;

/// Room for the decimal digits of any `u64`.
pub(crate) const MAX_U64_DIGITS: usize = 20;

/// Writes `value` in decimal into `buffer` and returns the digits: no allocation, since every
/// received block's hash is computed through here.
pub(crate) fn decimal(mut value: u64, buffer: &mut [u8; MAX_U64_DIGITS]) -> &[u8] {
    let mut start = buffer.len();
    loop {
        start -= 1;
        buffer[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &buffer[start..];
        }
    }
}

/// How many decimal digits `value` has.
pub(crate) fn decimal_len(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Reads exactly 64 lowercase hex digits.
pub(crate) fn bytes_from_hex(text: &str) -> Result<[u8; 32], ValueError> {
    let mut bytes = [0; 32];
    let lowercase = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if lowercase && hex::decode_to_slice(text, &mut bytes).is_ok() {
        Ok(bytes)
    } else {
        Err(ValueError::NotHex {
            found: shortened(text),
        })
    }
}

/// Reads a canonical decimal `u64`: digits only, no leading zero.
pub(crate) fn u64_from_decimal(text: &str) -> Result<u64, ValueError> {
    let not_canonical = || ValueError::NotDecimal {
        found: shortened(text),
    };
    if !is_canonical_decimal(text) {
        return Err(not_canonical());
    }
    text.parse().map_err(|_| not_canonical())
}

/// Whether `text` is digits only, at least one, without a leading zero (but `0` itself).
pub(crate) fn is_canonical_decimal(text: &str) -> bool {
    let digits = text.as_bytes();
    match digits {
        [] => false,
        [b'0'] => true,
        [b'0', ..] => false,
        _ => digits.iter().all(u8::is_ascii_digit),
    }
}

/// The start of a text from outside, for an error message: such a text may be megabytes long.
pub(crate) fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 70;
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Serde as the string that `Display` writes and `FromStr` reads.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_digits_are_those_of_display_at_every_length() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        let edges = powers.flat_map(|power| [power - 1, power, power + 1]);
        for value in edges.chain([u64::MAX - 1, u64::MAX]) {
            let mut buffer = [0; MAX_U64_DIGITS];
            assert_eq!(decimal(value, &mut buffer), value.to_string().as_bytes());
            assert_eq!(decimal_len(value), value.to_string().len());
            assert_eq!(u64_from_decimal(&value.to_string()), Ok(value));
        }
    }

    #[test]
    fn a_long_text_is_shortened_between_characters() {
        assert_eq!(shortened("é".repeat(70).as_str()), "é".repeat(70));
        assert_eq!(shortened("é".repeat(71).as_str()), "é".repeat(70) + "…");
    }
}
