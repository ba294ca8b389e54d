//! What a block costs its validation job beside the one hash that nobody can save: a repeated block, and blocks that
//! are wrong. No disk: the store here panics when it is touched.
//!
//! `cargo bench --bench validate`; the figures stand beside `one sha256 of the preimage`, measured in the same run.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jbc_chain::{
    Block, Checked, EntryId, Hash, Network, TemplateParts, Timestamp, Unchecked, UnixMicros,
};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::pool::{PoolChange, PoolKey};
use jbc_jobs::ports::{Store, StoreError};
use jbc_jobs::task::Origin;
use sha2::{Digest, Sha256};

/// A store for blocks that must never reach it.
struct Untouchable;

impl Store for Untouchable {
    fn pool(&self) -> Result<Vec<(PoolKey, Vec<u8>)>, StoreError> {
        Ok(Vec::new())
    }

    fn blocks_with(&self, _: &Hash) -> Result<Vec<EntryId>, StoreError> {
        unreachable!("a classic block has no entries")
    }

    fn append(&self, _: &[(EntryId, &Block<Checked>)], _: &PoolChange) -> Result<(), StoreError> {
        panic!("a wrong or repeated block was written")
    }
    fn load(&self, _: EntryId) -> Result<Option<Block<Unchecked>>, StoreError> {
        panic!("a wrong or repeated block made us read")
    }
    fn room(&self) -> Result<(), StoreError> {
        panic!("a wrong or repeated block made us ask the disk")
    }
    fn miner_data(&self) -> String {
        String::new()
    }
    fn write_file(&self, _: &Block<Unchecked>) -> Result<(), StoreError> {
        panic!("a wrong or repeated block was written as a file")
    }
    fn remove_files_above(&self, _: u64) -> Result<(), StoreError> {
        panic!("a wrong or repeated block removed files")
    }
    fn files_tip(&self) -> Option<Hash> {
        None
    }
    fn set_files_tip(&self, _: &Hash) -> Result<(), StoreError> {
        panic!("a wrong or repeated block was noted")
    }
}

fn bench(criterion: &mut Criterion) {
    let network = Network::classic();
    let genesis = network.genesis.clone().into_unchecked();
    let now = UnixMicros(1_800_000_000_000_000);
    // A preimage of 220 bytes: as long as the 256 bytes of the promise, in compressions.
    let parts = TemplateParts {
        index: 1,
        prev_hash: Some(*genesis.hash()),
        data: "x".repeat(130),
        timestamp: Timestamp::from_instant(now),
        v2: None,
    };
    let no_work = parts.block(7);
    let wrong_hash = Block::new(
        1,
        parts.prev_hash,
        parts.data.clone(),
        parts.timestamp,
        7,
        *genesis.hash(),
    );
    let ledger = Ledger::open(network, Untouchable, std::iter::empty()).expect("an empty chain");
    let origin = Origin::Posted {
        address: [127, 0, 0, 1].into(),
        peer: None,
    };

    let preimage = no_work.preimage();
    let mut group = criterion.benchmark_group("validate");
    group.bench_function("one sha256 of the preimage", |bencher| {
        bencher.iter(|| Sha256::digest(black_box(preimage.as_bytes())));
    });
    for (name, block) in [
        ("repeated", genesis),
        ("too little work", no_work),
        ("a hash that is not its own", wrong_hash),
    ] {
        let blocks = [block];
        group.bench_function(name, |bencher| {
            bencher.iter(|| ledger.admit(black_box(&blocks), &origin, now))
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
