//! A job as the queue keeps it, and a run of it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::{Due, micros};
use crate::executor::RunContext;
use crate::ids::JobId;
use crate::job::{JobSpec, Lane};
use crate::queue::agenda::{Place, TimerKey};
use crate::trigger::{Schedule, Trigger};

pub(super) struct Job<T> {
    /// Tells it from an earlier job of the same id, whose last run may still go on.
    pub(super) number: u64,
    pub(super) name: Cow<'static, str>,
    pub(super) task: Arc<T>,
    pub(super) lane: Lane,
    pub(super) priority: i32,
    pub(super) trigger: Trigger,
    pub(super) schedule: Schedule,
    pub(super) grace_us: Option<u64>,
    pub(super) coalesce: bool,
    pub(super) max_instances: u32,
    pub(super) paused: bool,
    /// Whether the run that is due starts although the job is paused: someone asked for just it.
    pub(super) forced: bool,
    /// Times that have come and whose runs have not started, earliest first.
    pub(super) due: VecDeque<Due>,
    /// The first time that has not come. Kept, but not watched for, while the job is paused.
    pub(super) next: Option<Due>,
    pub(super) place: Option<Place>,
    pub(super) timer: Option<TimerKey>,
    pub(super) cron: Option<u64>,
    /// How many runs go on.
    pub(super) running: u32,
}

impl<T> Job<T> {
    pub(super) fn new(number: u64, spec: JobSpec<T>, schedule: Schedule) -> Self {
        Self {
            number,
            name: spec.name,
            task: spec.task,
            lane: spec.lane,
            priority: spec.priority,
            trigger: spec.trigger,
            schedule,
            grace_us: spec.misfire_grace_time.map(micros),
            coalesce: spec.coalesce,
            max_instances: spec.max_instances.max(1),
            paused: false,
            forced: false,
            due: VecDeque::new(),
            next: None,
            place: None,
            timer: None,
            cron: None,
            running: 0,
        }
    }

    pub(super) fn may_start(&self) -> bool {
        (!self.paused || self.forced) && !self.due.is_empty() && self.running < self.max_instances
    }

    /// Whether nothing is left of it: it has run for the last time.
    pub(super) fn is_spent(&self) -> bool {
        !self.paused && self.next.is_none() && self.due.is_empty() && self.running == 0
    }
}

pub(super) struct Run<T> {
    pub(super) job_id: JobId,
    pub(super) job_number: u64,
    pub(super) name: Cow<'static, str>,
    pub(super) task: Arc<T>,
    pub(super) lane: Lane,
    pub(super) context: RunContext,
    pub(super) scheduled_us: u64,
    pub(super) started_us: u64,
    pub(super) started_mono_us: u64,
    /// Set before its token is: what counts when it ends.
    pub(super) cancelled: bool,
}

/// A run that a worker is to execute.
pub(crate) struct Started<T> {
    /// Names the run to [`Queue::finished`](super::Queue::finished).
    pub(crate) run: u64,
    pub(crate) task: Arc<T>,
    pub(crate) context: RunContext,
}
