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
fn a_search_that_is_cancelled_at_any_poll_and_carried_on_finds_what_it_would_have_found() {
    // Layouts with their first nonce: filled to byte 55, shared by groups, two blocks, spilled by one digit, short.
    let layouts = [
        (47, 10_000_000),
        (49, 10_u64.pow(18)),
        (47, 100_000_000),
        (60, 10_000),
        (3, 1_000),
    ];
    for (prefix_len, first) in layouts {
        let prefixes: Vec<Vec<u8>> = (0..3)
            .map(|i| [vec![i; 64], vec![7; prefix_len]].concat())
            .collect();
        let nonces = first..first + 70_000;
        let winner = nonces.end - 20_007;
        let target = hash_of(&prefixes[1], winner);
        for &kernel in Kernel::available() {
            let template = Template::rolled(&prefixes, target).unwrap();
            let whole = search_until(kernel, &template, nonces.clone(), || false);
            for cancelled_poll in (1..).step_by(7) {
                let polls = Cell::new(0);
                let result = search_until(kernel, &template, nonces.clone(), || {
                    polls.set(polls.get() + 1);
                    polls.get() == cancelled_poll
                });
                let Search::Cancelled { next_nonce } = result else {
                    assert_eq!(result, whole, "{kernel}");
                    break;
                };
                assert!(nonces.contains(&next_nonce), "{kernel}: {next_nonce}");
                let rest = search_until(kernel, &template, next_nonce..nonces.end, || false);
                assert_eq!(rest, whole, "{kernel}, cancelled at poll {cancelled_poll}");
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
