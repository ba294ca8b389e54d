//! `mine`: search one range of nonces.

use jbc_pow::{Kernel, Search, Template, search_with};
use jbc_scheduler::RunContext;

use crate::task::{MineTask, Mined};

/// Searches the range until it is done, something is found, or the job is cancelled.
pub fn run(task: &MineTask, kernel: Kernel, ctx: &RunContext) -> Mined {
    let parts = &task.template.parts;
    let template = Template::new(
        parts.prefix().as_bytes(),
        task.template.target.to_be_bytes(),
    );
    let start = task.nonces.start;
    match search_with(kernel, &template, task.nonces.clone(), ctx.cancel().flag()) {
        Search::Found { nonce, .. } => Mined {
            searched: nonce - start + 1,
            found: Some(parts.block(nonce)),
        },
        Search::Exhausted { next_nonce } | Search::Cancelled { next_nonce } => Mined {
            searched: next_nonce - start,
            found: None,
        },
    }
}
