//! Times: grids, dates, cron, and clocks that jump.

use super::*;

#[test]
fn an_interval_keeps_its_grid_however_late_it_is_looked_at() {
    let mut queue = queue();
    add(&mut queue, spec("a").trigger(every(10)), at(0));
    let mut due = Vec::new();
    for looked_at in [10_400_000, 20_900_000, 30_000_000, 49_999_999] {
        queue.fire_due(at(looked_at));
        due.extend(run_one(&mut queue, at(looked_at)));
    }
    let second = |n: u64| (EPOCH_US + n * SECOND_US) / 1_000;
    assert_eq!(due, [second(10), second(20), second(30), second(40)]);
    assert_eq!(queue.wait_us(at(49_999_999)), Some(1));
}

#[test]
fn runs_that_became_due_together_are_one_or_all_as_the_job_says() {
    for (coalesce, expected) in [(true, 1), (false, 5)] {
        let mut queue = queue();
        add(
            &mut queue,
            spec("a").trigger(every(1)).coalesce(coalesce),
            at(0),
        );
        queue.fire_due(at(5 * SECOND_US));
        let mut runs = Vec::new();
        while let Some(due) = run_one(&mut queue, at(5 * SECOND_US)) {
            runs.push(due);
        }
        assert_eq!(runs.len(), expected);
        assert_eq!(
            *runs.last().unwrap(),
            EPOCH_US / 1_000 + 5_000,
            "the latest is among them"
        );
        assert_eq!(
            queue.info(&"a".into(), at(5 * SECOND_US)).unwrap().state,
            JobState::Scheduled
        );
    }
}

#[test]
fn a_month_of_standby_makes_a_bounded_number_of_runs() {
    let mut queue = queue();
    add(
        &mut queue,
        spec("a").trigger(every(1)).coalesce(false),
        at(0),
    );
    let month_later = at(30 * 86_400 * SECOND_US);
    queue.fire_due(month_later);
    let runs = std::iter::from_fn(|| run_one(&mut queue, month_later)).count();
    assert_eq!(runs, crate::trigger::MAX_CATCH_UP);
    assert_eq!(queue.wait_us(month_later), Some(SECOND_US));
}

#[test]
fn a_stall_of_seconds_kills_no_interval_job() {
    let mut queue = queue();
    let often = Trigger::every(Duration::from_millis(10));
    add(&mut queue, spec("a").trigger(often), at(0));
    let mut now_us = 0;
    for stall_us in [3_000_000, 10_000, 47_123_456, 600_000, 10_000] {
        now_us += stall_us;
        queue.fire_due(at(now_us));
        let latest_us = now_us - now_us % 10_000;
        let due_ms = (EPOCH_US + latest_us) / 1_000;
        assert_eq!(run_one(&mut queue, at(now_us)), Some(due_ms));
        assert_eq!(
            run_one(&mut queue, at(now_us)),
            None,
            "one for all it missed"
        );
        assert_eq!(queue.wait_us(at(now_us)), Some(latest_us + 10_000 - now_us));
    }
}

#[test]
fn a_wait_follows_the_monotonic_clock_and_runs_once() {
    let mut queue = queue();
    let after = Trigger::After(std::time::Duration::from_secs(10));
    add(&mut queue, spec("a").trigger(after), at(0));
    let an_hour_back = |mono_us| Now {
        mono_us,
        wall_us: EPOCH_US - 3_600 * SECOND_US + mono_us,
    };
    assert_eq!(queue.wait_us(an_hour_back(0)), Some(10 * SECOND_US));
    queue.fire_due(an_hour_back(10 * SECOND_US - 1));
    assert!(run_one(&mut queue, an_hour_back(10 * SECOND_US - 1)).is_none());
    queue.fire_due(an_hour_back(10 * SECOND_US));
    assert!(run_one(&mut queue, an_hour_back(10 * SECOND_US)).is_some());
    assert_eq!(queue.info(&"a".into(), at(0)), None);
}

#[test]
fn a_wall_clock_set_back_or_forth_moves_dates_but_not_intervals() {
    let mut queue = queue();
    add(
        &mut queue,
        spec("date").trigger(Trigger::Date(system_time(EPOCH_US + 100 * SECOND_US))),
        at(0),
    );
    add(&mut queue, spec("interval").trigger(every(10)), at(0));
    let three_hours_on = |mono_us| Now {
        mono_us,
        wall_us: EPOCH_US + 3 * 3_600 * SECOND_US + mono_us,
    };
    queue.fire_due(three_hours_on(SECOND_US));
    assert_eq!(
        queue.info(&"date".into(), at(0)).unwrap().state,
        JobState::Pending
    );
    assert_eq!(
        queue.info(&"interval".into(), at(0)).unwrap().state,
        JobState::Scheduled
    );
    let an_hour_back = |mono_us| Now {
        mono_us,
        wall_us: EPOCH_US - 3_600 * SECOND_US + mono_us,
    };
    add(
        &mut queue,
        spec("later").trigger(Trigger::Date(system_time(EPOCH_US + 100 * SECOND_US))),
        at(SECOND_US),
    );
    queue.fire_due(an_hour_back(10 * SECOND_US));
    assert_eq!(
        queue.info(&"interval".into(), at(0)).unwrap().state,
        JobState::Pending
    );
    assert_eq!(
        queue.info(&"later".into(), at(0)).unwrap().state,
        JobState::Scheduled
    );
}

