//! What can be seen of the queue.

use crate::clock::Now;
use crate::error::JobLookupError;
use crate::ids::JobId;
use crate::info::{JobInfo, JobState, RunInfo, RunRecord};
use crate::job::Lane;
use crate::queue::Queue;
use crate::queue::job::Job;

impl<T> Queue<T> {
    /// All jobs, by id.
    pub(crate) fn infos(&self, now: Now) -> Vec<JobInfo> {
        let mut infos: Vec<JobInfo> = self
            .jobs
            .iter()
            .map(|(id, job)| self.describe(id, job, now))
            .collect();
        infos.sort_by(|a, b| a.id.cmp(&b.id));
        infos
    }

    pub(crate) fn info(&self, id: &JobId, now: Now) -> Option<JobInfo> {
        Some(self.describe(id, self.jobs.get(id)?, now))
    }

    pub(super) fn look_up(&self, id: &JobId, now: Now) -> Result<JobInfo, JobLookupError> {
        self.info(id, now)
            .ok_or_else(|| JobLookupError { id: id.clone() })
    }

    /// How many jobs wait in this lane for a worker.
    pub(crate) fn pending(&self, lane: Lane) -> usize {
        self.agenda.len(lane)
    }

    /// The runs that have ended, newest last.
    pub(crate) fn history(&self) -> Vec<RunRecord> {
        self.history.list()
    }

    /// How many runs go on, also of jobs that are gone.
    pub(crate) fn running(&self) -> usize {
        self.runs.len()
    }

    /// Whether an io run goes on.
    pub(crate) fn runs_io(&self) -> bool {
        self.io_running > 0
    }

    /// The jobs whose runs go on, also those that are gone, one entry for each run.
    pub(crate) fn running_ids(&self) -> Vec<JobId> {
        self.runs.values().map(|run| run.job_id.clone()).collect()
    }

    /// Whether nothing starts until it is resumed.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn describe(&self, id: &JobId, job: &Job<T>, now: Now) -> JobInfo {
        let runs = if job.running == 0 {
            Vec::new()
        } else {
            self.runs_of(id, job.number)
        };
        let next = job
            .due
            .front()
            .copied()
            .or(job.next)
            .filter(|_| !job.paused || job.forced);
        JobInfo {
            id: id.clone(),
            name: job.name.clone(),
            lane: job.lane,
            priority: job.priority,
            trigger: job.trigger.to_string(),
            state: if job.paused {
                JobState::Paused
            } else if job.running > 0 {
                JobState::Running
            } else if job.due.is_empty() {
                JobState::Scheduled
            } else {
                JobState::Pending
            },
            next_run_time: next.map(|due| due.wall_us(now) / 1_000),
            paused: job.paused,
            runs,
            max_instances: job.max_instances,
            coalesce: job.coalesce,
            misfire_grace_time_ms: job.grace_us.map(|grace_us| grace_us / 1_000),
        }
    }

    fn runs_of(&self, id: &JobId, job_number: u64) -> Vec<RunInfo> {
        self.runs
            .values()
            .filter(|run| run.job_number == job_number && run.job_id == *id)
            .map(|run| RunInfo {
                run_id: run.context.run_id(),
                started_at: run.started_us / 1_000,
                progress: run.context.progress(),
            })
            .collect()
    }
}
