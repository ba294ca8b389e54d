//! Hands a task to the file of its kind.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};

use jbc_pow::Kernel;
use jbc_scheduler::{BoxFuture, Executor, JobError, RunContext, StoredTask};

use crate::ledger::Ledger;
use crate::ports::{Clock, Peers, Store, StoreError};
use crate::task::{Outcome, Task};
use crate::{
    admit, announce, audit, broadcast, files, gossip, mine, poll, recurring, space, sync, upload,
    validate,
};

/// What jobs work with.
pub struct Jobs<S, P, C> {
    /// Chain and store.
    pub ledger: Ledger<S>,
    /// The way to peers.
    pub peers: P,
    /// The wall clock.
    pub clock: C,
    /// The loop that mines.
    pub kernel: Kernel,
    /// This run's node id: how the node recognises itself among its peers.
    pub node_id: String,
    /// The network's fingerprint.
    pub fingerprint: String,
}

impl<S: Store, P: Peers, C: Clock> Executor for Jobs<S, P, C> {
    type Task = Task;
    type Output = Outcome;

    fn run(&self, task: &Task, ctx: &RunContext) -> Result<Outcome, JobError> {
        Ok(match task {
            Task::Mine(task) => Outcome::Mined(mine::run(task, self.kernel, ctx)),
            Task::Validate(task) => match validate::run(task, &self.ledger, self.clock.now()) {
                Ok(validated) => Outcome::Validated(validated),
                Err(error) => Outcome::Broken {
                    reason: error.to_string(),
                },
            },
            Task::Admit(task) => match admit::run(task, &self.ledger, self.clock.now()) {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Broken {
                    reason: error.to_string(),
                },
            },
            Task::Gather => admit::gather(&self.ledger),
            Task::Audit => Outcome::Audited(audit::run(&self.ledger, ctx)),
            Task::Files => {
                let (tip, written) = files::run(&self.ledger, ctx)
                    .map_err(|error: StoreError| JobError::from(error.to_string()))?;
                Outcome::FilesWritten { tip, written }
            }
            Task::Space => Outcome::Room {
                free: space::run(self.ledger.store()),
            },
            Task::Broadcast(_)
            | Task::Sync(_)
            | Task::Poll(_)
            | Task::Announce(_)
            | Task::Gossip(_)
            | Task::Upload(_) => {
                return Err(JobError::from(format!(
                    "`{}` waits for the network: it belongs on the io lane",
                    task.kind()
                )));
            }
        })
    }

    fn run_io(
        self: Arc<Self>,
        task: Arc<Task>,
        ctx: RunContext,
    ) -> BoxFuture<'static, Result<Outcome, JobError>> {
        let work = async move {
            Ok(match &*task {
                Task::Broadcast(task) => {
                    Outcome::Broadcast(broadcast::run(task, &self.peers).await)
                }
                Task::Sync(task) => {
                    Outcome::Synced(sync::run(task, &self.ledger, &self.peers).await)
                }
                Task::Upload(task) => {
                    Outcome::Uploaded(upload::run(task, &self.ledger, &self.peers).await)
                }
                Task::Poll(task) => Outcome::Polled(poll::run(task, &self.peers).await),
                Task::Announce(task) => Outcome::Met(
                    announce::run(task, &self.peers, &self.node_id, &self.fingerprint).await,
                ),
                Task::Gossip(task) => {
                    gossip::run(task, &self.ledger, &self.peers, self.clock.now()).await
                }
                Task::Mine(_)
                | Task::Validate(_)
                | Task::Admit(_)
                | Task::Gather
                | Task::Audit
                | Task::Files
                | Task::Space => {
                    return Err(JobError::from(format!(
                        "`{}` computes: it belongs on a worker",
                        task.kind()
                    )));
                }
            })
        };
        Box::pin(async move {
            // What waits for the network holds nothing that a stop could tear.
            match select(pin!(work), pin!(ctx.cancel().cancelled())).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => Err(JobError::from("cancelled")),
            }
        })
    }

    fn store(&self, task: &Task) -> Option<StoredTask> {
        recurring::store(task)
    }

    fn restore(&self, task: &StoredTask) -> Result<Task, JobError> {
        recurring::restore(task)
    }
}
