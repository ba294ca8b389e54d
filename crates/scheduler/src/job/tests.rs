//! The waits between attempts.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn waits_double_up_to_the_longest() {
    let retry = Retry::attempts(7).waits(SECOND, 10 * SECOND);
    let waits: Vec<_> = (1..=7).map(|failures| retry.wait_after(failures)).collect();
    let seconds = |n: u32| Some(n * SECOND);
    let expected = [1, 2, 4, 8, 10, 10].map(seconds);
    assert_eq!(waits[..6], expected);
    assert_eq!(waits[6], None, "the seventh was the last");
}

#[test]
fn one_attempt_or_none_is_not_tried_again() {
    for attempts in [0, 1] {
        assert_eq!(Retry::attempts(attempts).wait_after(1), None);
    }
}

#[test]
fn waits_of_any_length_and_number_do_not_overflow() {
    let endless = Retry::attempts(u32::MAX).waits(Duration::MAX, Duration::MAX);
    assert_eq!(endless.wait_after(u32::MAX - 1), Some(Duration::MAX));
    let short = Retry::attempts(u32::MAX).waits(Duration::from_nanos(1), Duration::MAX);
    assert!(short.wait_after(u32::MAX - 1) > Some(SECOND));
}

#[test]
fn the_longest_wait_bounds_the_first_too() {
    let retry = Retry::attempts(3).waits(10 * SECOND, SECOND);
    assert_eq!(retry.wait_after(1), Some(SECOND));
}
