//! What anybody may post as a block or a header, of either kind: it is refused or it survives both spellings, its hash is that
//! of its preimage, and what breaks no rule is what the rules say.

#![no_main]

use std::sync::OnceLock;

use jbc_chain::{
    Bits, Block, Chain, Hash, Header, MerklePath, Network, Target, Timestamp, Unchecked, UnixMicros, V2Rules, merkle_root,
};
use libfuzzer_sys::fuzz_target;

/// A `v2` network in which nearly every hash is valid work, so that what is sealed here gets past the rule of work.
fn easy() -> &'static Network {
    static EASY: OnceLock<Network> = OnceLock::new();
    EASY.get_or_init(|| {
        let limit = Bits::from_target(&Target::MAX);
        let rules = V2Rules { interval_ms: 5_000, limit, window_blocks: 30 };
        let timestamp = Timestamp::parse_millis("1795262400000").expect("these are 13 digits");
        Network::custom_v2("easy", &rules, limit, timestamp).expect("nearly every nonce does")
    })
}

fuzz_target!(|text: &[u8]| {
    if let Ok(header) = Header::from_json(text) {
        let written = header.to_json();
        assert_eq!(Header::from_json(written.as_bytes()).as_ref(), Ok(&header));
        enter(header);
    }
    let Ok(block) = Block::from_json(text) else { return };
    let written = block.to_json();
    assert_eq!(written.len(), block.size_bytes());
    let strings = Block::from_json(written.as_bytes()).expect("our own strings spelling");
    let numbers = Block::from_json(block.to_wire_json().as_bytes()).expect("our own numbers spelling");
    assert_eq!(block, strings);
    assert_eq!(block, numbers);
    let (stated, computed) = (*block.hash(), block.computed_hash());
    for network in [&Network::classic(), easy()] {
        if let Ok(checked) = block.clone().check(&network.rules) {
            assert_eq!(stated, computed);
            assert_eq!(checked.is_v2(), network.rules.is_v2());
        }
    }
    if let Some(header) = block.header() {
        sealed(header, &block, computed);
    }
});

/// The block with the hash and the root it should have, so that the rules behind those of the hash are reached.
fn sealed(header: Header, block: &Block<Unchecked>, computed: Hash) {
    let entries = block.entries();
    let as_stated = Header { hash: computed, ..header.clone() };
    let mut right = Header { merkle_root: merkle_root(entries), ..header };
    right.hash = right.computed_hash();
    for header in [as_stated, right] {
        let Ok(checked) = Block::v2(header.clone(), entries.to_vec().into()).check(&easy().rules) else { continue };
        assert_eq!(header.merkle_root, merkle_root(entries));
        for (position, entry) in entries.iter().enumerate().take(10) {
            let path = MerklePath::new(entries, position).expect("it is there");
            assert!(path.leads(entry, &header.merkle_root));
        }
        let (now, chain) = (checked.timestamp().instant(), Chain::new(easy()));
        let (by_block, by_header) = (chain.judge(&checked, now), chain.judge_header(&header, now));
        assert_eq!(by_block.map(|judged| judged.accepted()), by_header.map(|judged| judged.accepted()));
    }
}

/// The header as the easy network's block 1: nothing panics, and what enters comes back.
fn enter(header: Header) {
    let mut chain = Chain::new(easy());
    let mut header = Header { index: 1, prev_hash: Some(*chain.tip().hash()), ..header };
    header.hash = header.computed_hash();
    let id = chain.next_id();
    if chain.accept_header(&header, UnixMicros::MAX).is_ok() {
        assert_eq!(chain.header(id), Some(header));
        assert!(chain.next_bits().is_some());
    }
}
