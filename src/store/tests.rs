use std::thread;

use super::*;

/// redb's debug assertions said so, in a node that served blocks while it took others: a guard of `ReadOnlyTable::get`
/// outlived its transaction, and with it the page it reads.
#[test]
fn a_block_can_be_read_while_its_page_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlockStore::open(folder.path(), &Network::dev()).unwrap();
    let genesis = Network::dev().genesis.to_json();
    let id = EntryId::from_u64(1).unwrap();
    let rewrite = || {
        let written = store.write(|transaction| {
            transaction
                .open_table(BLOCKS)?
                .insert(1, genesis.as_bytes())?;
            Ok(())
        });
        written.unwrap();
    };
    rewrite();
    let is_over = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while is_over.load(Ordering::Relaxed) == 0 {
                    let block = store.load(id).unwrap().unwrap();
                    assert_eq!(block.to_json(), genesis);
                }
            });
        }
        let rewriting = scope.spawn(|| (0..500).for_each(|_| rewrite()));
        let rewritten = rewriting.join();
        is_over.store(1, Ordering::Relaxed);
        rewritten.unwrap();
    });
}
