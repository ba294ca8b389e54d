//! How a body runs, and what its end sets in motion.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::executor::{Executor, JobError, RunContext};
use crate::job::Lane;
use crate::panic_text;
use crate::queue::{Ended, Started};
use crate::runner::{By, Shared};
use crate::teller::Teller;

impl<E: Executor> Shared<E> {
    /// Runs a body on this thread, and the listeners of its end.
    pub(crate) fn execute(self: &Arc<Self>, started: Started<E>, teller: &mut Teller<E>) {
        let Started {
            run,
            task,
            context,
            lane,
        } = started;
        if lane == Lane::Bulk {
            // It may go on for an hour, in which a removed listener should not live on. Short ones are not worth it.
            teller.forget();
        }
        let result = self.run(&task, &context).map(Arc::new);
        self.end(run, &context, result, Some(teller));
    }

    /// What the body answers; its panic is an error.
    #[inline]
    pub(crate) fn run(&self, task: &E::Task, context: &RunContext) -> Result<E::Output, JobError> {
        let result = catch_unwind(AssertUnwindSafe(|| self.executor.run(task, context)));
        result.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    /// A body has returned; without a teller, on a thread that must not wait.
    pub(crate) fn end(
        self: &Arc<Self>,
        run: usize,
        context: &RunContext,
        result: Result<Arc<E::Output>, JobError>,
        teller: Option<&mut Teller<E>>,
    ) {
        let (output, error) = match result {
            Ok(output) => (Some(output), None),
            Err(error) => (None, Some(error.message)),
        };
        let ended = Ended {
            output,
            error,
            token_cancelled: context.cancel().is_cancelled(),
        };
        let now = self.now();
        let mut state = self.lock_as_dealt();
        state.queue.finished(run, ended, now);
        let closed = state.queue.is_closed();
        let by = match teller {
            Some(teller) => {
                teller.give_back(&mut state);
                By::Worker(teller)
            }
            None => By::Hurried,
        };
        // A store that failed is in the log, and written again later.
        let _ = self.settle(state, now, by);
        if closed {
            self.tell_of_end();
        }
    }

    /// A run has ended of a scheduler that has closed: a drain counts runs, and prompt workers wait for the last io run.
    #[cold]
    fn tell_of_end(&self) {
        self.ended.notify_all();
        self.wake_everyone();
    }

    /// The runtime of the io lane has ended, and with it this run.
    pub(crate) fn lose_tokio(&self, run: usize) {
        if self.lock().queue.lose_tokio(run) {
            tracing::error!("the tokio runtime has ended: io jobs no longer run");
        }
    }
}

/// The error that a panic of a body is.
#[cold]
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> JobError {
    JobError::from(format!("panicked: {}", panic_text(panic)))
}
