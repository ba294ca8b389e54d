//! Proof-of-work search: which nonce, written in decimal behind a constant prefix, hashes to at most a target?
//!
//! ```
//! use jbc_pow::{Search, Template, hash_of, search};
//! use std::sync::atomic::AtomicBool;
//!
//! let mut target = [0xff; 32];
//! target[..2].fill(0); // a hash that starts with four hex zeros
//! let template = Template::new(b"1the parent's hash, data, timestamp", target);
//!
//! let found = search(&template, 0..10_000_000, &AtomicBool::new(false));
//! let Search::Found { nonce, hash, .. } = found else { panic!("{found:?}") };
//! assert_eq!(hash, hash_of(template.prefix(), nonce));
//! assert!(hash <= target);
//! ```
//!
//! # Map
//! - `lib.rs`: [`search`], which splits a range of nonces by digit count and hands each part to a kernel.
//! - `template.rs`: [`Template`], the constant prefix with its midstate, and the target.
//! - `plan.rs`: where digits, padding and length lie in the last blocks; shared by all kernels.
//! - `kernel.rs`: [`Kernel`], which loops exist and which one this machine should run.
//! - `portable.rs`: the loop that runs everywhere.
//! - `lanes.rs`: what the kernels share that search many nonces at a time: which digits differ between the lanes, and
//!   which groups of nonces and which prefixes share a message schedule. `lanes/vector.rs` is SHA-256 over a vector, of
//!   which `lanes/avx512.rs` and `lanes/avx2.rs` are two; `lanes/sha_ni.rs` and, on aarch64, `lanes/armv8_sha2.rs` use
//!   the processor's SHA instructions. The latter is tested under qemu-user (`make aarch64`); how fast it is was never
//!   measured.
//! - `sha256.rs` and `schedule.rs`: SHA-256 in pieces, for what is computed ahead of the nonces.
//!
//! # Invariants
//! - A kernel finds exactly what [`hash_of`] says, and the *smallest* such nonce of the range; behind that nonce, the
//!   first prefix.
//! - Every nonce of the range below `next_nonce` was searched: a range can be cut anywhere and carried on without a gap.
//!   (Of a cancelled search some nonces above it may have been searched too; they are searched again.)
//! - Nothing is allocated or formatted per nonce, and a raised cancel flag is seen within about 20 µs.
//! - A kernel is only ever run on a machine that was found to have its instructions: having it is the proof.
//!
//! # Not here
//! Blocks, fields and difficulty rules (`jbc-chain`), threads and rates (`jbc-jobs`, `jbc-scheduler`). A prefix is
//! opaque bytes.

mod kernel;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod lanes;
mod plan;
mod portable;
#[cfg(target_arch = "x86_64")]
mod schedule;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod sha256;
mod template;

#[cfg(test)]
mod tests;

use crate::plan::Plan;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::kernel::{Kernel, UnknownKernel};
pub use crate::plan::best_nonces;
pub use crate::template::{PREFIXES_MAX, RollError, Template};

/// How a search over a range of nonces ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the search has no effect but its result"]
pub enum Search {
    /// The smallest nonce of the range whose hash meets the target.
    Found {
        /// The winning nonce.
        nonce: u64,
        /// Behind which of the template's prefixes it wins: the first of those behind which it does.
        prefix: usize,
        /// Its hash, big endian, at most the target.
        hash: [u8; 32],
    },
    /// No nonce of the range meets the target.
    Exhausted {
        /// The first nonce not searched: the range's end, or its start where the range is empty.
        next_nonce: u64,
    },
    /// The cancel flag was raised before the range was through.
    Cancelled {
        /// The first nonce that may not have been searched; all before it in the range miss the target.
        next_nonce: u64,
    },
}

/// A nonce that meets the target.
#[derive(Clone, Copy)]
pub(crate) struct Winner {
    nonce: u64,
    prefix: usize,
    hash: [u8; 32],
}

impl From<Winner> for Search {
    fn from(winner: Winner) -> Self {
        let Winner {
            nonce,
            prefix,
            hash,
        } = winner;
        Self::Found {
            nonce,
            prefix,
            hash,
        }
    }
}

/// Searches `nonces` in rising order with the best kernel of this machine.
///
/// `cancel` is read with relaxed ordering before the first nonce and then at least every 20 µs or so. An empty range
/// is [`Search::Exhausted`], whatever the flag says. As a range excludes its end, `u64::MAX` itself is never tried.
pub fn search(template: &Template, nonces: Range<u64>, cancel: &AtomicBool) -> Search {
    search_with(Kernel::best(), template, nonces, cancel)
}

/// As [`search`], with a chosen kernel: all kernels give the same answer, only faster or slower.
pub fn search_with(
    kernel: Kernel,
    template: &Template,
    nonces: Range<u64>,
    cancel: &AtomicBool,
) -> Search {
    search_until(kernel, template, nonces, || cancel.load(Ordering::Relaxed))
}

/// The search behind the flag: `cancelled` is a closure, so that tests can cancel at an exact poll.
fn search_until(
    kernel: Kernel,
    template: &Template,
    nonces: Range<u64>,
    cancelled: impl Fn() -> bool,
) -> Search {
    // Of a reversed range, as of any empty one, the start is what was not searched.
    let next_nonce = nonces.end.max(nonces.start);
    for span in plan::spans(nonces) {
        let plan = Plan::new(template, span);
        let result = kernel.search(&plan, &cancelled);
        if !matches!(result, Search::Exhausted { .. }) {
            return result;
        }
    }
    Search::Exhausted { next_nonce }
}

/// The plain formula that every kernel must agree with: SHA-256 of `prefix`, then `nonce` in decimal ASCII.
///
/// Cheap enough to check one block; for a search it is what the kernels are measured against.
pub fn hash_of(prefix: &[u8], nonce: u64) -> [u8; 32] {
    Sha256::new()
        .chain_update(prefix)
        .chain_update(nonce.to_string())
        .finalize()
        .into()
}
