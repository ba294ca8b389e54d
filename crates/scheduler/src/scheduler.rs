//! The handle that programs hold.

use std::fmt;
use std::sync::Arc;

use crate::builder::Builder;
use crate::clock::Now;
use crate::error::{AddError, ChangeError};
use crate::event::{Event, EventCode, EventMask, SchedulerEvent};
use crate::executor::Executor;
use crate::ids::JobId;
use crate::info::{JobInfo, RunRecord};
use crate::job::{Added, JobSpec, Lane, Modification};
use crate::listeners::{Feed, ListenerId, Sink, Subscription};
use crate::print::format_jobs;
use crate::queue::{NewJob, Plain, Queue};
use crate::runner::Shared;
use crate::store::{DeadJob, StoredTask, Unattached};
use crate::trigger::{Schedule, Trigger};

/// A scheduler. Clones are handles of the same one; when the last is dropped its runs are asked to stop and its threads
/// end by themselves. [`drain`](Self::drain) is the way to wait for that.
///
/// Every method may be called from anywhere, also from listeners and from the bodies of jobs; none of them waits for a
/// job, except `drain`.
pub struct Scheduler<E: Executor> {
    pub(crate) shared: Arc<Shared<E>>,
    /// Only in handles of the program: those that listeners are given do not keep the scheduler alive.
    owner: Option<Arc<Owner<E>>>,
}

impl<E: Executor> Scheduler<E> {
    /// Begins to make one that runs tasks by this executor.
    #[must_use]
    pub fn builder(executor: Arc<E>) -> Builder<E> {
        Builder::new(executor)
    }

    pub(crate) fn owner(shared: &Arc<Shared<E>>) -> Self {
        Self {
            shared: Arc::clone(shared),
            owner: Some(Arc::new(Owner(Arc::clone(shared)))),
        }
    }

    pub(crate) fn borrowed(shared: &Arc<Shared<E>>) -> Self {
        Self {
            shared: Arc::clone(shared),
            owner: None,
        }
    }

    /// Adds a job; one that is to run now starts within microseconds if a worker is free. In a stream of jobs that take
    /// microseconds it may be left to a worker that is at it, and waits a quarter of a millisecond if that has met a slow one.
    ///
    /// A replaced job gives no `JOB_REMOVED`: `JOB_ADDED` says that the id has a new meaning, and a run of the old one
    /// that goes on ends with `JOB_CANCELLED` and `kept`.
    ///
    /// A job that is [refreshed](crate::ConflictPolicy::Refresh) while the store fails is changed all the same; that is
    /// logged, and written when the store has recovered.
    ///
    /// # Errors
    /// [`AddError`]; nothing has changed then.
    pub fn add_job(&self, mut spec: JobSpec<E::Task>) -> Result<Added, AddError> {
        if spec.lane == Lane::Io && self.shared.tokio.is_none() {
            return Err(AddError::NoRuntime);
        }
        let now = self.shared.now();
        if Plain::<E>::is_enough(&spec) {
            return self.shared.add_plain(Plain::new(spec, now), now);
        }
        // Without the lock: a cron expression is text to be read.
        let schedule = Schedule::check(&spec.trigger, now.wall_us)?;
        spec.trigger = spec.trigger.in_whole_micros();
        let stored = match spec.durable {
            true => Some(self.stored_task(&spec)?),
            false => None,
        };
        let new = NewJob {
            spec,
            schedule,
            stored,
            anchor_us: now.wall_us,
        };
        let is_stored = new.stored.is_some();
        let job = new.make(now)?;
        match &self.shared.keeper {
            Some(keeper) if is_stored => keeper.add(&self.shared, job),
            _ => self.shared.add(job, now),
        }
    }

    fn stored_task(&self, spec: &JobSpec<E::Task>) -> Result<Box<StoredTask>, AddError> {
        if self.shared.keeper.is_none() {
            return Err(AddError::NoStore);
        }
        let stored = self.shared.executor.store(&spec.task);
        let stored = stored.ok_or_else(|| AddError::NotStorable {
            id: spec.id.clone(),
            name: spec.name.to_string(),
        })?;
        Ok(Box::new(stored))
    }

    /// Removes a job. Its pending run will not start; one that goes on is asked to stop, and its end is `JOB_CANCELLED`
    /// (`JOB_ERROR` if its time limit had asked it to stop before).
    /// Answers how the job stood.
    ///
    /// # Errors
    /// If there is no such job, or [`ChangeError::Store`].
    pub fn remove_job(&self, id: &JobId) -> Result<JobInfo, ChangeError> {
        self.change(Some(id), |queue, now| queue.remove(id, now))
    }

    /// Removes all jobs, as [`remove_job`](Self::remove_job) does; answers how many.
    ///
    /// # Errors
    /// [`ChangeError::Store`].
    pub fn remove_all_jobs(&self) -> Result<usize, ChangeError> {
        let removed = self.change(None, |queue, now| Ok(queue.remove_all(now)));
        self.shared.announce(EventCode::AllJobsRemoved, None);
        removed
    }

