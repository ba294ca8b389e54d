//! How a scheduler is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::{Clock, Now, micros};
use crate::error::{AddError, StartError};
use crate::event::{Event, EventCode, EventMask, SchedulerEvent};
use crate::executor::Executor;
use crate::ids::RunIds;
use crate::job::Lane;
use crate::keeper::Keeper;
use crate::listeners::{ListenerId, Listeners, Sink};
use crate::queue::{Limits, Queue};
use crate::runner::{By, Shared};
use crate::scheduler::Scheduler;
use crate::store::{JobStore, Stored, StoredJob, Unattached};
use crate::sync::thread;
use crate::trigger::Schedule;
use crate::workers::{self, Kind};

/// The sizes of a scheduler, before it starts.
pub struct Builder<E: Executor> {
    executor: Arc<E>,
    bulk: usize,
    prompt: usize,
    tokio: Option<Handle>,
    store: Option<Arc<dyn JobStore>>,
    listeners: Listeners<E>,
    limits: Limits,
}

impl<E: Executor> Builder<E> {
    pub(crate) fn new(executor: Arc<E>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            executor,
            bulk: cores.saturating_sub(1).max(1),
            prompt: 1,
            tokio: None,
            store: None,
            listeners: Listeners::none(),
            // Enough that only a flood fills them, little enough that a full one is worked off in seconds.
            limits: Limits {
                pending: [1_024, 1_024, 256],
                io: 16,
                history: 500,
                history_age_us: u64::MAX,
                dead: 1_000,
                // Longer than any well-behaved body takes to look at its token.
                stuck_after_us: 5_000_000,
            },
        }
    }

    /// How many worker threads take everything (default: all cores but one, at least one), and how many only prompt
    /// jobs (default 1).
    #[must_use]
    pub fn workers(mut self, bulk: usize, prompt: usize) -> Self {
        (self.bulk, self.prompt) = (bulk, prompt);
        self
    }

    /// The runtime for io jobs (default: the one that [`start`](Self::start) is called on, if any).
    #[must_use]
    pub fn tokio(mut self, handle: Handle) -> Self {
        self.tokio = Some(handle);
        self
    }

    /// How many io jobs run at a time (default 16, at least 1).
    #[must_use]
    pub fn io_limit(mut self, limit: usize) -> Self {
        self.limits.io = limit.max(1);
        self
    }

    /// How many jobs may wait in a lane for a worker (default 1,024; io 256). Jobs that wait for their time do not
    /// count, and what comes due by a timer is never refused.
    #[must_use]
    pub fn max_pending(mut self, lane: Lane, limit: usize) -> Self {
        self.limits.pending[lane.index()] = limit;
        self
    }

    /// How many ended runs the history keeps (default 500).
    #[must_use]
    pub fn history(mut self, limit: usize) -> Self {
        self.limits.history = limit;
        self
    }

    /// How old a record of the history may become (default any).
    #[must_use]
    pub fn history_age(mut self, age: Duration) -> Self {
        self.limits.history_age_us = micros(age);
        self
    }

    /// How many dead jobs are kept; the oldest make room (default 1,000).
    #[must_use]
    pub fn dead_limit(mut self, limit: usize) -> Self {
        self.limits.dead = limit;
        self
    }

    /// How long a run may go on after it was asked to stop until `JOB_STUCK` says so (default 5 s).
    #[must_use]
    pub fn stuck_after(mut self, wait: Duration) -> Self {
        self.limits.stuck_after_us = micros(wait);
        self
    }

    /// Keeps durable jobs, the dead list and pauses in this store; what is in it goes on when the scheduler starts. It
    /// must have no other writer.
    #[must_use]
    pub fn store(mut self, store: impl JobStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// As [`Scheduler::add_listener`], for a listener that misses nothing from the first moment on.
    #[must_use]
    pub fn listener(
        self,
        mask: EventMask,
        f: impl Fn(&Event<E>, &Scheduler<E>) + Send + Sync + 'static,
    ) -> Self {
        self.with(mask, Sink::Call(Arc::new(f)))
    }

    /// As [`Scheduler::add_scheduler_listener`], for one that hears `SCHEDULER_STARTED`.
    #[must_use]
    pub fn scheduler_listener(
        self,
        mask: EventMask,
        f: impl Fn(&SchedulerEvent) + Send + Sync + 'static,
    ) -> Self {
        self.with(mask, Sink::CallOverall(Arc::new(f)))
    }

    fn with(mut self, mask: EventMask, sink: Sink<E>) -> Self {
        self.listeners = self.listeners.with(ListenerId::of_builder(), mask, sink);
        self
    }

    /// Starts the threads. The scheduler runs until it is drained, or the last handle is dropped.
    ///
    /// # Errors
    /// If a lane would have no worker, the store cannot be read, or the system refuses a thread.
    pub fn start(self) -> Result<Scheduler<E>, StartError> {
        for (lane, workers) in [(Lane::Bulk, self.bulk), (Lane::Prompt, self.prompt)] {
            if workers == 0 {
                return Err(StartError::NoWorker { lane });
            }
        }
        let stored = match &self.store {
            Some(store) => store.load()?,
            None => Stored::default(),
        };
        let tokio = self.tokio.or_else(|| Handle::try_current().ok());
        let has_io = tokio.is_some();
        let mut queue = Queue::new(self.limits, self.bulk + self.prompt, RunIds::seed());
        queue.want(self.listeners.wanted());
        let clock = Clock::start();
        let unattached = match self.store {
            Some(_) => {
                let restorer = Restorer {
                    executor: &*self.executor,
                    has_io,
                };
                restorer.restore(&mut queue, stored, clock.now())
            }
            None => Vec::new(),
        };
        let keeper = self.store.map(Keeper::new);
        let shared = Arc::new(Shared::new(
            self.executor,
            clock,
            tokio,
            keeper,
            unattached,
            queue,
            self.listeners,
            self.bulk + self.prompt,
        ));
        let scheduler = Scheduler::owner(&shared);
        start_workers(&shared, self.prompt, self.bulk)?;
        shared.announce(EventCode::SchedulerStarted, None);
        for lane in [Lane::Prompt, Lane::Bulk, Lane::Io] {
            if lane != Lane::Io || has_io {
                shared.announce(EventCode::ExecutorAdded, Some(&lane.to_string()));
            }
        }
        if let Some(keeper) = &shared.keeper {
            shared.announce(EventCode::JobstoreAdded, Some(keeper.store.name()));
        }
        // What came back from the store may be due.
        let state = shared.lock();
        let _ = shared.settle(state, shared.now(), By::Caller);
        Ok(scheduler)
    }
}

