//! Stand-ins for the world: cheap blocks, a store in memory, peers out of a script.

mod peers;
mod store;

use jbc_chain::{
    Block, Chain, Entries, Hash, Network, Target, TemplateParts, Timestamp, Unchecked, UnixMicros,
};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::listener::Command;
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::{JbcStatus, NetworkClaim, PeerStatus, TipClaim};
use jbc_jobs::task::{Origin, Task, Tip, Validated, Verdict};

pub(crate) use peers::{ScriptedPeers, Serving, Site};
pub(crate) use store::{Call, Disk, MemoryStore};

/// A moment after every block made here: 2026-11-21.
pub(crate) const NOW: UnixMicros = UnixMicros(1_795_240_000_000_000);

/// One second, in microseconds.
pub(crate) const SECOND: i64 = 1_000_000;

/// A network on which every hash is valid work.
pub(crate) fn network() -> Network {
    network_of("First block.", Target::MAX)
}

pub(crate) fn network_of(first: &str, target: Target) -> Network {
    Network::custom("free", target, first, "1508895381".parse().unwrap()).unwrap()
}

pub(crate) fn genesis() -> Block<Unchecked> {
    network().genesis.into_unchecked()
}

/// A valid block of the free network on top of `parent`, one second later; `data` tells siblings apart.
pub(crate) fn child(parent: &Block<Unchecked>, data: &str) -> Block<Unchecked> {
    child_at(parent, data, parent.timestamp().instant().plus(SECOND))
}

pub(crate) fn child_at(
    parent: &Block<Unchecked>,
    data: &str,
    time: UnixMicros,
) -> Block<Unchecked> {
    let parts = TemplateParts {
        index: parent.index() + 1,
        prev_hash: Some(*parent.hash()),
        data: data.to_owned(),
        timestamp: Timestamp::from_instant(time),
        v2: None,
    };
    parts.block(0)
}

/// A branch of `length` blocks on top of `parent`.
pub(crate) fn branch(
    parent: &Block<Unchecked>,
    data: &str,
    length: usize,
) -> Vec<Block<Unchecked>> {
    let mut blocks: Vec<Block<Unchecked>> = Vec::with_capacity(length);
    for _ in 0..length {
        let next = child(blocks.last().unwrap_or(parent), data);
        blocks.push(next);
    }
    blocks
}

/// The same block with another stated hash: a lie that costs one hash to find out.
pub(crate) fn with_hash(block: &Block<Unchecked>, hash: Hash) -> Block<Unchecked> {
    Block::new(
        block.index(),
        block.prev_hash().copied(),
        block.data().into_owned(),
        block.timestamp(),
        block.nonce(),
        hash,
    )
}

/// The same place in the chain under another height, hashed and so worked for: a rule breaker, not a typing error.
pub(crate) fn at_height(block: &Block<Unchecked>, index: u64) -> Block<Unchecked> {
    let parts = TemplateParts {
        index,
        prev_hash: block.prev_hash().copied(),
        data: block.data().into_owned(),
        timestamp: block.timestamp(),
        v2: None,
    };
    parts.block(0)
}

/// A hash that no block has.
pub(crate) fn some_hash(number: u64) -> Hash {
    let mut bytes = [0xab; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Hash::from_bytes(bytes)
}

pub(crate) fn hashes(blocks: &[Block<Unchecked>]) -> Vec<Hash> {
    blocks.iter().map(|block| *block.hash()).collect()
}

/// A ledger of the free network over an empty store.
pub(crate) fn empty_ledger() -> Ledger<MemoryStore> {
    Ledger::open(network(), MemoryStore::default(), std::iter::empty()).unwrap()
}

/// A ledger that has accepted these blocks in this order.
pub(crate) fn ledger_of<'b>(
    blocks: impl IntoIterator<Item = &'b Block<Unchecked>>,
) -> Ledger<MemoryStore> {
    let ledger = empty_ledger();
    let blocks: Vec<_> = blocks.into_iter().cloned().collect();
    let answer = ledger.admit(&blocks, &Origin::Mined, NOW).unwrap();
    let accepted = |verdict: &Verdict| matches!(verdict, Verdict::Best(_) | Verdict::Side(_));
    assert!(answer.verdicts.iter().all(accepted), "{answer:?}");
    ledger.store().forget_calls();
    ledger
}

/// The hashes of a ledger's best chain, the first block's first.
pub(crate) fn best_chain(ledger: &Ledger<MemoryStore>) -> Vec<Hash> {
    let chain = ledger.chain();
    let best = (0..=chain.tip().height()).map(|index| *chain.find_by_index(index).unwrap().hash());
    best.collect()
}

pub(crate) fn peer(text: &str) -> PeerUrl {
    PeerUrl::parse(text).unwrap()
}

/// The `number`th peer of a network that is not this machine.
pub(crate) fn remote(number: u8) -> PeerUrl {
    peer(&format!("http://10.0.0.{number}:5000"))
}

pub(crate) fn local(port: u16) -> PeerUrl {
    peer(&format!("http://127.0.0.1:{port}"))
}

/// The tip of a chain that holds nothing but the free network's first block.
pub(crate) fn first_tip() -> Tip {
    empty_ledger().snapshot().tip.clone()
}

/// What the next block says and carries: these words alone.
pub(crate) fn next(data: &str) -> (String, Entries) {
    (data.to_owned(), Entries::default())
}

/// A tip as a peer claims it, `height` blocks of the free network's work high.
pub(crate) fn claim(height: u64, hash: Hash) -> TipClaim {
    let each = network().rules.easiest_target().work();
    let work = (0..height).fold(each, |sum, _| sum + each);
    TipClaim {
        index: height,
        hash,
        work,
    }
}

/// What a jbc node of the free network says of itself.
pub(crate) fn status(node_id: &str, tip: TipClaim) -> PeerStatus {
    PeerStatus::Jbc(Box::new(JbcStatus {
        node_id: node_id.to_owned(),
        network: NetworkClaim {
            id: network().fingerprint(),
            description: network().describe(),
        },
        tip,
    }))
}

/// The claim an honest peer makes of a ledger's tip.
pub(crate) fn claim_of(ledger: &Ledger<MemoryStore>) -> TipClaim {
    let tip = ledger.snapshot().tip.clone();
    TipClaim {
        index: tip.index,
        hash: tip.hash,
        work: tip.work,
    }
}

/// The tasks that commands add.
pub(crate) fn added(commands: &[Command]) -> Vec<&Task> {
    let added = commands.iter().filter_map(|command| match command {
        Command::Add { task, .. } => Some(task),
        _ => None,
    });
    added.collect()
}

/// An answer of the validation that moved no tip.
pub(crate) fn verdicts(verdicts: Vec<Verdict>) -> Validated {
    Validated {
        verdicts,
        tip: None,
        full: false,
        early: Vec::new(),
    }
}

/// A fresh chain of the free network that has accepted `blocks` one by one, for comparison.
pub(crate) fn chain_of<'b>(blocks: impl IntoIterator<Item = &'b Block<Unchecked>>) -> Chain {
    let network = network();
    let mut chain = Chain::new(&network);
    for block in blocks {
        let block = block.clone().check(&network.rules).unwrap();
        chain.accept(&block, NOW).unwrap();
    }
    chain
}
