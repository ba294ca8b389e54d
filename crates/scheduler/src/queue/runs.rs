//! How runs come due, start and end.

use std::sync::Arc;

use crate::clock::Now;
use crate::event::EventCode;
use crate::executor::RunContext;
use crate::ids::JobId;
use crate::info::{RunOutcome, RunRecord};
use crate::job::Lane;
use crate::queue::job::{Run, Started};
use crate::queue::{Note, Queue};
use crate::trigger::MAX_CATCH_UP;

impl<T> Queue<T> {
    /// Lets every timer fire whose time has come.
    pub(crate) fn fire_due(&mut self, now: Now) {
        if self.paused {
            return;
        }
        while let Some(id) = self.agenda.pop_due(now) {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.timer = None;
            }
            self.fire(&id, now);
        }
    }

    /// tokio-cron-scheduler says that a time of this job has come. Ticks of an arm that is no longer wanted, or that
    /// come early, are nothing; a tick that got lost is made up for by the next.
    pub(crate) fn tick(&mut self, id: &JobId, arm: u64, now: Now) {
        let expected = self.jobs.get(id).is_some_and(|job| {
            job.cron == Some(arm) && job.next.is_some_and(|next| next.wait_us(now) == 0)
        });
        if expected && !self.paused {
            self.fire(id, now);
        }
    }

    /// When [`fire_due`](Self::fire_due) wants to be called next, in microseconds from now.
    pub(crate) fn wait_us(&self, now: Now) -> Option<u64> {
        if self.paused {
            None
        } else {
            self.agenda.wait_us(now)
        }
    }

    /// The job's next time has come.
    fn fire(&mut self, id: &JobId, now: Now) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let Some(due) = job.next else { return };
        let (times, next) = job.schedule.elapsed(due, now, job.coalesce);
        job.next = next;
        let repeats = job.schedule.repeats();
        let full = repeats && job.due.is_empty() && job.running >= job.max_instances;
        if !full {
            if job.coalesce {
                job.due.clear();
            }
            job.due.extend(times);
            let surplus = job.due.len().saturating_sub(MAX_CATCH_UP);
            job.due.drain(..surplus);
        }
        self.agenda.arm(id, job);
        self.agenda.line_up(id, job);
        if full && let Some(job) = self.jobs.remove(id) {
            self.note(EventCode::JobMaxInstances, id, &job, now);
            self.jobs.insert(id.clone(), job);
        }
    }

    /// Starts the best run that is due in the first of these lanes that has one.
    pub(crate) fn take(&mut self, lanes: &[Lane], now: Now) -> Option<Started<T>> {
        if self.paused || self.closed {
            return None;
        }
        for &lane in lanes {
            while lane != Lane::Io || self.io_running < self.limits.io {
                let Some(id) = self.agenda.first(lane).cloned() else {
                    break;
                };
                if let Some(started) = self.start(&id, now) {
                    return Some(started);
                }
            }
        }
        None
    }

    /// Starts the run that is due first of a job that stands in line, unless it is too late for it.
    fn start(&mut self, id: &JobId, now: Now) -> Option<Started<T>> {
        let number = self.agenda.number();
        let job = self.jobs.get_mut(id)?;
        self.agenda.step_out(job);
        let due = job.due.pop_front()?;
        job.forced &= !job.due.is_empty();
        let scheduled_us = due.wall_us(now);
        if job
            .grace_us
            .is_some_and(|grace_us| due.late_us(now) > grace_us)
        {
            self.agenda.line_up(id, job);
            self.missed(id, scheduled_us, now);
            return None;
        }
        let run_id = self.ids.next(now.wall_us / 1_000);
        let context = RunContext::new(id.clone(), run_id);
        job.running += 1;
        self.agenda.line_up(id, job);
        let run = Run {
            job_id: id.clone(),
            job_number: job.number,
            name: job.name.clone(),
            task: Arc::clone(&job.task),
            lane: job.lane,
            context: context.clone(),
            scheduled_us,
            started_us: now.wall_us,
            started_mono_us: now.mono_us,
            cancelled: false,
        };
        let started = Started {
            run: number,
            task: Arc::clone(&run.task),
            context,
        };
        self.notes.push(Note {
            code: EventCode::JobSubmitted,
            job_id: run.job_id.clone(),
            name: run.name.clone(),
            task: Arc::clone(&run.task),
            run_id: Some(run_id),
            wall_us: now.wall_us,
            elapsed_us: None,
            error: None,
            kept: true,
        });
        if run.lane == Lane::Io {
            self.io_running += 1;
        }
        self.runs.insert(number, run);
        Some(started)
    }

    fn missed(&mut self, id: &JobId, scheduled_us: u64, now: Now) {
        let Some(job) = self.jobs.remove(id) else {
            return;
        };
        self.note(EventCode::JobMissed, id, &job, now);
        self.history.push(RunRecord {
            run_id: None,
            job_id: id.clone(),
            name: job.name.clone(),
            lane: job.lane,
            outcome: RunOutcome::Missed,
            message: None,
            scheduled_at: scheduled_us / 1_000,
            started_at: None,
            finished_at: now.wall_us / 1_000,
            elapsed_us: None,
        });
        if !job.is_spent() {
            self.jobs.insert(id.clone(), job);
        } else if let Some(note) = self.notes.last_mut() {
            note.kept = false;
        }
    }

    /// A run has ended. `error` is what its body said if it failed; `token_cancelled` whether its token was cancelled
    /// by someone other than the queue. The job is gone if this was its last run.
    pub(crate) fn finished(
        &mut self,
        run: u64,
        error: Option<String>,
        token_cancelled: bool,
        now: Now,
    ) {
        let Some(run) = self.runs.remove(&run) else {
            return;
        };
        if run.lane == Lane::Io {
            self.io_running -= 1;
        }
        if let Some(job) = self.jobs.get_mut(&run.job_id)
            && job.number == run.job_number
        {
            job.running -= 1;
            self.agenda.line_up(&run.job_id, job);
            if job.is_spent() {
                self.jobs.remove(&run.job_id);
            }
        }
        let (code, outcome) = if run.cancelled || token_cancelled {
            (EventCode::JobCancelled, RunOutcome::Cancelled)
        } else if error.is_some() {
            (EventCode::JobError, RunOutcome::Error)
        } else {
            (EventCode::JobExecuted, RunOutcome::Executed)
        };
        let elapsed_us = Some(now.mono_us.saturating_sub(run.started_mono_us));
        self.history.push(RunRecord {
            run_id: Some(run.context.run_id()),
            job_id: run.job_id.clone(),
            name: run.name.clone(),
            lane: run.lane,
            outcome,
            message: error.clone(),
            scheduled_at: run.scheduled_us / 1_000,
            started_at: Some(run.started_us / 1_000),
            finished_at: now.wall_us / 1_000,
            elapsed_us,
        });
        self.notes.push(Note {
            code,
            kept: self.jobs.contains_key(&run.job_id),
            run_id: Some(run.context.run_id()),
            job_id: run.job_id,
            name: run.name,
            task: run.task,
            wall_us: now.wall_us,
            elapsed_us,
            error,
        });
    }
}
