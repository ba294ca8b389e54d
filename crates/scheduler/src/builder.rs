//! How a scheduler is made.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::error::StartError;
use crate::event::EventCode;
use crate::executor::Executor;
use crate::job::Lane;
use crate::queue::Limits;
use crate::runner::Shared;
use crate::scheduler::Scheduler;
use crate::workers::{self, Kind};

/// The sizes of a scheduler, before it starts.
pub struct Builder<E: Executor> {
    executor: Arc<E>,
    bulk: usize,
    prompt: usize,
    tokio: Option<Handle>,
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
            // Enough that only a flood fills them, little enough that a full one is worked off in seconds.
            limits: Limits {
                pending: [1_024, 1_024, 256],
                io: 16,
                history: 500,
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

    /// Starts the threads. The scheduler runs until it is drained, or the last handle is dropped.
    ///
    /// # Errors
    /// If a lane would have no worker, or the system refuses a thread.
    pub fn start(self) -> Result<Scheduler<E>, StartError> {
        for (lane, workers) in [(Lane::Bulk, self.bulk), (Lane::Prompt, self.prompt)] {
            if workers == 0 {
                return Err(StartError::NoWorker { lane });
            }
        }
        let tokio = self.tokio.or_else(|| Handle::try_current().ok());
        let shared = Arc::new(Shared::new(
            self.executor,
            tokio,
            self.limits,
            self.bulk + self.prompt,
        ));
        let scheduler = Scheduler::owner(&shared);
        let kinds = std::iter::repeat_n(Kind::Prompt, self.prompt)
            .chain(std::iter::repeat_n(Kind::Bulk, self.bulk));
        for (me, kind) in kinds.enumerate() {
            let name = match kind {
                Kind::Prompt => format!("prompt-{me}"),
                Kind::Bulk => format!("worker-{me}"),
            };
            let body = Arc::clone(&shared);
            let mut state = shared.lock();
            match std::thread::Builder::new()
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
        shared.announce(EventCode::SchedulerStarted);
        Ok(scheduler)
    }
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
