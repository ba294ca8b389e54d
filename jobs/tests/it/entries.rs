//! Entries: the pool beside the chain, and what follows from an entry.

mod listener;
mod model;

use futures_util::FutureExt;
use jbc_chain::{
    Bits, Block, Hash, Network, TemplateParts, Timestamp, Unchecked, UnixMicros, V2Parts, V2Rules,
    leaf_hash,
};
use jbc_jobs::gossip;
use jbc_jobs::ledger::Ledger;
use jbc_jobs::pool::{POOL_BYTES_MAX, POOL_ENTRIES_MAX, Pool, PoolChange};
use jbc_jobs::ports::Store;
use jbc_jobs::task::{Admission, EntryState, GossipTask, Origin, Outcome, Validated, Verdict};

use crate::fakes::{Call, Disk, MemoryStore, NOW, SECOND, ScriptedPeers, Serving, remote};

/// A v2 network where every second hash is valid work, a block each second.
fn v2_network() -> Network {
    let bits = Bits::new(0x207f_ffff).unwrap();
    let rules = V2Rules {
        interval_ms: 1_000,
        limit: bits,
        window_blocks: 30,
    };
    let stamp = Timestamp::from_instant_in_millis(NOW.plus(-86_400 * SECOND));
    Network::custom_v2("free v2", &rules, bits, stamp).unwrap()
}

fn v2_genesis() -> Block<Unchecked> {
    v2_network().genesis.into_unchecked()
}

fn v2_ledger() -> Ledger<MemoryStore> {
    Ledger::open(v2_network(), MemoryStore::default(), std::iter::empty()).unwrap()
}

/// A valid block upon `parent`, one second later, with these entries behind its miner's words.
fn carrying(parent: &Block<Unchecked>, data: &str, entries: &[&str]) -> Block<Unchecked> {
    carrying_at(
        parent,
        data,
        entries,
        parent.timestamp().instant().plus(SECOND),
    )
}

fn carrying_at(
    parent: &Block<Unchecked>,
    data: &str,
    entries: &[&str],
    time: UnixMicros,
) -> Block<Unchecked> {
    let bits = Bits::new(0x207f_ffff).unwrap(); // each second a block: nothing to retarget below the limit
    let rest: Vec<_> = entries
        .iter()
        .map(|entry| entry.as_bytes().to_vec())
        .collect();
    let parts = TemplateParts {
        index: parent.index() + 1,
        prev_hash: Some(*parent.hash()),
        data: data.to_owned(),
        timestamp: Timestamp::from_instant_in_millis(time),
        v2: Some(V2Parts::fixed(data, bits, rest)),
    };
    let mut blocks = (0..).map(|nonce| parts.block(nonce));
    blocks
        .find(|block| bits.target().is_met_by(block.hash()))
        .unwrap()
}

fn posted() -> Origin {
    Origin::Posted {
        address: [10, 0, 0, 1].into(),
        peer: None,
    }
}

fn take(ledger: &Ledger<MemoryStore>, blocks: &[Block<Unchecked>]) -> Validated {
    ledger.admit(blocks, &posted(), NOW).unwrap()
}

fn admission(ledger: &Ledger<MemoryStore>, text: &str) -> Admission {
    let admitted = ledger.admit_entry(text.as_bytes(), NOW).unwrap();
    assert_eq!(admitted.leaf, leaf(text));
    admitted.admission
}

fn leaf(text: &str) -> Hash {
    leaf_hash(text.as_bytes())
}

fn state(ledger: &Ledger<MemoryStore>, text: &str) -> Option<EntryState> {
    ledger.entry_state(&leaf(text)).unwrap()
}

fn offered(ledger: &Ledger<MemoryStore>) -> Vec<String> {
    let entries = ledger.next_entries();
    let texts = entries
        .iter()
        .map(|entry| String::from_utf8(entry.clone()).unwrap());
    texts.collect()
}

