//! The rules that need nothing but the block.

use super::{MAX_BLOCK_BYTES, MAX_ENTRY_BYTES, Rejected, Rules, V2Rules};
use crate::block::{Block, Unchecked};
use crate::hash::Hash;
use crate::header::Header;
use crate::merkle::merkle_root;
use crate::target::Target;
use crate::time::Timestamp;

/// FORMATS.md: "Nodes of different networks refuse each other clearly."
pub(crate) fn check_kind(rules: &Rules, is_v2: bool) -> Result<(), Rejected> {
    let reason = match (rules.is_v2(), is_v2) {
        (true, true) | (false, false) => return Ok(()),
        (true, false) => {
            "a classic block, where this network's are v2: it belongs to another network"
        }
        (false, true) => {
            "a v2 block, where this network's are classic: it belongs to another network"
        }
    };
    Err(Rejected::because("kind", "version", reason))
}

/// All of a `v2` header that needs no other block, the cheapest first.
pub(crate) fn check_header(header: &Header, rules: &V2Rules) -> Result<(), Rejected> {
    check_limit(header, rules)?;
    check_work(&header.hash, &header.bits.target())?;
    check_prev_hash_form(header.index, header.prev_hash.as_ref())?;
    check_timestamp_form(&header.timestamp, true)?;
    check_hash(&header.hash, || header.computed_hash())
}

/// FORMATS.md: "target(n+1) = min(limit, …)". Alone, since a target of the sender's choice costs no work.
fn check_limit(header: &Header, rules: &V2Rules) -> Result<(), Rejected> {
    if header.bits <= rules.limit {
        return Ok(());
    }
    let reason = format!(
        "must be at most {}, the network's easiest target",
        rules.limit
    );
    Err(Rejected::because("limit", "bits", reason))
}

/// FORMATS.md: classic "exactly 10 or 20 digits", v2 "Unix milliseconds, 13 digits".
pub(crate) fn check_timestamp_form(timestamp: &Timestamp, millis: bool) -> Result<(), Rejected> {
    if timestamp.is_millis() == millis {
        return Ok(());
    }
    let reason = match millis {
        true => "must have 13 digits in a v2 block",
        false => "must have 10 or 20 digits in a classic block",
    };
    Err(Rejected::because("timestamp-form", "timestamp", reason))
}

/// FORMATS.md: "body: the data of this block […], first the miner's own tag; each at most 4 KiB"; and `merkle_root` is the
/// "RFC 6962 Merkle tree hash over `entries`".
pub(crate) fn check_entries(entries: &[Vec<u8>], root: &Hash) -> Result<(), Rejected> {
    if entries.is_empty() {
        let reason = "must not be empty: the first is the miner's own";
        return Err(Rejected::because("entries", "entries", reason));
    }
    if let Some(position) = entries
        .iter()
        .position(|entry| entry.len() > MAX_ENTRY_BYTES)
    {
        let (size, most) = (entries[position].len(), MAX_ENTRY_BYTES);
        let reason = format!("entry {position} is {size} bytes, more than {most}");
        return Err(Rejected::because("entries", "entries", reason));
    }
    if merkle_root(entries) == *root {
        return Ok(());
    }
    let reason = "is not the root of the tree over the entries";
    Err(Rejected::because("merkle-root", "merkle_root", reason))
}

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
pub(crate) fn check_prev_hash_form(index: u64, prev_hash: Option<&Hash>) -> Result<(), Rejected> {
    let reason = match (index, prev_hash) {
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

/// RELIABILITY.md: "a block ≤ 16 KiB in classic, ≤ its rule in v2"; FORMATS.md: "1 MiB for the block".
///
/// Counted on the one JSON form this crate writes, so that a block's validity does not hang on how
/// its sender spelled it.
pub(crate) fn check_size(block: &Block<Unchecked>, rules: &Rules) -> Result<(), Rejected> {
    /// JSON at its worst: one byte of text as `\u00XX`.
    const MAX_ESCAPED_BYTES: usize = 6;
    /// More than all of a block's JSON but `data` can be: keys, quotes, two hashes, three numbers.
    const REST_BYTES: usize = 300;

    let (most, field) = (
        rules.max_block_bytes(),
        if block.is_v2() { "entries" } else { "data" },
    );
    if !block.is_v2() && block.data().len() * MAX_ESCAPED_BYTES + REST_BYTES <= MAX_BLOCK_BYTES {
        return Ok(()); // spares small blocks the count of their escapes
    }
    let size = block.size_bytes();
    if size <= most {
        return Ok(());
    }
    let reason = format!("the block is {size} bytes of JSON, more than {most}");
    Err(Rejected::because("size", field, reason))
}

/// FORMATS.md: "Ten digits are allowed only while every ancestor has ten, and `data` must then not
/// end in ten digits (else a 20-digit block has a twin that cost no work)."
pub(crate) fn check_ten_digit_data(block: &Block<Unchecked>) -> Result<(), Rejected> {
    const TWIN_DIGITS: usize = 10;
    let data = block.data();
    let last = data.as_bytes().last_chunk::<TWIN_DIGITS>();
    let ends_in_digits = last.is_some_and(|bytes| bytes.iter().all(u8::is_ascii_digit));
    if block.timestamp().is_ten_digits() && ends_in_digits {
        let reason = "must not end in ten digits before a ten-digit timestamp";
        return Err(Rejected::because("ten-digit-data", "data", reason));
    }
    Ok(())
}

/// RELIABILITY.md: "stated hash = computed hash".
pub(crate) fn check_hash(stated: &Hash, computed: impl FnOnce() -> Hash) -> Result<(), Rejected> {
    if computed() == *stated {
        return Ok(());
    }
    Err(Rejected::because(
        "hash",
        "hash",
        "the stated hash is not the hash of the preimage",
    ))
}
