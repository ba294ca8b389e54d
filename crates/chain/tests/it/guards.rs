//! What an operator holds fast: checkpoints and a finality depth.

use std::collections::BTreeMap;

use jbc_chain::{Accepted, Block, Chain, Checked, CheckpointError, Guards, Refusal};

use crate::fixtures::{NOW, after, free};

/// A branch of so many blocks upon `parent`.
fn grown(parent: &Block<Checked>, data: &str, count: usize) -> Vec<Block<Checked>> {
    let mut blocks: Vec<Block<Checked>> = Vec::new();
    for _ in 0..count {
        blocks.push(after(blocks.last().unwrap_or(parent), data));
    }
    blocks
}

fn chain_of(blocks: &[Block<Checked>]) -> Chain {
    let mut chain = Chain::new(&free());
    for block in blocks {
        chain.accept(block, NOW).unwrap();
    }
    chain
}

fn pin(block: &Block<Checked>) -> Guards {
    Guards {
        checkpoints: BTreeMap::from([(block.index(), *block.hash())]),
        finality_blocks: None,
    }
}

fn rule(result: Result<Accepted, Refusal>) -> &'static str {
    match result {
        Err(Refusal::Rejected(rejected)) => rejected.rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_branch_without_the_checkpoint_is_refused_whatever_its_work() {
    let genesis = free().genesis;
    let (pinned, heavier) = (grown(&genesis, "pinned", 3), grown(&genesis, "heavier", 9));
    let mut chain = chain_of(&[]);
    // Before the chain is there, too.
    chain.guard(pin(&pinned[1])).unwrap();
    assert_eq!(chain.accept(&heavier[0], NOW), Ok(Accepted::Extended));
    assert_eq!(rule(chain.accept(&heavier[1], NOW)), "checkpoint");
    for block in &pinned {
        chain.accept(block, NOW).unwrap();
    }
    assert_eq!(chain.tip().hash(), pinned[2].hash());
}

#[test]
fn a_chain_that_has_another_block_at_a_checkpoint_says_so() {
    let genesis = free().genesis;
    let (ours, theirs) = (grown(&genesis, "ours", 2), grown(&genesis, "theirs", 2));
    let mut chain = chain_of(&ours);
    let contradiction = CheckpointError {
        index: 2,
        found: *ours[1].hash(),
        pinned: *theirs[1].hash(),
    };
    assert_eq!(chain.guard(pin(&theirs[1])), Err(contradiction));
    // Nothing is held then.
    for block in &grown(&genesis, "others", 3) {
        chain.accept(block, NOW).unwrap();
    }
    assert_eq!(chain.tip().height(), 3);
    assert_eq!(
        chain.guard(pin(&after(
            chain_tip(&chain, &grown(&genesis, "others", 3)),
            "next"
        ))),
        Ok(())
    );
}

fn chain_tip<'b>(chain: &Chain, blocks: &'b [Block<Checked>]) -> &'b Block<Checked> {
    blocks
        .iter()
        .find(|block| block.hash() == chain.tip().hash())
        .unwrap()
}

#[test]
fn a_branch_that_leaves_below_the_finality_depth_is_refused_and_one_above_it_is_not() {
    let genesis = free().genesis;
    let ours = grown(&genesis, "ours", 10);
    let mut chain = chain_of(&ours);
    chain
        .guard(Guards {
            finality_blocks: Some(3),
            ..Guards::default()
        })
        .unwrap();
    // Forks at height 6 take four blocks off, those at 7 three.
    let deep = grown(&ours[5], "deep", 6);
    assert_eq!(rule(chain.accept(&deep[0], NOW)), "finality");
    let shallow = grown(&ours[6], "shallow", 4);
    for block in &shallow {
        chain.accept(block, NOW).unwrap();
    }
    assert_eq!(chain.tip().hash(), shallow[3].hash());
}
