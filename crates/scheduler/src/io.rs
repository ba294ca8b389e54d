//! Io jobs: futures on the program's tokio runtime, started when a place is free.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use crate::executor::{BoxFuture, Executor, JobError, RunContext};
use crate::queue::Started;
use crate::runner::Shared;
use crate::runner::bodies::panicked;

/// Runs the body on tokio; its listeners run on a worker.
#[inline(never)]
pub(crate) fn spawn<E: Executor>(shared: &Arc<Shared<E>>, started: Started<E>) {
    let Started {
        run, task, context, ..
    } = started;
    let guard = Guard {
        shared: Arc::clone(shared),
        run,
        context: context.clone(),
        ended: false,
    };
    let executor = Arc::clone(&shared.executor);
    // Without a runtime the guard is dropped here, as by one that has ended. No such job is added or restored.
    let Some(tokio) = &shared.tokio else { return };
    tokio.spawn(async move {
        let result = match catch_unwind(AssertUnwindSafe(|| executor.run_io(task, context))) {
            Ok(body) => caught(body).await,
            Err(panic) => Err(panicked(&*panic)),
        };
        guard.end(result);
    });
}

/// Drives a body; a panic of it is its error.
async fn caught<O>(mut body: BoxFuture<'static, Result<O, JobError>>) -> Result<O, JobError> {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(panicked(&*panic))),
        },
    )
    .await
}

/// Ends the run even if the runtime is shut down under it: otherwise its job would be running for ever.
struct Guard<E: Executor> {
    shared: Arc<Shared<E>>,
    run: usize,
    context: RunContext,
    ended: bool,
}

impl<E: Executor> Guard<E> {
    /// Tells the scheduler; tokio's threads wait for no listener and no disk.
    fn end(mut self, result: Result<E::Output, JobError>) {
        self.ended = true;
        self.shared
            .end(self.run, &self.context, result.map(Arc::new), None);
    }
}

impl<E: Executor> Drop for Guard<E> {
    fn drop(&mut self) {
        if !self.ended {
            // First, so that the place of this run is given to no other, which would end here too.
            self.shared.lose_tokio(self.run);
            let error = JobError::from("the tokio runtime ended before the job did");
            self.shared.end(self.run, &self.context, Err(error), None);
        }
    }
}
