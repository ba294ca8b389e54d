//! What needs the inside: cancelling at an exact poll, and the cuts of a range.

use crate::portable::POLL_HASHES;
use crate::{Kernel, Search, Template, hash_of, plan, search_until};
use std::cell::Cell;
use std::ops::Range;

/// No hash is zero, so nothing meets this.
const IMPOSSIBLE: [u8; 32] = [0; 32];

/// Searches with the flag raised from the `polls`-th look on (the first is 1), and tells how often it was looked at.
fn cancel_at_poll(nonces: Range<u64>, polls: u64) -> (Search, u64) {
    let template = Template::new(b"some prefix", IMPOSSIBLE);
    let seen = Cell::new(0);
    let result = search_until(Kernel::portable(), &template, nonces, || {
        seen.set(seen.get() + 1);
        seen.get() >= polls
    });
    (result, seen.get())
}

#[test]
fn a_flag_raised_beforehand_stops_before_the_first_nonce() {
    let (result, _) = cancel_at_poll(1_234..u64::MAX, 1);
    assert_eq!(result, Search::Cancelled { next_nonce: 1_234 });
}

#[test]
fn a_flag_raised_midway_names_the_first_nonce_not_searched() {
    for polls in 2..40 {
        let (result, _) = cancel_at_poll(1_000_000..2_000_000, polls);
        let next_nonce = 1_000_000 + (polls - 1) * POLL_HASHES;
        assert_eq!(result, Search::Cancelled { next_nonce });
    }
}

#[test]
fn a_flag_raised_where_the_digit_count_changes_stops_there() {
    // The first look is at 99,990, the second at the start of the next span.
    let (result, _) = cancel_at_poll(99_990..u64::MAX, 2);
    assert_eq!(
        result,
        Search::Cancelled {
            next_nonce: 100_000
        }
    );
}

#[test]
fn the_flag_is_looked_at_once_for_every_few_nonces() {
    let (result, polls) = cancel_at_poll(10_000..20_000, u64::MAX);
    assert_eq!(result, Search::Exhausted { next_nonce: 20_000 });
    assert_eq!(polls, 10_000_u64.div_ceil(POLL_HASHES));
}

#[test]
fn a_search_that_is_cancelled_and_carried_on_leaves_no_nonce_out() {
    // Prefixes, bytes behind their first blocks, and the first nonce: filled to byte 55 (groups are searched abreast), shared by groups, two blocks, spilled by one digit, short.
    let layouts = [
        (1, 47, 10_000_000),
        (3, 47, 10_000_000),
        (3, 49, 10_u64.pow(18)),
        (3, 47, 100_000_000),
        (3, 60, 10_000),
        (3, 3, 1_000),
    ];
    let cancel_at_poll = |kernel, template: &Template, nonces: &Range<u64>, poll| {
        let polls = Cell::new(0);
        search_until(kernel, template, nonces.clone(), || {
            polls.set(polls.get() + 1);
            polls.get() == poll
        })
    };
    for (count, len, first) in layouts {
        let prefixes = |salt: u64| -> Vec<Vec<u8>> {
            (0..count)
                .map(|i| [&[i; 56], &salt.to_le_bytes()[..], &vec![7; len]].concat())
                .collect()
        };
        let nonces = first..first + 35_000;
        for &kernel in Kernel::available() {
            // The first look is before the first nonce.
            for poll in (0..).map(|power| 1 + (1 << power)) {
                let hopeless = Template::rolled(&prefixes(0), IMPOSSIBLE).unwrap();
                let result = cancel_at_poll(kernel, &hopeless, &nonces, poll);
                let Search::Cancelled { next_nonce } = result else {
                    break;
                };
                // Texts behind which the last nonce that is said to be searched is the first that wins.
                let last = next_nonce - 1;
                let first_winner = |salt| {
                    let prefixes = prefixes(salt);
                    let target = hash_of(&prefixes[0], last);
                    let loses = |nonce| prefixes.iter().all(|p| hash_of(p, nonce) > target);
                    let template = Template::rolled(&prefixes, target).unwrap();
                    (nonces.start..last).all(loses).then_some(template)
                };
                let template = (0..10_000_000).find_map(first_winner).unwrap();
                let result = cancel_at_poll(kernel, &template, &nonces, poll);
                let found = match result {
                    Search::Cancelled { next_nonce: from } => {
                        search_until(kernel, &template, from..nonces.end, || false)
                    }
                    found => found,
                };
                assert!(
                    matches!(found, Search::Found { nonce, .. } if nonce == last),
                    "{kernel}, {len}, poll {poll}, {last}: {result:?}, {found:?}"
                );
            }
        }
    }
}

#[test]
fn spans_cut_a_range_at_every_change_of_the_digit_count() {
    let spans: Vec<_> = plan::spans(0..u64::MAX).collect();
    assert_eq!(spans.len(), 20);
    assert_eq!(spans[0], 0..10);
    assert_eq!(spans[1], 10..100);
    assert_eq!(spans[19], 10_000_000_000_000_000_000..u64::MAX);
    assert!(spans.windows(2).all(|pair| pair[0].end == pair[1].start));
}

#[test]
fn a_range_without_roll_over_is_one_span() {
    for whole in [10..100, 9..10, 100..101] {
        let mut spans = plan::spans(whole.clone());
        assert_eq!((spans.next(), spans.next()), (Some(whole), None));
    }
}

#[test]
fn an_empty_range_has_no_span() {
    assert_eq!(plan::spans(7..7).count(), 0);
}
