//! What a store is to hold: which jobs have changed since it was written, and how they stand.
//!
//! The ledger names jobs, it keeps no copies: what is written is the state at the time of writing. So however often a job
//! changes while the store is slow or fails, one write makes up for all, and the ledger is never longer than the jobs
//! are many.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use crate::clock::{Now, micros};
use crate::error::AddError;
use crate::executor::Executor;
use crate::ids::JobId;
use crate::job::{Added, JobSpec};
use crate::queue::agenda::Watch;
use crate::queue::job::{Job, Run};
use crate::queue::jobs::Seated;
use crate::queue::{MadeJob, Queue};
use crate::store::{StoreChange, StoredJob};
use crate::trigger::Schedule;

/// The wait before a store that failed is written again, in microseconds: short beside what an operator takes to make room,
/// long beside a write.
const STORE_AGAIN_US: u64 = 1_000_000;

#[derive(Default)]
pub(super) struct Ledger {
    /// Whether there is a store.
    keeps: bool,
    /// Something has changed since the world was told so.
    news: bool,
    /// The last write failed: until it is time to try again, only who insists makes it written.
    waits: bool,
    jobs: BTreeSet<JobId>,
    dead: BTreeSet<JobId>,
    pauses: BTreeSet<JobId>,
    /// Ids of jobs that are not durable themselves and were paused.
    paused: HashSet<JobId>,
}

impl Ledger {
    /// A durable job is not what it was.
    #[inline]
    pub(super) fn touch<E: Executor>(&mut self, job: &Job<E>) {
        if job.stored.is_some() {
            self.note(&job.spec.id);
        }
    }

    /// Apart, so that a job that no store keeps does not carry its code along.
    #[inline(never)]
    fn note(&mut self, id: &JobId) {
        self.jobs.insert(id.clone());
        self.news = true;
    }

    /// The dead list is not what it was.
    pub(super) fn touch_dead(&mut self, id: JobId) {
        if self.keeps {
            self.dead.insert(id);
            self.news = true;
        }
    }

    /// A job was paused or resumed, or came under an id that is. The pause of a durable job is kept with the job, that of
    /// another by its id.
    pub(super) fn pause<E: Executor>(&mut self, job: &Job<E>) {
        self.touch(job);
        let by_id = self.keeps && job.paused && job.stored.is_none();
        if by_id != self.is_paused(&job.spec.id) {
            let id = job.spec.id.clone();
            match by_id {
                true => self.paused.insert(id.clone()),
                false => self.paused.remove(&id),
            };
            self.pauses.insert(id);
            self.news = true;
        }
    }

    /// A job is removed by name: its pause goes with it.
    pub(super) fn forget_pause(&mut self, id: &JobId) {
        if self.paused.remove(id) {
            self.pauses.insert(id.clone());
            self.news = true;
        }
    }

    pub(super) fn is_paused(&self, id: &JobId) -> bool {
        !self.paused.is_empty() && self.paused.contains(id)
    }

    /// Whether there is something to write.
    pub(super) fn is_dirty(&self) -> bool {
        !(self.jobs.is_empty() && self.dead.is_empty() && self.pauses.is_empty())
    }

    /// Whether there is something to write about this id.
    pub(super) fn is_dirty_about(&self, id: &JobId) -> bool {
        self.jobs.contains(id) || self.dead.contains(id) || self.pauses.contains(id)
    }

    /// Whether there is something to write that the world has not been told of.
    pub(super) fn has_news(&self) -> bool {
        self.news && !self.waits
    }

    /// The world is told.
    pub(super) fn take_news(&mut self) -> bool {
        let has_news = self.has_news();
        self.news &= self.waits;
        has_news
    }

    /// The store may have recovered.
    pub(super) fn try_again(&mut self) {
        self.waits = false;
        self.news = self.is_dirty();
    }
}

/// Makes [`StoredJob`]s.
pub(super) struct Snapshot;

impl Snapshot {
    /// How a job stands, if a store keeps it.
    pub(super) fn of<E: Executor>(
        job: &Job<E>,
        runs: &Slab<Run<E>>,
        now: Now,
    ) -> Option<StoredJob> {
        let task = job.stored.as_ref()?;
        let spec = &job.spec;
        let running = runs
            .iter()
            // A paused run of before the pause is not owed twice: its job has a new number.
            .filter(|(_, run)| run.job_number == job.number)
            .map(|(_, run)| run.due);
        let mut owed_us: Vec<u64> = running.map(|due| due.wall_us(now)).collect();
        owed_us.sort_unstable();
        let waiting = job.retry_at.into_iter().chain(job.due.iter().copied());
        owed_us.extend(waiting.map(|due| due.wall_us(now)));
        Some(StoredJob {
            id: spec.id.clone(),
            name: spec.name.clone(),
            task: (**task).clone(),
            lane: spec.lane,
            priority: spec.priority,
            trigger: spec.trigger.clone(),
            anchor_us: job.anchor_us,
            jitter_us: micros(spec.jitter),
            misfire_grace_us: spec.misfire_grace_time.map(micros),
            coalesce: spec.coalesce,
            max_instances: spec.max_instances,
            timeout_us: spec.timeout.map(micros),
            retry: spec.retry,
            tags: spec.tags.clone(),
            paused: job.paused,
            failures: job.failures,
            owed_us,
            next_us: job.next.map(|next| next.wall_us(now)),
        })
    }
}

