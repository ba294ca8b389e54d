//! What comes next: the lines in front of the workers, the alarms, and what cron watches.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::clock::{Due, Now};
use crate::executor::Executor;
use crate::ids::JobId;
use crate::job::Lane;
use crate::queue::job::Job;
use crate::queue::line::Line;
use crate::queue::plain::Plain;

/// The seat of a job or a run in the queue. Seats are used again; a job's `number` tells it from the one that sat there
/// before.
pub(super) type Seat = usize;

/// An alarm: when, and a number that tells alarms of the same moment apart.
pub(super) type AlarmKey = (Due, u64);

/// What an alarm is about. Whoever set it keeps its key and takes it back when it no longer matters, so that one that
/// rings always means what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The next time of the job on this seat has come.
    Next(Seat),
    /// The job on this seat is to be tried again.
    Retry(Seat),
}

/// A watch is an alarm that also rings while the scheduler is paused: it starts nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// The run on this seat has taken as long as it may, or ignores that it was asked to stop.
    Run(Seat),
    /// The store failed and is to be written again.
    Store,
}

/// When a watch rings, by the monotonic clock, and a number as in [`AlarmKey`].
pub(super) type WatchKey = (u64, u64);

/// How often an alarm that follows the wall clock is looked at, in microseconds: the bound on how late it notices that
/// the clock was set.
const WALL_RECHECK_US: u64 = 1_000_000;

/// What tokio-cron-scheduler is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CronCommand {
    /// Tick for this job by this expression (UTC, with seconds), under this number.
    Arm {
        arm: u64,
        id: JobId,
        expression: String,
    },
    /// No longer tick under this number.
    Disarm { arm: u64 },
}

#[derive(Default)]
pub(super) struct Agenda {
    lines: [Line; Lane::COUNT],
    alarms: BTreeMap<AlarmKey, Alarm>,
    watches: BTreeMap<WatchKey, Watch>,
    last_number: u64,
    /// Whether the first alarm is now sooner than it was.
    pub(super) sooner: bool,
    pub(super) cron: Vec<CronCommand>,
}

impl Agenda {
    /// A number never used before: the order of adding, and the name of a job, run or arm.
    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn len(&self, lane: Lane) -> usize {
        self.lines[lane.index()].len()
    }

    /// Whose turn it is.
    pub(super) fn first(&self, lane: Lane) -> Option<Seat> {
        self.lines[lane.index()].first()
    }

    /// The priority of who is first.
    pub(super) fn first_priority(&self, lane: Lane) -> Option<i32> {
        self.lines[lane.index()].first_priority()
    }

    /// Puts the job into its line if it has a run to start and may, takes it out if not.
    #[inline]
    pub(super) fn line_up<E: Executor>(&mut self, seat: Seat, job: &mut Job<E>) {
        match (job.may_start(), job.place) {
            (true, None) => {
                let place = (Reverse(job.spec.priority), self.number());
                self.lines[job.spec.lane.index()].insert(place, seat);
                job.place = Some(place);
            }
            (false, Some(_)) => self.step_out(job),
            _ => {}
        }
    }

    /// Takes the job out of its line, if it stands in one.
    #[inline]
    pub(super) fn step_out<E: Executor>(&mut self, job: &mut Job<E>) {
        if let Some(place) = job.place.take() {
            self.lines[job.spec.lane.index()].remove(place);
        }
    }

    /// Puts a plain job into its line, where its number belongs.
    pub(super) fn stand<E: Executor>(&mut self, seat: Seat, job: &Plain<E>) {
        self.lines[Lane::Prompt.index()].insert(job.in_line(), seat);
    }

    /// Takes a plain job out of its line.
    pub(super) fn leave<E: Executor>(&mut self, job: &Plain<E>) {
        self.lines[Lane::Prompt.index()].remove(job.in_line());
    }

    /// Moves a waiting job to where a new priority belongs, behind those of the same priority that came before it.
    pub(super) fn reprioritise<E: Executor>(&mut self, job: &mut Job<E>, priority: i32) {
        job.spec.priority = priority;
        let line = &mut self.lines[job.spec.lane.index()];
        if let Some(old) = job.place
            && let Some(seat) = line.remove(old)
        {
            let place = (Reverse(priority), old.1);
            line.insert(place, seat);
            job.place = Some(place);
        }
    }

    /// Watches for all that a job waits for: its next time, and the time to try again.
    pub(super) fn arm<E: Executor>(&mut self, seat: Seat, job: &mut Job<E>) {
        self.arm_next(seat, job);
        self.arm_retry(seat, job);
    }

