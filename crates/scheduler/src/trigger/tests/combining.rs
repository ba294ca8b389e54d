//! The times of and/or.

use super::combination::Combination;
use super::*;

fn combined(trigger: &Trigger, anchor: &str) -> Combination {
    Combination::check(trigger, us(anchor)).unwrap()
}

/// All times until then.
pub(super) fn times_us(trigger: &Trigger, anchor: &str, until_us: u64) -> Vec<u64> {
    let combination = combined(trigger, anchor);
    let mut found = Vec::new();
    let mut next = Some(combination.first_us());
    while let Some(at) = next.filter(|at| *at <= until_us) {
        assert!(
            found.last().is_none_or(|last| *last < at),
            "time must go on"
        );
        found.push(at);
        next = combination.next_after(at);
    }
    found
}

/// All times until then, as the text after the date.
fn times(trigger: &Trigger, anchor: &str, until: &str) -> Vec<String> {
    let text = |at| {
        let at = DateTime::from_timestamp_micros(i64::try_from(at).unwrap()).unwrap();
        at.format("%d %H:%M:%S%.f").to_string()
    };
    times_us(trigger, anchor, us(until))
        .into_iter()
        .map(text)
        .collect()
}

#[test]
fn each_part_counts_from_the_anchor() {
    let minute = "2026-01-01T00:01:00Z";
    for (part, expected) in [
        (Trigger::Now, vec!["01 00:00:00"]),
        (
            Trigger::After(Duration::from_millis(1_500)),
            vec!["01 00:00:01.500"],
        ),
        (date("2026-01-01T00:00:07Z"), vec!["01 00:00:07"]),
        // As a date of its own: it has passed, and is late.
        (date("2025-12-31T00:00:07Z"), vec!["31 00:00:07"]),
        (every(25), vec!["01 00:00:25", "01 00:00:50"]),
        (grid(40, 250), vec!["01 00:00:00.250", "01 00:00:40.250"]),
        // As a cron of its own: not at the moment of adding itself.
        (
            Trigger::cron("*/30 * * * * *"),
            vec!["01 00:00:30", "01 00:01:00"],
        ),
    ] {
        for alone in [Trigger::And(vec![part.clone()]), Trigger::Or(vec![part])] {
            assert_eq!(times(&alone, ANCHOR, minute), expected, "{alone}");
        }
    }
}

#[test]
fn an_or_fires_at_each_time_of_its_parts_and_once_at_one_they_share() {
    let or = Trigger::Or(vec![
        every(20),
        Trigger::cron("*/30 * * * * *"),
        Trigger::Now,
    ]);
    assert_eq!(
        times(&or, ANCHOR, "2026-01-01T00:01:00Z"),
        [
            "01 00:00:00",
            "01 00:00:20",
            "01 00:00:30",
            "01 00:00:40",
            "01 00:01:00"
        ]
    );
}

