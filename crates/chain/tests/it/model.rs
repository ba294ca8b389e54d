//! The chain against a naive model, over any tree and any order of arrival.

use std::collections::HashMap;

use jbc_chain::{Accepted, Block, Chain, Checked, Entry, Hash, Network, Orphans, Refusal, Target};
use jbc_chain::{TemplateParts, Timestamp, UnixMicros};
use proptest::prelude::*;

use crate::fixtures::{NOW, SECOND, branch, chain_of, free, stamp};

/// A tree: block `i + 1` grows on block `parents[i]`, block 0 is the network's first.
#[derive(Clone, Debug)]
struct Tree {
    parents: Vec<usize>,
    /// Blocks in order of arrival; some come twice, and a few of them before their parents.
    arrivals: Vec<usize>,
}

/// `bushy` trees fork anywhere, others mostly grow on the last few blocks, so that branches are long.
fn any_tree() -> impl Strategy<Value = Tree> {
    (1_usize..40, any::<bool>()).prop_flat_map(|(count, bushy)| {
        let parents: Vec<_> = (0..count)
            .map(|i| {
                if bushy {
                    0..=i
                } else {
                    i.saturating_sub(2)..=i
                }
            })
            .collect();
        let once: Vec<usize> = (1..=count).collect();
        let arrivals = prop::collection::vec(1..=count, 0..10)
            .prop_map(move |again| [once.clone(), again].concat())
            .prop_shuffle();
        (parents, arrivals).prop_map(|(parents, arrivals)| Tree { parents, arrivals })
    })
}

/// The tree's blocks, mined for `network`.
fn blocks_of(tree: &Tree, network: &Network) -> Vec<Block<Checked>> {
    let mut blocks = vec![network.genesis.clone()];
    for (i, &parent) in tree.parents.iter().enumerate() {
        let parent = &blocks[parent];
        let parts = TemplateParts {
            index: parent.index() + 1,
            prev_hash: Some(*parent.hash()),
            data: format!("block {i}"),
            timestamp: Timestamp::from_instant(parent.timestamp().instant().plus(SECOND)),
            v2: None,
        };
        let block = (0..)
            .find_map(|nonce| parts.block(nonce).check(&network.rules).ok())
            .unwrap();
        blocks.push(block);
    }
    blocks
}

/// The tree as it is obvious: every block with its parent, best found by looking at all of them.
#[derive(Default)]
struct Model {
    seen: Vec<Hash>, // in first-seen order
    parents: HashMap<Hash, Option<Hash>>,
}

impl Model {
    fn new(genesis: &Block<Checked>) -> Self {
        let mut model = Self::default();
        model.add(genesis);
        model
    }

    fn add(&mut self, block: &Block<Checked>) {
        self.seen.push(*block.hash());
        self.parents
            .insert(*block.hash(), block.prev_hash().copied());
    }

    /// From the first block up to this one.
    fn path(&self, hash: &Hash) -> Vec<Hash> {
        let mut path = vec![*hash];
        while let Some(parent) = self.parents[path.last().unwrap()] {
            path.push(parent);
        }
        path.reverse();
        path
    }

    /// All blocks have the same work, so the longest path has the most: the first seen of those.
    fn best(&self) -> Vec<Hash> {
        let paths: Vec<Vec<Hash>> = self.seen.iter().map(|hash| self.path(hash)).collect();
        let longest = paths.iter().map(Vec::len).max().unwrap();
        paths
            .into_iter()
            .find(|path| path.len() == longest)
            .unwrap()
    }

    fn leaves(&self) -> usize {
        let is_parent = |hash: &&Hash| {
            self.parents
                .values()
                .any(|parent| parent.as_ref() == Some(hash))
        };
        self.seen.len() - self.seen.iter().filter(is_parent).count()
    }
}

/// What accepting `block` should return, from what the model says before and after.
fn expected(before: &[Hash], after: &[Hash], block: &Block<Checked>) -> Accepted {
    if before == after {
        return Accepted::SideBranch;
    }
    let common = before
        .iter()
        .zip(after)
        .take_while(|(one, other)| one == other)
        .count();
    match before.len() - common {
        0 => Accepted::Extended,
        depth => Accepted::Reorganised {
            from: *before.last().unwrap(),
            to: *block.hash(),
            depth: depth as u64,
        },
    }
}