#[test]
fn a_timer_that_follows_the_wall_clock_is_looked_at_every_second() {
    let mut queue = queue();
    add(
        &mut queue,
        spec("a").trigger(Trigger::Date(system_time(EPOCH_US + 3_600 * SECOND_US))),
        at(0),
    );
    assert_eq!(queue.wait_us(at(0)), Some(SECOND_US));
    assert_eq!(queue.wait_us(at(3_600 * SECOND_US - 5)), Some(5));
}

#[test]
fn a_cron_tick_runs_what_has_come_once_and_early_stale_or_paused_ticks_nothing() {
    let mut queue = queue();
    add(
        &mut queue,
        spec("a").trigger(Trigger::cron("*/10 * * * * *")),
        at(0),
    );
    let [
        CronCommand::Arm {
            arm,
            id,
            expression,
        },
    ] = &queue.take_effects().cron[..]
    else {
        panic!("not armed")
    };
    assert_eq!((id.as_str(), expression.as_str()), ("a", "*/10 * * * * *"));
    let arm = *arm;
    queue.tick(&"a".into(), arm, at(9 * SECOND_US));
    assert_eq!(queue.pending(Lane::Prompt), 0, "too early");
    queue.tick(&"a".into(), arm, at(31 * SECOND_US));
    assert_eq!(
        run_one(&mut queue, at(31 * SECOND_US)),
        Some(EPOCH_US / 1_000 + 30_000),
        "lost ticks are made up for"
    );
    assert_eq!(run_one(&mut queue, at(31 * SECOND_US)), None);
    queue.pause_all();
    queue.tick(&"a".into(), arm, at(41 * SECOND_US));
    assert!(queue.resume_all(at(42 * SECOND_US)));
    assert_eq!(
        run_one(&mut queue, at(42 * SECOND_US)),
        Some(EPOCH_US / 1_000 + 40_000)
    );
    queue.take_effects();
    queue.pause(&"a".into(), at(43 * SECOND_US)).unwrap();
    assert_eq!(queue.take_effects().cron, [CronCommand::Disarm { arm }]);
    queue.resume(&"a".into(), at(75 * SECOND_US)).unwrap();
    let [CronCommand::Arm { arm: again, .. }] = queue.take_effects().cron[..] else {
        panic!("not armed again")
    };
    queue.tick(&"a".into(), arm, at(80 * SECOND_US));
    assert_eq!(queue.pending(Lane::Prompt), 0, "a tick of before the pause");
    queue.tick(&"a".into(), again, at(80 * SECOND_US));
    assert_eq!(
        run_one(&mut queue, at(80 * SECOND_US)),
        Some(EPOCH_US / 1_000 + 80_000),
        "not the times of the pause"
    );
}

#[test]
fn a_job_whose_calendar_ends_is_over_with_its_last_run() {
    let mut queue = queue();
    // 2023-11-14 22:13:20 is EPOCH_US.
    add(
        &mut queue,
        spec("a").trigger(Trigger::cron("30 13 22 14 11 * 2023")),
        at(0),
    );
    let [CronCommand::Arm { arm, .. }] = queue.take_effects().cron[..] else {
        panic!("not armed")
    };
    queue.tick(&"a".into(), arm, at(10 * SECOND_US));
    assert_eq!(queue.take_effects().cron, [CronCommand::Disarm { arm }]);
    assert!(run_one(&mut queue, at(10 * SECOND_US)).is_some());
    assert!(queue.infos(at(10 * SECOND_US)).is_empty());
    let gone = spec("a").trigger(Trigger::cron("30 13 22 14 11 * 2023"));
    let refused = checked(gone, at(0)).make(at(20 * SECOND_US)).err();
    assert!(matches!(
        refused,
        Some(AddError::BadTrigger {
            field: "expression",
            ..
        })
    ));
}

#[test]
fn a_paused_interval_goes_on_with_its_grid_and_without_what_it_missed() {
    let mut queue = queue();
    add(&mut queue, spec("a").trigger(every(10)), at(0));
    queue.pause(&"a".into(), at(SECOND_US)).unwrap();
    assert_eq!(queue.wait_us(at(SECOND_US)), None);
    let info = queue.resume(&"a".into(), at(34 * SECOND_US)).unwrap();
    assert_eq!(info.next_run_time, Some(EPOCH_US / 1_000 + 40_000));
    queue.fire_due(at(34 * SECOND_US));
    assert_eq!(queue.pending(Lane::Prompt), 0);
}

#[test]
fn the_longest_interval_is_never_and_not_an_overflow() {
    let mut queue = queue();
    add(
        &mut queue,
        spec("a").trigger(Trigger::every(Duration::MAX)),
        at(SECOND_US),
    );
    let info = queue.info(&"a".into(), at(SECOND_US)).unwrap();
    assert_eq!(
        crate::format_jobs(&[info])
            .lines()
            .nth(1)
            .unwrap()
            .split("next run at")
            .count(),
        2
    );
    queue.fire_due(at(1_000_000 * SECOND_US));
    assert_eq!(queue.pending(Lane::Prompt), 0);
}
