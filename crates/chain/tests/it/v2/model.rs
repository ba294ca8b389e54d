//! Blocks and headers alone against a naive model, over any tree: most work wins, first seen on a tie.

use std::collections::HashMap;

use jbc_chain::{Accepted, Bits, Block, Chain, Checked, Hash, Network, Refusal, V2Rules};
use proptest::prelude::*;
use ruint::aliases::{U256, U512};

use super::fixtures::{LATER, START_MS, clock, easiest, mined, network_of, parts_after};

/// A block to be: which one it grows on, how long after it, and what is wrong with it.
#[derive(Clone, Debug)]
struct Growth {
    parent: usize,
    elapsed_ms: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Bits,
    NotRising,
    Index,
    Ahead,
}

/// Trees in which targets differ by much: a window of two blocks halves the target of a block that came at once.
fn any_growths() -> impl Strategy<Value = Vec<Growth>> {
    let elapsed = prop_oneof![
        Just(1),
        Just(2_500),
        Just(5_000),
        Just(12_000),
        Just(31_000)
    ];
    let fault = prop_oneof![
        12 => Just(None),
        1 => Just(Some(Fault::Bits)),
        1 => Just(Some(Fault::NotRising)),
        1 => Just(Some(Fault::Index)),
        1 => Just(Some(Fault::Ahead)),
    ];
    let growth = (any::<prop::sample::Index>(), elapsed, fault, any::<bool>());
    prop::collection::vec(growth, 1..25).prop_map(|growths| {
        let grow = |(place, (parent, elapsed_ms, fault, bushy)): (
            usize,
            (prop::sample::Index, _, _, bool),
        )| {
            let reach = if bushy { place + 1 } else { (place + 1).min(3) };
            Growth {
                parent: place - parent.index(reach),
                elapsed_ms,
                fault,
            }
        };
        growths.into_iter().enumerate().map(grow).collect()
    })
}

fn quick() -> &'static Network {
    static QUICK: std::sync::OnceLock<Network> = std::sync::OnceLock::new();
    QUICK.get_or_init(|| {
        let rules = V2Rules {
            interval_ms: 5_000,
            limit: easiest(),
            window_blocks: 2,
        };
        network_of("quick", &rules)
    })
}

/// The clock of all nodes here: no good block is ahead of it.
const NOW_MS: u64 = START_MS + 10_000_000;

/// The blocks of a tree, each of which keeps the rules that need nothing but itself. A block on one with a fault has none of
/// its own, as it is refused for its parent.
fn blocks_of(growths: &[Growth]) -> Vec<Block<Checked>> {
    let mut chain = Chain::new(quick());
    let mut blocks = vec![quick().genesis.clone()];
    for (place, growth) in growths.iter().enumerate() {
        let parent = &blocks[growth.parent];
        let block = match chain.find_by_hash(parent.hash()) {
            Some(entry) => {
                let (bits, now) = (
                    bits_after(&chain, entry.id()),
                    entry.instant().0 as u64 / 1_000,
                );
                let mut parts =
                    parts_after(entry, &place.to_string(), bits, now + growth.elapsed_ms);
                match growth.fault {
                    Some(Fault::Bits) => {
                        let wrong = Bits::new(bits.as_u32() - 1).unwrap();
                        parts = parts_after(entry, "wrong", wrong, now + growth.elapsed_ms);
                    }
                    Some(Fault::NotRising) => parts.timestamp = super::fixtures::millis(now),
                    Some(Fault::Index) => parts.index += 1,
                    Some(Fault::Ahead) => {
                        parts.timestamp = super::fixtures::millis(NOW_MS + 10_001)
                    }
                    None => {}
                }
                mined(&parts)
            }
            None => {
                let mut parts =
                    parts_after(chain.genesis(), &place.to_string(), easiest(), START_MS + 1);
                (parts.index, parts.prev_hash) = (parent.index() + 1, Some(*parent.hash()));
                mined(&parts)
            }
        };
        let block = block.check(&quick().rules).unwrap();
        let _ = chain.accept(&block, clock(NOW_MS)); // those with a fault stay out
        blocks.push(block);
    }
    blocks
}

