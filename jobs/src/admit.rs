//! `admit`: take an entry into the pool, where it waits for a block; and `gather`: what the next block is to carry.

use jbc_chain::UnixMicros;

use crate::ledger::Ledger;
use crate::ports::{Store, StoreError};
use crate::task::{AdmitTask, Outcome};

/// Puts the entry before the ledger.
///
/// # Errors
/// [`StoreError::Failed`] when the disk's state is unknown.
pub fn run<S: Store>(
    task: &AdmitTask,
    ledger: &Ledger<S>,
    now: UnixMicros,
) -> Result<Outcome, StoreError> {
    ledger.admit_entry(&task.entry, now).map(Outcome::Admitted)
}

/// Gathers what the next block is to carry.
pub fn gather<S: Store>(ledger: &Ledger<S>) -> Outcome {
    let (tip, entries) = ledger.gather();
    Outcome::Gathered { tip, entries }
}
