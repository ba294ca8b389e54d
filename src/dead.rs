//! A job of the dead list, as the API tells it and the commands show it.

use jbc_scheduler::{DeadJob, JobId};
use serde::{Deserialize, Serialize};

/// A job that failed as often as it may. What it was to do stays inside: that is the job store's format, not the API's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadInfo {
    /// Its id.
    pub id: JobId,
    /// Its kind.
    pub name: String,
    /// How often it failed.
    pub failures: u32,
    /// What its body said the last time.
    pub error: String,
    /// When it failed for the last time, in Unix milliseconds.
    pub died_at: u64,
    /// Whether it is in the list after a restart, too.
    pub durable: bool,
}

impl From<&DeadJob> for DeadInfo {
    fn from(dead: &DeadJob) -> Self {
        Self {
            id: dead.id.clone(),
            name: dead.name.to_string(),
            failures: dead.failures,
            error: dead.error.clone(),
            died_at: dead.died_at,
            durable: dead.job.is_some(),
        }
    }
}