/// The bits after any entry, by making it the tip of a chain of its own.
fn bits_after(chain: &Chain, id: jbc_chain::EntryId) -> Bits {
    let mut path = vec![id];
    while let Some(parent) = chain.entry(*path.last().unwrap()).unwrap().parent() {
        path.push(parent);
    }
    let mut alone = Chain::new(quick());
    for id in path.into_iter().rev().skip(1) {
        alone
            .accept_header(&chain.header(id).unwrap(), LATER)
            .unwrap();
    }
    alone.next_bits().unwrap()
}

/// FORMATS.md: "Work of a block = floor(2^256 / (target + 1))".
fn work(bits: Bits) -> U512 {
    let target = U256::from_be_bytes(bits.target().to_be_bytes());
    (U512::ONE << 256) / (U512::from(target) + U512::ONE)
}

/// The tree as it is obvious: all blocks with the work of their branches, best found by looking at all of them.
struct Model {
    seen: Vec<(Hash, U512)>,
    work: HashMap<Hash, U512>,
}

impl Model {
    fn new(genesis: &Block<Checked>) -> Self {
        let first = (*genesis.hash(), work(genesis.bits().unwrap()));
        Self {
            seen: vec![first],
            work: HashMap::from([first]),
        }
    }

    fn add(&mut self, block: &Block<Checked>) {
        let total = self.work[block.prev_hash().unwrap()] + work(block.bits().unwrap());
        self.seen.push((*block.hash(), total));
        self.work.insert(*block.hash(), total);
    }

    fn tip(&self) -> (Hash, U512) {
        let most = self.seen.iter().map(|(_, work)| *work).max().unwrap();
        let is_best = |(_, work): &&(Hash, U512)| *work == most;
        *self.seen.iter().find(is_best).unwrap()
    }
}

