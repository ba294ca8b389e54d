//! Every kernel against the plain formula.

use jbc_pow::{
    Kernel, PREFIXES_MAX, RollError, Search, Template, UnknownKernel, hash_of, search, search_with,
};
use proptest::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Every hash meets this.
const ANY: [u8; 32] = [0xff; 32];
/// No hash meets this.
const IMPOSSIBLE: [u8; 32] = [0; 32];
/// What the tutorial calls `NUM_ZEROS = 5`: the hex hash starts with five zeros.
const FIVE_ZEROS: [u8; 32] = {
    let mut target = [0xff; 32];
    target[0] = 0;
    target[1] = 0;
    target[2] = 0x0f;
    target
};

/// A prefix without repetitions that a misplaced byte could hide behind.
fn prefix(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 64 + 33) as u8).collect()
}

/// What the search must answer, by the plain formula.
fn expected(template: &Template, nonces: Range<u64>) -> Search {
    let next_nonce = nonces.end.max(nonces.start);
    nonces
        .flat_map(|nonce| {
            let prefixes = template.prefixes().iter().enumerate();
            prefixes.map(move |(index, prefix)| (nonce, index, hash_of(prefix, nonce)))
        })
        .find(|(_, _, hash)| *hash <= template.target())
        .map_or(Search::Exhausted { next_nonce }, |(nonce, prefix, hash)| {
            Search::Found {
                nonce,
                prefix,
                hash,
            }
        })
}

/// Compares all kernels with the plain formula.
fn check(template: &Template, nonces: Range<u64>) {
    let expected = expected(template, nonces.clone());
    for &kernel in Kernel::available() {
        let result = search_with(kernel, template, nonces.clone(), &AtomicBool::new(false));
        assert_eq!(result, expected, "{kernel}, {template:?}, {nonces:?}");
    }
}

/// Compares where exactly one nonce of the range wins: the target is the smallest hash of all. One wrong byte in the
/// preimage of that nonce loses the winner.
fn check_single_winner(prefix: &[u8], nonces: Range<u64>) {
    let smallest = nonces.clone().map(|nonce| hash_of(prefix, nonce)).min();
    check(&Template::new(prefix, smallest.unwrap_or(ANY)), nonces);
}

/// Compares every single hash of a range, by asking again from behind each winner on.
fn check_every_hash(prefix: &[u8], nonces: Range<u64>) {
    let mut target = ANY;
    target[0] = 0x7f; // about half win, so that winners follow steps of one and of several
    let template = Template::new(prefix, target);
    for start in nonces.clone() {
        check(&template, start..nonces.end);
    }
}

/// Compares from the start of a range on, and from behind each nonce that wins.
fn check_behind_each_winner(template: &Template, nonces: Range<u64>) {
    let mut from = nonces.start;
    while let Search::Found { nonce, .. } = expected(template, from..nonces.end) {
        check(template, from..nonces.end);
        from = nonce + 1;
    }
    check(template, from..nonces.end);
}

/// The smallest nonce of so many digits.
fn first_of(digits: u32) -> u64 {
    if digits == 1 {
        0
    } else {
        10_u64.pow(digits - 1)
    }
}

#[test]
fn every_prefix_length_and_digit_count_agrees_across_the_roll_over() {
    for len in 0..=200 {
        let prefix = prefix(len);
        for digits in 1..=20 {
            let first = first_of(digits);
            check_single_winner(&prefix, first.saturating_sub(6)..first + 12);
        }
    }
}

#[test]
fn every_hash_of_a_range_is_right_where_the_tail_spills_into_a_second_block() {
    for len in 35..=66 {
        for digits in [1, 2, 3, 7, 10, 19, 20] {
            let first = first_of(digits);
            check_every_hash(&prefix(len), first.saturating_sub(4)..first + 25);
        }
    }
}

#[test]
fn carries_of_every_length_are_right_on_either_side_of_the_block_border() {
    for len in 36..=66 {
        let prefix = prefix(len);
        for digits in 2..=20 {
            // No u64 carries over its twentieth digit: twice 10^19 does not fit.
            for carry in 1..digits.min(19) {
                let rolls_over = first_of(digits) + 10_u64.pow(carry) - 1;
                check_single_winner(&prefix, rolls_over - 3..rolls_over + 5);
            }
        }
    }
}

