//! How runs come due, start and end.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Due, Now, micros, system_time};
use crate::event::{Event, EventCode};
use crate::executor::{Executor, RunContext};
use crate::ids::JobId;
use crate::info::RunOutcome;
use crate::job::Lane;
use crate::mailbox::Mailbox;
use crate::queue::Queue;
use crate::queue::agenda::{Alarm, Seat, Watch};
use crate::queue::job::{Run, Started, Stop};
use crate::queue::jobs::Seated;
use crate::trigger::MAX_CATCH_UP;

/// What a body has returned.
pub(crate) struct Ended<E: Executor> {
    /// Its output, if it returned one.
    pub(crate) output: Option<Arc<E::Output>>,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
    /// Whether its token is set, also by the program itself.
    pub(crate) token_cancelled: bool,
}

impl<E: Executor> Queue<E> {
    /// Lets every alarm ring whose time has come. Answers whether one has: something may be startable then.
    pub(crate) fn fire_due(&mut self, now: Now) -> bool {
        let mut has_rung = false;
        while let Some(watch) = self.agenda.pop_watch(now) {
            has_rung = true;
            match watch {
                Watch::Run(run) => self.overdue(run, now),
                Watch::Store => self.ledger.try_again(),
            }
        }
        if self.paused || self.closed {
            return has_rung;
        }
        while let Some(alarm) = self.agenda.pop_due(now) {
            has_rung = true;
            match alarm {
                Alarm::Next(seat) => {
                    if let Some(job) = self.jobs.whole(seat) {
                        job.alarm = None;
                    }
                    self.fire(seat, now);
                }
                Alarm::Retry(seat) => self.try_again(seat),
            }
        }
        has_rung
    }

    /// tokio-cron-scheduler says that a time of this job has come. Ticks of an arm that is no longer wanted, or that
    /// come early, are nothing; a tick that got lost is made up for by the next.
    pub(crate) fn tick(&mut self, id: &JobId, arm: u64, now: Now) {
        if let Ok(seat) = self.seat(id)
            && self.jobs[seat].cron == Some(arm)
            && !self.paused
            && !self.closed
        {
            self.catch_up(seat, now);
        }
    }

    /// Fires a job if its next time has come, whoever watches for it.
    pub(super) fn catch_up(&mut self, seat: Seat, now: Now) {
        if let Some(Seated::Whole(job)) = self.jobs.seated(seat)
            && !job.paused
            && job
                .next_delayed()
                .is_some_and(|next| next.wait_us(now) == 0)
        {
            self.fire(seat, now);
        }
    }

    /// When [`fire_due`](Self::fire_due) wants to be called next, in microseconds from now.
    pub(crate) fn wait_us(&self, now: Now) -> Option<u64> {
        self.agenda.wait_us(now, self.paused || self.closed)
    }

    /// The job's next time has come.
    fn fire(&mut self, seat: Seat, now: Now) {
        let Some(job) = self.jobs.whole(seat) else {
            return;
        };
        let Some(due) = job.next else { return };
        let delay_us = job.delay_us;
        let (times, next) = job
            .schedule
            .elapsed(due, now.earlier(delay_us), job.spec.coalesce);
        job.next = next;
        job.delay_us = self.run_ids.random_to(job.spec.jitter);
        let repeats = job.schedule.repeats();
        let full = repeats && job.due.is_empty() && job.running >= job.spec.max_instances;
        if !full {
            if job.spec.coalesce {
                // One run for all that is due is a new beginning, also of the attempts.
                job.due.clear();
                (job.failures, job.retry_at) = (0, None);
                self.agenda.disarm_retry(job);
            }
            job.due
                .extend(times.into_iter().map(|due| due.later(delay_us)));
            let surplus = job.due.len().saturating_sub(MAX_CATCH_UP);
            job.due.drain(..surplus);
        }
        self.agenda.arm_next(seat, job);
        self.agenda.line_up(seat, job);
        if full {
            // That time is over without a run.
            self.ledger.touch(job);
            self.post.about(job, EventCode::JobMaxInstances, now);
        }
    }

    /// Starts the best run that is due in the first of these lanes that has one.
    pub(crate) fn take(&mut self, lanes: &[Lane], now: Now) -> Option<Started<E>> {
        if self.paused || self.closed {
            return None;
        }
        for &lane in lanes {
            while lane != Lane::Io || self.may_start_io() {
                let Some(seat) = self.agenda.first(lane) else {
                    break;
                };
                if let Some(started) = self.start(seat, now) {
                    return Some(started);
                }
            }
        }
        None
    }

    /// Starts all io runs that may.
    pub(crate) fn take_io(&mut self, now: Now) -> Vec<Started<E>> {
        let mut runs = Vec::new();
        if self.agenda.len(Lane::Io) > 0 {
            runs.extend(std::iter::from_fn(|| self.take(&[Lane::Io], now)));
        }
        runs
    }

    fn may_start_io(&self) -> bool {
        !self.io_lost && self.io_running < self.limits.io
    }

    /// The runtime of the io lane has ended, and this run with it: it is owed, if a store keeps its job. Answers whether
    /// that is news.
    pub(crate) fn lose_tokio(&mut self, run: usize) -> bool {
        if let Some(run) = self.runs.get_mut(run) {
            run.stopped.get_or_insert(Stop::Closing);
        }
        !std::mem::replace(&mut self.io_lost, true)
    }