/// Gives `block` to both, and then the orphans that waited for it, as a node does.
fn deliver(
    chain: &mut Chain,
    model: &mut Model,
    orphans: &mut Orphans,
    block: Block<Checked>,
) -> Result<(), TestCaseError> {
    let mut ready = vec![block];
    while let Some(block) = ready.pop() {
        let known = model.parents.contains_key(block.hash());
        match chain.accept(&block, NOW) {
            Ok(Accepted::AlreadyKnown) => prop_assert!(known),
            Ok(accepted) => {
                prop_assert!(!known);
                let before = model.best();
                model.add(&block);
                prop_assert_eq!(accepted, expected(&before, &model.best(), &block));
                let children = orphans.take_children(block.hash());
                ready.extend(children.into_iter().map(|(block, _)| block));
            }
            Err(Refusal::Orphan { parent }) => {
                prop_assert!(!model.parents.contains_key(&parent));
                let peer = format!("peer of {}", block.hash());
                orphans.add(block, &peer, NOW);
            }
            Err(Refusal::Rejected(rejected)) => prop_assert!(false, "{}", rejected),
        }
        agree(chain, model)?;
    }
    Ok(())
}

/// The chain says of itself what the model says.
fn agree(chain: &Chain, model: &Model) -> Result<(), TestCaseError> {
    let best = model.best();
    let hash_at = |height| chain.find_by_index(height).map(|entry| *entry.hash());
    let found: Vec<Hash> = (0..).map_while(hash_at).collect();
    prop_assert_eq!(&found, &best);
    prop_assert_eq!(chain.tip().hash(), best.last().unwrap());
    prop_assert_eq!(chain.len(), model.seen.len());
    prop_assert_eq!(chain.best_ids().len(), best.len());
    prop_assert_eq!(chain.side_blocks(), model.seen.len() - best.len());
    prop_assert_eq!(chain.leaves(), model.leaves());
    for (position, hash) in model.seen.iter().enumerate() {
        let entry = chain.find_by_hash(hash).unwrap();
        prop_assert_eq!(entry.id().as_u64(), position as u64);
        prop_assert_eq!(chain.entry(entry.id()), Some(entry));
        prop_assert_eq!(chain.is_on_best_chain(entry), best.contains(hash));
        prop_assert_eq!(entry.height() as usize + 1, model.path(hash).len());
        let parent = entry
            .parent()
            .and_then(|id| chain.entry(id))
            .map(|entry| *entry.hash());
        prop_assert_eq!(parent, model.parents[hash]);
    }
    prop_assert_eq!(chain.entry(chain.next_id()), None);
    Ok(())
}

