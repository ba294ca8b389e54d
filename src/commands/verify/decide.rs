//! What a chain says of a proof.

use jbc_chain::{Chain, Network, Target, UnixMicros, Work};

use crate::commands::proof::Proof;
use crate::commands::terminal::{thousands, utc};

/// What was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proven {
    /// The block's height.
    pub(super) index: u64,
    /// When its miner says it was made.
    pub(super) instant: UnixMicros,
    /// How many blocks deep it is, 1 in the tip.
    pub(super) confirmations: u64,
    /// The work of those blocks: what somebody would have to do again to change it.
    pub(super) work_since: Work,
    /// The work of the whole chain.
    pub(super) work: Work,
    /// When the miner of the chain's last block says that it was made.
    pub(super) last: UnixMicros,
}

/// Why the chain does not bear the proof out.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotProven {
    #[error("its chain ends with block {tip}, before the proof's block {index}")]
    TooShort { tip: u64, index: u64 },
    #[error(
        "the proof's block {index} {block}… is not on its best chain, which has {found}… there"
    )]
    OffChain {
        index: u64,
        block: String,
        found: String,
    },
    #[error("field `headers[{position}]`: {refusal}")]
    Header {
        position: usize,
        refusal: jbc_chain::Refusal,
    },
}

/// Looks for the proof's block on the best branch of a chain whose every block was checked from the pinned first one on, and
/// checks the rest of the proof's headers by all rules, wherever they branch off.
pub(super) fn decide(
    proof: &Proof,
    mut chain: Chain,
    now: UnixMicros,
) -> Result<Proven, NotProven> {
    let block = proof.block();
    let Some(there) = chain.find_by_index(block.index) else {
        return Err(NotProven::TooShort {
            tip: chain.tip().height(),
            index: block.index,
        });
    };
    // The hash is of all of the header, which the proof's own check has computed.
    if *there.hash() != block.hash {
        return Err(NotProven::OffChain {
            index: block.index,
            block: block.hash.short(),
            found: there.hash().short(),
        });
    }
    let tip = chain.tip();
    let proven = Proven {
        index: block.index,
        instant: there.instant(),
        confirmations: tip.height() - block.index + 1,
        work_since: work_since(&chain, block.index),
        work: tip.work(),
        last: tip.instant(),
    };
    for (position, header) in proof.headers.iter().enumerate() {
        chain
            .accept_header(header, now)
            .map_err(|refusal| NotProven::Header { position, refusal })?;
    }
    Ok(proven)
}

fn work_since(chain: &Chain, index: u64) -> Work {
    let from = usize::try_from(index).unwrap_or(usize::MAX);
    let ids = chain.best_ids().iter().skip(from);
    ids.filter_map(|id| chain.entry(*id)?.bits())
        .map(|bits| Target::work(&bits.target()))
        .fold(Work::ZERO, |sum, work| sum + work)
}

impl Proven {
    /// In one sentence, what is proven and by whom.
    pub(super) fn sentence(&self, file: &str, network: &Network) -> String {
        let plural = if self.confirmations == 1 { "" } else { "s" };
        format!(
            "proven: the miners of network {} (genesis {}) state that {file} existed, unchanged, at {} UTC, in block {}, \
             under {} confirmation{plural} and {} hashes of work from that block on, of {} in the whole chain, whose \
             last block is of {} UTC",
            network.name,
            network.genesis.hash().short(),
            utc(self.instant),
            thousands(self.index),
            thousands(self.confirmations),
            thousands(self.work_since),
            thousands(self.work),
            utc(self.last),
        )
    }
}