/// What is there to run what comes back from a store.
struct Restorer<'a, E: Executor> {
    executor: &'a E,
    has_io: bool,
}

impl<E: Executor> Restorer<'_, E> {
    /// Lets what a store holds go on; answers what this program cannot run.
    fn restore(&self, queue: &mut Queue<E>, stored: Stored, now: Now) -> Vec<Unattached> {
        queue.keep();
        let mut unattached = Vec::new();
        for row in stored.damaged {
            tracing::error!(
                key = row.key,
                reason = row.reason,
                "a row of the job store cannot be read; it is left alone"
            );
        }
        for id in stored.paused {
            queue.restore_pause(id);
        }
        for job in stored.jobs {
            let schedule =
                Schedule::check(&job.trigger, job.anchor_us).map_err(|bad| bad.to_string());
            match schedule.and_then(|schedule| Ok((schedule, self.task_of(&job)?))) {
                Ok((schedule, task)) => queue.restore(job, Arc::new(task), schedule, now),
                Err(reason) => {
                    let id = job.id;
                    tracing::error!(job_id = %id, reason, "a stored job cannot be run by this program; it stays in the store");
                    unattached.push(Unattached { id, reason });
                }
            }
        }
        for dead in stored.dead {
            let task = match &dead.job {
                Some(job) => self.task_of(job),
                None => Err(String::new()),
            };
            queue.restore_dead(dead, task.map(Arc::new));
        }
        unattached
    }

    /// The task of a stored job, if it can run.
    fn task_of(&self, job: &StoredJob) -> Result<E::Task, String> {
        if job.lane == Lane::Io && !self.has_io {
            return Err(AddError::NoRuntime.to_string());
        }
        let task = self.executor.restore(&job.task);
        let checked = task.and_then(|task| {
            self.executor.check_lane(&task, job.lane)?;
            Ok(task)
        });
        checked.map_err(|error| error.message)
    }
}

fn start_workers<E: Executor>(
    shared: &Arc<Shared<E>>,
    prompt: usize,
    bulk: usize,
) -> Result<(), StartError> {
    let kinds =
        std::iter::repeat_n(Kind::Prompt, prompt).chain(std::iter::repeat_n(Kind::Bulk, bulk));
    for (me, kind) in kinds.enumerate() {
        let name = match kind {
            Kind::Prompt => format!("prompt-{me}"),
            Kind::Bulk => format!("worker-{me}"),
        };
        let body = Arc::clone(shared);
        let mut state = shared.lock();
        match thread::Builder::new()
            .name(name.clone())
            .spawn(move || workers::work(&body, me, kind))
        {
            Ok(thread) => {
                state.threads.push(thread);
                state.alive += 1;
            }
            Err(source) => return Err(StartError::Thread { name, source }),
        }
    }
    Ok(())
}

impl<E: Executor> fmt::Debug for Builder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("bulk", &self.bulk)
            .field("prompt", &self.prompt)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
