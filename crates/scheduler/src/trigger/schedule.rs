//! A checked trigger, which knows its times.

use std::time::Duration;

use crate::calendar::Calendar;
use crate::clock::{Due, Now, micros, unix_us};
use crate::trigger::Trigger;
use crate::trigger::combination::Combination;

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
    Combined(Box<Combination>),
}

impl Schedule {
    /// Checks a trigger. Combinations count from `anchor_us`, the wall clock's time of adding the job in microseconds
    /// since the Unix epoch; a job that comes back from a store has to be given the same again. The check of a
    /// combination searches for its first time, which can take a while: not to be called under a lock.
    pub(crate) fn check(trigger: &Trigger, anchor_us: u64) -> Result<Self, BadTrigger> {
        Ok(match trigger {
            Trigger::Now => Self::Now,
            Trigger::Date(at) => Self::Date {
                wall_us: unix_us(*at),
            },
            Trigger::After(wait) => Self::After {
                wait_us: micros(*wait),
            },
            Trigger::Interval { every, start_after } => Self::Interval {
                every_us: check_every_us(*every)?,
                start_after_us: micros(start_after.unwrap_or(*every)),
            },
            Trigger::Cron {
                expression,
                time_zone,
            } => Self::Cron(Box::new(Calendar::parse(expression, time_zone.as_deref())?)),
            Trigger::And(_) | Trigger::Or(_) => {
                Self::Combined(Box::new(Combination::check(trigger, anchor_us)?))
            }
        })
    }

    /// Whether it may fire again after it has fired.
    pub(crate) fn repeats(&self) -> bool {
        match self {
            Self::Now | Self::Date { .. } | Self::After { .. } => false,
            Self::Interval { .. } | Self::Cron(_) => true,
            Self::Combined(combination) => combination.repeats(),
        }
    }

    /// The first time it fires, for a job that begins now; `None` if a calendar holds no such time. A combination
    /// begins at its anchor instead.
    pub(crate) fn first(&self, now: Now) -> Option<Due> {
        match self {
            Self::Now => Some(Due::Mono(now.mono_us)),
            Self::Date { wall_us } => Some(Due::Wall(*wall_us)),
            Self::After { wait_us } => Some(Due::Mono(now.mono_us.saturating_add(*wait_us))),
            Self::Interval { start_after_us, .. } => {
                Some(Due::Mono(now.mono_us.saturating_add(*start_after_us)))
            }
            Self::Cron(calendar) => calendar.next_after(now.wall_us).map(Due::Wall),
            Self::Combined(combination) => Some(Due::Wall(combination.first_us())),
        }
    }

    /// A time of this trigger that was stored by the wall clock, in microseconds since the Unix epoch, on the clock that
    /// the trigger lives on.
    pub(crate) fn due_of(&self, stored_wall_us: u64, now: Now) -> Due {
        match self {
            Self::Now | Self::After { .. } | Self::Interval { .. } => {
                Due::mono_of_wall(stored_wall_us, now)
            }
            Self::Date { .. } | Self::Cron(_) | Self::Combined(_) => Due::Wall(stored_wall_us),
        }
    }

    /// The times that have come, from `due` on, and the first that has not. With `coalesce` only the latest, else at
    /// most [`MAX_CATCH_UP`] of the latest. `due` itself must have come.
    pub(crate) fn elapsed(&self, due: Due, now: Now, coalesce: bool) -> (Vec<Due>, Option<Due>) {
        let most = if coalesce { 1 } else { MAX_CATCH_UP };
        let (times, next) = match (self, due) {
            (Self::Interval { every_us, .. }, Due::Mono(at)) => {
                return elapsed_on_grid(at, *every_us, now.mono_us, most);
            }
            (Self::Cron(calendar), Due::Wall(at)) => calendar.elapsed(at, now.wall_us, most),
            (Self::Combined(combination), Due::Wall(at)) => {
                combination.elapsed(at, now.wall_us, most)
            }
            _ => return (vec![due], None),
        };
        let times = times.into_iter().map(Due::Wall).collect();
        (times, next.map(Due::Wall))
    }
}

/// The length of an interval in microseconds.
pub(super) fn check_every_us(every: Duration) -> Result<u64, BadTrigger> {
    if every < Duration::from_millis(MIN_INTERVAL_MS) {
        let reason = format!("shorter than {MIN_INTERVAL_MS} ms");
        return Err(BadTrigger {
            field: "every",
            reason,
        });
    }
    Ok(micros(every))
}

/// As [`Schedule::elapsed`], on the grid through `at`.
fn elapsed_on_grid(at: u64, every_us: u64, now_us: u64, most: usize) -> (Vec<Due>, Option<Due>) {
    let passed = now_us.saturating_sub(at) / every_us;
    let dropped = passed.saturating_sub(most as u64 - 1);
    let times = (dropped..=passed)
        .map(|n| Due::Mono(at + n * every_us))
        .collect();
    let next = at.saturating_add((passed + 1).saturating_mul(every_us));
    (times, Some(Due::Mono(next)))
}
