//! The jobs that failed as often as they may: to be looked at, and requeued.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Now;
use crate::error::{ChangeError, JobLookupError};
use crate::event::{Event, EventCode};
use crate::executor::Executor;
use crate::ids::JobId;
use crate::info::JobInfo;
use crate::job::{ConflictPolicy, JobSpec};
use crate::queue::agenda::Seat;
use crate::queue::durable::Snapshot;
use crate::queue::{NewJob, Queue};
use crate::store::{DeadJob, StoredTask};
use crate::trigger::{BadTrigger, Schedule, Trigger};

/// The dead jobs, oldest first.
pub(super) struct DeadList<E: Executor> {
    entries: VecDeque<Dead<E>>,
    limit: usize,
}

/// A dead job.
struct Dead<E: Executor> {
    info: DeadJob,
    revival: Result<Revival<E>, String>,
}

/// What it takes to requeue a dead job.
struct Revival<E: Executor> {
    spec: JobSpec<E::Task>,
    stored: Option<Box<StoredTask>>,
}

impl<E: Executor> DeadList<E> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            limit,
        }
    }

    fn position(&self, id: &JobId) -> Option<usize> {
        self.entries.iter().position(|dead| dead.info.id == *id)
    }

    /// Puts one at the end, in the place of one of the same id; answers the oldest if there are too many.
    fn push(&mut self, dead: Dead<E>) -> Option<DeadJob> {
        if let Some(old) = self.position(&dead.info.id) {
            self.entries.remove(old);
        }
        self.entries.push_back(dead);
        let surplus = self.entries.len() > self.limit;
        let oldest = surplus.then(|| self.entries.pop_front())??;
        Some(oldest.info)
    }

    /// Where a dead job is, and what it takes to requeue it.
    fn revival(&self, id: &JobId) -> Result<(usize, &Revival<E>), ChangeError> {
        let at = self.position(id);
        let at = at.ok_or_else(|| JobLookupError { id: id.clone() })?;
        match &self.entries[at].revival {
            Ok(revival) => Ok((at, revival)),
            Err(reason) => Err(ChangeError::Unrestorable {
                id: id.clone(),
                reason: reason.clone(),
            }),
        }
    }

    pub(super) fn list(&self) -> Vec<DeadJob> {
        self.entries.iter().map(|dead| dead.info.clone()).collect()
    }

    pub(super) fn get(&self, id: &JobId) -> Option<&DeadJob> {
        Some(&self.entries[self.position(id)?].info)
    }
}

impl<E: Executor> Queue<E> {
    /// Puts a job into the dead list. `kept` says whether it has more times all the same.
    #[cold]
    pub(super) fn bury(&mut self, seat: Seat, error: String, failures: u32, kept: bool, now: Now) {
        let job = &self.jobs[seat];
        let stored = job.stored.clone();
        let dead = Dead {
            info: DeadJob {
                id: job.spec.id.clone(),
                name: job.spec.name.clone(),
                failures,
                error: error.clone(),
                died_at: now.wall_us / 1_000,
                job: Snapshot::of(job, &self.runs, now).map(Box::new),
            },
            revival: Ok(Revival {
                spec: job.spec.clone(),
                stored,
            }),
        };
        self.post.send(EventCode::JobDead, &job.mail, || {
            Box::new(Event {
                error: Some(error),
                failures,
                kept,
                ..job.event(EventCode::JobDead, now)
            })
        });
        let was_durable = self
            .dead
            .get(&job.spec.id)
            .is_some_and(|old| old.job.is_some());
        if job.stored.is_some() || was_durable {
            self.ledger.touch_dead(job.spec.id.clone());
        }
        if let Some(oldest) = self.dead.push(dead)
            && oldest.job.is_some()
        {
            self.ledger.touch_dead(oldest.id);
        }
    }

    /// A dead job comes back from the store, with its task or why that is unknown.
    pub(crate) fn restore_dead(&mut self, info: DeadJob, task: Result<Arc<E::Task>, String>) {
        let revival = match (&info.job, task) {
            (Some(job), Ok(task)) => Ok(Revival {
                spec: job.spec(task),
                stored: Some(Box::new(job.task.clone())),
            }),
            (None, _) => Err("the store does not hold what it was to do".to_owned()),
            (_, Err(reason)) => Err(reason),
        };
        let oldest = self.dead.push(Dead { info, revival });
        if let Some(oldest) = oldest {
            self.ledger.touch_dead(oldest.id);
        }
    }

    /// The dead jobs, oldest first.
    pub(crate) fn dead(&self) -> Vec<DeadJob> {
        self.dead.list()
    }

    /// The trigger of a dead job, to be checked without the lock before it is [requeued](Self::requeue).
    pub(crate) fn trigger_of_dead(&self, id: &JobId) -> Result<Trigger, ChangeError> {
        let (_, revival) = self.dead.revival(id)?;
        Ok(revival.spec.trigger.clone())
    }

    /// Takes a job out of the dead list and runs it (again). If another has died under its id since its trigger was
    /// checked, the one that was meant is not there any more.
    pub(crate) fn requeue(
        &mut self,
        id: &JobId,
        trigger: &Trigger,
        schedule: Result<Schedule, BadTrigger>,
        now: Now,
    ) -> Result<JobInfo, ChangeError> {
        let (at, revival) = self.dead.revival(id)?;
        if revival.spec.trigger != *trigger {
            return Err(JobLookupError { id: id.clone() }.into());
        }
        if let Some(seat) = self.find(id) {
            if !self
                .jobs
                .whole(seat)
                .is_some_and(|job| job.schedule.repeats())
            {
                return Err(ChangeError::ConflictingId { id: id.clone() });
            }
            self.run_now(id, now)?;
        } else {
            let mut spec = revival.spec.clone();
            spec.conflict = ConflictPolicy::Exception;
            let mut schedule = schedule?;
            if !schedule.repeats() {
                (spec.trigger, schedule) = (Trigger::Now, Schedule::Now);
            }
            let stored = revival.stored.clone();
            let new = NewJob {
                spec,
                schedule,
                stored,
                anchor_us: now.wall_us,
            };
            self.add(new.make(now)?, now)?;
        }
        self.dead.entries.remove(at);
        self.ledger.touch_dead(id.clone());
        Ok(self.look_up(id, now)?)
    }

    /// Takes a job out of the dead list for good.
    pub(crate) fn forget_dead(&mut self, id: &JobId) -> Result<DeadJob, JobLookupError> {
        let at = self.dead.position(id);
        let dead = at.and_then(|at| self.dead.entries.remove(at));
        let dead = dead.ok_or_else(|| JobLookupError { id: id.clone() })?;
        self.ledger.touch_dead(id.clone());
        Ok(dead.info)
    }
}