#[test]
fn an_entry_waits_stands_in_a_block_and_counts_its_confirmations() {
    let ledger = v2_ledger();
    assert_eq!(state(&ledger, "a"), None);
    assert_eq!(admission(&ledger, "a"), Admission::Taken);
    assert_eq!(
        admission(&ledger, "a"),
        Admission::Known(EntryState::Pending)
    );
    assert_eq!(ledger.store().pool().unwrap().len(), 1);

    let one = carrying(&v2_genesis(), "miner", &["a"]);
    let two = carrying(&one, "miner", &[]);
    take(&ledger, &[one.clone(), two]);
    let confirmed = EntryState::Confirmed {
        index: 1,
        hash: *one.hash(),
        confirmations: 2,
    };
    assert_eq!(state(&ledger, "a"), Some(confirmed));
    assert_eq!(admission(&ledger, "a"), Admission::Known(confirmed));
    assert_eq!(ledger.pool_size(), (0, 0));
    assert_eq!(ledger.store().pool().unwrap(), []);
}

#[test]
fn a_miner_is_offered_the_oldest_first_and_what_came_back_before_all() {
    let ledger = v2_ledger();
    for text in ["a", "b", "c"] {
        admission(&ledger, text);
    }
    assert_eq!(offered(&ledger), ["a", "b", "c"]);
    let short = carrying(&v2_genesis(), "short", &["b", "z"]);
    let change = take(&ledger, std::slice::from_ref(&short)).tip.unwrap();
    assert_eq!(change.entries.to_vec(), [b"a", b"c"]);

    let long = carrying(&v2_genesis(), "long", &[]);
    let longer = carrying(&long, "long", &["c"]);
    let change = take(&ledger, &[long, longer]).tip.unwrap();
    assert_eq!(change.depth, 1);
    // `z` is nobody's here, yet somebody posted it somewhere; the losers' words are not.
    assert_eq!(offered(&ledger), ["b", "z", "a"]);
    assert_eq!(change.entries.len(), 3);
    assert_eq!(state(&ledger, "short"), None);
}

#[test]
fn a_block_is_filled_up_to_what_the_rules_allow() {
    let ledger = v2_ledger();
    let long = |number: u32| format!("{number:03}{}", "x".repeat(4_093));
    for number in 0..250 {
        assert_eq!(admission(&ledger, &long(number)), Admission::Taken);
    }
    let entries = offered(&ledger);
    assert!((150..250).contains(&entries.len()), "{}", entries.len());
    let texts: Vec<&str> = entries.iter().map(String::as_str).collect();
    let block = carrying(&v2_genesis(), &"words ".repeat(170), &texts);
    let answer = take(&ledger, &[block]);
    assert!(answer.tip.is_some(), "{:?}", answer.verdicts);
    assert_eq!(ledger.pool_size().0, 250 - entries.len());
}

#[test]
fn a_full_pool_refuses_by_count_and_by_bytes_and_takes_back_what_was_in_a_block() {
    let full = |entries: usize, bytes: usize| {
        let entry = vec![b'x'; bytes - 8];
        let stored =
            (0..entries as u64).map(|key| (key, [&key.to_be_bytes()[..], &entry].concat()));
        Pool::of(stored, NOW)
    };
    let many = full(POOL_ENTRIES_MAX, 9);
    assert!(many.is_full(0) && many.len() == POOL_ENTRIES_MAX);
    let large = full(POOL_BYTES_MAX / 4_096, 4_096);
    assert!(large.is_full(1) && !large.is_full(0) && large.bytes() == POOL_BYTES_MAX);
    let change = large.exchange(&[], vec![(leaf("back"), b"back".to_vec())]);
    assert_eq!(change.add.len(), 1);
}

