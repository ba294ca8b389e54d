//! Proofs good and bad. That each flipped byte is found is tested in `verify/tests.rs`, of the whole command.

use jbc_chain::{Block, Unchecked};

use super::*;
use crate::commands::chain::fixtures::{chain, headers, network, work};

/// What is stamped in these tests.
pub(in crate::commands) const ENTRY: &str =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // of `abc`

/// A chain of ten blocks with the entry in the fourth, and the proof of it under three of them.
pub(in crate::commands) fn stamped(network: &Network) -> (Vec<Block<Unchecked>>, Proof) {
    let blocks = chain(network, 10, (3, ENTRY.as_bytes()));
    let entries = blocks[3].entries();
    let position = entries
        .iter()
        .position(|entry| entry == ENTRY.as_bytes())
        .unwrap();
    let proof = Proof {
        network: network.fingerprint(),
        leaf: leaf_hash(ENTRY.as_bytes()),
        path: MerklePath::new(entries, position).unwrap(),
        headers: headers(&blocks[3..6]),
    };
    (blocks, proof)
}

#[test]
fn a_proof_is_read_as_it_was_written_and_holds() {
    let network = network("proofs");
    let (_, proof) = stamped(&network);
    let text = proof.to_json();
    assert!(text.starts_with("{\"jbcproof\":1,\"network\":\"") && text.ends_with("]}\n"));
    let read = Proof::from_json(text.as_bytes()).unwrap();
    assert_eq!(read, proof);
    read.check(ENTRY, &network).unwrap();
}

#[test]
fn there_is_one_spelling() {
    let (_, proof) = stamped(&network("proofs"));
    let text = proof.to_json();
    for other in [
        text.replace(',', ", "),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        text.replacen("\"left\"", "\"l\\u0065ft\"", 1),
        text.replacen("\"version\":2,", "", 1)
            .replacen("\"hash\":", "\"version\":2,\"hash\":", 1),
    ] {
        assert!(
            matches!(
                Proof::from_json(other.as_bytes()),
                Err(ProofError::Spelling { .. })
            ),
            "{other}"
        );
    }
    for other in [
        text.replacen("{\"jbcproof\":1,", "{", 1),
        text.replacen("\"leaf\"", "\"more\":1,\"leaf\"", 1),
        text.replacen("\"left\"", "\"over\"", 1),
        String::new(),
    ] {
        assert!(matches!(
            Proof::from_json(other.as_bytes()),
            Err(ProofError::Malformed { .. })
        ));
    }
    let later = text.replacen("\"jbcproof\":1", "\"jbcproof\":2", 1);
    assert!(matches!(
        Proof::from_json(later.as_bytes()),
        Err(ProofError::Version { found: 2 })
    ));
    let empty = Proof {
        headers: Vec::new(),
        ..proof
    };
    assert!(matches!(
        Proof::from_json(empty.to_json().as_bytes()),
        Err(ProofError::NoHeader)
    ));
}

/// What is said of a proof that was changed in one thing.
fn said(change: impl FnOnce(&mut Proof)) -> String {
    let network = network("proofs");
    let (_, mut proof) = stamped(&network);
    change(&mut proof);
    proof.check(ENTRY, &network).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_named() {
    assert!(said(|proof| proof.network = "0123".to_owned()).starts_with("field `network`: "));
    assert!(said(|proof| proof.leaf = leaf_hash(b"x")).starts_with("field `leaf`: "));
    assert!(
        said(|proof| proof.path = MerklePath::new(&[ENTRY, "x"], 0).unwrap())
            .starts_with("field `path`: ")
    );
    assert!(
        said(|proof| proof.headers = proof.headers[1..].to_vec()).starts_with("field `path`: ")
    );
    assert!(
        said(|proof| proof.headers.retain(|header| header.index != 4))
            .starts_with("field `headers[1]`: its height")
    );
    assert!(said(|proof| proof.headers[2].nonce += 1).contains("hash of its text"));
    assert!(
        said(|proof| {
            proof.headers[1].prev_hash = Some(leaf_hash(b"x"));
            work(&mut proof.headers[1]);
        })
        .starts_with("field `headers[1]`: it does not name")
    );
    assert!(
        said(|proof| {
            proof.headers[1].timestamp = proof.headers[0].timestamp;
            work(&mut proof.headers[1]);
        })
        .starts_with("field `headers[1]`: it is not later")
    );
    let other_file = "sha256:00";
    let (_, proof) = stamped(&network("proofs"));
    let error = proof.check(other_file, &network("proofs")).unwrap_err();
    assert!(error.to_string().contains("was changed: it is sha256:00"));
}