    /// Watches for the job's next time: plain cron by tokio-cron-scheduler, all else by an alarm.
    pub(super) fn arm_next<E: Executor>(&mut self, seat: Seat, job: &mut Job<E>) {
        let Some(next) = job.next_delayed() else {
            return self.disarm_next(job);
        };
        if let Some(expression) = job.ticked_by_cron() {
            if job.cron.is_none() {
                let expression = expression.to_owned();
                self.unset(job.alarm.take());
                let arm = self.number();
                job.cron = Some(arm);
                self.cron.push(CronCommand::Arm {
                    arm,
                    id: job.spec.id.clone(),
                    expression,
                });
            }
            return;
        }
        self.disarm_next(job);
        job.alarm = Some(self.set(next, Alarm::Next(seat)));
    }

    /// Watches for the time to try again.
    pub(super) fn arm_retry<E: Executor>(&mut self, seat: Seat, job: &mut Job<E>) {
        self.disarm_retry(job);
        if let Some(at) = job.retry_at {
            job.retry_alarm = Some(self.set(at, Alarm::Retry(seat)));
        }
    }

    /// No longer watches for anything of this job.
    #[inline]
    pub(super) fn disarm<E: Executor>(&mut self, job: &mut Job<E>) {
        self.disarm_next(job);
        self.disarm_retry(job);
    }

    #[inline]
    pub(super) fn disarm_next<E: Executor>(&mut self, job: &mut Job<E>) {
        self.unset(job.alarm.take());
        if let Some(arm) = job.cron.take() {
            self.cron.push(CronCommand::Disarm { arm });
        }
    }

    #[inline]
    pub(super) fn disarm_retry<E: Executor>(&mut self, job: &mut Job<E>) {
        self.unset(job.retry_alarm.take());
    }

    /// Sets an alarm; the key is for taking it back.
    pub(super) fn set(&mut self, due: Due, alarm: Alarm) -> AlarmKey {
        let key = (due, self.number());
        self.alarms.insert(key, alarm);
        let first = match due {
            Due::Mono(_) => self.first_mono(),
            Due::Wall(_) => self.first_wall(),
        };
        self.sooner |= first == Some(due);
        key
    }

    #[inline]
    pub(super) fn unset(&mut self, key: Option<AlarmKey>) {
        if let Some(key) = key {
            self.forget_alarm(key);
        }
    }

    /// Apart, so that who has none is not in its way.
    #[inline(never)]
    fn forget_alarm(&mut self, key: AlarmKey) {
        self.alarms.remove(&key);
    }

    /// Sets a watch so long from now; the key is for taking it back.
    pub(super) fn watch(&mut self, wait_us: u64, watch: Watch, now: Now) -> WatchKey {
        let key = (now.mono_us.saturating_add(wait_us), self.number());
        self.watches.insert(key, watch);
        self.sooner |= self.watches.first_key_value().map(|(first, _)| *first) == Some(key);
        key
    }

    #[inline]
    pub(super) fn unwatch(&mut self, key: Option<WatchKey>) {
        if let Some(key) = key {
            self.forget_watch(key);
        }
    }

    /// As [`forget_alarm`](Self::forget_alarm).
    #[inline(never)]
    fn forget_watch(&mut self, key: WatchKey) {
        self.watches.remove(&key);
    }

    /// Takes a watch whose time has come.
    pub(super) fn pop_watch(&mut self, now: Now) -> Option<Watch> {
        let first = self.watches.first_entry()?;
        (first.key().0 <= now.mono_us).then(|| first.remove())
    }

    /// Takes an alarm whose time has come.
    pub(super) fn pop_due(&mut self, now: Now) -> Option<Alarm> {
        let due = [self.first_mono(), self.first_wall()]
            .into_iter()
            .flatten()
            .find(|due| due.wait_us(now) == 0)?;
        let key = *self.alarms.range((due, 0)..).next()?.0;
        self.alarms.remove(&key)
    }

    /// Microseconds until the watches, and unless `paused` the alarms, want to be looked at.
    pub(super) fn wait_us(&self, now: Now, paused: bool) -> Option<u64> {
        let watch = self.watches.first_key_value();
        let watch = watch.map(|((at, _), _)| Due::Mono(*at).wait_us(now));
        if paused {
            return watch;
        }
        let mono = self.first_mono().map(|due| due.wait_us(now));
        let wall = self
            .first_wall()
            .map(|due| due.wait_us(now).min(WALL_RECHECK_US));
        watch.into_iter().chain(mono).chain(wall).min()
    }

    /// `Due` orders monotonic times before those of the wall clock, so the map holds two heaps, one behind the other.
    fn first_mono(&self) -> Option<Due> {
        self.alarms
            .first_key_value()
            .map(|((due, _), _)| *due)
            .filter(|due| matches!(due, Due::Mono(_)))
    }

    fn first_wall(&self) -> Option<Due> {
        self.alarms
            .range((Due::Wall(0), 0)..)
            .next()
            .map(|((due, _), _)| *due)
    }
}