    /// Starts the run that is due first of a job that stands in line, unless it is too late for it.
    fn start(&mut self, seat: Seat, now: Now) -> Option<Started<E>> {
        let job = self.jobs.whole(seat)?;
        self.agenda.step_out(job);
        if job.due.is_empty() {
            return None;
        }
        let due = job.due.remove(0);
        job.forced &= !job.due.is_empty();
        let late_us = due.late_us(now);
        if job
            .spec
            .misfire_grace_time
            .is_some_and(|grace| late_us > micros(grace))
        {
            self.agenda.line_up(seat, job);
            self.missed(seat, due, now);
            return None;
        }
        let run_id = self.run_ids.next(now.wall_us);
        let context = RunContext::new(job.spec.id.clone(), run_id);
        job.running += 1;
        job.seated_runs += 1;
        self.agenda.line_up(seat, job);
        let run = Run::new(seat, job, due, context.clone(), now);
        let started = Started {
            run: self.runs.vacant_key(),
            task: Arc::clone(&job.spec.task),
            context,
            lane: job.spec.lane,
        };
        let watch = Watch::Run(started.run);
        let timeout = job.spec.timeout.map(micros);
        if started.lane == Lane::Io {
            self.io_running += 1;
        }
        self.post
            .send(EventCode::JobSubmitted, &run.mail, || run.event.clone());
        let seat = self.runs.insert(run);
        self.runs[seat].watch = timeout.map(|us| self.agenda.watch(us, watch, now));
        Some(started)
    }

    /// A run is too late to start.
    fn missed(&mut self, seat: Seat, due: Due, now: Now) {
        let job = &self.jobs[seat];
        drop(self.history.push(Box::new(job.record(due, now))));
        self.ledger.touch(job);
        let kept = !job.is_spent();
        self.post.send(EventCode::JobMissed, &job.mail, || {
            Box::new(Event {
                kept,
                ..job.event(EventCode::JobMissed, now)
            })
        });
        if !kept {
            self.part(seat);
        }
    }

    /// A run has ended. The job is gone if this was its last.
    pub(crate) fn finished(&mut self, run: usize, ended: Ended<E>, now: Now) {
        let Some(mut run) = self.runs.try_remove(run) else {
            return;
        };
        self.agenda.unwatch(run.watch.take());
        let (outcome, error) = run.verdict(ended.error, ended.token_cancelled);
        let code = outcome.code();
        let elapsed_us = run.started.elapsed_us(now);
        let Run {
            seat,
            job_number,
            mut event,
            mut record,
            mail,
            ..
        } = run;
        if record.lane == Lane::Io {
            self.io_running -= 1;
        }
        record.outcome = outcome;
        record.finished_at = now.wall_us / 1_000;
        record.elapsed_us = Some(elapsed_us);
        if let Some(error) = &error {
            record.message = Some(error.clone());
        }
        drop(self.history.push(record));
        event.code = code;
        event.at = system_time(now.wall_us);
        event.elapsed = Some(Duration::from_micros(elapsed_us));
        event.output = ended.output.filter(|_| code != EventCode::JobError);
        event.error = error;
        let job = &mut self.jobs[seat];
        job.seated_runs -= 1;
        if job.number != job_number || job.gone {
            return self.outlived(event, mail);
        }
        job.running -= 1;
        let mut dead = false;
        if code == EventCode::JobExecuted {
            // Unless a run beside it has failed and waits.
            if job.retry_at.is_none() {
                job.failures = 0;
            }
        } else if code == EventCode::JobError {
            dead = self.failed(seat, run.due, &mut event, now);
        } else if run.stopped == Some(Stop::Closing) && job.stored.is_some() {
            job.due.insert(0, run.due);
        }
        let job = &mut self.jobs[seat];
        self.agenda.line_up(seat, job);
        // A run that was stopped because the scheduler ends is owed, as the store says already.
        if run.stopped != Some(Stop::Closing) {
            self.ledger.touch(job);
        }
        let kept = !job.is_spent();
        event.kept = kept;
        let last_words = dead.then(|| event.error.clone()).flatten();
        let failures = event.failures;
        self.post.hand_over(mail, event);
        if let Some(error) = last_words {
            self.bury(seat, error, failures, kept, now);
        }
        if !kept {
            self.part(seat);
        }
    }

    /// The end of a run whose job is gone, or whose place another has taken.
    #[cold]
    fn outlived(&mut self, mut event: Box<Event<E>>, mail: Arc<Mailbox<E>>) {
        let id = event.job_id.clone();
        event.kept = self.find(&id).is_some();
        self.post.hand_over(mail, event);
        let _ = self.give_back(&id);
    }
}

impl<E: Executor> Run<E> {
    /// How it ended, and why if it failed.
    fn verdict(
        &self,
        error: Option<String>,
        token_cancelled: bool,
    ) -> (RunOutcome, Option<String>) {
        match self.stopped {
            None if !token_cancelled && error.is_none() => (RunOutcome::Executed, None),
            None if !token_cancelled => (RunOutcome::Error, error),
            Some(Stop::TimedOut) => (RunOutcome::Error, Some(timed_out(error))),
            _ => (RunOutcome::Cancelled, error),
        }
    }
}

#[cold]
fn timed_out(error: Option<String>) -> String {
    match error {
        Some(error) => format!("timed out: {error}"),
        None => "timed out".to_owned(),
    }
}
