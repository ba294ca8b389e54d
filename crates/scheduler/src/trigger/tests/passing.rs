//! What becomes of times that passed: after a stall, after a restart, and when the wall clock is set.

use proptest::prelude::*;

use super::combination::Combination;
use super::*;
use crate::calendar::Calendar;
use crate::clock::{Due, MONO_START_US, Now};

/// A scheduler that runs for so long; the wall clock then shows `wall`.
fn running(since_start_us: u64, wall: &str) -> Now {
    Now {
        mono_us: MONO_START_US + since_start_us,
        wall_us: us(wall),
    }
}

fn schedule(trigger: &Trigger) -> Schedule {
    Schedule::check(trigger, us(ANCHOR)).unwrap()
}

#[test]
fn a_stored_time_comes_back_on_the_clock_its_trigger_lives_on() {
    let now = running(5 * SECOND_US, "2026-01-08T00:00:00Z");
    let (week_ago, tomorrow) = (us(ANCHOR), us("2026-01-09T00:00:00Z"));
    let after = Trigger::After(Duration::from_secs(1));
    for trigger in [Trigger::Now, after, every(10)] {
        let schedule = schedule(&trigger);
        let due = schedule.due_of(week_ago, now);
        assert_eq!(due, Due::Mono(now.mono_us - 7 * DAY_US), "{trigger}");
        assert_eq!(due.late_us(now), 7 * DAY_US, "{trigger}");
        assert_eq!(due.wall_us(now), week_ago, "{trigger}");
        let due = schedule.due_of(tomorrow, now);
        assert_eq!(due, Due::Mono(now.mono_us + DAY_US), "{trigger}");
        assert_eq!(due.wall_us(now), tomorrow, "{trigger}");
    }
    let or = Trigger::Or(vec![every(10)]);
    for trigger in [date(ANCHOR), Trigger::cron("0 4 * * *"), or] {
        let schedule = schedule(&trigger);
        assert_eq!(schedule.due_of(week_ago, now), Due::Wall(week_ago));
        assert_eq!(schedule.due_of(tomorrow, now), Due::Wall(tomorrow));
    }
    let never = schedule(&every(1)).due_of(u64::MAX, now);
    assert_eq!(never, Due::Mono(u64::MAX), "no overflow");
}

#[test]
fn an_interval_goes_on_after_a_downtime_on_the_same_grid() {
    let schedule = schedule(&every(60));
    let now = running(SECOND_US, "2026-01-08T00:00:20Z");
    let due = schedule.due_of(us(ANCHOR), now);
    let latest = now.mono_us - 20 * SECOND_US;
    let next = Some(Due::Mono(now.mono_us + 40 * SECOND_US));
    assert_eq!(
        schedule.elapsed(due, now, true),
        (vec![Due::Mono(latest)], next)
    );
    let (times, went_on) = schedule.elapsed(due, now, false);
    assert_eq!((times.len(), went_on), (MAX_CATCH_UP, next));
    assert_eq!(times.last(), Some(&Due::Mono(latest)));
    assert_eq!(times[0], Due::Mono(latest - 999 * 60 * SECOND_US));
}

#[test]
fn what_was_to_run_once_runs_once_after_a_downtime() {
    let now = running(SECOND_US, "2026-01-08T00:00:20Z");
    let after = Trigger::After(Duration::from_secs(1));
    for trigger in [
        Trigger::Now,
        after,
        date(ANCHOR),
        Trigger::Or(vec![Trigger::Now]),
    ] {
        let schedule = schedule(&trigger);
        let due = schedule.due_of(us(ANCHOR), now);
        assert_eq!(
            schedule.elapsed(due, now, false),
            (vec![due], None),
            "{trigger}"
        );
    }
}

#[test]
fn a_combination_goes_on_from_its_own_anchor_after_a_downtime() {
    let or = Trigger::Or(vec![every(3_600), Trigger::cron("30 4 * * *")]);
    let schedule = schedule(&or);
    let now = running(SECOND_US, "2026-01-08T04:15:00Z");
    let due = schedule.due_of(us("2026-01-08T02:00:00Z"), now);
    let wall = |text| Due::Wall(us(text));
    let next = Some(wall("2026-01-08T04:30:00Z"));
    let passed = [
        "2026-01-08T02:00:00Z",
        "2026-01-08T03:00:00Z",
        "2026-01-08T04:00:00Z",
    ]
    .map(wall);
    assert_eq!(schedule.elapsed(due, now, false), (passed.to_vec(), next));
    assert_eq!(
        schedule.elapsed(due, now, true),
        (passed[2..].to_vec(), next)
    );
}

#[test]
fn a_wall_clock_set_back_repeats_nothing_of_a_combination() {
    let ten_minutes = Trigger::cron("*/10 * * * *");
    for trigger in [
        Trigger::Or(vec![ten_minutes.clone()]),
        Trigger::And(vec![ten_minutes]),
    ] {
        let schedule = schedule(&trigger);
        let noon = Due::Wall(us("2026-01-01T12:00:00Z"));
        let (times, next) = schedule.elapsed(noon, running(0, "2026-01-01T12:00:00Z"), true);
        let next = next.unwrap();
        assert_eq!(
            (times, next),
            (vec![noon], Due::Wall(us("2026-01-01T12:10:00Z")))
        );
        let an_hour_back = running(SECOND_US, "2026-01-01T11:00:01Z");
        assert_eq!(next.wait_us(an_hour_back), HOUR_US + 599 * SECOND_US);
        // Asked all the same, as when a worker was slow to look: time goes on.
        let (times, after) = schedule.elapsed(next, an_hour_back, true);
        assert_eq!(times, [next]);
        assert_eq!(after, Some(Due::Wall(us("2026-01-01T12:20:00Z"))));
    }
}

