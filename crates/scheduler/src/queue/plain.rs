//! Jobs about which nothing was asked for but to run once, as soon as they can: most of a crowd.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::{Due, Now};
use crate::event::{Event, EventCode};
use crate::executor::Executor;
use crate::ids::JobId;
use crate::info::{RunOutcome, RunRecord};
use crate::job::{ConflictPolicy, JobSpec, Lane};
use crate::mailbox::Mailbox;
use crate::queue::MadeJob;
use crate::queue::job::Job;
use crate::queue::line::Place;
use crate::trigger::{Schedule, Trigger};

/// A job with no more to it than two lines of the cache hold. Whoever wants to do anything with it but to run it makes it
/// [whole](Self::whole) first; the rest of the queue knows only whole jobs.
///
/// It is small because it passes from the core that adds it to the one that runs it and back, and each line of the cache that
/// changes hands costs as much as a hundred instructions.
pub(crate) struct Plain<E: Executor> {
    /// As of any job, and its number in the line.
    pub(super) number: u64,
    pub(super) id: JobId,
    pub(super) name: Cow<'static, str>,
    pub(super) task: Arc<E::Task>,
    pub(crate) mail: Arc<Mailbox<E>>,
    /// When it was added.
    pub(super) added: Now,
    pub(super) priority: i32,
    pub(super) max_instances: u32,
    pub(super) coalesce: bool,
    pub(super) conflict: ConflictPolicy,
    /// Whether it only sits here until its last event has been told.
    pub(super) gone: bool,
}

impl<E: Executor> Plain<E> {
    /// Whether no more is asked for than such a job is.
    pub(crate) fn is_enough(spec: &JobSpec<E::Task>) -> bool {
        spec.trigger == Trigger::Now
            && spec.lane == Lane::Prompt
            && spec.misfire_grace_time.is_none()
            && spec.timeout.is_none()
            && spec.retry.is_none()
            && spec.jitter.is_zero()
            && spec.tags.is_empty()
            && !spec.durable
    }

    /// Makes one, without the lock, of a spec for which [it is enough](Self::is_enough).
    pub(crate) fn new(spec: JobSpec<E::Task>, now: Now) -> Box<Self> {
        Box::new(Self {
            number: 0,
            id: spec.id,
            name: spec.name,
            task: spec.task,
            mail: Arc::default(),
            added: now,
            priority: spec.priority,
            max_instances: spec.max_instances.max(1),
            coalesce: spec.coalesce,
            conflict: spec.conflict,
            gone: false,
        })
    }

    fn due(&self) -> Due {
        Due::Mono(self.added.mono_us)
    }

    pub(super) fn in_line(&self) -> Place {
        (Reverse(self.priority), self.number)
    }

    /// The same job with all that a job can have.
    pub(super) fn whole(self) -> Box<Job<E>> {
        let (due, place) = (self.due(), self.in_line());
        Box::new(Job {
            number: self.number,
            spec: JobSpec {
                priority: self.priority,
                max_instances: self.max_instances,
                coalesce: self.coalesce,
                conflict: self.conflict,
                ..JobSpec::new(self.id, self.name, self.task)
            },
            schedule: Schedule::Now,
            stored: None,
            anchor_us: self.added.wall_us,
            gone: self.gone,
            paused: false,
            forced: false,
            due: SmallVec::from_buf([due]),
            next: None,
            delay_us: 0,
            failures: 0,
            retry_at: None,
            place: Some(place),
            alarm: None,
            retry_alarm: None,
            cron: None,
            running: 0,
            seated_runs: 0,
            mail: self.mail,
        })
    }

    /// As [`whole`](Self::whole), to be looked at.
    pub(super) fn to_whole(&self) -> Box<Job<E>> {
        let copy = Self {
            id: self.id.clone(),
            name: self.name.clone(),
            task: Arc::clone(&self.task),
            mail: Arc::clone(&self.mail),
            ..*self
        };
        copy.whole()
    }

    /// An event about it.
    #[inline]
    pub(crate) fn event(&self, code: EventCode, now: Now) -> Event<E> {
        let event = Event::new(code, self.id.clone(), Arc::clone(&self.task), now.wall_us);
        Event {
            name: self.name.clone(),
            ..event
        }
    }

    /// The record of its run, which has succeeded.
    #[inline]
    pub(super) fn record(&self, event: &Event<E>, started: Now, now: Now) -> RunRecord {
        RunRecord {
            run_id: event.run_id,
            job_id: self.id.clone(),
            name: self.name.clone(),
            lane: Lane::Prompt,
            outcome: RunOutcome::Executed,
            message: None,
            scheduled_at: self.due().wall_us(now) / 1_000,
            started_at: Some(started.wall_us / 1_000),
            finished_at: now.wall_us / 1_000,
            elapsed_us: Some(started.elapsed_us(now)),
            attempt: 1,
        }
    }
}

impl<E: Executor> From<Box<Plain<E>>> for MadeJob<E> {
    fn from(job: Box<Plain<E>>) -> Self {
        let mut job = job.whole();
        job.place = None;
        Self(job)
    }
}
