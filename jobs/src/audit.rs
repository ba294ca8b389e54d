//! `audit`: re-hash the stored chain and report. Nothing is repaired here; a report is what a person can act on.

use jbc_chain::EntryId;
use jbc_scheduler::RunContext;

use crate::ledger::Ledger;
use crate::ports::Store;
use crate::task::AuditReport;

/// When it runs: every night at 03:17 UTC, a minute that nobody else picks.
pub const AUDIT_CRON: &str = "0 17 3 * * *";
/// Faults listed at most.
const FAULTS_MAX: usize = 100;

/// Loads every block, hashes it again and compares it with the chain's index.
pub fn run<S: Store>(ledger: &Ledger<S>, ctx: &RunContext) -> AuditReport {
    let mut report = AuditReport {
        checked: 0,
        faults: Vec::new(),
        cancelled: false,
    };
    let mut next = 0_u64;
    loop {
        let entry = {
            let chain = ledger.chain();
            EntryId::from_u64(next)
                .and_then(|id| chain.entry(id))
                .map(|entry| (entry.id(), *entry.hash()))
        };
        let Some((id, hash)) = entry else {
            return report;
        };
        if ctx.cancel().is_cancelled() {
            report.cancelled = true;
            return report;
        }
        let fault = match ledger.block(id) {
            Err(error) => Some(error.to_string()),
            Ok(block) if block.computed_hash() != hash => {
                Some(format!("hashes to {}, not {hash}", block.computed_hash()))
            }
            Ok(_) => None,
        };
        if let Some(reason) = fault
            && report.faults.len() < FAULTS_MAX
        {
            report.faults.push((next, reason));
        }
        report.checked += 1;
        next += 1;
        if next.is_multiple_of(10_000) {
            ctx.set_progress(format!("{next} blocks"));
        }
    }
}