#[test]
fn the_last_nonces_of_a_u64_are_searched() {
    for len in [0, 34, 35, 36, 43, 44, 63, 64, 149] {
        check_single_winner(&prefix(len), u64::MAX - 30..u64::MAX);
        check_single_winner(&prefix(len), u64::MAX - 1..u64::MAX);
        check(
            &Template::new(&prefix(len), IMPOSSIBLE),
            u64::MAX - 1..u64::MAX,
        );
    }
    // Groups that are searched together.
    for len in [35, 48] {
        check_single_winner(&prefix(len), u64::MAX - 45_000..u64::MAX);
    }
}

/// So many prefixes that differ in their first block only.
fn rolled(count: usize, len: usize) -> Vec<Vec<u8>> {
    let root = |i: usize| (0..64).map(move |byte| (i * 31 + byte) as u8);
    (0..count)
        .map(|i| root(i).chain(prefix(len)).collect())
        .collect()
}

#[test]
fn a_winner_in_any_lane_is_found_in_every_layout() {
    for len in 0..64 {
        let prefix = prefix(len);
        for digits in [4, 5, 6, 8, 12, 17, 19, 20] {
            let first = first_of(digits) + 4_224;
            for winner in first..first + 16 {
                let template = Template::new(&prefix, hash_of(&prefix, winner));
                check(&template, winner..first + 16);
            }
        }
    }
}

#[test]
fn the_smallest_winner_is_found_where_groups_are_searched_together() {
    // The last four digits fill the next block by themselves; or all end at byte 55.
    for (len, digits) in [(48, 20), (49, 19), (52, 16), (36, 19), (47, 8)] {
        let prefix = prefix(len);
        let start = first_of(digits) + 20_000;
        for (from, to) in [(0, 100_000), (3, 30_001), (9_999, 60_000), (0, 10_000)] {
            let nonces = start + from..start + to;
            check_single_winner(&prefix, nonces.clone());
            let mut target = ANY;
            target[..2].copy_from_slice(&[0, 31]);
            let template = Template::new(&prefix, target);
            check_behind_each_winner(&template, nonces); // one of 2,048
        }
    }
}

#[test]
fn a_single_winner_in_any_of_the_groups_that_are_searched_abreast_is_found() {
    let nonces = first_of(8) + 16_000..first_of(8) + 32_000;
    for count in [1, 10] {
        let mut groups: HashSet<u64> = (0..16).collect();
        for salt in 0..=u8::MAX {
            let prefixes: Vec<Vec<u8>> = (0..count)
                .map(|i| [vec![i as u8; 64], vec![salt; 47]].concat())
                .collect();
            let hash = |nonce| prefixes.iter().map(|prefix| hash_of(prefix, nonce)).min();
            let smallest = nonces.clone().filter_map(|n| Some((hash(n)?, n))).min();
            let (target, winner) = smallest.expect("the range is not empty");
            if groups.remove(&((winner - nonces.start) / 1_000)) {
                let template = Template::rolled(&prefixes, target).unwrap();
                check(&template, nonces.clone());
            }
            if groups.is_empty() {
                break;
            }
        }
        assert!(groups.is_empty(), "none won in {groups:?}");

        let mut target = ANY;
        target[..2].copy_from_slice(&[0, 3]);
        let template = Template::rolled(&rolled(count, 47), target).unwrap();
        check_behind_each_winner(&template, nonces.start..nonces.end + 16_000); // one of 16,384
    }
}

#[test]
fn rolled_prefixes_are_tried_nonce_by_nonce_and_the_first_that_wins_is_named() {
    for count in [1, 2, 10, 33, PREFIXES_MAX] {
        for (len, digits) in [
            (33, 20),
            (35, 20),
            (37, 18),
            (0, 6),
            (47, 9),
            (50, 18),
            (58, 7),
            (63, 2),
        ] {
            let prefixes = rolled(count, len);
            let nonces = first_of(digits)..first_of(digits) + 40;
            let all = nonces
                .clone()
                .flat_map(|nonce| prefixes.iter().map(move |prefix| hash_of(prefix, nonce)));
            let template = |target| Template::rolled(&prefixes, target).unwrap();
            check(&template(all.min().unwrap()), nonces.clone());
            // Every fiftieth hash wins: several behind one nonce.
            let mut target = ANY;
            target[0] = 5;
            for start in nonces.clone().step_by(7) {
                check(&template(target), start..nonces.end);
            }
        }
    }
}

