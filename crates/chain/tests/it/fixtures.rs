//! Blocks that are facts (the articles', the tutorial's), and cheap ones made here.

use jbc_chain::{
    Block, Chain, Checked, Entry, Hash, Network, Target, TemplateParts, Timestamp, Unchecked,
    UnixMicros,
};

/// A moment after every fixed block: 2026-11-21.
pub(crate) const NOW: UnixMicros = UnixMicros(1_795_240_000_000_000);

/// One second, in microseconds.
pub(crate) const SECOND: i64 = 1_000_000;

/// A block of the articles or of the tutorial's tests.
pub(crate) struct Fact {
    pub(crate) index: u64,
    pub(crate) prev_hash: &'static str,
    pub(crate) data: &'static str,
    pub(crate) timestamp: &'static str,
    pub(crate) nonce: u64,
    pub(crate) hash: &'static str,
}

impl Fact {
    pub(crate) fn block(&self) -> Block<Unchecked> {
        let prev_hash = (!self.prev_hash.is_empty()).then(|| hash(self.prev_hash));
        let data = self.data.to_owned();
        Block::new(
            self.index,
            prev_hash,
            data,
            stamp(self.timestamp),
            self.nonce,
            hash(self.hash),
        )
    }

    pub(crate) fn checked(&self) -> Block<Checked> {
        self.block().check(&Network::classic().rules).unwrap()
    }
}

/// FORMATS.md's table, "Real blocks from the articles": 0, 1, 2, 3 and 3'.
pub(crate) const ARTICLES: [Fact; 5] = [
    Fact {
        index: 0,
        prev_hash: "",
        data: "First block data",
        timestamp: "1508895381",
        nonce: 631_412,
        hash: "000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c",
    },
    Fact {
        index: 1,
        prev_hash: "000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c",
        data: "I block #1",
        timestamp: "1508895386",
        nonce: 1_225_518,
        hash: "00000c575050241e0a4df1acd7e6fb90cc1f599e2cc2908ec8225e10915006cc",
    },
    Fact {
        index: 2,
        prev_hash: "00000c575050241e0a4df1acd7e6fb90cc1f599e2cc2908ec8225e10915006cc",
        data: "I block #2",
        timestamp: "1508895393",
        nonce: 1_315_081,
        hash: "000003cf81f6b17e60ef1e3d8d24793450aecaf65cbe95086a29c1e48a5043b1",
    },
    Fact {
        index: 3,
        prev_hash: "000003cf81f6b17e60ef1e3d8d24793450aecaf65cbe95086a29c1e48a5043b1",
        data: "I block #3",
        timestamp: "1508895777",
        nonce: 24_959,
        hash: "00000221653e89d7b04704d4690abcf83fdb144106bb0453683c8183253fabad",
    },
    Fact {
        index: 3,
        prev_hash: "000003cf81f6b17e60ef1e3d8d24793450aecaf65cbe95086a29c1e48a5043b1",
        data: "I block #3",
        timestamp: "1508961173",
        nonce: 46_053,
        hash: "000000257df186344486c2c3c1ebaa159e812ca1c5c29947651672e2588efe1e",
    },
];

/// The tutorial's 20-digit chain (jackschultz/jbc, part-3, test.py), at 5 zeros.
pub(crate) const TWENTY_DIGITS: [Fact; 4] = [
    Fact {
        index: 0,
        prev_hash: "",
        data: "Mine test block zero.",
        timestamp: "20121101120001000000",
        nonce: 1_185_358,
        hash: "00000ff000e7c05047d0acdc8652f096db4115ed8882949a0dc0dbf21666fbec",
    },
    Fact {
        index: 1,
        prev_hash: "00000ff000e7c05047d0acdc8652f096db4115ed8882949a0dc0dbf21666fbec",
        data: "Mine test block one.",
        timestamp: "20121102120001000000",
        nonce: 1_685_195,
        hash: "00000ff7cfc90b72c371afb451a4203ee194fed64574f4b99db9faf1722831ca",
    },
    Fact {
        index: 2,
        prev_hash: "00000ff7cfc90b72c371afb451a4203ee194fed64574f4b99db9faf1722831ca",
        data: "Mine test block two.",
        timestamp: "20121103120001000000",
        nonce: 366_523,
        hash: "000004f2294896ed248d112922e5a2b98596ddcaba5923d2917cb79650ffbc24",
    },
    Fact {
        index: 3,
        prev_hash: "000004f2294896ed248d112922e5a2b98596ddcaba5923d2917cb79650ffbc24",
        data: "Mine test block three.",
        timestamp: "20121104120001000000",
        nonce: 590_929,
        hash: "0000038edddd9610a4d5f11036dfa153ff678eba9b122e3e41dcc80eb247bfb4",
    },
];

pub(crate) fn hash(text: &str) -> Hash {
    text.parse().unwrap()
}

pub(crate) fn stamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A network on which every hash is valid work, begun by a ten-digit block 0.
pub(crate) fn free() -> Network {
    Network::custom("free", Target::MAX, "First block.", stamp("1508895381")).unwrap()
}

/// A block of the free network after `parent`, with nonce 0.
pub(crate) fn child(parent: &Entry, data: &str, timestamp: Timestamp) -> Block<Checked> {
    check_free(TemplateParts::next(parent, data, timestamp).block(0))
}

/// A block of the free network after another block, `data` alone telling siblings apart.
pub(crate) fn after(parent: &Block<Checked>, data: &str) -> Block<Checked> {
    let timestamp = Timestamp::from_instant(parent.timestamp().instant().plus(SECOND));
    let parts = TemplateParts {
        index: parent.index() + 1,
        prev_hash: Some(*parent.hash()),
        data: data.to_owned(),
        timestamp,
        v2: None,
    };
    check_free(parts.block(0))
}

/// A branch of the free network: `length` blocks on top of `parent`.
pub(crate) fn branch(parent: &Block<Checked>, data: &str, length: usize) -> Vec<Block<Checked>> {
    let mut blocks: Vec<Block<Checked>> = Vec::new();
    for _ in 0..length {
        let next = after(blocks.last().unwrap_or(parent), data);
        blocks.push(next);
    }
    blocks
}

pub(crate) fn check_free(block: Block<Unchecked>) -> Block<Checked> {
    block.check(&free().rules).unwrap()
}

/// A chain of the free network with these blocks accepted in this order.
pub(crate) fn chain_of<'b>(blocks: impl IntoIterator<Item = &'b Block<Checked>>) -> Chain {
    let mut chain = Chain::new(&free());
    for block in blocks {
        chain.accept(block, NOW).unwrap();
    }
    chain
}
