//! When jobs run: the triggers a program asks for, and the pure arithmetic of their times.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::clock::{Due, Now, micros, unix_us};

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl fmt::Display for Trigger {
    /// As APScheduler prints them: `interval[0:00:10]`, `date[2026-01-31 12:00:00 UTC]`, `cron[0 4 * * *]`.
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
        }
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

/// Shortest interval: a grid finer than this is a busy loop, not a timer.
const MIN_INTERVAL_MS: u64 = 1;

/// Most runs of the past that a job without `coalesce` catches up on; older ones are dropped. It bounds what a week of
/// standby makes of a job that runs every second.
pub(crate) const MAX_CATCH_UP: usize = 1_000;

/// What is wrong with a trigger.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
pub(crate) struct BadTrigger {
    pub(crate) field: &'static str,
    pub(crate) reason: String,
}

/// A checked trigger, which knows its times.
#[derive(Debug)]
pub(crate) enum Schedule {
    Now,
    Date { wall_us: u64 },
    After { wait_us: u64 },
    Interval { every_us: u64, start_after_us: u64 },
    Cron(Box<Calendar>),
}

impl Schedule {
    pub(crate) fn check(trigger: &Trigger) -> Result<Self, BadTrigger> {
        Ok(match trigger {
            Trigger::Now => Self::Now,
            Trigger::Date(at) => Self::Date {
                wall_us: unix_us(*at),
            },
            Trigger::After(wait) => Self::After {
                wait_us: micros(*wait),
            },
            Trigger::Interval { every, start_after } => {
                if *every < Duration::from_millis(MIN_INTERVAL_MS) {
                    let reason = format!("shorter than {MIN_INTERVAL_MS} ms");
                    return Err(BadTrigger {
                        field: "every",
                        reason,
                    });
                }
                Self::Interval {
                    every_us: micros(*every),
                    start_after_us: micros(start_after.unwrap_or(*every)),
                }
            }
            Trigger::Cron {
                expression,
                time_zone,
            } => Self::Cron(Box::new(Calendar::parse(expression, time_zone.as_deref())?)),
        })
    }

    /// Whether it fires again after it has fired.
    pub(crate) fn repeats(&self) -> bool {
        matches!(self, Self::Interval { .. } | Self::Cron(_))
    }

    /// The first time it fires, for a job that begins now; `None` if a calendar holds no such time.
    pub(crate) fn first(&self, now: Now) -> Option<Due> {
        match self {
            Self::Now => Some(Due::Mono(now.mono_us)),
            Self::Date { wall_us } => Some(Due::Wall(*wall_us)),
            Self::After { wait_us } => Some(Due::Mono(now.mono_us.saturating_add(*wait_us))),
            Self::Interval { start_after_us, .. } => {
                Some(Due::Mono(now.mono_us.saturating_add(*start_after_us)))
            }
            Self::Cron(calendar) => calendar.next_after(now.wall_us).map(Due::Wall),
        }
    }

    pub(crate) fn due_of(&self, stored_us: u64, now: Now) -> Due {
        let _ = now;
        Due::Wall(stored_us)
    }

    /// The times that have come, from `due` on, and the first that has not. With `coalesce` only the latest, else at
    /// most [`MAX_CATCH_UP`] of the latest. `due` itself must have come.
    pub(crate) fn elapsed(&self, due: Due, now: Now, coalesce: bool) -> (Vec<Due>, Option<Due>) {
        match (self, due) {
            (Self::Interval { every_us, .. }, Due::Mono(at)) => {
                let passed = now.mono_us.saturating_sub(at) / every_us;
                let most = if coalesce { 0 } else { MAX_CATCH_UP as u64 - 1 };
                let times = (passed.saturating_sub(most)..=passed)
                    .map(|n| Due::Mono(at + n * every_us))
                    .collect();
                (
                    times,
                    Some(Due::Mono(
                        at.saturating_add((passed + 1).saturating_mul(*every_us)),
                    )),
                )
            }
            (Self::Cron(calendar), Due::Wall(at)) => {
                let (times, next) = if coalesce {
                    (
                        vec![
                            calendar
                                .latest_until(now.wall_us)
                                .map_or(at, |latest| latest.max(at)),
                        ],
                        calendar.next_after(now.wall_us),
                    )
                } else {
                    calendar.elapsed(at, now.wall_us)
                };
                (
                    times.into_iter().map(Due::Wall).collect(),
                    next.map(Due::Wall),
                )
            }
            _ => (vec![due], None),
        }
    }
}