    /// Pauses a job: it does not start until it is resumed. If it is to run only once and that run goes on, the run is
    /// asked to stop and the job kept; the run of a recurring job goes on ([`cancel_run`](Self::cancel_run) stops it).
    /// Replacing a paused job leaves the id paused. Pausing it twice is once.
    ///
    /// With a store the pause outlives the process, also that of a job which is not durable itself: a job that is added
    /// under this id is then paused from the beginning.
    ///
    /// # Errors
    /// If there is no such job, or [`ChangeError::Store`].
    pub fn pause_job(&self, id: &JobId) -> Result<JobInfo, ChangeError> {
        self.change(Some(id), |queue, now| queue.pause(id, now))
    }

    /// Lets a paused job run again: one to run once runs, a recurring one goes on with its next time. Resuming one that
    /// is not paused is nothing. Resuming an id that has no job fails, but a pause that a store kept for it ends.
    ///
    /// # Errors
    /// If there is no such job, or [`ChangeError::Store`].
    pub fn resume_job(&self, id: &JobId) -> Result<JobInfo, ChangeError> {
        self.change(Some(id), |queue, now| queue.resume(id, now))
    }

    /// Changes a job. A run that goes on keeps what it started with.
    ///
    /// # Errors
    /// If there is no such job, its new task cannot be durable as the job is, or [`ChangeError::Store`].
    pub fn modify_job(
        &self,
        id: &JobId,
        change: Modification<E::Task>,
    ) -> Result<JobInfo, ChangeError> {
        let task = change.task.as_ref();
        let stored = task.and_then(|task| self.shared.executor.store(task));
        self.change(Some(id), |queue, now| {
            queue.modify(id, change, stored.map(Box::new), now)
        })
    }

    /// Gives a job another trigger, counted from now. Its pending run does not start; one that goes on goes on.
    ///
    /// # Errors
    /// If there is no such job, the trigger is bad, or [`ChangeError::Store`].
    pub fn reschedule_job(&self, id: &JobId, trigger: Trigger) -> Result<JobInfo, ChangeError> {
        let now = self.shared.now();
        let schedule = Schedule::check(&trigger, now.wall_us)?;
        let trigger = trigger.in_whole_micros();
        self.change(Some(id), |queue, _| {
            queue.reschedule(id, trigger, schedule, now)
        })
    }

    /// Runs a job now, whatever its trigger. The run of a one-shot comes forward (and a paused one is resumed by it); a
    /// recurring job runs once more, also while it is paused, and keeps its times.
    ///
    /// # Errors
    /// If there is no such job, as many runs of it go on as may, or [`ChangeError::Store`].
    pub fn run_job(&self, id: &JobId) -> Result<JobInfo, ChangeError> {
        self.change(Some(id), |queue, now| queue.run_now(id, now))
    }

    /// Asks the runs of a job that go on to stop; a recurring job stays. Answers how many were asked that nobody had asked
    /// before: one that has passed its time limit has failed, and may be tried again.
    ///
    /// # Errors
    /// If there is no such job.
    pub fn cancel_run(&self, id: &JobId) -> Result<usize, ChangeError> {
        self.change(Some(id), |queue, now| queue.cancel_run(id, now))
    }

