//! The jobs that come back by themselves, and how a job store keeps them.
//!
//! Only the nightly `audit` is kept: one missed while the machine slept runs at the next start. A durable job costs a
//! sync of the disk for each run, which is nothing once a night, and dear for the rest: `poll`, `space` and `files` come
//! every few seconds, ranges and validations many times a second. The listener arms all of these anew at each start,
//! and a sync with peers brings back what a crash dropped. That an operator has paused one of them is kept all the
//! same: the scheduler notes the id.

use jbc_scheduler::{ConflictPolicy, JobError, JobSpec, StoredTask, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::AUDIT_CRON;
use crate::task::Task;

/// The name under which stores keep an audit. It and [`AuditArgs`] must go on to be read: jobs of earlier versions wait
/// under it.
const AUDIT_KIND: &str = "audit";

/// What an audit needs to know: nothing yet. An object, so that a later version can add a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditArgs {}

/// The jobs to be added at each start. One that is in the store already goes on: its times, its pause, and what it
/// missed, which is one run however many nights it was.
pub fn recurring_jobs() -> Vec<JobSpec<Task>> {
    let audit = Task::Audit
        .into_spec(Trigger::cron(AUDIT_CRON))
        .conflict(ConflictPolicy::Refresh)
        // However late: a laptop may have slept for weeks.
        .misfire_grace_time(None)
        .coalesce(true)
        .durable();
    vec![audit]
}

/// A task as data; `None` for the many that are not kept.
pub fn store(task: &Task) -> Option<StoredTask> {
    matches!(task, Task::Audit).then(|| StoredTask {
        kind: AUDIT_KIND.into(),
        args: json!({}),
    })
}

/// The task that [`store`] made this of.
///
/// # Errors
/// If no kind of this name is kept, or its arguments are not what it needs.
pub fn restore(task: &StoredTask) -> Result<Task, JobError> {
    if task.kind != AUDIT_KIND {
        return Err(format!("no kind {:?} is kept here, only {AUDIT_KIND:?}", task.kind).into());
    }
    let AuditArgs {} = AuditArgs::deserialize(&task.args)
        .map_err(|error| format!("kind {AUDIT_KIND:?}: the arguments do not fit: {error}"))?;
    Ok(Task::Audit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::PollTask;

    fn stored(json: &str) -> StoredTask {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_recurring_job_is_kept_in_a_form_that_stays_and_comes_back() {
        for spec in recurring_jobs() {
            assert!(spec.durable, "{}", spec.id);
            let kept = store(&spec.task).unwrap();
            assert_eq!(restore(&kept).unwrap().id(), spec.id.as_str());
        }
        let audit = store(&Task::Audit).unwrap();
        assert_eq!(
            serde_json::to_string(&audit).unwrap(),
            r#"{"kind":"audit","args":{}}"#
        );
    }

    #[test]
    fn what_comes_every_few_seconds_is_not_kept() {
        for task in [
            Task::Files,
            Task::Space,
            Task::Poll(PollTask { peers: Vec::new() }),
        ] {
            assert_eq!(store(&task), None, "{}", task.id());
        }
    }

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        for (json, word) in [
            (r#"{"kind":"mine","args":{}}"#, "\"mine\""),
            (r#"{"kind":"Audit","args":{}}"#, "\"Audit\""),
            (r#"{"kind":"audit","args":{"depth":5}}"#, "`depth`"),
            (r#"{"kind":"audit","args":5}"#, "do not fit"),
        ] {
            let error = restore(&stored(json)).unwrap_err().message;
            assert!(error.contains(word), "{json}: {error}");
        }
    }
}
