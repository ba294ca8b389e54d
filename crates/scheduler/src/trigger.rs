//! When jobs run: the triggers a program asks for, and the pure arithmetic of their times.
//!
//! `schedule` is a checked trigger that knows its times, `combination` and `times` those of and/or, `catch_up` those
//! that have passed, `json` how a trigger is written.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock::{micros, system_time, unix_us};

mod catch_up;
mod combination;
mod json;
mod schedule;
mod times;

pub(crate) use catch_up::latest;
pub(crate) use schedule::{BadTrigger, MAX_CATCH_UP, Schedule};

/// When a job runs.
///
/// A scheduler keeps it in whole microseconds. As JSON it is an object of a `type` and what belongs to it. Times are whole microseconds, those of the wall clock
/// since the Unix epoch. Every version reads what an earlier one wrote; keys it does not know are refused.
///
/// ```json
/// {"type":"now"}
/// {"type":"date","at_us":1769860800000000}
/// {"type":"after","wait_us":5000000}
/// {"type":"interval","every_us":10000000,"start_after_us":null}
/// {"type":"cron","expression":"0 4 * * *","time_zone":"Europe/Berlin"}
/// {"type":"and","of":[{"type":"interval","every_us":10000000,"start_after_us":0},{"type":"cron","expression":"* 4 * * *","time_zone":null}]}
/// {"type":"or","of":[{"type":"now"},{"type":"date","at_us":1769860800000000}]}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Once, as soon as a worker is free.
    Now,
    /// Once, at this time of the wall clock; at once if it has passed.
    Date(SystemTime),
    /// Once, so long from now by the monotonic clock: a wall clock that is set back or forth does not matter.
    After(Duration),
    /// Again and again on a fixed grid of the monotonic clock: late runs do not shift later ones, and a wall clock that
    /// is set back or forth does not matter.
    Interval {
        /// The distance between two runs, at least a millisecond.
        every: Duration,
        /// The wait before the first run; `None` waits one interval, as APScheduler does.
        start_after: Option<Duration>,
    },
    /// By the wall clock, as crontab writes it; fired by tokio-cron-scheduler, up to half a second late.
    Cron {
        /// Five fields (minute, hour, day of month, month, day of week), six with seconds before them, or seven with
        /// years after them, as the croner crate reads them. Where both days are given, both must match.
        expression: String,
        /// A name of the IANA time zone database such as `Europe/Berlin`; `None` is UTC.
        time_zone: Option<String>,
    },
    /// At the times on which all of these agree; it ends when one of them ends.
    ///
    /// Times no more than a second apart count as one (APScheduler 4's `threshold`), and the latest of them is when the job
    /// runs. Where a trigger has several times so close, the nearest to that of the first trigger counts, and each of
    /// them only once.
    ///
    /// A search that compares 10,000 times of the first trigger in vain (APScheduler 4's `max_iterations`) gives up: no
    /// such time will come. What [`Or`](Self::Or) says of the wall clock and of limits holds here too.
    And(Vec<Trigger>),
    /// At every time of any of these, at a time that several share once; it ends when all of them have ended.
    ///
    /// A combination lives on the wall clock. It counts from the time at which the job was added: then is `Now`, an
    /// `After` is that much later, and an `Interval` is a grid that begins there; `Date` and `Cron` are what they are
    /// alone. A monotonic clock would not bring the parts together again after a restart. At most 32 triggers are combined in
    /// all, combinations among them, at most 8 levels deep.
    Or(Vec<Trigger>),
}

impl Trigger {
    /// An interval trigger whose first run is one interval from now.
    #[must_use]
    pub fn every(every: Duration) -> Self {
        Self::Interval {
            every,
            start_after: None,
        }
    }

    /// A cron trigger in UTC.
    pub fn cron(expression: impl Into<String>) -> Self {
        Self::Cron {
            expression: expression.into(),
            time_zone: None,
        }
    }
}

impl Trigger {
    /// The same in whole microseconds, as it is stored: what comes back from a store must be equal to what was asked for.
    pub(crate) fn in_whole_micros(self) -> Self {
        let whole = |span: Duration| Duration::from_micros(micros(span));
        let all = |of: Vec<Self>| of.into_iter().map(Self::in_whole_micros).collect();
        match self {
            Self::Date(at) => Self::Date(system_time(unix_us(at))),
            Self::After(wait) => Self::After(whole(wait)),
            Self::Interval { every, start_after } => Self::Interval {
                every: whole(every),
                start_after: start_after.map(whole),
            },
            Self::And(of) => Self::And(all(of)),
            Self::Or(of) => Self::Or(all(of)),
            same @ (Self::Now | Self::Cron { .. }) => same,
        }
    }
}

impl fmt::Display for Trigger {
    /// As APScheduler prints them: `interval[0:00:10]`, `date[2026-01-31 12:00:00 UTC]`, `cron[0 4 * * *]`,
    /// `and[interval[0:00:10], cron[0 4 * * *]]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Date(at) => write!(f, "date[{}]", utc(unix_us(*at))),
            Self::After(wait) => write!(f, "after[{}]", Span(*wait)),
            Self::Interval { every, .. } => write!(f, "interval[{}]", Span(*every)),
            Self::Cron {
                expression,
                time_zone: None,
            } => write!(f, "cron[{expression}]"),
            Self::Cron {
                expression,
                time_zone: Some(zone),
            } => write!(f, "cron[{expression}, {zone}]"),
            Self::And(parts) => write!(f, "and[{}]", List(parts)),
            Self::Or(parts) => write!(f, "or[{}]", List(parts)),
        }
    }
}

/// Triggers with commas between them.
struct List<'a>(&'a [Trigger]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, part) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            write!(f, "{comma}{part}")?;
        }
        Ok(())
    }
}

/// A span as Python's timedelta prints it: `1 day, 2:03:04.005`.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        if days > 0 {
            write!(f, "{days} day{}, ", if days == 1 { "" } else { "s" })?;
        }
        write!(f, "{hours}:{minutes:02}:{seconds:02}")?;
        if millis > 0 {
            write!(f, ".{millis:03}")?;
        }
        Ok(())
    }
}

/// A time of the wall clock for people, to the second.
pub(crate) fn utc(wall_us: u64) -> String {
    i64::try_from(wall_us)
        .ok()
        .and_then(chrono::DateTime::from_timestamp_micros)
        .map_or_else(
            || "the far future".to_owned(),
            |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
}

#[cfg(test)]
mod tests;
