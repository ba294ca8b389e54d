//! Small `v2` chains for tests: half of all hashes are work, so that a block takes two of them.

use jbc_chain::{
    Bits, Block, Header, Network, TemplateParts, Timestamp, Unchecked, UnixMicros, V2Parts, V2Rules,
};

use super::lines::Item;

/// After all blocks of a fixture.
pub(in crate::commands) const NOW: UnixMicros = UnixMicros(1_800_000_000_000_000);
/// When the first block was made, in Unix milliseconds.
const BEGIN_MS: i64 = 1_700_000_000_000;
/// The network's interval, in milliseconds.
const INTERVAL_MS: i64 = 5_000;

/// A network of this name in which work is nothing.
pub(in crate::commands) fn network(name: &str) -> Network {
    let limit = Bits::new(0x207f_ffff).unwrap();
    let rules = V2Rules {
        interval_ms: 5_000,
        limit,
        window_blocks: 30,
    };
    let begin = Timestamp::parse_millis(&BEGIN_MS.to_string()).unwrap();
    Network::custom_v2(name, &rules, limit, begin).unwrap()
}

/// The block after `parent` with these entries, made on time.
pub(in crate::commands) fn next(parent: &Block<Unchecked>, entries: &[&[u8]]) -> Block<Unchecked> {
    next_by(parent, entries, |_| {})
}

/// The same with a field or two of its header changed before the work is done.
pub(in crate::commands) fn next_by(
    parent: &Block<Unchecked>,
    entries: &[&[u8]],
    change: impl Fn(&mut Header),
) -> Block<Unchecked> {
    let index = parent.index() + 1;
    let millis = (BEGIN_MS + INTERVAL_MS * index as i64).to_string();
    let rest: Vec<Vec<u8>> = entries.iter().map(|entry| entry.to_vec()).collect();
    let tag = format!("block {index}");
    let parts = TemplateParts {
        index,
        prev_hash: Some(*parent.hash()),
        timestamp: Timestamp::parse_millis(&millis).unwrap(),
        v2: Some(V2Parts::fixed(&tag, parent.bits().unwrap(), rest)),
        data: tag,
    };
    let block = parts.block(0);
    let mut header = block.header().unwrap();
    change(&mut header);
    work(&mut header);
    Block::v2(header, block.entries().to_vec().into())
}

/// Finds the nonce.
pub(in crate::commands) fn work(header: &mut Header) {
    let target = header.bits.target();
    header.hash = header.computed_hash();
    while !target.is_met_by(&header.hash) {
        header.nonce += 1;
        header.hash = header.computed_hash();
    }
}

/// A chain of `count` blocks, the first included. `entry` is the second entry of block `at`.
pub(in crate::commands) fn chain(
    network: &Network,
    count: u64,
    (at, entry): (u64, &[u8]),
) -> Vec<Block<Unchecked>> {
    let mut blocks = vec![network.genesis.clone().into_unchecked()];
    while (blocks.len() as u64) < count {
        let parent = blocks.last().unwrap();
        let entries: &[&[u8]] = match parent.index() + 1 == at {
            true => &[b"another", entry, b"a third"],
            false => &[],
        };
        blocks.push(next(parent, entries));
    }
    blocks
}

/// A chain without an entry to look for.
pub(in crate::commands) fn plain_chain(network: &Network, count: u64) -> Vec<Block<Unchecked>> {
    chain(network, count, (0, b""))
}

pub(in crate::commands) fn headers(blocks: &[Block<Unchecked>]) -> Vec<Header> {
    blocks.iter().map(|block| block.header().unwrap()).collect()
}

/// The text of a file of these.
pub(in crate::commands) fn lines(items: impl IntoIterator<Item = Item>) -> String {
    items
        .into_iter()
        .map(|item| item.to_json() + "\n")
        .collect()
}

pub(in crate::commands) fn block_lines(blocks: &[Block<Unchecked>]) -> String {
    lines(blocks.iter().cloned().map(Item::Block))
}

pub(in crate::commands) fn header_lines(blocks: &[Block<Unchecked>]) -> String {
    lines(headers(blocks).into_iter().map(Item::Header))
}

/// A `/status` answer of a node with this chain.
pub(in crate::commands) fn status_json(network: &Network, blocks: &[Block<Unchecked>]) -> String {
    let tip = blocks.last().unwrap();
    let text = crate::client::canned::status_json("me", "http://127.0.0.1:1");
    let mut status: serde_json::Value = serde_json::from_str(&text).unwrap();
    status["network"]["id"] = network.fingerprint().into();
    status["network"]["name"] = network.name.clone().into();
    status["tip"]["index"] = tip.index().into();
    status["tip"]["hash"] = tip.hash().to_string().into();
    status.to_string()
}

/// A list of blocks or of headers as a node answers it.
pub(in crate::commands) fn list(items: impl IntoIterator<Item = Item>) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_json()).collect();
    format!("[{}]", texts.join(","))
}

pub(in crate::commands) fn header_list(blocks: &[Block<Unchecked>]) -> String {
    list(headers(blocks).into_iter().map(Item::Header))
}

pub(in crate::commands) fn block_list(blocks: &[Block<Unchecked>]) -> String {
    list(blocks.iter().cloned().map(Item::Block))
}
