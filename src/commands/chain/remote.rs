//! A node's chain, read page by page and checked as it comes, also while the node changes branches.

use anyhow::{anyhow, bail};

use super::follower::Follower;
use super::lines::Item;
use crate::client::{BLOCKS_AT_ONCE, ClientError, HEADERS_AT_ONCE, NodeClient};

/// How often a node may change branches while its chain is read.
pub(super) const MAX_TURNS: u32 = 50;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Part {
    /// Whole blocks.
    Blocks,
    /// Blocks without their entries.
    Headers,
}

/// A step of the reading.
#[derive(Debug)]
pub(in crate::commands) enum Step<'a> {
    /// The next block is good.
    Took(&'a Item),
    /// The node is on another branch: only so many of the blocks taken are left.
    Rewound(u64),
}

/// Reads on, from where `follower` is, to the node's tip.
///
/// # Errors
/// No answer; a block that breaks a rule; a chain that never holds still; and what `step` answers.
pub(in crate::commands) async fn follow(
    node: &NodeClient,
    part: Part,
    follower: &mut Follower,
    mut step: impl FnMut(Step<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut turns = 0;
    loop {
        let items = page(node, part, follower.taken()).await?;
        let goes_on = match items.first() {
            Some(first) => follower.taken() == 0 || first.prev_hash() == Some(follower.last()),
            None if follower.taken() == 0 => bail!("{}: it has no blocks", node.url()),
            None if stands(node, follower, follower.taken() - 1).await? => return Ok(()),
            None => false,
        };
        if goes_on {
            for item in &items {
                let taken = follower.take(item);
                taken.map_err(|broken| anyhow!("{}: {broken}", node.url()))?;
                step(Step::Took(item))?;
            }
            continue;
        }
        turns += 1;
        if turns > MAX_TURNS {
            bail!("{}: its chain does not hold still", node.url());
        }
        rewind(node, follower).await?;
        step(Step::Rewound(follower.taken()))?;
    }
}

async fn page(node: &NodeClient, part: Part, from: u64) -> Result<Vec<Item>, ClientError> {
    Ok(match part {
        Part::Blocks => {
            let blocks = node.blocks(from, BLOCKS_AT_ONCE).await?;
            blocks.into_iter().map(Item::Block).collect()
        }
        Part::Headers => {
            let headers = node.headers(from, HEADERS_AT_ONCE).await?;
            headers.into_iter().map(Item::Header).collect()
        }
    })
}

/// Goes back to a block that the node's chain has, too: one block, then two, four, … so that a deep fork takes few
/// requests, and some blocks below it are asked for once more.
async fn rewind(node: &NodeClient, follower: &mut Follower) -> anyhow::Result<()> {
    let mut back = 1;
    loop {
        let index = follower.taken().saturating_sub(back);
        if stands(node, follower, index).await? {
            follower.rewind(index.saturating_add(1));
            return Ok(());
        }
        if index == 0 {
            bail!(
                "{}: its chain does not begin with the first block of {}",
                node.url(),
                follower.network().describe()
            );
        }
        back *= 2;
    }
}

/// Whether the node's best chain has the block that was taken at this height.
async fn stands(node: &NodeClient, follower: &Follower, index: u64) -> Result<bool, ClientError> {
    let claims = node.hashes(index, 1).await?;
    let ours = follower.hash_at(index);
    Ok(claims
        .first()
        .is_some_and(|claim| claim.index == index && Some(claim.hash) == ours))
}
