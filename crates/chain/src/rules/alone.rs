//! The rules that need nothing but the block.

use super::{MAX_BLOCK_BYTES, Rejected};
use crate::block::{Block, Unchecked};
use crate::hash::Hash;
use crate::target::Target;

/// FORMATS.md: "work is valid when the hash as a big-endian 256-bit number ≤ target".
pub(crate) fn check_work(hash: &Hash, target: &Target) -> Result<(), Rejected> {
    if target.is_met_by(hash) {
        return Ok(());
    }
    Err(Rejected::because(
        "work",
        "hash",
        "the hash does not meet the target",
    ))
}

/// FORMATS.md: `prev_hash` is "parent's hash, 64 lowercase hex digits; empty string at height 0".
pub(crate) fn check_prev_hash_form(block: &Block<Unchecked>) -> Result<(), Rejected> {
    let reason = match (block.index(), block.prev_hash()) {
        (0, None) | (1.., Some(_)) => return Ok(()),
        (0, Some(_)) => "must be empty at index 0",
        (1.., None) => "must be the parent's hash",
    };
    Err(Rejected::because("prev-hash", "prev_hash", reason))
}

/// FORMATS.md: `index` is "height, 0 for the first block". Of a network's own first block.
pub(crate) fn check_first_index(block: &Block<Unchecked>) -> Result<(), Rejected> {
    if block.index() == 0 {
        return Ok(());
    }
    Err(Rejected::because(
        "genesis",
        "index",
        "must be 0 in a network's first block",
    ))
}

/// RELIABILITY.md: "a block ≤ 16 KiB in classic".
///
/// Counted on the one JSON form this crate writes, so that a block's validity does not hang on how
/// its sender spelled it.
pub(crate) fn check_size(block: &Block<Unchecked>) -> Result<(), Rejected> {
    /// JSON at its worst: one byte of text as `\u00XX`.
    const MAX_ESCAPED_BYTES: usize = 6;
    /// More than all of a block's JSON but `data` can be: keys, quotes, two hashes, three numbers.
    const REST_BYTES: usize = 300;

    if block.data().len() * MAX_ESCAPED_BYTES + REST_BYTES <= MAX_BLOCK_BYTES {
        return Ok(()); // spares small blocks the count of their escapes
    }
    let size = block.size_bytes();
    if size <= MAX_BLOCK_BYTES {
        return Ok(());
    }
    let reason = format!("the block is {size} bytes of JSON, more than {MAX_BLOCK_BYTES}");
    Err(Rejected::because("size", "data", reason))
}

/// FORMATS.md: "Ten digits are allowed only while every ancestor has ten, and `data` must then not
/// end in ten digits (else a 20-digit block has a twin that cost no work)."
pub(crate) fn check_ten_digit_data(block: &Block<Unchecked>) -> Result<(), Rejected> {
    const TWIN_DIGITS: usize = 10;
    let last = block.data().as_bytes().last_chunk::<TWIN_DIGITS>();
    let ends_in_digits = last.is_some_and(|bytes| bytes.iter().all(u8::is_ascii_digit));
    if block.timestamp().is_ten_digits() && ends_in_digits {
        let reason = "must not end in ten digits before a ten-digit timestamp";
        return Err(Rejected::because("ten-digit-data", "data", reason));
    }
    Ok(())
}

/// RELIABILITY.md: "stated hash = computed hash".
pub(crate) fn check_hash(block: &Block<Unchecked>) -> Result<(), Rejected> {
    if block.computed_hash() == *block.hash() {
        return Ok(());
    }
    Err(Rejected::because(
        "hash",
        "hash",
        "the stated hash is not the hash of the preimage",
    ))
}