#[test]
fn an_and_fires_where_its_parts_agree_within_a_second_at_the_latest_of_them() {
    let minute = "2026-01-01T00:01:00Z";
    let tens = || Trigger::cron("*/10 * * * * *");
    for (parts, expected) in [
        (vec![tens(), every(15)], vec!["01 00:00:30", "01 00:01:00"]),
        // A second apart counts, in either order; more does not.
        (vec![tens(), grid(60, 31_000)], vec!["01 00:00:31"]),
        (vec![grid(60, 29_000), tens()], vec!["01 00:00:30"]),
        (
            vec![grid(60, 30_400), tens(), grid(60, 29_600)],
            vec!["01 00:00:30.400"],
        ),
        // Each is near the first, but not all are near each other.
        (
            vec![
                Trigger::Or(vec![tens()]),
                date("2026-01-01T00:00:19.400Z"),
                date("2026-01-01T00:00:20.600Z"),
            ],
            vec![],
        ),
        // A time counts once, though those of a second before and after are as close as allowed.
        (
            vec![Trigger::cron("* * * * * *"), grid(30, 30_000)],
            vec!["01 00:00:30", "01 00:01:00"],
        ),
        (
            vec![grid(30, 30_000), Trigger::cron("* * * * * *")],
            vec!["01 00:00:30", "01 00:01:00"],
        ),
        (
            vec![Trigger::cron("* * * * * *"), grid(30, 29_700)],
            vec!["01 00:00:30", "01 00:01:00"],
        ),
        // Of two at the same distance the later.
        (
            vec![Trigger::cron("30 * * * * *"), grid(2, 29_000)],
            vec!["01 00:00:31"],
        ),
        (
            vec![every(1), grid(1, 500), date("2026-01-01T00:00:03Z")],
            vec!["01 00:00:03.500"],
        ),
        // It ends with the first part that ends.
        (
            vec![every(10), Trigger::After(Duration::from_secs(20))],
            vec!["01 00:00:20"],
        ),
        (
            vec![
                every(10),
                Trigger::Or(vec![every(25), Trigger::After(Duration::from_secs(30))]),
            ],
            vec!["01 00:00:30", "01 00:00:50"],
        ),
    ] {
        let and = Trigger::And(parts);
        let found = match Combination::check(&and, us(ANCHOR)) {
            Ok(_) => times(&and, ANCHOR, minute),
            Err(_) => Vec::new(),
        };
        assert_eq!(found, expected, "{and}");
    }
}

#[test]
fn two_triggers_of_every_second_make_one_of_every_second() {
    let and = Trigger::And(vec![grid(1, 0), grid(1, 500)]);
    assert_eq!(
        times(&and, ANCHOR, "2026-01-01T00:00:03Z"),
        ["01 00:00:00.500", "01 00:00:01.500", "01 00:00:02.500"]
    );
}

#[test]
fn rare_agreements_are_found() {
    // A Friday the 13th; the 29th of February 2028 is a Tuesday.
    let friday = [Trigger::cron("0 4 * * 5"), Trigger::cron("0 4 13 * *")];
    assert_eq!(
        times(
            &Trigger::And(friday.to_vec()),
            ANCHOR,
            "2026-12-31T00:00:00Z"
        ),
        ["13 04:00:00"; 3]
    );
    let leap = Trigger::And(vec![
        Trigger::cron("0 0 29 2 *"),
        Trigger::cron("0 0 * * 2"),
    ]);
    assert_eq!(
        combined(&leap, ANCHOR).first_us(),
        us("2028-02-29T00:00:00Z")
    );
}

#[test]
fn a_daily_combination_follows_the_clocks_of_its_zone_when_they_change() {
    let nightly = || cron("30 2 * * *", "Europe/Berlin");
    let hourly = || cron("0 * * * *", "Europe/Berlin");
    let spring = ["2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"];
    let autumn = ["2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"];
    let nights = Trigger::And(vec![cron("*/30 * * * *", "Europe/Berlin"), nightly()]);
    let weekends = Trigger::And(vec![nightly(), cron("* * * * 6,7", "Europe/Berlin")]);
    let noons = Trigger::Or(vec![nightly(), cron("0 12 * * *", "Europe/Berlin")]);
    // A day of the wall clock and 24 hours part when the clocks change.
    let same_hours = Trigger::And(vec![nightly(), grid(86_400, 5_400_000)]);
    for (trigger, [from, until], expected) in [
        // 02:30 does not exist on the 29th: it is made up for at 03:00.
        (
            &nights,
            spring,
            vec!["28 01:30:00", "29 01:00:00", "30 00:30:00"],
        ),
        // It comes twice on the 25th.
        (
            &nights,
            autumn,
            vec!["24 00:30:00", "25 00:30:00", "26 01:30:00"],
        ),
        (&weekends, spring, vec!["28 01:30:00", "29 01:00:00"]),
        (&weekends, autumn, vec!["24 00:30:00", "25 00:30:00"]),
        (
            &noons,
            spring,
            vec![
                "28 01:30:00",
                "28 11:00:00",
                "29 01:00:00",
                "29 10:00:00",
                "30 00:30:00",
                "30 10:00:00",
            ],
        ),
        (&same_hours, spring, vec!["28 01:30:00"]),
        (&same_hours, autumn, vec!["26 01:30:00"]),
    ] {
        assert_eq!(
            times(trigger, from, until),
            expected,
            "{trigger} from {from}"
        );
    }
    // Hours are hours, whatever the clocks show.
    for [from, until] in [spring, autumn] {
        let agreed = Trigger::And(vec![hourly(), every(3_600)]);
        assert_eq!(times_us(&agreed, from, us(until)).len(), 60, "from {from}");
    }
}

