//! What is hashed: seven lines, and how long they are before the nonce.

use jbc_chain::{Block, Hash, Header, Network, Timestamp, Unchecked, UnixMicros};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::bits::any_bits;
use super::fixtures::{easy, first_header};

/// Headers of any content, hardly ever of valid work.
pub(crate) fn any_header() -> impl Strategy<Value = Header> {
    let time = (0_i64..10_000_000_000_000_000)
        .prop_map(|micros| Timestamp::from_instant_in_millis(UnixMicros(micros)));
    let hash = || any::<[u8; 32]>().prop_map(Hash::from_bytes);
    let index = any::<(u64, u32)>().prop_map(|(index, shift)| index >> (shift % 64));
    (
        index,
        hash(),
        hash(),
        time,
        any_bits(),
        any::<u64>(),
        hash(),
    )
        .prop_map(
            |(index, parent, merkle_root, timestamp, bits, nonce, hash)| Header {
                index,
                prev_hash: (index > 0).then_some(parent),
                merkle_root,
                timestamp,
                bits,
                nonce,
                hash,
            },
        )
}

/// Blocks of any header and a few entries, their root hardly ever right.
pub(crate) fn any_v2_block() -> impl Strategy<Value = Block<Unchecked>> {
    let entries = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6);
    (any_header(), entries).prop_map(|(header, entries)| Block::v2(header, entries.into()))
}

fn sha256(text: &str) -> Hash {
    Hash::from_bytes(Sha256::digest(text).into())
}

#[test]
fn dev_is_the_built_in_network_of_issue_5() {
    let network = Network::dev();
    assert_eq!(network.genesis.hash().short(), "0000009de228");
    assert_eq!(network.genesis.bits().unwrap().to_string(), "1e00d6bf");
    assert_eq!(
        network.describe(),
        "dev, a block each 5 s, genesis 0000009de228"
    );
    assert_eq!(
        Network::from_json(network.to_json().as_bytes()).unwrap(),
        network
    );
}

#[test]
fn the_first_block_of_dev_can_be_checked_in_a_shell() {
    // printf '%s' '{"interval_ms":…' | sha256sum, with a zero byte before it, is the leaf; of one entry the leaf is the root.
    let genesis = Network::dev().genesis;
    let parameters = r#"{"interval_ms":5000,"limit":"1e0fffff","name":"dev","window_blocks":30}"#;
    assert_eq!(genesis.entries(), [parameters.as_bytes()]);
    let root = sha256(&format!("\0{parameters}"));

    // printf %s "$PREIMAGE" | sha256sum
    let zeros = "0".repeat(64);
    let lines = format!("jbc/2\n0\n{root}\n{zeros}\n1795262400000\n1e00d6bf\n2724599");
    assert_eq!(genesis.preimage(), lines);
    assert_eq!(sha256(&lines), *genesis.hash());
    assert!(genesis.bits().unwrap().target().is_met_by(&sha256(&lines)));
}

#[test]
fn the_preimage_is_exactly_seven_lines() {
    let header = first_header();
    let expected = [
        "jbc/2".to_owned(),
        "1".to_owned(),
        header.merkle_root.to_string(),
        easy().genesis.hash().to_string(),
        header.timestamp.to_string(),
        "207fffff".to_owned(),
        header.nonce.to_string(),
    ];
    assert_eq!(header.preimage(), expected.join("\n"));
    assert_eq!(sha256(&header.preimage()), header.hash);
}

proptest! {
    #[test]
    fn the_streamed_hash_of_a_header_is_the_hash_of_its_preimage(header in any_header()) {
        let preimage = header.preimage();
        prop_assert_eq!(preimage.lines().count(), 7);
        prop_assert!(!preimage.ends_with('\n'));
        prop_assert_eq!(header.computed_hash(), sha256(&preimage));
        prop_assert_eq!(format!("{}{}", header.preimage_prefix(), header.nonce), preimage);
    }

    #[test]
    fn before_the_nonce_stand_160_bytes_and_the_digits_of_the_index(header in any_header()) {
        let digits = header.index.to_string().len();
        let prefix = header.preimage_prefix();
        prop_assert_eq!(prefix.len(), 160 + digits);
        // FORMATS.md: "The Merkle root ends at byte 71 + L, before the last block".
        let root = header.merkle_root.to_string();
        prop_assert_eq!(prefix.find(&root).unwrap() + root.len(), 71 + digits);
        prop_assert!(71 + digits <= prefix.len() / 64 * 64);
    }

    #[test]
    fn a_block_hashes_as_its_header_does(block in any_v2_block()) {
        let header = block.header().unwrap();
        prop_assert_eq!(block.preimage(), header.preimage());
        prop_assert_eq!(block.preimage_prefix(), header.preimage_prefix());
        prop_assert_eq!(block.computed_hash(), header.computed_hash());
        let again = Block::v2(header, block.entries().to_vec().into());
        prop_assert_eq!(again.content_digest(), block.content_digest());
        prop_assert_eq!(again, block);
    }

    #[test]
    fn the_identity_of_a_block_is_all_of_its_content(one in any_v2_block(), other in any_v2_block()) {
        prop_assert_eq!(one == other, one.content_digest() == other.content_digest());
        let mut entries = one.entries().to_vec();
        entries.push(Vec::new());
        let longer = Block::v2(one.header().unwrap(), entries.into());
        prop_assert_ne!(longer.content_digest(), one.content_digest());
        prop_assert_ne!(longer, one);
    }
}
