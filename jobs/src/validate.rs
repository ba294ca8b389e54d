//! `validate`: check blocks and accept the good ones. The one door, for mined and received blocks alike.

use jbc_chain::UnixMicros;

use crate::ledger::Ledger;
use crate::ports::{Store, StoreError};
use crate::task::{ValidateTask, Validated};

/// Puts the blocks before the ledger.
///
/// # Errors
/// [`StoreError::Failed`] when the disk's state is unknown.
pub fn run<S: Store>(
    task: &ValidateTask,
    ledger: &Ledger<S>,
    now: UnixMicros,
) -> Result<Validated, StoreError> {
    ledger.admit(&task.blocks, &task.origin, now)
}
