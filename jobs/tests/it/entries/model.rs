//! Entries thrown at a tree of blocks in every order: none is lost, none waits that the best chain has.

use std::collections::HashSet;

use jbc_chain::{Block, Unchecked};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::task::EntryState;
use proptest::prelude::*;

use super::{admission, carrying, offered, state, take, v2_genesis, v2_ledger, v2_network};
use crate::fakes::MemoryStore;

const TEXTS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug)]
enum Step {
    /// Somebody posts the text of this number.
    Post(usize),
    /// Somebody mines upon one of the known blocks, with these texts, honest or not.
    Mine { parent: usize, texts: Vec<usize> },
    /// The node starts anew.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..TEXTS.len()).prop_map(Step::Post),
        6 => (any::<usize>(), prop::collection::vec(0..TEXTS.len(), 0..3))
            .prop_map(|(parent, texts)| Step::Mine { parent, texts }),
        1 => Just(Step::Restart),
    ]
}

fn restarted(ledger: Ledger<MemoryStore>) -> Ledger<MemoryStore> {
    let store = ledger.store().copy();
    let stored: Vec<_> = store.stored().into_iter().map(Ok).collect();
    Ledger::open(v2_network(), store, stored.into_iter()).unwrap()
}

/// The texts of the best chain, miners' words left out.
fn on_best_chain(ledger: &Ledger<MemoryStore>) -> Vec<String> {
    let height = ledger.snapshot().tip.index;
    let blocks = ledger.blocks(1, height, usize::MAX).unwrap();
    let entries = blocks
        .iter()
        .flat_map(|block| block.entries().iter().skip(1));
    entries
        .map(|entry| String::from_utf8(entry.clone()).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_entry_that_was_taken_waits_or_stands_on_the_best_chain(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut ledger = v2_ledger();
        let mut blocks: Vec<Block<Unchecked>> = vec![v2_genesis()];
        let mut taken: HashSet<&str> = HashSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Post(text) => {
                    admission(&ledger, TEXTS[text]);
                    taken.insert(TEXTS[text]);
                }
                Step::Mine { parent, texts } => {
                    let parent = &blocks[parent % blocks.len()];
                    let texts: Vec<&str> = texts.into_iter().map(|text| TEXTS[text]).collect();
                    let block = carrying(parent, &format!("miner {number}"), &texts);
                    take(&ledger, std::slice::from_ref(&block));
                    blocks.push(block);
                }
                Step::Restart => ledger = restarted(ledger),
            }
            let (chain, waiting) = (on_best_chain(&ledger), offered(&ledger));
            for text in &waiting {
                prop_assert!(!chain.contains(text), "{text} waits and stands on the chain");
            }
            for text in &taken {
                let there = chain.iter().chain(&waiting).any(|known| known == text);
                prop_assert!(there, "{text} is lost");
                let pending = state(&ledger, text) == Some(EntryState::Pending);
                prop_assert_eq!(pending, waiting.iter().any(|known| known == text));
            }
            let unique: HashSet<&String> = waiting.iter().collect();
            prop_assert_eq!(unique.len(), waiting.len());
        }
    }
}
