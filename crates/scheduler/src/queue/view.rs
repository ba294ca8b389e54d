//! What can be seen of the queue.

use std::time::Duration;

use crate::clock::{Now, micros};
use crate::error::JobLookupError;
use crate::executor::Executor;
use crate::ids::JobId;
use crate::info::{JobInfo, JobState, RunInfo, RunRecord};
use crate::job::Lane;
use crate::queue::Queue;
use crate::queue::job::Job;
use crate::queue::jobs::Seated;

impl<E: Executor> Queue<E> {
    /// All jobs, by id.
    pub(crate) fn infos(&self, now: Now) -> Vec<JobInfo> {
        let mut infos: Vec<JobInfo> = self
            .seated()
            .filter_map(|(_, job)| self.look_at(job, now))
            .collect();
        infos.sort_by(|a, b| a.id.cmp(&b.id));
        infos
    }

    pub(crate) fn info(&self, id: &JobId, now: Now) -> Option<JobInfo> {
        self.look_at(self.jobs.seated(self.find(id)?)?, now)
    }

    fn look_at(&self, job: &Seated<E>, now: Now) -> Option<JobInfo> {
        match job {
            Seated::Whole(job) => Some(self.describe(job, now)),
            Seated::Plain(job) => Some(self.describe(&job.to_whole(), now)),
            Seated::Dealt => None,
        }
    }

    pub(super) fn look_up(&self, id: &JobId, now: Now) -> Result<JobInfo, JobLookupError> {
        self.info(id, now)
            .ok_or_else(|| JobLookupError { id: id.clone() })
    }

    /// How many runs could start in this lane if there were workers enough.
    pub(crate) fn startable(&self, lane: Lane) -> usize {
        if self.paused || self.closed {
            0
        } else {
            self.agenda.len(lane)
        }
    }

    /// How many jobs wait in this lane for a worker.
    pub(crate) fn pending(&self, lane: Lane) -> usize {
        self.agenda.len(lane)
    }

    /// The runs that have ended, newest last.
    pub(crate) fn history(&mut self, now: Now) -> Vec<RunRecord> {
        self.history.list(now.wall_us / 1_000)
    }

    /// Lets go of what no longer fits into the history.
    pub(crate) fn prune_history(&mut self, now: Now) {
        self.history.prune(now.wall_us / 1_000);
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
        self.runs
            .iter()
            .map(|(_, run)| run.context.job_id().clone())
            .collect()
    }

    /// Whether nothing starts until it is resumed.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether nobody is to watch for times any more: it is closed, and no run goes on that was not asked to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.closed && (self.stopping || self.runs.is_empty())
    }

    pub(super) fn describe(&self, job: &Job<E>, now: Now) -> JobInfo {
        let spec = &job.spec;
        let runs = match job.running {
            0 => Vec::new(),
            _ => self.runs_of(job),
        };
        let millis = |span: Duration| micros(span) / 1_000;
        JobInfo {
            id: spec.id.clone(),
            name: spec.name.clone(),
            lane: spec.lane,
            priority: spec.priority,
            trigger: spec.trigger.to_string(),
            state: if job.paused {
                JobState::Paused
            } else if job.running > 0 {
                JobState::Running
            } else if job.due.is_empty() || job.retry_at.is_some() {
                JobState::Scheduled
            } else {
                JobState::Pending
            },
            next_run_time: job.next_run(now).map(|due| due.wall_us(now) / 1_000),
            paused: job.paused,
            runs,
            max_instances: spec.max_instances,
            coalesce: spec.coalesce,
            misfire_grace_time_ms: spec.misfire_grace_time.map(millis),
            timeout_ms: spec.timeout.map(millis),
            failures: job.failures,
            tags: spec.tags.clone(),
            durable: job.stored.is_some(),
        }
    }

    fn runs_of(&self, job: &Job<E>) -> Vec<RunInfo> {
        let runs = self.runs.iter().map(|(_, run)| run);
        let mut runs: Vec<RunInfo> = runs
            .filter(|run| run.job_number == job.number)
            .map(|run| RunInfo {
                run_id: run.context.run_id(),
                started_at: run.started.wall_us / 1_000,
                progress: run.context.progress(),
                attempt: run.record.attempt,
            })
            .collect();
        // Run ids are in the order of the starts.
        runs.sort_by_key(|run| run.run_id);
        runs
    }
}
