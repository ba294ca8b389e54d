//! `mine`: search one range of nonces.

use jbc_pow::{Kernel, Search, Template, search_with};
use jbc_scheduler::RunContext;

use crate::task::{MineTask, Mined};

/// Searches the range until it is done, something is found, or the job is cancelled.
pub fn run(task: &MineTask, kernel: Kernel, ctx: &RunContext) -> Mined {
    let parts = &task.template.parts;
    let prefixes = parts.prefixes();
    let template = Template::rolled(&prefixes, task.template.target.to_be_bytes()).expect(
        "the prefixes of one template differ in their Merkle roots only, which stand early",
    );
    let (start, rolls) = (task.nonces.start, prefixes.len() as u64);
    match search_with(kernel, &template, task.nonces.clone(), ctx.cancel().flag()) {
        Search::Found { nonce, prefix, .. } => Mined {
            searched: (nonce - start) * rolls + prefix as u64 + 1,
            found: Some(parts.rolled_block(prefix, nonce)),
        },
        Search::Exhausted { next_nonce } | Search::Cancelled { next_nonce } => Mined {
            searched: (next_nonce - start) * rolls,
            found: None,
        },
    }
}
