//! A block's preimage, hash, identity and text.

use std::collections::HashSet;

use jbc_chain::{Block, Hash, TemplateParts, Timestamp, Unchecked};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::fixtures::{ARTICLES, stamp};

/// Blocks of any content, hardly ever of valid work.
pub(crate) fn any_block() -> impl Strategy<Value = Block<Unchecked>> {
    let data = prop_oneof![any::<String>(), "[0-9\"\\\\\\n\\x01é]{0,40}"];
    let seconds = (1_000_000_000_u64..10_000_000_000).prop_map(|value| stamp(&value.to_string()));
    let date = (0_i64..253_402_300_800_000_000)
        .prop_map(|micros| Timestamp::from_instant(jbc_chain::UnixMicros(micros)));
    let fields = (
        any::<u64>(),
        any::<[u8; 32]>(),
        data,
        prop_oneof![seconds, date],
        any::<u64>(),
    );
    (fields, any::<[u8; 32]>(), any::<bool>()).prop_map(
        |((index, parent, data, timestamp, nonce), hash, first)| {
            let (index, parent) = match first {
                true => (0, None),
                false => (index.max(1), Some(Hash::from_bytes(parent))),
            };
            Block::new(
                index,
                parent,
                data,
                timestamp,
                nonce,
                Hash::from_bytes(hash),
            )
        },
    )
}

fn sha256(text: &str) -> Hash {
    Hash::from_bytes(Sha256::digest(text).into())
}

#[test]
fn the_preimage_is_five_fields_without_separators() {
    let block = ARTICLES[1].block();
    let expected = format!("1{}I block #115088953861225518", ARTICLES[0].hash);
    assert_eq!(block.preimage(), expected);
    assert_eq!(
        block.preimage_prefix(),
        expected.strip_suffix("1225518").unwrap()
    );
    assert_eq!(
        ARTICLES[0].block().preimage(),
        "0First block data1508895381631412"
    );
}

#[test]
fn a_block_shows_itself_as_in_the_tutorial() {
    let expected = format!("Block<index: 1>, <hash: {}>", ARTICLES[1].hash);
    assert_eq!(ARTICLES[1].block().to_string(), expected);
    assert_eq!(ARTICLES[1].checked().to_string(), expected);
}

#[test]
fn the_largest_nonce_and_index_are_hashed_with_all_their_digits() {
    let parts = TemplateParts {
        index: u64::MAX,
        prev_hash: Some(Hash::from_bytes([7; 32])),
        data: "last".to_owned(),
        timestamp: stamp("20261121000000000000"),
        v2: None,
    };
    let block = parts.block(u64::MAX);
    let text = block.preimage();
    assert!(text.starts_with("184467440737095516150707") && text.ends_with("18446744073709551615"));
    assert_eq!(*block.hash(), sha256(&text));
    assert_eq!(block.computed_hash(), sha256(&text));
}

#[test]
fn blocks_are_equal_when_all_six_fields_are() {
    let (prev_hash, time) = (Hash::from_bytes([1; 32]), "1508895381");
    let (other_hash, other_time) = (Hash::from_bytes([2; 32]), "20171025013621000000");
    let block = |index, prev_hash, data: &str, time, nonce, hash| {
        Block::new(index, prev_hash, data.to_owned(), stamp(time), nonce, hash)
    };
    let variants = [
        block(1, Some(prev_hash), "data", time, 7, prev_hash),
        block(2, Some(prev_hash), "data", time, 7, prev_hash),
        block(1, Some(other_hash), "data", time, 7, prev_hash),
        block(1, None, "data", time, 7, prev_hash),
        block(1, Some(prev_hash), "Data", time, 7, prev_hash),
        block(1, Some(prev_hash), "data", other_time, 7, prev_hash),
        block(1, Some(prev_hash), "data", time, 8, prev_hash),
        block(1, Some(prev_hash), "data", time, 7, other_hash),
        // Characters moved between fields keep the preimage, not the identity.
        block(
            1,
            Some(prev_hash),
            "data1508895381",
            "1508895381",
            7,
            prev_hash,
        ),
        block(
            1,
            Some(prev_hash),
            "data",
            "1508895381",
            15_088_953_817,
            prev_hash,
        ),
    ];
    for (i, one) in variants.iter().enumerate() {
        for (j, other) in variants.iter().enumerate() {
            assert_eq!(one == other, i == j);
        }
    }
    let digests: HashSet<[u8; 32]> = variants.iter().map(Block::content_digest).collect();
    assert_eq!(digests.len(), variants.len());
}

proptest! {
    #[test]
    fn the_streamed_hash_is_the_hash_of_the_preimage(block in any_block()) {
        prop_assert_eq!(block.computed_hash(), sha256(&block.preimage()));
        prop_assert_eq!(block.preimage(), format!("{}{}", block.preimage_prefix(), block.nonce()));
    }

    #[test]
    fn a_template_gives_the_block_its_prefix_and_its_hash(block in any_block()) {
        let parts = TemplateParts {
            index: block.index(),
            prev_hash: block.prev_hash().copied(),
            data: block.data().into_owned(),
            timestamp: block.timestamp(), v2: None };
        prop_assert_eq!(parts.prefix(), block.preimage_prefix());
        let found = parts.block(block.nonce());
        prop_assert_eq!(*found.hash(), block.computed_hash());
        let text = serde_json::to_string(&parts).unwrap();
        prop_assert_eq!(serde_json::from_str::<TemplateParts>(&text).unwrap(), parts);
    }
}
