//! Jobs as text.

use std::fmt::Write as _;

use crate::info::{JobInfo, JobState};
use crate::trigger::utc;

/// A list of jobs in the layout of APScheduler's `print_jobs`, with the ids before:
///
/// ```text
/// Jobstore default:
///     audit: audit (trigger: cron[0 0 4 * * *], next run at: 2026-01-31 04:00:00 UTC)
///     mining: mine (trigger: now, running)
/// ```
#[must_use]
pub fn format_jobs(jobs: &[JobInfo]) -> String {
    let mut text = String::from("Jobstore default:\n");
    if jobs.is_empty() {
        text.push_str("    No scheduled jobs\n");
    }
    for job in jobs {
        let status = match (job.state, job.next_run_time) {
            (JobState::Scheduled, Some(unix_ms)) => {
                format!("next run at: {}", utc(unix_ms.saturating_mul(1_000)))
            }
            (state, _) => state.to_string(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "    {}: {} (trigger: {}, {status})",
            job.id, job.name, job.trigger
        );
    }
    text
}
