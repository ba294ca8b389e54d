//! Checks blocks one after the other, as a chain and nothing beside it.

use jbc_chain::{
    Accepted, Block, Chain, Checked, Hash, Network, ParseError, Refusal, Rejected, Rules,
    Unchecked, UnixMicros,
};

use super::built_in_network_of;
use crate::commands::terminal::thousands;

/// Why something is not a valid chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::commands::chain) enum Fault {
    #[error("block {index}: refused by rule `{}`: field `{}`: {}", .rejected.rule, .rejected.field, .rejected.reason)]
    Refused { index: u64, rejected: Rejected },
    #[error(
        "block {index}: refused by rule `parent`: field `prev_hash`: {parent} is no block before it"
    )]
    Unlinked { index: u64, parent: Hash },
    #[error("block {index}: not the only one of its index")]
    Twice { index: u64 },
    #[error("block {index}: missing")]
    Missing { index: u64 },
    #[error(
        "block {index}: missing before {} MiB of later blocks",
        super::MAX_WAITING_BYTES >> 20
    )]
    TooFarBehind { index: u64 },
    #[error("block 0: its hash {hash} begins no built-in network; say which with --network FILE")]
    UnknownNetwork { hash: String },
    #[error(
        "block {index}: alone it does not say by which rules to check it; say so with --network"
    )]
    NoNetwork { index: u64 },
    #[error("block {position} by position: not a block: {error}")]
    NotBlock { position: u64, error: ParseError },
    #[error("block {position} by position: {reason}")]
    Text { position: u64, reason: String },
    #[error("{file}: torn: {reason}")]
    Torn { file: String, reason: String },
    #[error("{file}: holds block {index}")]
    Misplaced { file: String, index: u64 },
    #[error("{}", missing_files(*.first, *.last))]
    MissingFiles { first: u64, last: u64 },
}

fn missing_files(first: u64, last: u64) -> String {
    if first == last {
        format!("{first:06}.json: missing")
    } else {
        format!("{first:06}.json to {last:06}.json: missing")
    }
}

/// A chain that grows block by block, each checked by every rule.
#[derive(Debug)]
pub(in crate::commands::chain) struct Verifier {
    network: Option<Network>,
    chain: Option<Chain>,
    now: UnixMicros,
    /// A block that came alone, without the chain under it.
    alone: Option<Block<Checked>>,
}

impl Verifier {
    /// Without a network, the first block says which of the built-in ones it is.
    pub(super) fn new(network: Option<Network>, now: UnixMicros) -> Self {
        Self {
            network,
            chain: None,
            now,
            alone: None,
        }
    }

    /// How many blocks are good so far; also the index of the block that comes next.
    pub(super) fn blocks(&self) -> u64 {
        self.chain
            .as_ref()
            .map_or(0, |chain| chain.tip().height().saturating_add(1))
    }

    /// Whether nothing has been found good so far.
    pub(super) fn is_empty(&self) -> bool {
        self.chain.is_none() && self.alone.is_none()
    }

    /// Checks the block whose turn it is. One of an index that was there before is a fault.
    pub(super) fn add(&mut self, block: Block<Unchecked>) -> Result<(), Fault> {
        let index = block.index();
        let Some(chain) = &mut self.chain else {
            return self.begin(block);
        };
        let parent = block.prev_hash().copied();
        let block = check(block, chain.rules())?;
        match chain.accept(&block, self.now) {
            Ok(Accepted::Extended) => Ok(()),
            Ok(Accepted::AlreadyKnown | Accepted::SideBranch | Accepted::Reorganised { .. }) => {
                Err(Fault::Twice { index })
            }
            Err(Refusal::Rejected(rejected)) => Err(Fault::Refused { index, rejected }),
            Err(Refusal::Orphan { .. }) => Err(Fault::Unlinked {
                index,
                parent: parent.unwrap_or(*chain.genesis().hash()),
            }),
        }
    }

    /// Checks a first block: it has to be the network's own.
    fn begin(&mut self, block: Block<Unchecked>) -> Result<(), Fault> {
        let network = match self.network.take().or_else(|| built_in_network_of(&block)) {
            Some(network) => self.network.insert(network),
            None => {
                return Err(Fault::UnknownNetwork {
                    hash: block.hash().to_string(),
                });
            }
        };
        let (index, mut chain) = (block.index(), Chain::new(network));
        let block = check(block, chain.rules())?;
        match chain.accept(&block, self.now) {
            Ok(Accepted::AlreadyKnown) => {
                self.chain = Some(chain);
                Ok(())
            }
            Err(Refusal::Rejected(rejected)) => Err(Fault::Refused { index, rejected }),
            Ok(_) | Err(Refusal::Orphan { .. }) => Err(Fault::Missing { index: 0 }),
        }
    }

    /// Checks a block whose turn has not come by the rules that need no other, once it is known which they are.
    pub(super) fn check_ahead(&self, block: Block<Unchecked>) -> Result<Block<Unchecked>, Fault> {
        let of_flag = self.network.as_ref().map(|network| &network.rules);
        match self.chain.as_ref().map(Chain::rules).or(of_flag) {
            Some(rules) => check(block, rules).map(Block::into_unchecked),
            None => Ok(block),
        }
    }

    /// Checks a block that came without the chain under it, by the rules that need no other block.
    pub(super) fn check_alone(&mut self, block: Block<Unchecked>) -> Result<(), Fault> {
        let index = block.index();
        let Some(network) = &self.network else {
            return Err(Fault::NoNetwork { index });
        };
        let block = check(block, &network.rules)?;
        self.alone = Some(block);
        Ok(())
    }

    /// What to say of a chain without faults.
    pub(super) fn praise(&self) -> String {
        let network = self
            .network
            .as_ref()
            .map(Network::describe)
            .unwrap_or_default();
        if let Some(block) = &self.alone {
            let (index, hash) = (block.index(), block.hash().short());
            return format!(
                "valid by itself: block {index}, hash {hash}…, network {network}; its parent was not looked for"
            );
        }
        let Some(chain) = &self.chain else {
            return String::new();
        };
        let (tip, blocks) = (chain.tip(), self.blocks());
        format!(
            "valid: {} block{}, tip {}… (index {}), work {}, network {network}",
            thousands(blocks),
            if blocks == 1 { "" } else { "s" },
            tip.hash().short(),
            tip.height(),
            thousands(tip.work()),
        )
    }
}

fn check(block: Block<Unchecked>, rules: &Rules) -> Result<Block<Checked>, Fault> {
    let index = block.index();
    block
        .check(rules)
        .map_err(|rejected| Fault::Refused { index, rejected })
}
