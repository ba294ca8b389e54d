//! The tree over a block's entries, the paths through it, and rolled roots.

use jbc_chain::{
    Bits, Hash, MerklePath, Step, TemplateParts, V2Parts, leaf_hash, merkle_root, node_hash,
};
use proptest::prelude::*;

use super::fixtures::{START_MS, easiest, millis};
use crate::fixtures::hash;

/// Source of all vectors here: the certificate-transparency project's own tests of RFC 6962, in
/// google/certificate-transparency cpp/merkletree/merkle_tree_test.cc, today transparency-dev/merkle testonly/constants.go.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// The hash of each leaf.
const LEAF_HASHES: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
    "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
    "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
    "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
];

/// The root over the first leaf, over the first two, …
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Leaf, leaves, and the neighbours of its path.
const PATHS: [(usize, usize, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        3,
        &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    ),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

#[test]
fn the_published_leaves_and_roots_of_rfc_6962() {
    for (leaf, expected) in LEAVES.iter().zip(LEAF_HASHES) {
        assert_eq!(leaf_hash(leaf), hash(expected));
    }
    for (last, expected) in ROOTS.iter().enumerate() {
        assert_eq!(merkle_root(&LEAVES[..=last]), hash(expected), "{last}");
    }
    let (left, right) = (hash(LEAF_HASHES[0]), hash(LEAF_HASHES[1]));
    assert_eq!(node_hash(&left, &right), hash(ROOTS[1]));
}

#[test]
fn the_published_paths_of_rfc_6962() {
    for (leaf, leaves, expected) in PATHS {
        let path = MerklePath::new(&LEAVES[..leaves], leaf).unwrap();
        let expected: Vec<Hash> = expected.iter().map(|text| hash(text)).collect();
        let neighbours: Vec<Hash> = path.steps().iter().map(|step| neighbour(*step)).collect();
        assert_eq!(neighbours, expected, "leaf {leaf} of {leaves}");
        assert!(path.leads(LEAVES[leaf], &hash(ROOTS[leaves - 1])));
    }
}

#[test]
fn the_root_of_no_leaves_is_the_hash_of_nothing() {
    // RFC 6962, section 2.1: "The hash of an empty list is the hash of an empty string". No block has it.
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(merkle_root::<&[u8]>(&[]), hash(nothing));
    assert_eq!(MerklePath::new::<&[u8]>(&[], 0), None);
}

fn neighbour(step: Step) -> Hash {
    match step {
        Step::Left(hash) | Step::Right(hash) => hash,
    }
}

fn entry(number: usize) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

/// RFC 6962, section 2.1, word for word: split at the largest power of two below the number of leaves.
fn naive_root(entries: &[Vec<u8>]) -> Hash {
    match entries {
        [one] => leaf_hash(one),
        _ => {
            let (left, right) = entries.split_at(split(entries.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn split(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

/// RFC 6962, section 2.1.1, word for word, with the sides.
fn naive_path(entries: &[Vec<u8>], position: usize) -> Vec<Step> {
    if entries.len() == 1 {
        return Vec::new();
    }
    let half = split(entries.len());
    let (left, right) = entries.split_at(half);
    let (mut path, step) = if position < half {
        (naive_path(left, position), Step::Right(naive_root(right)))
    } else {
        (
            naive_path(right, position - half),
            Step::Left(naive_root(left)),
        )
    };
    path.push(step);
    path
}

fn path_of(steps: &[Step]) -> MerklePath {
    serde_json::from_value(serde_json::to_value(steps).unwrap()).unwrap()
}

#[test]
fn every_entry_of_trees_of_up_to_70_has_its_path() {
    for leaves in 1..=70 {
        let entries: Vec<Vec<u8>> = (0..leaves).map(entry).collect();
        let root = merkle_root(&entries);
        assert_eq!(root, naive_root(&entries), "{leaves}");
        for position in 0..leaves {
            let path = MerklePath::new(&entries, position).unwrap();
            assert_eq!(path.steps(), naive_path(&entries, position));
            assert!(path.leads(&entries[position], &root));
            for (other, wrong) in entries.iter().enumerate() {
                assert_eq!(path.leads(wrong, &root), other == position);
            }
        }
        assert_eq!(MerklePath::new(&entries, leaves), None);
        assert_eq!(MerklePath::new(&entries, usize::MAX), None);
    }
}

#[test]
fn nothing_but_the_path_itself_leads_to_the_root() {
    for leaves in 1..=70 {
        let entries: Vec<Vec<u8>> = (0..leaves).map(entry).collect();
        let root = merkle_root(&entries);
        for position in 0..leaves {
            let path = MerklePath::new(&entries, position).unwrap();
            let leads = |steps: &[Step]| path_of(steps).leads(&entries[position], &root);
            let steps = path.steps();
            assert!(leads(steps));
            for place in 0..steps.len() {
                let with = |step: Step| {
                    let mut steps = steps.to_vec();
                    steps[place] = step;
                    steps
                };
                let swapped = match steps[place] {
                    Step::Left(hash) => Step::Right(hash),
                    Step::Right(hash) => Step::Left(hash),
                };
                assert!(!leads(&with(swapped)), "{position} of {leaves}: {place}");
                let (byte, bit) = ((position + place) % 32, 1 << (leaves % 8)); // all bits: the next test
                assert!(!leads(&with(flipped(steps[place], byte, bit))));
                let without = [&steps[..place], &steps[place + 1..]].concat();
                assert!(!leads(&without));
                let twice = [&steps[..=place], &steps[place..]].concat();
                assert!(!leads(&twice));
            }
        }
    }
}

fn flipped(step: Step, byte: usize, bit: u8) -> Step {
    let flip = |hash: Hash| {
        let mut bytes = *hash.as_bytes();
        bytes[byte] ^= bit;
        Hash::from_bytes(bytes)
    };
    match step {
        Step::Left(hash) => Step::Left(flip(hash)),
        Step::Right(hash) => Step::Right(flip(hash)),
    }
}

#[test]
fn every_flipped_bit_of_a_path_or_a_root_is_noticed() {
    let entries: Vec<Vec<u8>> = (0..11).map(entry).collect();
    let root = merkle_root(&entries);
    for position in [0, 6, 10] {
        let path = MerklePath::new(&entries, position).unwrap();
        for (byte, bit) in (0..32).flat_map(|byte| (0..8).map(move |bit| (byte, 1 << bit))) {
            for place in 0..path.steps().len() {
                let mut steps = path.steps().to_vec();
                steps[place] = flipped(steps[place], byte, bit);
                assert!(!path_of(&steps).leads(&entries[position], &root));
            }
            let other_root = neighbour(flipped(Step::Left(root), byte, bit));
            assert!(!path.leads(&entries[position], &other_root));
        }
    }
}

#[test]
fn a_node_is_no_entry() {
    // Without the prefixes the two hashes below a node, taken as an entry, would have the node's hash.
    let entries: Vec<Vec<u8>> = (0..4).map(entry).collect();
    let path = MerklePath::new(&entries, 0).unwrap();
    let node = [leaf_hash(&entries[0]), leaf_hash(&entries[1])];
    let as_entry = node.map(|hash| *hash.as_bytes()).concat();
    assert!(!path_of(&path.steps()[1..]).leads(&as_entry, &merkle_root(&entries)));
}

#[test]
fn a_path_of_32_steps_leads_and_a_longer_one_does_not() {
    let neighbour = Hash::from_bytes([7; 32]);
    for sides in [0_u64, u64::MAX, 0x5555_5555_5555_5555] {
        let step = |row: usize| match sides >> row & 1 {
            0 => Step::Right(neighbour),
            _ => Step::Left(neighbour),
        };
        for rows in [1, 31, 32, 33, 34, 63, 64, 65, 1_000] {
            let steps: Vec<Step> = (0..rows).map(|row| step(row % 64)).collect();
            let root = steps
                .iter()
                .fold(leaf_hash(b"entry"), |hash, step| match step {
                    Step::Left(left) => node_hash(left, &hash),
                    Step::Right(right) => node_hash(&hash, right),
                });
            let leads = path_of(&steps).leads(b"entry", &root);
            assert_eq!(leads, rows <= 32, "{rows} rows");
        }
    }
}

#[test]
fn a_path_is_a_list_of_sides_and_hashes_in_json() {
    let entries: Vec<Vec<u8>> = (0..3).map(entry).collect();
    let path = MerklePath::new(&entries, 1).unwrap();
    let text = format!(
        "[{{\"left\":\"{}\"}},{{\"right\":\"{}\"}}]",
        leaf_hash(&entries[0]),
        leaf_hash(&entries[2])
    );
    assert_eq!(serde_json::to_string(&path).unwrap(), text);
    assert_eq!(serde_json::from_str::<MerklePath>(&text).unwrap(), path);
    for wrong in [
        text.replace("left", "up"),
        text.replace("\"left\"", "\"right\":\"\",\"left\""),
        text.to_uppercase(),
        "{}".to_owned(),
    ] {
        assert!(
            serde_json::from_str::<MerklePath>(&wrong).is_err(),
            "{wrong}"
        );
    }
}

/// A template of these words, rolled or not.
fn parts(data: &str, v2: V2Parts) -> TemplateParts {
    TemplateParts {
        index: 1,
        prev_hash: Some(Hash::from_bytes([9; 32])),
        data: data.to_owned(),
        timestamp: millis(START_MS),
        v2: Some(v2),
    }
}

#[test]
fn a_fixed_root_is_over_the_words_as_they_are() {
    let rest = vec![entry(1), entry(2)];
    let template = parts("tag", V2Parts::fixed("tag", easiest(), rest.clone()));
    let block = template.block(7);
    assert_eq!(block.entries(), [vec![b"tag".to_vec()], rest].concat());
    assert_eq!(template.prefixes(), [template.prefix()]);
    assert_eq!(
        block.header().unwrap().merkle_root,
        merkle_root(block.entries())
    );
    assert_eq!(block.data(), "tag");
}

#[test]
fn rolls_wrap_around_behind_the_last_number_and_there_is_always_one() {
    let rolled = V2Parts::rolled("tag", easiest(), Vec::new(), u64::MAX, 2);
    let template = parts("tag", rolled);
    let last = format!("tag\n{}", u64::MAX).into_bytes();
    assert_eq!(template.rolled_block(0, 0).entries(), [last]);
    assert_eq!(template.rolled_block(1, 0).entries(), [b"tag\n0".to_vec()]);
    let none = V2Parts::rolled("tag", easiest(), Vec::new(), 5, 0);
    assert_eq!(parts("tag", none).prefixes().len(), 1);
}

#[test]
fn data_is_the_first_entry_without_the_number_in_its_last_line() {
    let cases: [(&[u8], &str); 11] = [
        (b"tag\n123", "tag"),
        (b"tag\n5\n123", "tag\n5"),
        (b"tag", "tag"),
        (b"tag\n", "tag\n"),
        (b"tag\n12x", "tag\n12x"),
        (b"tag\n-1", "tag\n-1"),
        (b"\n0", ""),
        (b"0", "0"),
        (b"", ""),
        (b"\xff\n1", "\u{fffd}"),
        ("ñ\n18446744073709551615".as_bytes(), "ñ"),
    ];
    for (first, expected) in cases {
        let block = super::fixtures::block_of(vec![first.to_vec(), b"x\n1".to_vec()]);
        assert_eq!(block.data(), expected);
    }
}

proptest! {
    #[test]
    fn rolled_roots_are_the_roots_of_the_blocks_own_entries(
        data in "[a-z\\n0-9]{0,12}",
        rest in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
        extra: u64, rolls in 1_u64..6, nonce: u64,
    ) {
        let bits = Bits::new(0x1e0f_ffff).unwrap();
        let template = parts(&data, V2Parts::rolled(&data, bits, rest.clone(), extra, rolls));
        let prefixes = template.prefixes();
        prop_assert_eq!(prefixes.len() as u64, rolls);
        prop_assert_eq!(&prefixes[0], &template.prefix());
        for (roll, prefix) in prefixes.iter().enumerate() {
            let block = template.rolled_block(roll, nonce);
            let header = block.header().unwrap();
            prop_assert_eq!(header.merkle_root, merkle_root(block.entries()));
            prop_assert_eq!(block.data(), data.as_str());
            prop_assert_eq!(&block.entries()[1..], &rest[..]);
            prop_assert_eq!(&block.preimage_prefix(), prefix);
            prop_assert_eq!(block.computed_hash(), *block.hash());
            prop_assert_eq!(header.bits, bits);
        }
        let text = serde_json::to_string(&template).unwrap();
        prop_assert_eq!(serde_json::from_str::<TemplateParts>(&text).unwrap(), template);
    }
}
