//! The branches beside a node's best chain, for `jbc chain show --forks`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use jbc_chain::{Block, Hash, Unchecked};

use crate::client::{ClientError, Fork, NodeClient};

/// Blocks of one branch that are shown; of a longer one the oldest.
const SHOWN_BLOCKS: usize = 20;

/// The branches by the height of the block that they leave from.
#[derive(Debug)]
pub(super) struct Forks {
    by_index: BTreeMap<u64, Vec<Fork>>,
    /// Blocks that have a line: branches that part later share their first ones.
    shown: RefCell<HashSet<Hash>>,
}

impl Forks {
    pub(super) async fn of(node: &NodeClient) -> Result<Self, ClientError> {
        let mut by_index: BTreeMap<u64, Vec<Fork>> = BTreeMap::new();
        for fork in node.forks().await? {
            by_index.entry(fork.fork_index).or_default().push(fork);
        }
        Ok(Self {
            by_index,
            shown: RefCell::default(),
        })
    }

    /// The lines of the branches that leave from `block`: the columns of the best chain's, with a mark where its heights
    /// have room.
    pub(super) async fn lines_under(
        &self,
        node: &NodeClient,
        block: &Block<Unchecked>,
        line: impl Fn(&Block<Unchecked>) -> String,
    ) -> Result<String, ClientError> {
        let mut text = String::new();
        let forks = self.by_index.get(&block.index()).into_iter().flatten();
        for fork in forks.filter(|fork| fork.fork_hash == *block.hash()) {
            for (position, hash) in fork.blocks.iter().take(SHOWN_BLOCKS).enumerate() {
                if !self.shown.borrow_mut().insert(*hash) {
                    continue;
                }
                let line = line(&node.block(&hash.to_string()).await?);
                let mark = if position == 0 { '├' } else { '│' };
                text.push_str(&marked(mark, &line));
            }
            let length = fork.tip_index.saturating_sub(fork.fork_index);
            let more = length.saturating_sub(SHOWN_BLOCKS.min(fork.blocks.len()) as u64);
            if more > 0 {
                let (tip, index) = (fork.tip_hash.short(), fork.tip_index);
                text.push_str(&format!("│ … {more} more, up to block {index} {tip}\n"));
            }
        }
        Ok(text)
    }

    /// What of the branches has no line, as the block that they leave from has none.
    pub(super) fn note(&self, first_index: u64) -> String {
        let below = self.by_index.range(..first_index);
        match below.map(|(_, forks)| forks.len()).sum::<usize>() {
            0 if self.by_index.is_empty() => "no branches beside the best chain\n".to_owned(),
            0 => String::new(),
            1 => format!("1 more branch leaves below block {first_index} (--from shows it)\n"),
            count => {
                format!(
                    "{count} more branches leave below block {first_index} (--from shows them)\n"
                )
            }
        }
    }
}

/// A line with a mark in place of the spaces before its height.
fn marked(mark: char, line: &str) -> String {
    match line.strip_prefix("  ") {
        Some(rest) => format!("{mark} {rest}"),
        None => format!("{mark} {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::canned::Canned;
    use crate::commands::chain::fixtures::{network, next, plain_chain};

    #[tokio::test]
    async fn a_branch_stands_under_the_block_it_leaves_from_and_shared_blocks_once() {
        let blocks = plain_chain(&network("forks"), 4);
        let side = next(&blocks[1], &[b"side"]);
        let (one, two) = (next(&side, &[b"one"]), next(&side, &[b"two"]));
        let fork = |blocks: &[&Block<Unchecked>]| {
            let tip = blocks.last().unwrap();
            serde_json::json!({
                "fork_index": 1, "fork_hash": tip_of(side.prev_hash()), "tip_index": tip.index(),
                "tip_hash": tip.hash(), "work": "8",
                "blocks": blocks.iter().map(|block| block.hash()).collect::<Vec<_>>(),
            })
        };
        let forks = serde_json::json!({ "forks": [fork(&[&side, &one]), fork(&[&side, &two])] });
        let paths: Vec<String> = [&side, &one, &two]
            .map(|block| format!("GET /blocks/{}", block.hash()))
            .into();
        let mut answers = vec![("GET /forks", forks.to_string())];
        for (path, block) in paths.iter().zip([&side, &one, &two]) {
            answers.push((String::leak(path.clone()), block.to_json()));
        }
        let server = Canned::serve(answers);
        let node = NodeClient::new(&server.url).unwrap();

        let forks = Forks::of(&node).await.unwrap();
        let line = |block: &Block<Unchecked>| format!("{:>8} {}\n", block.index(), block.hash());
        let under = forks.lines_under(&node, &blocks[1], line).await.unwrap();
        let expected = [("├", &side), ("│", &one), ("│", &two)]
            .map(|(mark, block)| format!("{mark} {:>6} {}\n", block.index(), block.hash()));
        assert_eq!(under, expected.concat());
        assert_eq!(
            forks.lines_under(&node, &blocks[2], line).await.unwrap(),
            ""
        );
        assert_eq!(forks.note(1), "");
        assert!(
            forks
                .note(2)
                .starts_with("2 more branches leave below block 2")
        );
    }

    fn tip_of(hash: Option<&Hash>) -> Hash {
        *hash.unwrap()
    }
}
