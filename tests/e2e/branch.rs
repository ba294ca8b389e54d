//! Blocks mined by the test itself.

use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use jbc_chain::{Block, Network, Target, TemplateParts, Timestamp, Unchecked, UnixMicros};
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
    target: Target,
    pub(crate) blocks: Vec<Block<Unchecked>>,
}

impl Branch {
    /// The network's first block.
    pub(crate) fn new(network: &Network) -> Self {
        Self {
            target: network.rules.easiest_target(),
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

    /// A block of these parts with enough work.
    pub(crate) fn mine(&self, parts: &TemplateParts) -> Block<Unchecked> {
        let template = Template::new(parts.prefix().as_bytes(), self.target.to_be_bytes());
        match search(&template, 0..u64::MAX, &AtomicBool::new(false)) {
            Search::Found { nonce, .. } => parts.block(nonce),
            other => panic!("no nonce: {other:?}"),
        }
    }

    /// Mines the next block.
    pub(crate) fn grow(&mut self, data: &str) -> Block<Unchecked> {
        let block = self.mine(&self.next(data));
        self.blocks.push(block.clone());
        block
    }
}
