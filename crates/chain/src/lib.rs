//! Blocks, rules, targets and fork choice.
//!
//! # Map
//!
//! | module | what it holds |
//! |---|---|
//! | `hash` | [`struct@Hash`], a block's name and its proof of work |
//! | `target`, `bits` | [`Target`] (how hard), [`Bits`], its compact form, and [`Work`] (how much was done) |
//! | `time` | [`UnixMicros`], an instant, and [`Timestamp`], the digits a block carries |
//! | `block` | [`Block`], [`Unchecked`] or [`Checked`], of either kind; its preimage and its JSON |
//! | `header` | [`Header`], all of a `v2` block but its entries |
//! | `merkle` | the tree over a `v2` block's entries, and [`MerklePath`], which proves one of them |
//! | `template` | [`TemplateParts`], the next block but for its nonce |
//! | `rules` | [`Rules`], one `check_*` function for each rule, and [`V2Rules::next_bits`], the retargeting |
//! | `network` | [`Network`]: a name, rules and a first block |
//! | `chain` | [`Chain`], the tree of headers, and which branch of it is best |
//! | `orphans` | [`Orphans`], blocks that wait for their parent |
//!
//! The way of a block through it:
//!
//! ```
//! use jbc_chain::{Accepted, Block, Chain, Network, Target, TemplateParts, UnixMicros};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = UnixMicros(1_800_000_000_000_000);
//! let network = Network::custom("a class", Target::MAX, "First block.", "1508895381".parse()?)?;
//! let mut chain = Chain::new(&network);
//!
//! let parts = TemplateParts::next(chain.tip(), "hello", chain.earliest_timestamp(now));
//! let received: Vec<u8> = parts.block(0).to_wire_json().into_bytes();
//!
//! let block = Block::from_json(&received)?.check(&network.rules)?;
//! assert_eq!(chain.accept(&block, now)?, Accepted::Extended);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! * Everything is a function of its arguments: the same blocks in the same order, with the same
//!   `now`, give the same chain on every machine.
//! * Only a [`Block<Checked>`](Block) enters a [`Chain`], and every entry's parent is in it.
//! * Entries are only ever added. The tip's work never falls; on a tie the first seen stays.
//! * A refused block leaves nothing behind: no hash is remembered as bad, since a block's identity is
//!   its content ([`Block::content_digest`]) and its claimed hash is only a claim.
//!
//! # What is not here
//!
//! No clock (`now` is an argument), no file, socket, thread or runtime. No search for nonces beyond
//! the plain loop that makes a network's first block: that is `jbc-pow`. No block bodies: a
//! [`Chain`] keeps headers, and its [`EntryId`]s are the keys under which a store keeps the rest.

mod bits;
mod block;
mod chain;
mod error;
mod hash;
mod header;
mod merkle;
mod network;
mod orphans;
mod rules;
mod target;
mod template;
mod text;
mod time;

pub use bits::Bits;
pub use block::json::entry_json_bytes;
pub use block::{Block, Checked, Entries, Unchecked};
pub use chain::{
    Accepted, Branch, Chain, CheckpointError, Entry, EntryId, Guards, Judged,
    JudgementOutdatedError, Refusal,
};
pub use error::{NetworkError, ParseError, ValueError};
pub use hash::Hash;
pub use header::Header;
pub use merkle::{MerklePath, Step, leaf_hash, merkle_root, node_hash};
pub use network::Network;
pub use orphans::{
    MAX_ORPHAN_BYTES, MAX_ORPHANS, MAX_ORPHANS_PER_PEER, ORPHAN_LIFETIME_MICROS, Orphans,
};
pub use rules::{
    MAX_BLOCK_BYTES, MAX_ELAPSED_INTERVALS, MAX_ENTRY_BYTES, MAX_LEAD_INTERVALS, MAX_LEAD_MICROS,
    MAX_V2_BLOCK_BYTES, MEDIAN_SPAN_BLOCKS, Rejected, Rules, V2Rules,
};
pub use target::{Target, Work};
pub use template::{TemplateParts, V2Parts};
pub use time::{Timestamp, UnixMicros};
