//! What can be wrong with something that comes from outside. Refusals by rule are in `rules`.

use crate::rules::Rejected;

/// A single value that is not in its one canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A hash or a target is exactly 64 lowercase hex digits.
    #[error("must be exactly 64 lowercase hex digits, found `{found}`")]
    NotHex {
        /// The start of what was there instead.
        found: String,
    },
    /// A number is decimal digits without a leading zero, and fits its type.
    #[error("must be a decimal number without sign or leading zero, in range, found `{found}`")]
    NotDecimal {
        /// The start of what was there instead.
        found: String,
    },
    /// A timestamp has exactly 10 or 20 digits and no leading zero.
    #[error("must be exactly 10 or 20 digits without a leading zero, found `{found}`")]
    NotTimestamp {
        /// The start of what was there instead.
        found: String,
    },
    /// A `v2` timestamp has exactly 13 digits and no leading zero.
    #[error("must be exactly 13 digits without a leading zero, found `{found}`")]
    NotMillis {
        /// The start of what was there instead.
        found: String,
    },
    /// A compact target is 8 lowercase hex digits, and the one spelling of a number that is not zero.
    #[error("must be a target in compact form, 8 lowercase hex digits, found `{found}`")]
    NotBits {
        /// The start of what was there instead.
        found: String,
    },
    /// A timestamp's 20 digits are `YYYYMMDDhhmmssffffff` of a day that exists.
    #[error("must be a real date as YYYYMMDDhhmmssffffff, found `{found}`")]
    NotDate {
        /// The 20 digits.
        found: String,
    },
}

/// Text that is not a block, and the field that shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {reason}")]
pub struct ParseError {
    /// The field at fault: one of a block's, an unknown key, or `body` when the text as a whole is not
    /// a block. In a list the position stands before it: `[3].nonce`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ParseError {
    /// The name of no field: the text as a whole is at fault.
    pub(crate) const BODY: &'static str = "body";

    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// A network that can not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The file is not a network's: not JSON, an unknown or missing key, a value of a wrong form.
    #[error("not a network file: {source}")]
    Malformed {
        /// Where and why.
        source: serde_json::Error,
    },
    /// A name is 1 to 64 characters, none of them a control character.
    #[error("field `name`: must be 1 to 64 characters without control characters")]
    Name,
    /// Exactly one of `zeros` (at most 64) and `target` says how hard the work is.
    #[error("field `{field}`: {reason}")]
    Difficulty {
        /// `zeros` or `target`.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A `v2` network's rules stand in the first entry of its first block.
    #[error("field `genesis.entries`: {reason}")]
    Rules {
        /// What is wrong with them.
        reason: String,
    },
    /// The first block breaks the network's own rules.
    #[error("first block refused: {source}")]
    Genesis {
        /// The rule it breaks.
        source: Rejected,
    },
    /// No nonce gives a first block of enough work.
    #[error("no nonce makes a first block that meets the target {target}")]
    NoNonce {
        /// The target.
        target: crate::Target,
    },
}
