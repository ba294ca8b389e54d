//! The times of a cron expression, by croner. Pure: the clock is an argument.

use chrono::{DateTime, FixedOffset, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds};
use croner::{Cron, JobType};

use crate::trigger::{BadTrigger, latest};

/// A cron expression in a time zone.
#[derive(Debug)]
pub(crate) struct Calendar {
    cron: Cron,
    zone: Tz,
    expression: String,
}

impl Calendar {
    pub(crate) fn parse(expression: &str, time_zone: Option<&str>) -> Result<Self, BadTrigger> {
        let zone = match time_zone {
            None => Tz::UTC,
            Some(name) => name.parse().map_err(|_| BadTrigger {
                field: "time_zone",
                reason: format!("{name:?} is not a name of the IANA time zone database"),
            })?,
        };
        let bad = |reason: String| BadTrigger {
            field: "expression",
            reason,
        };
        // Seconds are required by tokio-cron-scheduler; crontab's five fields mean second 0.
        let expression = match expression.split_whitespace().count() {
            5 => format!("0 {}", expression.trim()),
            _ => expression.trim().to_owned(),
        };
        // The same options as tokio-cron-scheduler's own parser, so that the preview is what will fire.
        let cron = CronParser::builder()
            .seconds(Seconds::Required)
            .dom_and_dow(true)
            .build()
            .parse(&expression)
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            cron,
            zone,
            expression,
        })
    }

    /// The expression for tokio-cron-scheduler, with seconds; `None` in another zone than UTC, since it keeps the
    /// zone's offset of the day the job was added and would be an hour off after the next change of clocks.
    pub(crate) fn plain(&self) -> Option<&str> {
        (self.zone == Tz::UTC).then_some(self.expression.as_str())
    }

    /// The first time after `wall_us`.
    ///
    /// When summer begins or ends, a job of one time a day runs once that day (at the first second after a gap that
    /// swallowed its time, at the first of two equal times), and a job of many times runs at each that a clock shows.
    pub(crate) fn next_after(&self, wall_us: u64) -> Option<u64> {
        let after = self.whole_second(wall_us)?;
        let next = if self.zone == Tz::UTC {
            self.cron.find_next_occurrence(&after, false).ok()?.to_utc()
        } else if self.cron.determine_job_type() == JobType::FixedTime {
            self.next_of_one_a_day(after)?
        } else {
            self.next_of_many(after)?
        };
        u64::try_from(next.timestamp_micros()).ok()
    }

    /// croner searches in local time and answers with the first of two equal times, also to one who asks in the second
    /// of these hours: what is not after the question has been.
    fn next_of_one_a_day(&self, after: DateTime<Tz>) -> Option<DateTime<Utc>> {
        let mut from = after;
        loop {
            let next = self.cron.find_next_occurrence(&from, false).ok()?;
            if next > after {
                return Some(next.to_utc());
            }
            from = self
                .zone
                .from_local_datetime(&next.naive_local())
                .latest()?;
        }
    }

    /// Searches under the offset that holds, and again under the next where a change of clocks comes first.
    fn next_of_many(&self, after: DateTime<Tz>) -> Option<DateTime<Utc>> {
        let mut from = after.to_utc();
        let mut inclusive = false;
        loop {
            let offset = self.offset(from);
            let next = self
                .cron
                .find_next_occurrence(&from.with_timezone(&offset), inclusive)
                .ok()?
                .to_utc();
            if self.offset(next) == offset {
                return Some(next);
            }
            (from, inclusive) = (self.change_between(from, next), true);
        }
    }

    /// The first second under another offset than that of `early`; `late` is one.
    fn change_between(&self, early: DateTime<Utc>, late: DateTime<Utc>) -> DateTime<Utc> {
        let (mut before, mut after) = (early, late);
        while after - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if self.offset(middle) == self.offset(early) {
                before = middle;
            } else {
                after = middle;
            }
        }
        after
    }

    fn offset(&self, at: DateTime<Utc>) -> FixedOffset {
        self.zone.offset_from_utc_datetime(&at.naive_utc()).fix()
    }

    /// The times from `due` until `now_us`, the latest `most` of them, and the first after.
    pub(crate) fn elapsed(&self, due: u64, now_us: u64, most: usize) -> (Vec<u64>, Option<u64>) {
        let first_from = |from: u64| self.next_after(from.saturating_sub(1));
        (
            latest(first_from, due, now_us, most),
            self.next_after(now_us.max(due)),
        )
    }

    fn whole_second(&self, wall_us: u64) -> Option<DateTime<Tz>> {
        let seconds = i64::try_from(wall_us / 1_000_000).ok()?;
        Some(DateTime::<Utc>::from_timestamp(seconds, 0)?.with_timezone(&self.zone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::MAX_CATCH_UP;

    fn us(text: &str) -> u64 {
        u64::try_from(text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()).unwrap()
    }

    /// All times in (`from`, `until`].
    fn times(expression: &str, zone: Option<&str>, from: &str, until: &str) -> Vec<String> {
        let calendar = Calendar::parse(expression, zone).unwrap();
        let (mut at, until) = (us(from), us(until));
        let mut found = Vec::new();
        while let Some(next) = calendar.next_after(at).filter(|next| *next <= until) {
            assert!(next > at, "time must go on");
            found.push(crate::trigger::utc(next));
            at = next;
        }
        found
    }

    #[test]
    fn five_fields_mean_second_zero_and_six_begin_with_the_seconds() {
        let day = ["2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z"];
        assert_eq!(
            times("30 * * * *", None, day[0], day[1]),
            ["2026-01-01 00:30:00 UTC", "2026-01-01 01:30:00 UTC"]
        );
        assert_eq!(
            times("5 30 0 * * *", None, day[0], day[1]),
            ["2026-01-01 00:30:05 UTC"]
        );
    }

    #[test]
    fn a_time_between_two_seconds_has_passed_the_first() {
        let calendar = Calendar::parse("* * * * * *", None).unwrap();
        let noon = us("2026-01-01T12:00:00Z");
        assert_eq!(calendar.next_after(noon + 1), Some(noon + 1_000_000));
        assert_eq!(calendar.next_after(noon), Some(noon + 1_000_000));
        for now in [noon + 999_999, noon] {
            let (times, next) = calendar.elapsed(noon - 60_000_000, now, 1);
            assert_eq!((times, next), (vec![noon], Some(noon + 1_000_000)));
        }
    }

    #[test]
    fn a_daily_job_runs_once_on_the_days_when_the_clocks_change() {
        let found = times(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-03-27T12:00:00Z",
            "2026-03-30T12:00:00Z",
        );
        assert_eq!(
            found,
            [
                "2026-03-28 01:30:00 UTC",
                "2026-03-29 01:00:00 UTC",
                "2026-03-30 00:30:00 UTC"
            ]
        );
        let found = times(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-10-24T12:00:00Z",
            "2026-10-26T12:00:00Z",
        );
        assert_eq!(
            found,
            ["2026-10-25 00:30:00 UTC", "2026-10-26 01:30:00 UTC"]
        );
        // Asked in the hour that comes twice, the second time: today's has been.
        let found = times(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-10-25T01:10:00Z",
            "2026-10-26T12:00:00Z",
        );
        assert_eq!(found, ["2026-10-26 01:30:00 UTC"]);
    }

    #[test]
    fn a_job_every_twenty_minutes_runs_every_twenty_minutes_also_when_the_clocks_change() {
        for day in ["2026-03-29", "2026-10-25"] {
            let (from, until) = (format!("{day}T00:00:00Z"), format!("{day}T04:00:00Z"));
            let berlin = times("*/20 * * * *", Some("Europe/Berlin"), &from, &until);
            assert_eq!(berlin, times("*/20 * * * *", None, &from, &until));
        }
    }

    #[test]
    fn what_was_missed_is_listed_up_to_a_limit_and_goes_on_from_now() {
        let calendar = Calendar::parse("* * * * * *", None).unwrap();
        let due = us("2026-01-01T00:00:00Z");
        let (times, next) = calendar.elapsed(due, due + 2_500_000, MAX_CATCH_UP);
        assert_eq!(times, [due, due + 1_000_000, due + 2_000_000]);
        assert_eq!(next, Some(due + 3_000_000));
        let week_us = 7 * 86_400 * 1_000_000;
        let (times, next) = calendar.elapsed(due, due + week_us, MAX_CATCH_UP);
        assert_eq!(
            (times.len(), next),
            (MAX_CATCH_UP, Some(due + week_us + 1_000_000))
        );
        assert_eq!(times.last(), Some(&(due + week_us)), "the latest of them");
    }

    #[test]
    fn a_day_that_never_comes_has_no_time() {
        assert_eq!(
            Calendar::parse("0 0 30 2 *", None)
                .unwrap()
                .next_after(us("2026-01-01T00:00:00Z")),
            None
        );
    }
}