#[test]
fn a_wall_clock_set_a_day_forth_makes_a_combination_late_and_an_interval_not() {
    let noon = us("2026-01-01T12:00:00Z");
    let a_day_on = running(0, "2026-01-02T12:00:05Z");
    let hourly = schedule(&Trigger::And(vec![every(1_800), every(3_600)]));
    let (times, next) = hourly.elapsed(Due::Wall(noon), a_day_on, false);
    assert_eq!(times.len(), 25);
    assert_eq!(next, Some(Due::Wall(noon + 25 * HOUR_US)));
    let (times, _) = hourly.elapsed(Due::Wall(noon), a_day_on, true);
    assert_eq!(times, [Due::Wall(noon + 24 * HOUR_US)]);
    let interval = schedule(&every(3_600));
    let first = interval.first(running(0, "2026-01-01T12:00:00Z")).unwrap();
    assert_eq!(first.wait_us(a_day_on), HOUR_US);
}

/// Triggers of many kinds that live on the wall clock, some of them with more times in a day than are caught up on.
fn wall_trigger() -> impl Strategy<Value = Trigger> {
    let zone = || proptest::option::of(Just("Europe/Berlin".to_owned()));
    let expression = prop_oneof![
        Just("30 2 * * *"),
        Just("*/20 * * * *"),
        Just("*/30 * 1-3 * * *"),
        Just("0 * * * * *"),
        Just("*/7 59 * * * *"),
    ];
    let cron = (expression, zone()).prop_map(|(expression, time_zone)| Trigger::Cron {
        expression: expression.to_owned(),
        time_zone,
    });
    let interval = (20u64..5_000, 0u64..100_000).prop_map(|(every, start)| grid(every, start));
    let part = || prop_oneof![cron.clone(), interval.clone()];
    prop_oneof![
        2 => cron.clone(),
        2 => proptest::collection::vec(part(), 1..4).prop_map(Trigger::Or),
        1 => (part(), 20u64..90).prop_map(|(part, seconds)| Trigger::And(vec![part, every(seconds)])),
    ]
}

/// The first time after that, asked of what the schedule is made of.
fn next_after(trigger: &Trigger, anchor_us: u64) -> impl Fn(u64) -> Option<u64> {
    let combination = Combination::check(trigger, anchor_us).ok();
    let calendar = match trigger {
        Trigger::Cron {
            expression,
            time_zone,
        } => Some(Calendar::parse(expression, time_zone.as_deref()).unwrap()),
        _ => None,
    };
    move |after| match (&calendar, &combination) {
        (Some(calendar), _) => calendar.next_after(after),
        (None, Some(combination)) => combination.next_after(after),
        (None, None) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_elapsed_is_what_stepping_from_time_to_time_finds(
        trigger in wall_trigger(),
        // The days when the clocks change in Berlin, and one when they do not.
        day in prop_oneof![Just("2026-03-28"), Just("2026-10-24"), Just("2026-06-01")],
        wait_us in 0..2 * DAY_US,
        coalesce in any::<bool>(),
    ) {
        let anchor_us = us(&format!("{day}T12:00:00Z"));
        let Ok(schedule) = Schedule::check(&trigger, anchor_us) else { return Ok(()) };
        let next_after = next_after(&trigger, anchor_us);
        let first = next_after(anchor_us).unwrap();
        let now = Now { mono_us: MONO_START_US, wall_us: first + wait_us };
        let (mut times, mut next) = (vec![Due::Wall(first)], next_after(first));
        while let Some(at) = next.filter(|at| *at <= now.wall_us) {
            times.push(Due::Wall(at));
            next = next_after(at);
        }
        let most = if coalesce { 1 } else { MAX_CATCH_UP };
        let expected = times.split_off(times.len().saturating_sub(most));
        let elapsed = schedule.elapsed(Due::Wall(first), now, coalesce);
        prop_assert_eq!(elapsed, (expected, next.map(Due::Wall)), "{}", trigger);
    }

    #[test]
    fn the_latest_of_uneven_times_are_found_whatever_their_distances(
        gaps in proptest::collection::vec(prop_oneof![4 => 1u64..5, 1 => 1u64..100_000], 1..400),
        now_us in 0u64..1_000_000,
        most in 1usize..20,
    ) {
        let mut at = 0;
        let times: Vec<u64> = gaps.into_iter().map(|gap| { at += gap; at }).collect();
        let first_from = |from| times.iter().copied().find(|at| *at >= from);
        let passed: Vec<u64> = times.iter().copied().filter(|at| *at <= now_us.max(times[0])).collect();
        let expected = &passed[passed.len().saturating_sub(most)..];
        prop_assert_eq!(latest(first_from, times[0], now_us.max(times[0]), most), expected);
    }
}