#[test]
fn prefixes_that_do_not_go_together_are_refused() {
    let refused = |prefixes: &[Vec<u8>]| Template::rolled(prefixes, ANY).unwrap_err();
    assert_eq!(refused(&[]), RollError::Count { count: 0 });
    let many = rolled(PREFIXES_MAX + 1, 3);
    assert_eq!(refused(&many), RollError::Count { count: 129 });
    let mut prefixes = rolled(3, 10);
    prefixes[2].push(1);
    assert_eq!(refused(&prefixes), RollError::Ends { index: 2 });
    let mut prefixes = rolled(3, 10);
    prefixes[1][64] ^= 1;
    assert_eq!(refused(&prefixes), RollError::Ends { index: 1 });
    // What differs in whole blocks alone goes together.
    assert_eq!(
        Template::rolled(&rolled(3, 0), ANY)
            .unwrap()
            .prefixes()
            .len(),
        3
    );
}

#[test]
fn an_empty_range_is_exhausted_where_it_starts() {
    let template = Template::new(b"x", ANY);
    for start in [0, 9, 10, u64::MAX] {
        let exhausted = Search::Exhausted { next_nonce: start };
        for cancelled in [false, true] {
            let cancel = AtomicBool::new(cancelled);
            assert_eq!(search(&template, start..start, &cancel), exhausted);
        }
    }
}

#[test]
#[expect(
    clippy::reversed_empty_ranges,
    reason = "that such a range searches nothing is the point"
)]
fn a_reversed_range_is_exhausted_where_it_starts() {
    let template = Template::new(b"x", ANY);
    let result = search(&template, 500..20, &AtomicBool::new(false));
    assert_eq!(result, Search::Exhausted { next_nonce: 500 });
}

#[test]
fn a_range_of_one_nonce_searches_that_nonce() {
    for nonce in [0, 9, 10, 99, 12_345, u64::MAX - 1] {
        check(&Template::new(b"single", ANY), nonce..nonce + 1);
        check(&Template::new(b"single", IMPOSSIBLE), nonce..nonce + 1);
    }
}

#[test]
fn the_first_and_the_last_nonce_of_a_range_are_found_and_its_end_is_not_searched() {
    // Within 0..400 the smallest hash is this nonce's, so it alone wins, wherever the range lies around it.
    let best = (0..400)
        .min_by_key(|nonce| hash_of(b"ends", *nonce))
        .unwrap();
    let hash = hash_of(b"ends", best);
    let template = Template::new(b"ends", hash);
    let never = AtomicBool::new(false);

    let found = Search::Found {
        nonce: best,
        prefix: 0,
        hash,
    };
    assert_eq!(search(&template, best..400, &never), found);
    assert_eq!(search(&template, 0..best + 1, &never), found);
    assert_eq!(
        search(&template, 0..best, &never),
        Search::Exhausted { next_nonce: best }
    );
    assert_eq!(
        search(&template, best + 1..400, &never),
        Search::Exhausted { next_nonce: 400 }
    );
}

#[test]
fn a_hash_equal_to_the_target_wins_and_one_above_it_does_not() {
    let mut target = hash_of(b"equal", 77);
    check(&Template::new(b"equal", target), 77..78);
    target[31] -= 1; // the hash of 77 ends in a byte other than zero
    let result = search(
        &Template::new(b"equal", target),
        77..78,
        &AtomicBool::new(false),
    );
    assert_eq!(result, Search::Exhausted { next_nonce: 78 });
}

#[test]
fn the_smallest_of_many_winners_is_the_one_found() {
    let template = Template::new(b"many", ANY);
    for start in [0, 5, 95, 9_990] {
        let hash = hash_of(b"many", start);
        let result = search(&template, start..start + 1_000, &AtomicBool::new(false));
        assert_eq!(
            result,
            Search::Found {
                nonce: start,
                prefix: 0,
                hash
            }
        );
    }
}