#[test]
fn a_combination_that_can_fire_once_does_not_repeat() {
    for (trigger, repeats) in [
        (Trigger::Or(vec![Trigger::Now]), false),
        (Trigger::Or(vec![Trigger::Now, date(ANCHOR)]), false),
        (
            Trigger::Or(vec![Trigger::Now, Trigger::After(Duration::from_micros(1))]),
            true,
        ),
        (
            Trigger::Or(vec![Trigger::Now, Trigger::cron("0 0 30 2 *")]),
            false,
        ),
        (
            Trigger::And(vec![every(1), Trigger::After(Duration::from_secs(3))]),
            false,
        ),
        (Trigger::And(vec![every(1), every(2)]), true),
    ] {
        let schedule = Schedule::check(&trigger, us(ANCHOR)).unwrap();
        assert_eq!(schedule.repeats(), repeats, "{trigger}");
    }
}

fn nested(levels: usize) -> Trigger {
    (0..levels).fold(Trigger::Now, |inner, _| Trigger::Or(vec![inner]))
}

#[test]
fn a_bad_combination_is_refused_with_its_field_and_the_reason() {
    let never = "no such time will come";
    let pairs = |pairs: usize| Trigger::Or(vec![Trigger::And(vec![Trigger::Now]); pairs]);
    for (trigger, field, reason) in [
        (Trigger::And(vec![]), "and", "is of no triggers"),
        (
            Trigger::And(vec![Trigger::Or(vec![])]),
            "or",
            "is of no triggers",
        ),
        (
            nested(9),
            "or",
            "stands within 8 combinations, which is the most",
        ),
        (
            Trigger::Or(vec![Trigger::Now; 33]),
            "or",
            "more than 32 triggers in all",
        ),
        (pairs(17), "and", "more than 32 triggers in all"),
        (Trigger::Or(vec![every(0)]), "every", "shorter than 1 ms"),
        (
            Trigger::And(vec![cron("0 4 * * *", "Europe/Bonn")]),
            "time_zone",
            r#""Europe/Bonn" is not a name of the IANA time zone database"#,
        ),
        (
            Trigger::And(vec![Trigger::Now, Trigger::cron("0 0 30 2 *")]),
            "and",
            never,
        ),
        (Trigger::Or(vec![Trigger::cron("0 0 30 2 *")]), "or", never),
        // They never meet: the search must give up.
        (
            Trigger::And(vec![grid(10, 0), grid(10, 5_000)]),
            "and",
            never,
        ),
        (
            Trigger::And(vec![
                Trigger::cron("0 * * * *"),
                Trigger::cron("30 * * * *"),
            ]),
            "and",
            never,
        ),
    ] {
        let bad = Schedule::check(&trigger, us(ANCHOR)).unwrap_err();
        assert_eq!(
            (bad.field, bad.reason.as_str()),
            (field, reason),
            "{trigger}"
        );
    }
    for good in [nested(8), Trigger::Or(vec![Trigger::Now; 32]), pairs(16)] {
        assert!(Schedule::check(&good, us(ANCHOR)).is_ok(), "{good}");
    }
}

#[test]
fn what_an_or_finds_does_not_end_with_an_and_that_never_agrees() {
    let never = Trigger::And(vec![grid(10, 0), grid(10, 5_000)]);
    let found = times(
        &Trigger::Or(vec![never, every(40)]),
        ANCHOR,
        "2026-01-01T00:01:00Z",
    );
    assert_eq!(found, ["01 00:00:40"]);
}
