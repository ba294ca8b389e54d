//! A trigger as JSON, which outlives the process that wrote it: see [`Trigger`].
//!
//! Read by hand, since serde's own errors of tagged enums do not say which field they are about.

use std::time::{Duration, UNIX_EPOCH};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::clock::{micros, unix_us};
use crate::trigger::Trigger;

/// What is written: a `type`, and what belongs to it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Written<'a> {
    Now,
    Date {
        at_us: u64,
    },
    After {
        wait_us: u64,
    },
    Interval {
        every_us: u64,
        start_after_us: Option<u64>,
    },
    Cron {
        expression: &'a str,
        time_zone: Option<&'a str>,
    },
    And {
        of: &'a [Trigger],
    },
    Or {
        of: &'a [Trigger],
    },
}

impl Serialize for Trigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self {
            Self::Now => Written::Now,
            Self::Date(at) => Written::Date {
                at_us: unix_us(*at),
            },
            Self::After(wait) => Written::After {
                wait_us: micros(*wait),
            },
            Self::Interval { every, start_after } => Written::Interval {
                every_us: micros(*every),
                start_after_us: start_after.map(micros),
            },
            Self::Cron {
                expression,
                time_zone,
            } => Written::Cron {
                expression,
                time_zone: time_zone.as_deref(),
            },
            Self::And(of) => Written::And { of },
            Self::Or(of) => Written::Or { of },
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        read(object).map_err(D::Error::custom)
    }
}

/// A field that is not as it should be: its path, such as `of[1].every_us`, and why.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
struct BadField {
    field: String,
    reason: String,
}

impl BadField {
    fn new(field: &str, reason: impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn read(mut object: Map<String, Value>) -> Result<Trigger, BadField> {
    let kind: String = take(&mut object, "type")?;
    let trigger = match kind.as_str() {
        "now" => Trigger::Now,
        "date" => {
            let since_epoch = take_micros(&mut object, "at_us")?;
            let at = UNIX_EPOCH.checked_add(since_epoch);
            Trigger::Date(at.ok_or_else(|| BadField::new("at_us", "later than any date"))?)
        }
        "after" => Trigger::After(take_micros(&mut object, "wait_us")?),
        "interval" => Trigger::Interval {
            every: take_micros(&mut object, "every_us")?,
            start_after: take::<Option<u64>>(&mut object, "start_after_us")?
                .map(Duration::from_micros),
        },
        "cron" => Trigger::Cron {
            expression: take(&mut object, "expression")?,
            time_zone: take(&mut object, "time_zone")?,
        },
        "and" => Trigger::And(take_parts(&mut object)?),
        "or" => Trigger::Or(take_parts(&mut object)?),
        other => {
            let reason = format!("{other:?} is none of now, date, after, interval, cron, and, or");
            return Err(BadField::new("type", reason));
        }
    };
    match object.keys().next() {
        Some(unknown) => {
            let reason = format!("no such field of {kind}");
            Err(BadField::new(unknown, reason))
        }
        None => Ok(trigger),
    }
}

/// Takes a field out of an object. One that is not there is as `null`, which only an optional one may be.
fn take<T: DeserializeOwned>(object: &mut Map<String, Value>, field: &str) -> Result<T, BadField> {
    let value = object.remove(field);
    let missing = value.is_none();
    T::deserialize(value.unwrap_or(Value::Null)).map_err(|error| {
        if missing {
            BadField::new(field, "is missing")
        } else {
            BadField::new(field, error)
        }
    })
}

fn take_micros(object: &mut Map<String, Value>, field: &str) -> Result<Duration, BadField> {
    take(object, field).map(Duration::from_micros)
}

fn take_parts(object: &mut Map<String, Value>) -> Result<Vec<Trigger>, BadField> {
    let parts: Vec<Map<String, Value>> = take(object, "of")?;
    let read_part = |(nth, part)| {
        read(part).map_err(|bad| BadField {
            field: format!("of[{nth}].{}", bad.field),
            reason: bad.reason,
        })
    };
    parts.into_iter().enumerate().map(read_part).collect()
}
