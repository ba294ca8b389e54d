//! What becomes of a job that failed, and of a run that does not end.

use std::time::Duration;

use crate::clock::{Due, Now, micros, system_time};
use crate::event::{Event, EventCode};
use crate::executor::Executor;
use crate::queue::Queue;
use crate::queue::agenda::{Seat, Watch};
use crate::queue::job::Stop;

impl<E: Executor> Queue<E> {
    /// A run of the job, for the time `due`, has failed: it is tried again if it may be. Answers whether it is dead instead.
    ///
    /// The attempts are the job's: of runs side by side the first that fails sets the time for all of them.
    #[cold]
    pub(super) fn failed(&mut self, seat: Seat, due: Due, event: &mut Event<E>, now: Now) -> bool {
        let job = &mut self.jobs[seat];
        job.failures += 1;
        event.failures = job.failures;
        let Some(retry) = job.spec.retry else {
            job.failures = 0;
            return false;
        };
        let Some(wait) = retry.wait_after(job.failures) else {
            job.failures = 0;
            return true;
        };
        if job.paused && job.schedule.repeats() {
            // A pause ends the attempts of a recurring job.
            job.failures = 0;
            return false;
        }
        let at = match job.retry_at {
            Some(at) => {
                // It is owed beside the one that waits already.
                job.due.insert(0, due);
                at
            }
            None => {
                let delay_us = self.run_ids.random_to(job.spec.jitter);
                let at = now.after(micros(wait).saturating_add(delay_us));
                job.retry_at = Some(at);
                if !job.paused {
                    self.agenda.arm_retry(seat, job);
                }
                at
            }
        };
        event.retry_at = Some(system_time(at.wall_us(now)));
        false
    }

    /// The time has come to try a job again.
    pub(super) fn try_again(&mut self, seat: Seat) {
        let Some(job) = self.jobs.whole(seat) else {
            return;
        };
        job.retry_alarm = None;
        if let Some(at) = job.retry_at.take() {
            job.due.insert(0, at);
            self.agenda.line_up(seat, job);
        }
    }

    /// A run has taken as long as it may, or goes on although it was asked to stop.
    pub(super) fn overdue(&mut self, seat: Seat, now: Now) {
        let Some(run) = self.runs.get_mut(seat) else {
            return;
        };
        run.watch = None;
        if run.stopped.is_none() {
            run.stopped = Some(Stop::TimedOut);
            self.cancel.push(run.context.cancel().clone());
            let stuck_after = self.limits.stuck_after_us;
            run.watch = Some(self.agenda.watch(stuck_after, Watch::Run(seat), now));
        } else {
            let run = &self.runs[seat];
            let kept = self.find(run.context.job_id()).is_some();
            let elapsed_us = run.started.elapsed_us(now);
            self.post.send(EventCode::JobStuck, &run.mail, || {
                let mut event = run.event.clone();
                (event.code, event.at) = (EventCode::JobStuck, system_time(now.wall_us));
                event.elapsed = Some(Duration::from_micros(elapsed_us));
                event.kept = kept;
                event
            });
        }
    }
}
