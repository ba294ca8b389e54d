//! Tests of triggers: clocks are numbers, and nothing waits.

mod combining;
mod naive;
mod passing;
mod writing;

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::*;
use crate::clock::system_time;

const SECOND_US: u64 = 1_000_000;
const HOUR_US: u64 = 3_600 * SECOND_US;
const DAY_US: u64 = 24 * HOUR_US;

/// Where combinations count from unless a test says otherwise: a Thursday's midnight.
const ANCHOR: &str = "2026-01-01T00:00:00Z";

fn us(text: &str) -> u64 {
    u64::try_from(text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()).unwrap()
}

fn date(text: &str) -> Trigger {
    Trigger::Date(system_time(us(text)))
}

fn every(seconds: u64) -> Trigger {
    Trigger::every(Duration::from_secs(seconds))
}

/// Every so many seconds, the first time so many milliseconds after the anchor.
fn grid(seconds: u64, start_after_ms: u64) -> Trigger {
    Trigger::Interval {
        every: Duration::from_secs(seconds),
        start_after: Some(Duration::from_millis(start_after_ms)),
    }
}

fn cron(expression: &str, zone: &str) -> Trigger {
    Trigger::Cron {
        expression: expression.to_owned(),
        time_zone: Some(zone.to_owned()),
    }
}