    /// The ids of the jobs that carry this tag, sorted. What is done to each of them is done by the other methods.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Vec<JobId> {
        self.shared.lock().queue.tagged(tag)
    }

    /// The jobs that failed as often as their [`Retry`](crate::Retry) lets them, oldest first. The list is bounded by the
    /// builder's `dead_limit`; the oldest make room.
    #[must_use]
    pub fn dead_jobs(&self) -> Vec<DeadJob> {
        self.shared.lock().queue.dead()
    }

    /// Takes a job out of the dead list and runs it again, with all its attempts: a one-shot now, a recurring one that is
    /// gone by its trigger. A recurring job that still exists runs once more. Other than one that is added, a durable job
    /// may start here before it is written: until then the store has it in the dead list.
    ///
    /// # Errors
    /// If it is not in the list, a one-shot of its id exists, it cannot be added, or [`ChangeError::Store`]. In all but
    /// the last it stays in the list.
    pub fn requeue_dead(&self, id: &JobId) -> Result<JobInfo, ChangeError> {
        let now = self.shared.now();
        let trigger = self.shared.lock().queue.trigger_of_dead(id)?;
        // Without the lock, since a combination searches for its first time.
        let schedule = Schedule::check(&trigger, now.wall_us);
        self.change(Some(id), |queue, now| {
            queue.requeue(id, &trigger, schedule, now)
        })
    }

    /// Takes a job out of the dead list for good.
    ///
    /// # Errors
    /// If it is not there, or [`ChangeError::Store`].
    pub fn forget_dead(&self, id: &JobId) -> Result<DeadJob, ChangeError> {
        self.change(Some(id), |queue, _| Ok(queue.forget_dead(id)?))
    }

    /// Jobs of the store that this program cannot run: its executor does not know them, or has them in another lane, or
    /// they need a tokio runtime that it does not have. They stay there, and
    /// adding a job of the same id takes their place.
    #[must_use]
    pub fn unattached(&self) -> Vec<Unattached> {
        self.shared.unattached.clone()
    }

    /// Starts no job until [`resume`](Self::resume); what runs goes on, and jobs can be added. A store does not keep this.
    pub fn pause(&self) {
        if self.shared.switch(|queue, _| queue.pause_all()) {
            self.shared.announce(EventCode::SchedulerPaused, None);
        }
    }

    /// Starts jobs again. Those whose time came meanwhile are late: `misfire_grace_time` and `coalesce` say what
    /// becomes of them.
    pub fn resume(&self) {
        if self.shared.switch(Queue::resume_all) {
            self.shared.announce(EventCode::SchedulerResumed, None);
        }
    }

    /// Whether the whole scheduler is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.lock().queue.is_paused()
    }

    /// All jobs, by id.
    #[must_use]
    pub fn get_jobs(&self) -> Vec<JobInfo> {
        let now = self.shared.now();
        self.shared.lock().queue.infos(now)
    }

    /// One job, if it exists.
    #[must_use]
    pub fn get_job(&self, id: &JobId) -> Option<JobInfo> {
        let now = self.shared.now();
        self.shared.lock().queue.info(id, now)
    }

    /// All jobs as text, in APScheduler's layout with the ids before.
    #[must_use]
    pub fn print_jobs(&self) -> String {
        format_jobs(&self.get_jobs())
    }

    /// Calls `f` with every job event of this mask.
    ///
    /// It runs on the thread on which the event happened (the worker whose run ended, the caller of `add_job`); for
    /// events of timers and io jobs, and where an earlier event of that job is still being told, on a worker. It never
    /// runs under a lock and may call any method. The events of a job come in order, one at a time. If it panics, that
    /// is logged and nothing else. It is given a handle and should not capture one, which would keep the scheduler
    /// alive for ever.
    pub fn add_listener(
        &self,
        mask: EventMask,
        f: impl Fn(&Event<E>, &Scheduler<E>) + Send + Sync + 'static,
    ) -> ListenerId {
        self.shared.add_listener(mask, Sink::Call(Arc::new(f)))
    }

    /// Calls `f` with every event of this mask that is about the scheduler as a whole: `SCHEDULER_…`,
    /// `ALL_JOBS_REMOVED`.
    pub fn add_scheduler_listener(
        &self,
        mask: EventMask,
        f: impl Fn(&SchedulerEvent) + Send + Sync + 'static,
    ) -> ListenerId {
        self.shared
            .add_listener(mask, Sink::CallOverall(Arc::new(f)))
    }

    /// Removes a listener; answers whether there was one. It may be called once more by an event under way. What its closure
    /// owns is dropped at the latest when such events have been told and the prompt bodies that go on have returned.
    pub fn remove_listener(&self, id: ListenerId) -> bool {
        self.shared.remove_listener(id)
    }

    /// A reader of the job events of this mask that never holds up the scheduler: it keeps the newest `capacity` events
    /// (at least 1) and says how many it missed.
    #[must_use]
    pub fn subscribe(&self, mask: EventMask, capacity: usize) -> Subscription<E> {
        let feed = Arc::new(Feed::new(capacity));
        let id = self
            .shared
            .add_listener(mask, Sink::Feed(Arc::clone(&feed)));
        Subscription {
            feed,
            id,
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// The runs that have ended, newest last, as many as the builder's `history`.
    #[must_use]
    pub fn history(&self) -> Vec<RunRecord> {
        let now = self.shared.now();
        self.shared.lock().queue.history(now)
    }

    /// How many jobs wait in this lane for a worker.
    #[must_use]
    pub fn pending(&self, lane: Lane) -> usize {
        self.shared.lock().queue.pending(lane)
    }

    fn change<R>(
        &self,
        id: Option<&JobId>,
        change: impl FnOnce(&mut Queue<E>, Now) -> Result<R, ChangeError>,
    ) -> Result<R, ChangeError> {
        self.shared.change(id, change)?
    }
}

impl<E: Executor> Clone for Scheduler<E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            owner: self.owner.clone(),
        }
    }
}

impl<E: Executor> fmt::Debug for Scheduler<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("jobs", &self.get_jobs().len())
            .finish_non_exhaustive()
    }
}

/// Ends the scheduler when the program's last handle is dropped.
struct Owner<E: Executor>(Arc<Shared<E>>);

impl<E: Executor> Drop for Owner<E> {
    fn drop(&mut self) {
        self.0.close();
        self.0.stop_all();
        let listeners = Arc::clone(&self.0.lock().listeners);
        listeners.close_feeds();
    }
}
