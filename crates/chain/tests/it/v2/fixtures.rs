//! An easy `v2` network, and blocks of it mined by a plain loop: two hashes each.

use std::sync::OnceLock;

use jbc_chain::{
    Accepted, Bits, Block, Chain, Checked, Entry, Header, Network, Refusal, Rejected, Rules,
    TemplateParts, Timestamp, Unchecked, UnixMicros, V2Parts, V2Rules, merkle_root,
};

/// When the easy network's first block was made: 2026-11-21 12:00, as that of `dev`.
pub(crate) const START_MS: u64 = 1_795_262_400_000;

/// A clock far ahead of all blocks here that are not about clocks.
pub(crate) const LATER: UnixMicros = UnixMicros((START_MS as i64 + 1_000_000_000) * 1_000);

/// The easiest target that is a whole number of bytes short of all: about two hashes. Bitcoin's regtest has it.
pub(crate) fn easiest() -> Bits {
    "207fffff".parse().unwrap()
}

pub(crate) fn easy_rules() -> V2Rules {
    V2Rules {
        interval_ms: 5_000,
        limit: easiest(),
        window_blocks: 30,
    }
}

/// A network of these rules that begins with the easiest target.
pub(crate) fn network_of(name: &str, rules: &V2Rules) -> Network {
    Network::custom_v2(name, rules, rules.limit, millis(START_MS)).unwrap()
}

pub(crate) fn easy() -> &'static Network {
    static EASY: OnceLock<Network> = OnceLock::new();
    EASY.get_or_init(|| network_of("easy", &easy_rules()))
}

pub(crate) fn millis(millis: u64) -> Timestamp {
    Timestamp::parse_millis(&millis.to_string()).unwrap()
}

/// A moment in milliseconds as a clock has it.
pub(crate) fn clock(millis: u64) -> UnixMicros {
    UnixMicros(millis as i64 * 1_000)
}

/// The next block after `parent` but for its nonce: one entry, `tag`.
pub(crate) fn parts_after(parent: &Entry, tag: &str, bits: Bits, time_ms: u64) -> TemplateParts {
    TemplateParts {
        index: parent.height() + 1,
        prev_hash: Some(*parent.hash()),
        data: tag.to_owned(),
        timestamp: millis(time_ms),
        v2: Some(V2Parts::fixed(tag, bits, Vec::new())),
    }
}

/// The block of the first nonce that meets its own target.
pub(crate) fn mined(parts: &TemplateParts) -> Block<Unchecked> {
    (0..)
        .map(|nonce| parts.block(nonce))
        .find(|block| block.bits().unwrap().target().is_met_by(block.hash()))
        .unwrap()
}

/// The next block on the tip, stamped so many milliseconds after it.
pub(crate) fn next(chain: &Chain, tag: &str, elapsed_ms: u64) -> Block<Checked> {
    let (tip, bits) = (chain.tip(), chain.next_bits().unwrap());
    let time_ms = tip.instant().0 as u64 / 1_000 + elapsed_ms;
    checked(mined(&parts_after(tip, tag, bits, time_ms)))
}

pub(crate) fn checked(block: Block<Unchecked>) -> Block<Checked> {
    block.check(&easy().rules).unwrap()
}

/// The same header with the first nonce that meets its target, and the hash of it: whatever else is wrong, its work is not.
pub(crate) fn sealed(mut header: Header) -> Header {
    for nonce in 0.. {
        header.nonce = nonce;
        header.hash = header.computed_hash();
        if header.bits.target().is_met_by(&header.hash) {
            return header;
        }
    }
    unreachable!("some nonce does")
}

/// A sealed block of these entries after the easy network's first block.
pub(crate) fn block_of(entries: Vec<Vec<u8>>) -> Block<Unchecked> {
    let header = Header {
        merkle_root: merkle_root(&entries),
        ..first_header()
    };
    Block::v2(sealed(header), entries.into())
}

/// The header of a good block 1 of the easy network, its one entry `one`.
pub(crate) fn first_header() -> Header {
    let chain = Chain::new(easy());
    next(&chain, "one", 5_000).header().unwrap()
}

/// A chain of the easy network with a block for each elapsed time.
pub(crate) fn chain_of(elapsed_ms: &[u64]) -> Chain {
    let mut chain = Chain::new(easy());
    for (place, &elapsed) in elapsed_ms.iter().enumerate() {
        let block = next(&chain, &format!("block {place}"), elapsed);
        assert_eq!(chain.accept(&block, LATER), Ok(Accepted::Extended));
    }
    chain
}

/// The rule and the field by which a block alone is refused.
pub(crate) fn refused_alone(
    block: Block<Unchecked>,
    rules: &Rules,
) -> (&'static str, &'static str) {
    let Rejected { rule, field, .. } = block.check(rules).unwrap_err();
    (rule, field)
}

/// The rule and the field by which a header is refused.
pub(crate) fn refused(
    chain: &Chain,
    header: &Header,
    now: UnixMicros,
) -> (&'static str, &'static str) {
    match chain.judge_header(header, now) {
        Err(Refusal::Rejected(Rejected { rule, field, .. })) => (rule, field),
        other => panic!("{header:?} should break a rule: {other:?}"),
    }
}
