//! What anybody may post as a block: it is refused or it survives both spellings, and its hash is that of its preimage.

#![no_main]

use jbc_chain::{Block, Network};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(block) = Block::from_json(text) else { return };
    let strings = Block::from_json(block.to_json().as_bytes()).expect("our own strings spelling");
    let numbers = Block::from_json(block.to_wire_json().as_bytes()).expect("our own numbers spelling");
    assert_eq!(block, strings);
    assert_eq!(block, numbers);
    let stated = *block.hash();
    let computed = block.computed_hash();
    if block.check(&Network::classic().rules).is_ok() {
        assert_eq!(stated, computed);
    }
});
