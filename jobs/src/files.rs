//! `files`: bring the tutorial's block files (`000001.json`, …) up to date with the best chain, so that people can
//! watch the folder. They are a picture of the chain, never read back while the database is sound.

use jbc_chain::{Entry, Hash};
use jbc_scheduler::RunContext;

use crate::ledger::Ledger;
use crate::ports::{Store, StoreError};

/// Files written by one job, and about how many bytes: some tens of milliseconds, so that mining ranges get their turn in
/// between.
pub const FILES_AT_ONCE: usize = 500;
const FILES_BYTES: usize = 4 << 20;

/// Writes the next of what changed since the last time, lowest first, and says up to which block the files now show the
/// chain. Cancelled or failed in the middle, the next run goes on from the old mark.
///
/// # Errors
/// [`StoreError`] when a file cannot be written: the chain does not depend on it, so the node goes on.
pub fn run<S: Store>(ledger: &Ledger<S>, ctx: &RunContext) -> Result<(Hash, u64), StoreError> {
    let store = ledger.store();
    let tip = ledger.snapshot().tip.clone();
    // What the files show now, as the height they reach and the blocks to write; all of them when nobody knows.
    let (reach, ids) = {
        let chain = ledger.chain();
        let known = store.files_tip().and_then(|from| {
            let height = chain.find_by_hash(&from)?.height();
            Some((height, chain.branch(&from, &tip.hash)?.attached))
        });
        known.unwrap_or_else(|| {
            let all = (0..=tip.index).map_while(|index| chain.find_by_index(index));
            (u64::MAX, all.map(Entry::id).collect())
        })
    };
    if reach > tip.index {
        store.remove_files_above(tip.index)?;
    }
    let mut shown = tip.hash;
    let (mut written, mut bytes) = (0, 0);
    for id in ids.into_iter().take(FILES_AT_ONCE) {
        if ctx.cancel().is_cancelled() {
            return Err(StoreError::Failed {
                action: "writing block files",
                reason: "cancelled".to_owned(),
            });
        }
        let block = ledger.block(id)?;
        store.write_file(&block)?;
        shown = *block.hash();
        written += 1;
        bytes += block.size_bytes();
        if bytes >= FILES_BYTES {
            break;
        }
    }
    store.set_files_tip(&shown)?;
    Ok((shown, written))
}