#[test]
fn the_blocks_of_the_articles_are_mined_again() {
    let hashes = [
        "000002f9c703dc80340c08462a0d6acdac9d0e10eb4190f6e57af6bb0850d03c",
        "00000c575050241e0a4df1acd7e6fb90cc1f599e2cc2908ec8225e10915006cc",
        "000003cf81f6b17e60ef1e3d8d24793450aecaf65cbe95086a29c1e48a5043b1",
        "00000221653e89d7b04704d4690abcf83fdb144106bb0453683c8183253fabad",
        "000000257df186344486c2c3c1ebaa159e812ca1c5c29947651672e2588efe1e",
    ];
    let blocks = [
        (
            format!("0First block data{}", 1508895381),
            631_412,
            hashes[0],
        ),
        (
            format!("1{}I block #1{}", hashes[0], 1508895386),
            1_225_518,
            hashes[1],
        ),
        (
            format!("2{}I block #2{}", hashes[1], 1508895393),
            1_315_081,
            hashes[2],
        ),
        (
            format!("3{}I block #3{}", hashes[2], 1508895777),
            24_959,
            hashes[3],
        ),
        (
            format!("3{}I block #3{}", hashes[2], 1508961173),
            46_053,
            hashes[4],
        ),
    ];
    for (prefix, mined_nonce, mined_hash) in blocks {
        let template = Template::new(prefix.as_bytes(), FIVE_ZEROS);
        for &kernel in Kernel::available() {
            let result = search_with(kernel, &template, 0..2_000_000, &AtomicBool::new(false));
            let Search::Found { nonce, hash, .. } = result else {
                panic!("{kernel} found nothing for {prefix}: {result:?}");
            };
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(
                (nonce, hash.as_str()),
                (mined_nonce, mined_hash),
                "{kernel}"
            );
        }
    }
}

#[test]
fn a_flag_raised_by_another_thread_ends_an_endless_search() {
    let cancel = Arc::new(AtomicBool::new(false));
    let (started, on_start) = mpsc::channel();
    let (done, on_done) = mpsc::channel();
    let searcher = Arc::clone(&cancel);
    std::thread::spawn(move || {
        let template = Template::new(b"endless", IMPOSSIBLE);
        started.send(()).unwrap();
        done.send(search(&template, 42..u64::MAX, &searcher))
            .unwrap();
    });
    on_start.recv().unwrap();
    cancel.store(true, Ordering::Relaxed);
    let result = on_done.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(
        matches!(result, Search::Cancelled { next_nonce: 42.. }),
        "{result:?}"
    );
}

#[test]
fn a_kernel_is_read_back_from_its_name() {
    for &kernel in Kernel::available() {
        assert_eq!(kernel.to_string().parse(), Ok(kernel));
    }
    assert!(Kernel::available().contains(&Kernel::best()));
}

/// Whoever knows the machine says in `JBC_POW_KERNELS` what is to be found there; `aarch64.sh` does, of those it emulates.
#[test]
fn the_kernels_found_are_those_the_machine_is_said_to_have() {
    let Ok(expected) = std::env::var("JBC_POW_KERNELS") else {
        return;
    };
    let names = Kernel::available().iter().map(|kernel| kernel.name());
    assert_eq!(names.collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn an_unknown_kernel_is_named_in_the_error() {
    let error = "abacus".parse::<Kernel>().unwrap_err();
    assert_eq!(
        error,
        UnknownKernel {
            name: "abacus".to_owned()
        }
    );
    assert!(error.to_string().starts_with("no kernel named \"abacus\""));
}

/// Ranges of every digit count, as evenly over digit counts as over values.
fn any_range() -> impl Strategy<Value = Range<u64>> {
    (any::<u64>(), 0..64_u32, 0..300_u64).prop_map(|(value, shift, len)| {
        let start = value >> shift;
        start..start.saturating_add(len)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_prefix_range_and_target_agree(
        prefix in prop::collection::vec(any::<u8>(), 0..=200),
        nonces in any_range(),
        top in prop_oneof![Just(0_u8), Just(1), 0..=255_u8],
    ) {
        let mut target = ANY;
        target[0] = top;
        check(&Template::new(&prefix, target), nonces);
    }

    #[test]
    fn a_range_cut_anywhere_finds_what_the_whole_finds(
        nonces in any_range(),
        cut in 0..300_u64,
    ) {
        let mut target = ANY;
        target[0] = 2;
        let template = Template::new(b"cut in two", target);
        let never = AtomicBool::new(false);
        let middle = nonces.start.saturating_add(cut).min(nonces.end);
        let whole = search(&template, nonces.clone(), &never);
        let parts = match search(&template, nonces.start..middle, &never) {
            Search::Exhausted { next_nonce } => search(&template, next_nonce..nonces.end, &never),
            found => found,
        };
        prop_assert_eq!(parts, whole);
    }
}
