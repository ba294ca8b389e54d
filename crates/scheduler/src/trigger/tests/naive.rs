//! And/or against sets of times made without them.

use proptest::prelude::*;

use super::combination::Combination;
use super::combining::times_us;
use super::*;

/// An interval by its numbers in milliseconds, and all its times of so long, found without any of the code under test.
fn naive_grid(every_ms: u64, start_ms: u64, length_us: u64) -> (Trigger, Vec<u64>) {
    let trigger = Trigger::Interval {
        every: Duration::from_millis(every_ms),
        start_after: Some(Duration::from_millis(start_ms)),
    };
    let steps = (0..).map(|n| us(ANCHOR) + (start_ms + n * every_ms) * 1_000);
    let until = us(ANCHOR) + length_us;
    (trigger, steps.take_while(|at| *at <= until).collect())
}

/// A cron of every so many minutes in UTC and its times of a day, in the same way.
fn naive_cron(minutes: u64) -> (Trigger, Vec<u64>) {
    let trigger = Trigger::cron(format!("*/{minutes} * * * *"));
    // The anchor is a midnight, and its own moment is not a time of a cron.
    let of_the_day = (1..=24 * 60).filter(|minute| minute % 60 % minutes == 0);
    let times = of_the_day.map(|minute: u64| us(ANCHOR) + minute * 60 * SECOND_US);
    (trigger, times.collect())
}

/// Parts whose times are more than two seconds apart: which of them agree is then beyond doubt.
fn sparse_part() -> impl Strategy<Value = (Trigger, Vec<u64>)> {
    prop_oneof![
        2 => (2_001u64..100_000, 0u64..100_000).prop_map(|(every, start)| naive_grid(every, start, DAY_US)),
        2 => (2u64..600, 0u64..40).prop_map(|(every, start)| naive_grid(every * 1_500, start * 500, DAY_US)),
        1 => (1u64..60).prop_map(naive_cron),
        1 => (0u64..86_400_000).prop_map(|ms| {
            let at = us(ANCHOR) + ms * 1_000;
            (Trigger::Date(system_time(at)), vec![at])
        }),
    ]
}

/// The latest of every choice of one time of each part that lie within a second, found by trying each time of the first.
fn naive_and(parts: &[Vec<u64>]) -> Vec<u64> {
    let agreed = |lead: &u64| {
        let near = |part: &Vec<u64>| {
            let from = part.partition_point(|at| at + SECOND_US < *lead);
            part.get(from).copied().filter(|at| *at <= lead + SECOND_US)
        };
        let chosen = parts.iter().map(near).collect::<Option<Vec<u64>>>()?;
        let (first, last) = (chosen.iter().min()?, chosen.iter().max()?);
        (last - first <= SECOND_US).then_some(*last)
    };
    parts[0].iter().filter_map(agreed).collect()
}

/// The times of a day, where the last may still be waiting for a partner of the next.
fn of_the_day(mut times: Vec<u64>) -> Vec<u64> {
    times.retain(|at| *at <= us(ANCHOR) + DAY_US - SECOND_US);
    times
}

fn found_of_the_day(trigger: &Trigger) -> Vec<u64> {
    match Combination::check(trigger, us(ANCHOR)) {
        Ok(_) => times_us(trigger, ANCHOR, us(ANCHOR) + DAY_US - SECOND_US),
        Err(bad) => {
            assert_eq!(bad.reason, "no such time will come");
            Vec::new()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_or_is_the_merged_times_of_its_parts(parts in proptest::collection::vec(sparse_part(), 1..5)) {
        let (triggers, lists): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let mut merged: Vec<u64> = lists.into_iter().flatten().collect();
        merged.sort_unstable();
        merged.dedup();
        prop_assert_eq!(found_of_the_day(&Trigger::Or(triggers)), of_the_day(merged));
    }

    #[test]
    fn an_and_is_the_naive_intersection_of_its_parts(parts in proptest::collection::vec(sparse_part(), 1..4)) {
        let (triggers, lists): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        prop_assert_eq!(found_of_the_day(&Trigger::And(triggers)), of_the_day(naive_and(&lists)));
    }

    /// Also where times are so dense that each has several partners.
    #[test]
    fn the_times_of_an_and_are_near_one_of_each_part_and_no_part_counts_twice(
        numbers in proptest::collection::vec((50u64..3_000, 0u64..3_000), 2..4),
        from_ms in 0u64..60_000,
    ) {
        let (triggers, lists): (Vec<_>, Vec<_>) =
            numbers.into_iter().map(|(every, start)| naive_grid(every, start, 60 * SECOND_US)).unzip();
        let and = Trigger::And(triggers);
        let until = us(ANCHOR) + 60 * SECOND_US;
        let Ok(combination) = Combination::check(&and, us(ANCHOR)) else { return Ok(()) };
        let found = times_us(&and, ANCHOR, until);
        for part in &lists {
            let near = |at: u64| part.iter().any(|own| *own <= at && at <= own + SECOND_US);
            prop_assert!(found.iter().all(|at| near(*at)), "{}", and);
            prop_assert!(found.len() <= part.iter().filter(|own| **own <= until).count(), "{}", and);
        }
        prop_assert!(found.iter().all(|at| lists.iter().any(|part| part.contains(at))), "{}", and);
        // And they do not depend on where the search begins.
        let from = us(ANCHOR) + from_ms * 1_000;
        let next = combination.next_after(from).filter(|at| *at <= until);
        prop_assert_eq!(next, found.into_iter().find(|at| *at > from));
    }
}
