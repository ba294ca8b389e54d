//! Nodes of the Python tutorial: their whole chain at once, in the order of their folder, whatever lies in it.

use jbc_chain::{Block, Target, Unchecked};
use jbc_jobs::ports::{PeerError, PeerStatus};
use jbc_jobs::task::SyncStep;

use super::{download, step};
use crate::fakes::{
    ScriptedPeers, Site, best_chain, branch, empty_ledger, genesis, hashes, ledger_of, network_of,
    remote,
};

struct Folder(Vec<Block<Unchecked>>);

impl Site for Folder {
    fn status(&self) -> Result<PeerStatus, PeerError> {
        Ok(PeerStatus::Tutorial)
    }

    fn whole_chain(&self) -> Result<Vec<Block<Unchecked>>, PeerError> {
        Ok(self.0.clone())
    }
}

/// A folder of the first block and these, as `glob` lists it: by name, so that 10 comes before 2.
fn folder(blocks: &[Block<Unchecked>]) -> Folder {
    let mut files = blocks.to_vec();
    files.push(genesis());
    files.sort_by_key(|block| format!("{}.json", block.index()));
    Folder(files)
}

#[test]
fn a_chain_in_glob_order_is_taken_in_one_step() {
    let blocks = branch(&genesis(), "theirs", 25);
    let ours = empty_ledger();
    let peers = ScriptedPeers::of(&remote(1), folder(&blocks));
    assert_eq!(download(&ours, &peers, &remote(1)), 1);
    assert_eq!(best_chain(&ours)[1..], hashes(&blocks));
    assert!(matches!(
        step(&ours, &peers, &remote(1), None),
        SyncStep::UpToDate
    ));
}

#[test]
fn only_what_is_new_in_it_is_validated() {
    let blocks = branch(&genesis(), "theirs", 25);
    let ours = ledger_of(&blocks[..20]);
    let peers = ScriptedPeers::of(&remote(1), folder(&blocks));
    let SyncStep::Fetched {
        blocks: fetched,
        claim,
        next,
    } = step(&ours, &peers, &remote(1), None)
    else {
        panic!("nothing was fetched");
    };
    assert_eq!(fetched, blocks[20..]);
    assert_eq!((claim, next), (None, None));
}

#[test]
fn of_a_folder_with_a_gap_everything_before_it_is_taken() {
    let mut blocks = branch(&genesis(), "theirs", 25);
    blocks.remove(12);
    let ours = empty_ledger();
    let peers = ScriptedPeers::of(&remote(1), folder(&blocks));
    download(&ours, &peers, &remote(1));
    assert_eq!(best_chain(&ours)[1..], hashes(&blocks[..12]));
}

#[test]
fn pieces_of_two_branches_leave_the_chain_whole() {
    // A received block was written over the local file of that height without a look at its parent.
    let blocks = branch(&genesis(), "theirs", 8);
    let other = branch(&blocks[2], "another", 3);
    let mut files = blocks.clone();
    files[5] = other[2].clone();
    let ours = empty_ledger();
    let peers = ScriptedPeers::of(&remote(1), folder(&files));
    download(&ours, &peers, &remote(1));
    assert_eq!(best_chain(&ours)[1..], hashes(&blocks[..5]));
}

#[test]
fn a_folder_of_another_first_block_is_another_network() {
    let other = network_of("Another first block.", Target::MAX)
        .genesis
        .into_unchecked();
    let mut files = branch(&other, "theirs", 5);
    files.push(other);
    let peers = ScriptedPeers::of(&remote(1), Folder(files));
    let step = step(&empty_ledger(), &peers, &remote(1), None);
    assert!(matches!(step, SyncStep::OtherNetwork { .. }), "{step:?}");
}

#[test]
fn a_folder_that_is_still_empty_is_no_other_network() {
    let peers = ScriptedPeers::of(&remote(1), Folder(Vec::new()));
    let step = step(&empty_ledger(), &peers, &remote(1), None);
    assert!(matches!(step, SyncStep::UpToDate), "{step:?}");
}