#[test]
fn an_exchange_says_exactly_what_changes() {
    let stored = [(5, b"a".to_vec()), (6, b"b".to_vec())];
    let mut pool = Pool::of(stored, NOW);
    let back = ["x", "b", "y"].map(|text| (leaf(text), text.as_bytes().to_vec()));
    let change = pool.exchange(&[leaf("a"), leaf("unknown")], back.to_vec());
    let expected = PoolChange {
        add: vec![(3, b"x"[..].into()), (4, b"y"[..].into())],
        remove: vec![5],
    };
    assert_eq!(change, expected);
    pool.apply(&change, NOW);
    let order: Vec<_> = pool.iter().map(|waiting| waiting.entry.to_vec()).collect();
    assert_eq!(order, [b"x", b"y", b"b"]);
    assert!(pool.exchange(&[], Vec::new()).is_empty());
}

#[test]
fn a_full_disk_refuses_entries_and_a_broken_one_stops_the_node() {
    let ledger = v2_ledger();
    ledger.store().set_disk(Disk::Full);
    assert_eq!(admission(&ledger, "a"), Admission::DiskFull);
    ledger.store().set_disk(Disk::Broken);
    assert!(ledger.admit_entry(b"a", NOW).is_err());
    ledger.store().set_disk(Disk::Sound);
    assert_eq!(
        state(&ledger, "a"),
        None,
        "what was not written was not taken"
    );
}

#[test]
fn what_waits_and_where_all_stands_is_the_same_after_a_restart() {
    let ledger = v2_ledger();
    for text in ["a", "b"] {
        admission(&ledger, text);
    }
    take(&ledger, &[carrying(&v2_genesis(), "miner", &["a"])]);
    let store = ledger.store().copy();
    let stored: Vec<_> = store.stored().into_iter().map(Ok).collect();
    let again = Ledger::open(v2_network(), store, stored.into_iter()).unwrap();
    assert_eq!(offered(&again), ["b"]);
    assert!(matches!(
        state(&again, "a"),
        Some(EntryState::Confirmed { index: 1, .. })
    ));
    // Nobody knows how long they waited, so peers are told again.
    let old = again.waiting_since(NOW.plus(-1), 0, 10);
    assert_eq!(old.len(), 1);
}

#[test]
fn a_block_too_far_ahead_is_early_and_neither_kept_nor_blamed() {
    let ledger = v2_ledger();
    let at = |lead: i64| carrying_at(&v2_genesis(), "x", &[], NOW.plus(lead));
    let early = at(2 * SECOND + 1_000);
    let answer = take(&ledger, std::slice::from_ref(&early));
    let until = NOW.plus(1_000);
    assert_eq!(
        answer.verdicts,
        [Verdict::Early {
            hash: *early.hash(),
            until
        }]
    );
    assert_eq!(ledger.snapshot().blocks, 1);
    assert!(take(&ledger, &[at(2 * SECOND)]).tip.is_some());
    let later = ledger.admit(&[early], &posted(), until).unwrap();
    assert!(matches!(later.verdicts[..], [Verdict::Side(_)]));
}

#[test]
fn gossip_brings_peers_what_waits_and_goes_on_where_one_is_away() {
    let (ours, theirs) = (v2_ledger(), std::sync::Arc::new(v2_ledger()));
    for text in ["a", "b"] {
        admission(&ours, text);
    }
    let peers = ScriptedPeers::of(&remote(1), Serving(theirs.clone()));
    let run = |leaves: &[&str], remind, now| {
        let task = GossipTask {
            leaves: leaves.iter().map(|text| leaf(text)).collect(),
            remind,
            peers: vec![remote(9), remote(1)],
        };
        let ran = gossip::run(&task, &ours, &peers, now).now_or_never();
        ran.expect("scripted peers keep nobody waiting")
    };
    let gossiped = |outcome: Outcome| match outcome {
        Outcome::Gossiped { entries, peers } => (entries, peers),
        other => panic!("{other:?}"),
    };
    assert_eq!(gossiped(run(&["b", "gone"], false, NOW)), (1, 1));
    assert_eq!(offered(&theirs), ["b"]);
    // Those that came just now were passed on just now.
    assert_eq!(gossiped(run(&[], true, NOW)), (0, 0));
    assert_eq!(gossiped(run(&[], true, NOW.plus(60 * SECOND))), (2, 1));
    assert_eq!(offered(&theirs), ["b", "a"]);
}

