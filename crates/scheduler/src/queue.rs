//! The scheduler as a state machine without threads, timers or sockets: every method takes what happened and when, changes
//! the state, and leaves in [`Effects`] what the world is to do about it.

mod agenda;
mod changes;
mod job;
mod runs;
#[cfg(test)]
mod tests;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

pub(crate) use self::agenda::CronCommand;
pub(crate) use self::job::Started;

use self::agenda::Agenda;
use self::job::{Job, Run};
use crate::cancel::CancelToken;
use crate::clock::Now;
use crate::error::AddError;
use crate::event::EventCode;
use crate::history::History;
use crate::ids::{JobId, RunIds};
use crate::job::{Added, ConflictPolicy, JobSpec, Lane};
use crate::trigger::{Schedule, Trigger};

/// How much of everything there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Jobs in line, by lane.
    pub(crate) pending: [usize; Lane::COUNT],
    /// Io runs at a time.
    pub(crate) io: usize,
    /// Records of ended runs.
    pub(crate) history: usize,
}

/// Something that happened to a job; an event without what the body returned.
pub(crate) struct Note<T> {
    pub(crate) code: EventCode,
    pub(crate) job_id: JobId,
    pub(crate) name: Cow<'static, str>,
    pub(crate) task: Arc<T>,
    pub(crate) run_id: Option<Uuid>,
    pub(crate) wall_us: u64,
    pub(crate) elapsed_us: Option<u64>,
    pub(crate) error: Option<String>,
    pub(crate) kept: bool,
}

/// What the world is to do after a change.
pub(crate) struct Effects<T> {
    /// To tell the listeners, in this order.
    pub(crate) notes: Vec<Note<T>>,
    /// Runs to ask to stop.
    pub(crate) cancel: Vec<CancelToken>,
    /// For tokio-cron-scheduler.
    pub(crate) cron: Vec<CronCommand>,
    /// How many runs have become startable, by lane: that many workers are to look.
    pub(crate) startable: [usize; Lane::COUNT],
    /// The timers want to be looked at sooner than was last said.
    pub(crate) sooner: bool,
}

pub(crate) struct Queue<T> {
    jobs: HashMap<JobId, Job<T>>,
    runs: BTreeMap<u64, Run<T>>,
    agenda: Agenda,
    history: History,
    ids: RunIds,
    limits: Limits,
    io_running: usize,
    paused: bool,
    closed: bool,
    notes: Vec<Note<T>>,
    cancel: Vec<CancelToken>,
}

impl<T> Queue<T> {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            jobs: HashMap::new(),
            runs: BTreeMap::new(),
            agenda: Agenda::default(),
            history: History::new(limits.history),
            ids: RunIds::new(seed),
            limits,
            io_running: 0,
            paused: false,
            closed: false,
            notes: Vec::new(),
            cancel: Vec::new(),
        }
    }

    /// Adds a job. `schedule` is its trigger, checked.
    pub(crate) fn add(
        &mut self,
        spec: JobSpec<T>,
        schedule: Schedule,
        now: Now,
    ) -> Result<Added, AddError> {
        if self.closed {
            return Err(AddError::ShuttingDown);
        }
        let old = self.jobs.get(&spec.id);
        match (old, spec.conflict) {
            (Some(_), ConflictPolicy::Exception) => {
                return Err(AddError::ConflictingId { id: spec.id });
            }
            (Some(_), ConflictPolicy::DoNothing) => return Ok(Added::AlreadyThere),
            _ => {}
        }
        let paused = old.is_some_and(|job| job.paused);
        let takes_a_place = old.is_none_or(|job| job.place.is_none() || job.lane != spec.lane);
        let limit = self.limits.pending[spec.lane.index()];
        if spec.trigger == Trigger::Now
            && takes_a_place
            && !paused
            && self.agenda.len(spec.lane) >= limit
        {
            return Err(AddError::Full {
                lane: spec.lane,
                limit,
            });
        }
        let first = schedule.first(now).ok_or_else(|| AddError::BadTrigger {
            field: "expression",
            reason: "no such time will come".to_owned(),
        })?;
        let added = match self.retire(&spec.id) {
            Some(_) => Added::Replaced,
            None => Added::New,
        };
        let id = spec.id.clone();
        let mut job = Job::new(self.agenda.number(), spec, schedule);
        job.paused = paused;
        self.note(EventCode::JobAdded, &id, &job, now);
        if matches!(job.schedule, Schedule::Now) {
            job.due.push_back(first);
        } else {
            job.next = Some(first);
        }
        if !paused {
            self.agenda.arm(&id, &mut job);
            self.agenda.line_up(&id, &mut job);
        }
        self.jobs.insert(id, job);
        Ok(added)
    }

    /// Takes a job out of everything: its pending runs will not start, and its runs that go on are asked to stop.
    fn retire(&mut self, id: &JobId) -> Option<Job<T>> {
        let mut job = self.jobs.remove(id)?;
        self.agenda.disarm(&mut job);
        self.agenda.step_out(&mut job);
        self.stop_runs(id, job.number);
        Some(job)
    }

    /// Asks all runs of a job to stop; answers how many were not asked before.
    fn stop_runs(&mut self, id: &JobId, job_number: u64) -> usize {
        let before = self.cancel.len();
        for run in self.runs.values_mut() {
            if run.job_number == job_number && run.job_id == *id && !run.cancelled {
                run.cancelled = true;
                self.cancel.push(run.context.cancel().clone());
            }
        }
        self.cancel.len() - before
    }

    fn note(&mut self, code: EventCode, id: &JobId, job: &Job<T>, now: Now) {
        self.notes.push(Note {
            code,
            job_id: id.clone(),
            name: job.name.clone(),
            task: Arc::clone(&job.task),
            run_id: None,
            wall_us: now.wall_us,
            elapsed_us: None,
            error: None,
            kept: code != EventCode::JobRemoved,
        });
    }

    /// Whether there is something in [`Effects`].
    pub(crate) fn has_effects(&self) -> bool {
        !self.notes.is_empty()
            || !self.cancel.is_empty()
            || !self.agenda.cron.is_empty()
            || self.agenda.sooner
            || self.agenda.startable != [0; Lane::COUNT]
    }

    /// What the world is to do about all changes since the last call.
    pub(crate) fn take_effects(&mut self) -> Effects<T> {
        Effects {
            notes: std::mem::take(&mut self.notes),
            cancel: std::mem::take(&mut self.cancel),
            cron: std::mem::take(&mut self.agenda.cron),
            startable: std::mem::take(&mut self.agenda.startable),
            sooner: std::mem::take(&mut self.agenda.sooner),
        }
    }
}