/// The way between two blocks is what their paths do not have in common.
fn agree_on_branches(chain: &Chain, model: &Model) -> Result<(), TestCaseError> {
    let hash_of = |entry: &Entry| *entry.hash();
    for from in &model.seen {
        for to in &model.seen {
            let (down, up) = (model.path(from), model.path(to));
            let common = down
                .iter()
                .zip(&up)
                .take_while(|(one, other)| one == other)
                .count();
            let branch = chain.branch(from, to).unwrap();
            let hashes = |ids: &[jbc_chain::EntryId]| -> Vec<Hash> {
                ids.iter()
                    .map(|&id| hash_of(chain.entry(id).unwrap()))
                    .collect()
            };
            prop_assert_eq!(hash_of(chain.entry(branch.fork).unwrap()), down[common - 1]);
            prop_assert_eq!(hashes(&branch.detached), &down[common..]);
            prop_assert_eq!(hashes(&branch.attached), &up[common..]);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_chain_does_what_the_model_says(tree in any_tree()) {
        let network = free();
        let blocks = blocks_of(&tree, &network);
        let (mut chain, mut model) = (Chain::new(&network), Model::new(&network.genesis));
        let mut orphans = Orphans::new();
        for &arrival in &tree.arrivals {
            deliver(&mut chain, &mut model, &mut orphans, blocks[arrival].clone())?;
        }
        prop_assert!(orphans.is_empty());
        prop_assert_eq!(chain.len(), blocks.len());
        agree_on_branches(&chain, &model)?;
    }

    #[test]
    fn any_order_of_arrival_gives_the_same_tip_up_to_ties(tree in any_tree(), zeros in 0_u32..=1) {
        let target = Target::from_zeros(zeros).unwrap();
        let network = Network::custom("any", target, "First block.", stamp("1508895381")).unwrap();
        let blocks = blocks_of(&tree, &network);
        let in_order = {
            let mut chain = Chain::new(&network);
            for block in &blocks {
                chain.accept(block, NOW).unwrap();
            }
            chain
        };
        let (mut chain, mut model) = (Chain::new(&network), Model::new(&network.genesis));
        let mut orphans = Orphans::new();
        for &arrival in &tree.arrivals {
            deliver(&mut chain, &mut model, &mut orphans, blocks[arrival].clone())?;
        }
        prop_assert_eq!(chain.tip().work(), in_order.tip().work());
        prop_assert_eq!(chain.leaves(), in_order.leaves());
        let highest = blocks.iter().map(Block::index).max().unwrap();
        if blocks.iter().filter(|block| block.index() == highest).count() == 1 {
            prop_assert_eq!(&chain, &in_order);
        }
    }

    #[test]
    fn a_replay_in_first_seen_order_gives_the_same_chain_ties_included(tree in any_tree()) {
        let network = free();
        let blocks = blocks_of(&tree, &network);
        let (mut chain, mut model) = (Chain::new(&network), Model::new(&network.genesis));
        let mut orphans = Orphans::new();
        for &arrival in &tree.arrivals {
            deliver(&mut chain, &mut model, &mut orphans, blocks[arrival].clone())?;
        }
        let mut replayed = Chain::new(&network);
        for hash in &model.seen[1..] {
            let block = blocks.iter().find(|block| block.hash() == hash).unwrap();
            prop_assert!(replayed.accept_trusted(block).is_ok());
        }
        prop_assert_eq!(&replayed, &chain);
        agree(&replayed, &model)?;
    }
}

#[test]
fn a_deep_reorganisation_is_one_step() {
    let genesis = free().genesis;
    let (short, long) = (
        branch(&genesis, "short", 300),
        branch(&genesis, "long", 301),
    );
    let mut chain = chain_of(short.iter().chain(&long[..300]));
    assert_eq!(chain.tip().hash(), short[299].hash());
    assert_eq!((chain.side_blocks(), chain.leaves()), (300, 2));

    let (from, to) = (*short[299].hash(), *long[300].hash());
    let expected = Accepted::Reorganised {
        from,
        to,
        depth: 300,
    };
    assert_eq!(chain.judge(&long[300], NOW).unwrap().accepted(), expected);
    assert_eq!(chain.tip().hash(), &from);
    assert_eq!(chain.accept(&long[300], NOW), Ok(expected));
    assert_eq!(chain.tip().hash(), &to);
    assert_eq!(chain.find_by_index(1).unwrap().hash(), long[0].hash());
    assert_eq!(
        (chain.side_blocks(), chain.leaves(), chain.len()),
        (300, 2, 602)
    );

    let way = chain.branch(&from, &to).unwrap();
    assert_eq!((way.detached.len(), way.attached.len()), (300, 301));
    assert_eq!(chain.entry(way.fork), Some(chain.genesis()));
    assert_eq!(chain.branch(&from, &Hash::from_bytes([0; 32])), None);
}

#[test]
fn different_chains_of_equal_work_are_neither_equal_nor_greater() {
    let genesis = free().genesis;
    let one = chain_of(&branch(&genesis, "one", 2));
    let other = chain_of(&branch(&genesis, "other", 2));
    assert_ne!(one, other);
    assert_eq!(one.partial_cmp(&other), None);
    let longer = chain_of(&branch(&genesis, "other", 3));
    assert!(longer > one && longer > other);
    assert_eq!(one.partial_cmp(&longer), Some(std::cmp::Ordering::Less));
}

#[test]
fn work_adds_up_along_a_branch() {
    let network =
        Network::custom("x", Target::from_zeros(1).unwrap(), "", stamp("1508895381")).unwrap();
    let mut chain = Chain::new(&network);
    assert_eq!(chain.tip().work().to_string(), "16");
    let parts = TemplateParts::next(chain.tip(), "x", chain.earliest_timestamp(NOW));
    let block = (0..)
        .find_map(|nonce| parts.block(nonce).check(&network.rules).ok())
        .unwrap();
    chain.accept(&block, NOW).unwrap();
    assert_eq!(chain.tip().work().to_string(), "32");
    assert_eq!(chain.tip().nonce(), block.nonce());
}

#[test]
fn a_miner_stamps_now_or_where_its_clock_is_behind_just_after_the_median() {
    let chain = chain_of(&branch(&free().genesis, "x", 1));
    assert_eq!(chain.earliest_timestamp(NOW), Timestamp::from_instant(NOW));
    // sorted[2 / 2] of two blocks is the later one.
    let median = chain.tip().instant();
    let behind = chain.earliest_timestamp(UnixMicros(0));
    assert_eq!(behind, Timestamp::from_instant(median.plus(1)));
    assert!(!behind.is_ten_digits());
}