#[test]
fn peers_are_reminded_in_turns_so_that_every_entry_has_its_own() {
    let ledger = v2_ledger();
    for number in 0..60 {
        admission(&ledger, &format!("{number}"));
    }
    let mut seen: Vec<_> = (0..3)
        .flat_map(|turn| ledger.waiting_since(NOW.plus(1), turn, 25))
        .collect();
    assert_eq!(ledger.waiting_since(NOW.plus(1), 3, 25), seen[..25]);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 60);
    assert_eq!(
        ledger.waiting_since(NOW, 0, 25),
        Vec::<std::sync::Arc<[u8]>>::new()
    );
}

/// A second worker took an admission while the first one wrote, and both were given the same place in the pool.
#[test]
fn entries_taken_in_at_the_same_time_are_all_kept() {
    let ledger = v2_ledger();
    let texts: Vec<String> = (0..64).map(|number| format!("entry {number}")).collect();
    // Each write waits for company, as long as there can be some.
    let inside = std::sync::atomic::AtomicUsize::new(0);
    let inside = std::sync::Arc::new(inside);
    ledger.store().watch({
        let inside = std::sync::Arc::clone(&inside);
        move |call| {
            if matches!(call, Call::Append(_)) {
                inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                std::thread::yield_now();
            }
        }
    });
    std::thread::scope(|scope| {
        for part in texts.chunks(8) {
            let ledger = &ledger;
            scope.spawn(move || {
                part.iter()
                    .for_each(|text| assert_eq!(admission(ledger, text), Admission::Taken))
            });
        }
    });
    assert_eq!(
        inside.load(std::sync::atomic::Ordering::SeqCst),
        texts.len()
    );
    assert_eq!(
        (ledger.pool_size().0, ledger.store().pool().unwrap().len()),
        (64, 64)
    );
    let mut waiting = offered(&ledger);
    waiting.sort();
    let mut expected = texts.clone();
    expected.sort();
    assert_eq!(waiting, expected);
}

#[test]
fn what_a_miner_says_first_is_no_entry_whoever_posted_it_too() {
    let ledger = v2_ledger();
    admission(&ledger, "mine");
    let block = carrying(&v2_genesis(), "mine", &[]);
    take(&ledger, &[block]);
    assert_eq!(state(&ledger, "mine"), Some(EntryState::Pending));
    let longer = carrying(&v2_genesis(), "other", &[""]);
    let longest = carrying(&longer, "other", &[]);
    take(&ledger, &[longer, longest]);
    assert_eq!(offered(&ledger), ["mine"]);
    // The network's own parameters stand in its first block.
    let first = String::from_utf8(v2_genesis().entries()[0].clone()).unwrap();
    assert!(matches!(
        admission(&ledger, &first),
        Admission::Known(EntryState::Confirmed { index: 0, .. })
    ));
}

#[test]
fn a_clock_that_is_behind_keeps_nobody_from_mining() {
    let ledger = v2_ledger();
    let ahead = carrying_at(&v2_genesis(), "x", &[], NOW.plus(2 * SECOND));
    take(&ledger, std::slice::from_ref(&ahead));
    let own = carrying_at(&ahead, "own", &[], NOW.plus(2 * SECOND + 1_000));
    let answer = ledger
        .admit(&[own], &Origin::Mined, NOW.plus(-3_600 * SECOND))
        .unwrap();
    assert!(answer.tip.is_some(), "{:?}", answer.verdicts);
}

#[test]
fn an_early_child_of_a_block_that_arrives_is_handed_out_to_be_held() {
    let ledger = v2_ledger();
    let parent = carrying(&v2_genesis(), "parent", &[]);
    let child = carrying_at(&parent, "child", &[], NOW.plus(60 * SECOND));
    assert!(matches!(
        take(&ledger, std::slice::from_ref(&child)).verdicts[..],
        [Verdict::Orphan { .. }]
    ));
    let answer = take(&ledger, &[parent]);
    assert_eq!(answer.early, [child]);
    assert!(answer.tip.is_some());
}