/// Blocks in this order, to a chain by themselves, to another by their headers alone; the two agree at every step.
fn deliver(blocks: &[&Block<Checked>]) -> Result<(Chain, Vec<Hash>), TestCaseError> {
    let (mut chain, mut light) = (Chain::new(quick()), Chain::new(quick()));
    let mut model = Model::new(&quick().genesis);
    for block in blocks {
        let verdict = chain.accept(block, clock(NOW_MS));
        let header = block.header().unwrap();
        prop_assert_eq!(&light.accept_header(&header, clock(NOW_MS)), &verdict);
        let before = model.tip();
        match verdict {
            Ok(Accepted::AlreadyKnown) => prop_assert!(model.work.contains_key(block.hash())),
            Ok(accepted) => {
                prop_assert!(!model.work.contains_key(block.hash()));
                model.add(block);
                let moved = model.tip() != before;
                prop_assert_eq!(accepted != Accepted::SideBranch, moved);
                let extends = block.prev_hash() == Some(&before.0);
                prop_assert_eq!(accepted == Accepted::Extended, moved && extends);
            }
            Err(Refusal::Orphan { parent }) => prop_assert!(!model.work.contains_key(&parent)),
            Err(Refusal::Rejected(_)) => {}
        }
        for chain in [&chain, &light] {
            let (tip, work) = model.tip();
            prop_assert_eq!(*chain.tip().hash(), tip);
            prop_assert_eq!(chain.tip().work().to_string(), work.to_string());
            prop_assert_eq!(chain.len(), model.seen.len());
        }
        prop_assert_eq!(chain.leaves(), light.leaves());
        prop_assert_eq!(chain.best_ids(), light.best_ids());
        prop_assert_eq!(chain.next_bits(), light.next_bits());
    }
    for (position, (hash, work)) in model.seen.iter().enumerate() {
        for chain in [&chain, &light] {
            let entry = chain.find_by_hash(hash).unwrap();
            prop_assert_eq!(entry.id().as_u64(), position as u64);
            prop_assert_eq!(entry.work().to_string(), work.to_string());
        }
        let id = chain.find_by_hash(hash).unwrap().id();
        prop_assert_eq!(chain.header(id), light.header(id));
    }
    Ok((
        chain,
        model.seen.into_iter().map(|(hash, _)| hash).collect(),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blocks_and_headers_alone_make_the_same_chain_and_it_is_the_models(
        growths in any_growths(),
        order in any::<prop::sample::Index>(),
    ) {
        let blocks = blocks_of(&growths);
        let mut arrivals: Vec<&Block<Checked>> = blocks.iter().collect();
        let early = order.index(arrivals.len());
        let again = arrivals[early];
        arrivals.rotate_left(early); // some before their parents, as orphans
        arrivals.push(again);
        deliver(&arrivals)?;

        // In the order they grew, all enter but those with a fault and what stands on them.
        let in_order: Vec<&Block<Checked>> = blocks[1..].iter().collect();
        let (chain, seen) = deliver(&in_order)?;
        let faultless = |place: &usize| {
            let mut place = *place;
            while place > 0 {
                let growth = &growths[place - 1];
                if growth.fault.is_some() {
                    return false;
                }
                place = growth.parent;
            }
            true
        };
        prop_assert_eq!(chain.len(), (0..blocks.len()).filter(faultless).count());

        // A replay in first-seen order gives the same tip, ties included.
        let mut replayed = Chain::new(quick());
        for hash in &seen[1..] {
            let block = blocks.iter().find(|block| block.hash() == hash).unwrap();
            prop_assert!(replayed.accept_trusted(block).is_ok());
        }
        prop_assert_eq!(&replayed, &chain);
        prop_assert_eq!(replayed.best_ids(), chain.best_ids());
    }

    #[test]
    fn each_fault_is_refused_by_its_rule(growths in any_growths()) {
        let blocks = blocks_of(&growths);
        let mut chain = Chain::new(quick());
        for (growth, block) in growths.iter().zip(&blocks[1..]) {
            let parent_is_in = chain.find_by_hash(block.prev_hash().unwrap()).is_some();
            let rule = match chain.accept(block, clock(NOW_MS)) {
                Ok(_) => "none",
                Err(Refusal::Orphan { .. }) => "orphan",
                Err(Refusal::Rejected(rejected)) => rejected.rule,
            };
            let expected = match growth.fault {
                _ if !parent_is_in => "orphan",
                None => "none",
                Some(Fault::Bits) => "bits",
                Some(Fault::NotRising) => "rising",
                Some(Fault::Index) => "index",
                Some(Fault::Ahead) => "time-ahead",
            };
            prop_assert_eq!(rule, expected);
        }
    }
}

#[test]
fn fewer_blocks_of_more_work_win_over_more_blocks() {
    let rules = V2Rules {
        interval_ms: 5_000,
        limit: easiest(),
        window_blocks: 2,
    };
    let network = network_of("quick", &rules);
    let grow = |times: &[u64]| {
        let mut chain = Chain::new(&network);
        let mut blocks = Vec::new();
        for &elapsed in times {
            let (tip, bits) = (chain.tip(), chain.next_bits().unwrap());
            let time_ms = tip.instant().0 as u64 / 1_000 + elapsed;
            let tag = format!("{}", times.len());
            let block = mined(&parts_after(tip, &tag, bits, time_ms));
            let block = block.check(&network.rules).unwrap();
            chain.accept(&block, LATER).unwrap();
            blocks.push(block);
        }
        blocks
    };
    let (many, few) = (grow(&[30_000; 6]), grow(&[1, 1, 1, 1, 1]));
    let mut chain = Chain::new(&network);
    for block in many.iter().chain(&few[..3]) {
        chain.accept(block, LATER).unwrap();
    }
    // 6 · 2 beside 2 + 2 + 4.
    assert_eq!(chain.tip().hash(), many[5].hash());
    let verdict = chain.accept(&few[3], LATER).unwrap();
    // … + 8 is more, with two blocks fewer.
    assert_eq!(
        verdict,
        Accepted::Reorganised {
            from: *many[5].hash(),
            to: *few[3].hash(),
            depth: 6
        }
    );
    assert_eq!(chain.tip().height(), 4);
}
