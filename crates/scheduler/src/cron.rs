//! Plain cron jobs are fired by tokio-cron-scheduler, which here does nothing but say that a time has come.
//!
//! It lives on a thread with a runtime of its own, started by the first cron job and gone with the scheduler. What is
//! known of it (version 0.15.1) and how it is met:
//! - it looks every 500 ms, so a job starts up to half a second late: only cron is left to it;
//! - its channels drop messages when more than they hold come at once: they are made large, commands are given one by
//!   one, and a tick that got lost is made up for by the next, since the queue computes itself which times have come;
//! - it keeps a time zone's offset of the day the job was added: only UTC is left to it.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use uuid::Uuid;

use crate::ids::JobId;
use crate::queue::CronCommand;

/// Messages each of its channels holds: more cron jobs than this at one moment would lose ticks until their next time.
const CHANNEL_SIZE: usize = 4_096;

/// Called with a job and the number it was armed under, when a time of it has come.
type Tick = dyn Fn(&JobId, u64) + Send + Sync;

/// What is ticked, by a thread that the first job starts.
#[derive(Default)]
pub(crate) struct Cron {
    engine: Option<CronEngine>,
    /// Jobs that are to be ticked once there is a thread, which the system has refused so far.
    waiting: Vec<CronCommand>,
}

impl Cron {
    /// Gives a command to the thread, after those that still wait for one. If there is none, `start` is to make it.
    pub(crate) fn tell(
        &mut self,
        command: CronCommand,
        start: impl FnOnce() -> std::io::Result<CronEngine>,
    ) {
        match command {
            // No more of them wait than there are cron jobs.
            CronCommand::Disarm { arm } if self.engine.is_none() => {
                self.waiting.retain(
                    |other| !matches!(other, CronCommand::Arm { arm: other, .. } if *other == arm),
                );
            }
            command => self.waiting.push(command),
        }
        if self.engine.is_none() {
            match start() {
                Ok(engine) => self.engine = Some(engine),
                Err(error) => {
                    tracing::error!(%error, "cannot start the cron thread: cron jobs fire when a later one can");
                }
            }
        }
        if let Some(engine) = &self.engine {
            for command in self.waiting.drain(..) {
                engine.tell(command);
            }
        }
    }
}

/// The thread and the way to it. Dropping it ends the thread.
pub(crate) struct CronEngine {
    commands: mpsc::UnboundedSender<CronCommand>,
}

impl CronEngine {
    /// Starts the thread; `tick` is called with a job and the number it was armed under.
    pub(crate) fn start(
        tick: impl Fn(&JobId, u64) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new()
            .name("cron".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(serve(inbox, Arc::new(tick))) {
                    tracing::error!(%error, "tokio-cron-scheduler failed: cron jobs will not fire");
                }
            })?;
        Ok(Self { commands })
    }

    pub(crate) fn tell(&self, command: CronCommand) {
        // Fails only after the thread has failed, which it has logged.
        let _ = self.commands.send(command);
    }
}

async fn serve(
    mut inbox: mpsc::UnboundedReceiver<CronCommand>,
    tick: Arc<Tick>,
) -> Result<(), JobSchedulerError> {
    let mut scheduler = JobScheduler::new_with_channel_size(CHANNEL_SIZE).await?;
    scheduler.start().await?;
    let mut armed: HashMap<u64, Uuid> = HashMap::new();
    while let Some(command) = inbox.recv().await {
        match command {
            CronCommand::Arm {
                arm,
                id,
                expression,
            } => {
                let (to, tick_of_job) = (id.clone(), Arc::clone(&tick));
                let job = Job::new(expression, move |_, _| tick_of_job(&to, arm))?;
                armed.insert(arm, scheduler.add(job).await?);
                // Its time may have come on the way here, and what ticks from now on would be a whole period late. A tick
                // that comes early is nothing.
                tick(&id, arm);
            }
            CronCommand::Disarm { arm } => {
                if let Some(job) = armed.remove(&arm) {
                    scheduler.remove(&job).await?;
                }
            }
        }
    }
    scheduler.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_job_that_found_no_thread_is_ticked_when_a_later_one_gets_it() {
        let command = |arm, id: &str| CronCommand::Arm {
            arm,
            id: id.into(),
            expression: "0 0 0 1 1 *".to_owned(),
        };
        let refused = || Err(std::io::Error::other("no threads left"));
        let mut cron = Cron::default();
        cron.tell(command(1, "first"), refused);
        cron.tell(command(2, "gone"), refused);
        cron.tell(CronCommand::Disarm { arm: 2 }, refused);
        let (sender, ticks) = std::sync::mpsc::channel();
        cron.tell(command(3, "last"), || {
            CronEngine::start(move |_: &JobId, arm| {
                let _ = sender.send(arm);
            })
        });
        let deadline = Duration::from_secs(30);
        let ticked = [1, 2].map(|_| ticks.recv_timeout(deadline));
        assert_eq!(ticked, [Ok(1), Ok(3)]);
    }

    #[test]
    fn a_job_is_ticked_as_soon_as_it_is_armed_since_its_time_may_have_come_on_the_way() {
        let (sender, ticks) = std::sync::mpsc::channel();
        let engine = CronEngine::start(move |id: &JobId, arm| {
            let _ = sender.send((id.clone(), arm));
        })
        .unwrap();
        engine.tell(CronCommand::Arm {
            arm: 7,
            id: "yearly".into(),
            expression: "0 0 0 1 1 *".to_owned(),
        });
        let ticked = ticks.recv_timeout(Duration::from_secs(30));
        assert_eq!(ticked, Ok(("yearly".into(), 7)));
    }
}
