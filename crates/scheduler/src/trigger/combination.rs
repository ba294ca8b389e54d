//! Triggers combined by and/or, checked.

use crate::calendar::Calendar;
use crate::clock::{micros, unix_us};
use crate::trigger::schedule::{BadTrigger, check_every_us};
use crate::trigger::times::{Search, Times};
use crate::trigger::{Trigger, latest};

/// Most triggers within one, combinations among them: whoever looks for a time asks each of them.
const MAX_PARTS: usize = 32;

/// Most levels of combinations: bounds the depth of the recursion.
const MAX_DEPTH: usize = 8;

/// A checked combination. It lives on the wall clock, and is pure: its times follow from its trigger and its anchor.
#[derive(Debug)]
pub(crate) struct Combination {
    times: Times,
    /// How many of its parts keep a note in a [`Search`].
    notes: usize,
    first_us: u64,
    repeats: bool,
}

impl Combination {
    /// Checks an and/or trigger that counts from `anchor_us`, and finds its first time.
    pub(super) fn check(trigger: &Trigger, anchor_us: u64) -> Result<Self, BadTrigger> {
        let mut reading = Reading {
            anchor_us,
            parts: 0,
            notes: 0,
        };
        let times = reading.read(trigger, 0)?;
        let notes = reading.notes;
        let Some(first_us) = times.first_from(0, &mut Search::new(notes)) else {
            return Err(bad(trigger, "no such time will come"));
        };
        let second = times.first_from(first_us.saturating_add(1), &mut Search::new(notes));
        Ok(Self {
            times,
            notes,
            first_us,
            repeats: second.is_some(),
        })
    }

    /// The first of its times, in microseconds since the Unix epoch.
    pub(super) fn first_us(&self) -> u64 {
        self.first_us
    }

    /// Whether it has more than one time.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// The first time after `wall_us`.
    pub(super) fn next_after(&self, wall_us: u64) -> Option<u64> {
        let from = wall_us.checked_add(1)?;
        self.times.first_from(from, &mut Search::new(self.notes))
    }

    /// The times from `due` until `now_us`, the latest `most` of them, and the first after.
    pub(super) fn elapsed(&self, due: u64, now_us: u64, most: usize) -> (Vec<u64>, Option<u64>) {
        let mut search = Search::new(self.notes);
        let first_from = |from| self.times.first_from(from, &mut search);
        (
            latest(first_from, due, now_us, most),
            self.next_after(now_us.max(due)),
        )
    }
}

fn bad(combination: &Trigger, reason: impl Into<String>) -> BadTrigger {
    BadTrigger {
        field: match combination {
            Trigger::And(_) => "and",
            _ => "or",
        },
        reason: reason.into(),
    }
}

/// Reads a trigger and counts what it has read.
struct Reading {
    anchor_us: u64,
    parts: usize,
    notes: usize,
}

impl Reading {
    /// The times of a trigger that stands within `depth` combinations.
    fn read(&mut self, trigger: &Trigger, depth: usize) -> Result<Times, BadTrigger> {
        Ok(match trigger {
            Trigger::Now => Times::Once {
                at_us: self.anchor_us,
            },
            Trigger::Date(at) => Times::Once {
                at_us: unix_us(*at),
            },
            Trigger::After(wait) => Times::Once {
                at_us: self.anchor_us.saturating_add(micros(*wait)),
            },
            Trigger::Interval { every, start_after } => Times::Grid {
                every_us: check_every_us(*every)?,
                first_us: self
                    .anchor_us
                    .saturating_add(micros(start_after.unwrap_or(*every))),
            },
            Trigger::Cron {
                expression,
                time_zone,
            } => {
                let times = Times::Cron {
                    calendar: Box::new(Calendar::parse(expression, time_zone.as_deref())?),
                    after_us: self.anchor_us,
                    note: self.next_note(),
                };
                self.unless_void(times)
            }
            Trigger::And(parts) => {
                let parts = self.read_parts(trigger, parts, depth)?;
                let times = Times::And {
                    parts,
                    note: self.next_note(),
                };
                self.unless_void(times)
            }
            Trigger::Or(parts) => Times::Or(self.read_parts(trigger, parts, depth)?),
        })
    }

    fn read_parts(
        &mut self,
        combination: &Trigger,
        parts: &[Trigger],
        depth: usize,
    ) -> Result<Vec<Times>, BadTrigger> {
        if parts.is_empty() {
            return Err(bad(combination, "is of no triggers"));
        }
        if depth == MAX_DEPTH {
            let reason = format!("stands within {MAX_DEPTH} combinations, which is the most");
            return Err(bad(combination, reason));
        }
        self.parts += parts.len();
        if self.parts > MAX_PARTS {
            let reason = format!("more than {MAX_PARTS} triggers in all");
            return Err(bad(combination, reason));
        }
        parts
            .iter()
            .map(|part| self.read(part, depth + 1))
            .collect()
    }

    fn next_note(&mut self) -> usize {
        self.notes += 1;
        self.notes - 1
    }

    /// What has no time at all is found out once and not in every search: it can take 50 ms to see that no 30th of
    /// February comes until the year 5000.
    fn unless_void(&self, times: Times) -> Times {
        match times.first_from(0, &mut Search::new(self.notes)) {
            Some(_) => times,
            None => Times::Void,
        }
    }
}