impl StoredJob {
    /// What was asked for when this job was added.
    pub(super) fn spec<T>(&self, task: Arc<T>) -> JobSpec<T> {
        JobSpec {
            lane: self.lane,
            priority: self.priority,
            trigger: self.trigger.clone(),
            misfire_grace_time: self.misfire_grace_us.map(Duration::from_micros),
            coalesce: self.coalesce,
            max_instances: self.max_instances.max(1),
            jitter: Duration::from_micros(self.jitter_us),
            timeout: self.timeout_us.map(Duration::from_micros),
            retry: self.retry,
            tags: self.tags.clone(),
            durable: true,
            ..JobSpec::new(self.id.clone(), self.name.clone(), task)
        }
    }
}

impl<E: Executor> Queue<E> {
    /// There is a store.
    pub(crate) fn keep(&mut self) {
        self.ledger.keeps = true;
    }

    /// Whether the store does not say how things stand.
    pub(crate) fn is_dirty(&self) -> bool {
        self.ledger.is_dirty()
    }

    /// Whether the store does not say how this job stands.
    pub(crate) fn is_dirty_about(&self, id: &JobId) -> bool {
        self.ledger.is_dirty_about(id)
    }

    /// What the store is to write now.
    pub(crate) fn changes(&mut self, now: Now) -> Vec<StoreChange> {
        let jobs = std::mem::take(&mut self.ledger.jobs).into_iter();
        let dead = std::mem::take(&mut self.ledger.dead).into_iter();
        let pauses = std::mem::take(&mut self.ledger.pauses).into_iter();
        let mut changes: Vec<StoreChange> = jobs
            .map(|id| {
                let job = self.seat(&id).ok().map(|seat| &self.jobs[seat]);
                match job.and_then(|job| Snapshot::of(job, &self.runs, now)) {
                    Some(job) => StoreChange::PutJob(Box::new(job)),
                    None => StoreChange::DeleteJob(id),
                }
            })
            .collect();
        changes.extend(dead.map(|id| match self.dead.get(&id) {
            Some(dead) if dead.job.is_some() => StoreChange::PutDead(Box::new(dead.clone())),
            _ => StoreChange::DeleteDead(id),
        }));
        changes.extend(pauses.map(|id| match self.ledger.paused.contains(&id) {
            true => StoreChange::PutPause(id),
            false => StoreChange::DeletePause(id),
        }));
        changes
    }

    /// The store took what it was given.
    pub(crate) fn written(&mut self) {
        self.ledger.waits = false;
    }

    /// The store did not take these: they are written again, together with what comes next or after a while.
    pub(crate) fn unwritten(&mut self, changes: Vec<StoreChange>, now: Now) {
        for change in changes {
            match change {
                StoreChange::PutJob(job) => self.ledger.jobs.insert(job.id),
                StoreChange::DeleteJob(id) => self.ledger.jobs.insert(id),
                StoreChange::PutDead(dead) => self.ledger.dead.insert(dead.id),
                StoreChange::DeleteDead(id) => self.ledger.dead.insert(id),
                StoreChange::PutPause(id) | StoreChange::DeletePause(id) => {
                    self.ledger.pauses.insert(id)
                }
            };
        }
        if !self.ledger.waits && !self.closed {
            self.ledger.waits = true;
            self.agenda.watch(STORE_AGAIN_US, Watch::Store, now);
        }
    }

    /// Adds a durable job that was written as this.
    pub(crate) fn add_written(
        &mut self,
        job: MadeJob<E>,
        written: &StoredJob,
        now: Now,
    ) -> Result<Added, AddError> {
        let added = self.add(job, now);
        // Unless it was paused, refused or overtaken while it was written, the store is right.
        let is_placed = matches!(added, Ok(Added::New | Added::Replaced));
        let seat = self.seat(&written.id).ok();
        let is_right =
            is_placed && seat.is_some_and(|seat| self.jobs[seat].paused == written.paused);
        match is_right {
            true => self.ledger.jobs.remove(&written.id),
            false => self.ledger.jobs.insert(written.id.clone()),
        };
        // The adding itself is no news: its caller is not to wait for what others write.
        self.ledger.news &= self.ledger.is_dirty();
        added
    }

    /// An id was paused in an earlier life.
    pub(crate) fn restore_pause(&mut self, id: JobId) {
        self.ledger.paused.insert(id);
    }

    /// A job comes back from the store. Its times go on where they were; those of the downtime are late.
    pub(crate) fn restore(
        &mut self,
        stored: StoredJob,
        task: Arc<E::Task>,
        schedule: Schedule,
        now: Now,
    ) {
        let owed = stored.owed_us.iter().map(|at| schedule.due_of(*at, now));
        let (mut due, later): (Vec<_>, Vec<_>) = owed.partition(|due| due.wait_us(now) == 0);
        let mut later = later.into_iter();
        // It failed, and waits to be tried again. Were there others, the wall clock was set back.
        let retry_at = later.next();
        due.extend(later);
        let spec = stored.spec(task);
        let mut job = Box::new(Job {
            number: self.agenda.number(),
            next: stored.next_us.map(|at| schedule.due_of(at, now)),
            schedule,
            stored: Some(Box::new(stored.task)),
            anchor_us: stored.anchor_us,
            gone: false,
            paused: stored.paused,
            forced: false,
            due: due.into(),
            delay_us: self.run_ids.random_to(spec.jitter),
            failures: stored.failures,
            retry_at,
            place: None,
            alarm: None,
            retry_alarm: None,
            cron: None,
            running: 0,
            seated_runs: 0,
            mail: Arc::default(),
            spec,
        });
        let seat = self.jobs.vacant_key();
        self.ids.insert(job.spec.id.clone(), seat);
        if !job.paused {
            self.agenda.arm(seat, &mut job);
            self.agenda.line_up(seat, &mut job);
        }
        self.jobs.insert(Seated::Whole(job));
        self.catch_up(seat, now);
    }
}
