//! What a trigger looks like, to people and in a store.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

/// What stores hold: a change of one of these is a change of the format.
fn written() -> Vec<(Trigger, &'static str)> {
    vec![
        (Trigger::Now, r#"{"type":"now"}"#),
        (
            date("2026-01-31T12:00:00.000001Z"),
            r#"{"type":"date","at_us":1769860800000001}"#,
        ),
        (
            Trigger::After(Duration::from_micros(1)),
            r#"{"type":"after","wait_us":1}"#,
        ),
        (
            every(10),
            r#"{"type":"interval","every_us":10000000,"start_after_us":null}"#,
        ),
        (
            grid(10, 0),
            r#"{"type":"interval","every_us":10000000,"start_after_us":0}"#,
        ),
        (
            Trigger::cron("0 4 * * *"),
            r#"{"type":"cron","expression":"0 4 * * *","time_zone":null}"#,
        ),
        (
            cron("0 4 * * *", "Europe/Berlin"),
            r#"{"type":"cron","expression":"0 4 * * *","time_zone":"Europe/Berlin"}"#,
        ),
        (
            Trigger::And(vec![Trigger::Now, Trigger::Or(vec![every(1)])]),
            concat!(
                r#"{"type":"and","of":[{"type":"now"},{"type":"or","of":["#,
                r#"{"type":"interval","every_us":1000000,"start_after_us":null}]}]}"#
            ),
        ),
    ]
}

#[test]
fn every_kind_is_written_and_read_as_it_always_was() {
    for (trigger, json) in written() {
        assert_eq!(serde_json::to_string(&trigger).unwrap(), json);
        assert_eq!(serde_json::from_str::<Trigger>(json).unwrap(), trigger);
    }
}

#[test]
fn optional_fields_may_be_left_out() {
    let read = |json| serde_json::from_str::<Trigger>(json).unwrap();
    assert_eq!(read(r#"{"every_us":1000000,"type":"interval"}"#), every(1));
    assert_eq!(
        read(r#"{"type":"cron","expression":"0 4 * * *"}"#),
        Trigger::cron("0 4 * * *")
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_the_name_of_its_field() {
    for (json, error) in [
        (r#"{}"#, "type: is missing"),
        (
            r#"{"type":"yearly"}"#,
            r#"type: "yearly" is none of now, date, after, interval, cron, and, or"#,
        ),
        (
            r#"{"type":"now","jitter":1}"#,
            "jitter: no such field of now",
        ),
        (r#"{"type":"interval"}"#, "every_us: is missing"),
        (
            r#"{"type":"interval","every_us":"1s"}"#,
            r#"every_us: invalid type: string "1s", expected u64"#,
        ),
        (
            r#"{"type":"date","at_us":-1}"#,
            "at_us: invalid value: integer `-1`, expected u64",
        ),
        (
            r#"{"type":"cron","expression":"0 4 * * *","time_zone":1}"#,
            "time_zone: invalid type: integer `1`, expected a string",
        ),
        (
            r#"{"type":"and","of":[{"type":"now"},{"type":"or","of":[{"type":"after"}]}]}"#,
            "of[1].of[0].wait_us: is missing",
        ),
        (
            r#"{"type":"or","of":{}}"#,
            "of: invalid type: map, expected a sequence",
        ),
    ] {
        let refused = serde_json::from_str::<Trigger>(json).unwrap_err();
        assert_eq!(refused.to_string(), error, "{json}");
    }
}

#[test]
fn triggers_are_printed_as_apscheduler_prints_them() {
    let nightly = cron("0 4 * * *", "Europe/Berlin");
    for (trigger, text) in [
        (Trigger::Now, "now"),
        (
            date("2026-01-31T12:00:00Z"),
            "date[2026-01-31 12:00:00 UTC]",
        ),
        (every(93_784), "interval[1 day, 2:03:04]"),
        (
            Trigger::And(vec![every(10), nightly]),
            "and[interval[0:00:10], cron[0 4 * * *, Europe/Berlin]]",
        ),
        (
            Trigger::Or(vec![Trigger::Now, Trigger::And(vec![every(1)])]),
            "or[now, and[interval[0:00:01]]]",
        ),
        (Trigger::Or(Vec::new()), "or[]"),
    ] {
        assert_eq!(trigger.to_string(), text);
    }
}

fn any_trigger() -> impl Strategy<Value = Trigger> {
    let wait = || any::<u64>().prop_map(Duration::from_micros);
    let leaf = prop_oneof![
        Just(Trigger::Now),
        wait().prop_map(|since_epoch| Trigger::Date(UNIX_EPOCH + since_epoch)),
        wait().prop_map(Trigger::After),
        (wait(), proptest::option::of(wait()))
            .prop_map(|(every, start_after)| Trigger::Interval { every, start_after }),
        (".*", proptest::option::of(".*")).prop_map(|(expression, time_zone)| Trigger::Cron {
            expression,
            time_zone
        }),
    ];
    leaf.prop_recursive(4, 20, 4, |part| {
        let parts = proptest::collection::vec(part, 0..4);
        prop_oneof![
            parts.clone().prop_map(Trigger::And),
            parts.prop_map(Trigger::Or)
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read_again_to_the_microsecond(trigger in any_trigger()) {
        let json = serde_json::to_string(&trigger).unwrap();
        prop_assert_eq!(serde_json::from_str::<Trigger>(&json).unwrap(), trigger);
    }
}
