//! Blocks mined by the test itself.

use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use jbc_chain::{Block, Chain, Network, TemplateParts, Timestamp, Unchecked, UnixMicros, V2Parts};
use jbc_pow::{Search, Template, search};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;

/// Now.
pub(crate) fn now() -> UnixMicros {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_micros();
    UnixMicros(i64::try_from(micros).unwrap())
}

/// A moment of yesterday, half past the hour and some microseconds: long ago for every rule, its last ten digits
/// (`mmssffffff`) without a leading zero, its last digit none that a float would keep.
pub(crate) fn yesterday() -> UnixMicros {
    UnixMicros((now().0 / HOUR - 24) * HOUR + HOUR / 2 + 123_457)
}

/// A chain that only the test knows, until it posts it.
#[derive(Clone)]
pub(crate) struct Branch {
    chain: Chain,
    pub(crate) blocks: Vec<Block<Unchecked>>,
}

impl Branch {
    /// The network's first block.
    pub(crate) fn new(network: &Network) -> Self {
        Self {
            chain: Chain::new(network),
            blocks: vec![network.genesis.clone().into_unchecked()],
        }
    }

    /// As [`new`](Self::new) with so many blocks upon it.
    pub(crate) fn of(network: &Network, count: usize) -> Self {
        let mut branch = Self::new(network);
        for index in 1..=count {
            branch.grow(&format!("block {index}"));
        }
        branch
    }

    pub(crate) fn tip(&self) -> &Block<Unchecked> {
        self.blocks.last().expect("there is a first block")
    }

    /// The next block but for its nonce, a second after the one before it.
    pub(crate) fn next(&self, data: &str) -> TemplateParts {
        let tip = self.tip();
        TemplateParts {
            index: tip.index() + 1,
            prev_hash: Some(*tip.hash()),
            data: data.to_owned(),
            timestamp: Timestamp::from_instant(tip.timestamp().instant().plus(SECOND)),
            v2: None,
        }
    }

    /// The next block of the v2 kind but for its nonce, half a second after the one before it.
    pub(crate) fn next_v2(&self, data: &str, entries: &[&str]) -> TemplateParts {
        let (tip, bits) = (self.tip(), self.chain.next_bits().unwrap());
        let rest: Vec<_> = entries
            .iter()
            .map(|entry| entry.as_bytes().to_vec())
            .collect();
        let time = tip.timestamp().instant().plus(SECOND / 2);
        TemplateParts {
            index: tip.index() + 1,
            prev_hash: Some(*tip.hash()),
            data: data.to_owned(),
            timestamp: Timestamp::from_instant_in_millis(time),
            v2: Some(V2Parts::fixed(data, bits, rest)),
        }
    }

    /// A block of these parts with enough work.
    pub(crate) fn mine(&self, parts: &TemplateParts) -> Block<Unchecked> {
        let target = self.chain.next_target();
        let template = Template::new(parts.prefix().as_bytes(), target.to_be_bytes());
        match search(&template, 0..u64::MAX, &AtomicBool::new(false)) {
            Search::Found { nonce, .. } => parts.block(nonce),
            other => panic!("no nonce: {other:?}"),
        }
    }

    /// Mines the next block.
    pub(crate) fn grow(&mut self, data: &str) -> Block<Unchecked> {
        self.take(&self.next(data))
    }

    /// Mines the next block of the v2 kind.
    pub(crate) fn grow_v2(&mut self, data: &str, entries: &[&str]) -> Block<Unchecked> {
        self.take(&self.next_v2(data, entries))
    }

    fn take(&mut self, parts: &TemplateParts) -> Block<Unchecked> {
        let block = self.mine(parts);
        // Not all that a test mines is valid.
        if let Ok(checked) = block.clone().check(self.chain.rules()) {
            let _ = self.chain.accept_trusted(&checked);
        }
        self.blocks.push(block.clone());
        block
    }
}
