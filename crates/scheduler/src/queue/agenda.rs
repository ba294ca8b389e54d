//! What starts next: the lines in front of the workers, the timers, and what cron watches.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::clock::{Due, Now};
use crate::ids::JobId;
use crate::job::Lane;
use crate::queue::job::Job;
use crate::trigger::Schedule;

/// A place in a lane's line: higher priority first, then first come.
pub(super) type Place = (Reverse<i32>, u64);

/// A timer: when, and a number that tells timers of the same moment apart.
pub(super) type TimerKey = (Due, u64);

/// How often a timer that follows the wall clock looks again, in microseconds: the bound on how late it notices that the
/// clock was set.
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
    lines: [BTreeMap<Place, JobId>; Lane::COUNT],
    timers: BTreeMap<TimerKey, JobId>,
    last_number: u64,
    /// Runs that have become startable since the last look, by lane.
    pub(super) startable: [usize; Lane::COUNT],
    /// Whether the first timer is now sooner than it was.
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

    pub(super) fn first(&self, lane: Lane) -> Option<&JobId> {
        self.lines[lane.index()].first_key_value().map(|(_, id)| id)
    }

    /// Puts the job into its line if it has a run to start and may, takes it out if not.
    pub(super) fn line_up<T>(&mut self, id: &JobId, job: &mut Job<T>) {
        match (job.may_start(), job.place) {
            (true, None) => {
                let place = (Reverse(job.priority), self.number());
                self.lines[job.lane.index()].insert(place, id.clone());
                self.startable[job.lane.index()] += 1;
                job.place = Some(place);
            }
            (false, Some(_)) => self.step_out(job),
            _ => {}
        }
    }

    /// Takes the job out of its line, if it stands in one.
    pub(super) fn step_out<T>(&mut self, job: &mut Job<T>) {
        if let Some(place) = job.place.take() {
            self.lines[job.lane.index()].remove(&place);
        }
    }

    /// Moves a waiting job to where a new priority belongs, behind those of the same priority that came before it.
    pub(super) fn reprioritise<T>(&mut self, job: &mut Job<T>, priority: i32) {
        job.priority = priority;
        let line = &mut self.lines[job.lane.index()];
        if let Some(old) = job.place
            && let Some(id) = line.remove(&old)
        {
            let place = (Reverse(priority), old.1);
            line.insert(place, id);
            job.place = Some(place);
        }
    }

    /// Counts everything that stands in line as startable: after a pause of the whole scheduler.
    pub(super) fn recount(&mut self) {
        self.startable = [Lane::Prompt, Lane::Bulk, Lane::Io].map(|lane| self.len(lane));
        self.sooner = true;
    }

    /// Watches for the job's next time: plain cron by tokio-cron-scheduler, all else by a timer.
    pub(super) fn arm<T>(&mut self, id: &JobId, job: &mut Job<T>) {
        let Some(next) = job.next else {
            return self.disarm(job);
        };
        if let Schedule::Cron(calendar) = &job.schedule
            && let Some(expression) = calendar.plain()
        {
            if job.cron.is_none() {
                let arm = self.number();
                job.cron = Some(arm);
                self.cron.push(CronCommand::Arm {
                    arm,
                    id: id.clone(),
                    expression: expression.to_owned(),
                });
            }
            return;
        }
        self.disarm(job);
        let key = (next, self.number());
        self.timers.insert(key, id.clone());
        job.timer = Some(key);
        let first = match next {
            Due::Mono(_) => self.first_mono(),
            Due::Wall(_) => self.first_wall(),
        };
        self.sooner |= first == Some(next);
    }

    /// No longer watches for the job's next time.
    pub(super) fn disarm<T>(&mut self, job: &mut Job<T>) {
        if let Some(key) = job.timer.take() {
            self.timers.remove(&key);
        }
        if let Some(arm) = job.cron.take() {
            self.cron.push(CronCommand::Disarm { arm });
        }
    }

    /// Takes a timer whose time has come.
    pub(super) fn pop_due(&mut self, now: Now) -> Option<JobId> {
        let due = [self.first_mono(), self.first_wall()]
            .into_iter()
            .flatten()
            .find(|due| due.wait_us(now) == 0)?;
        let key = *self.timers.range((due, 0)..).next()?.0;
        self.timers.remove(&key)
    }

    /// Microseconds until the timers want to be looked at.
    pub(super) fn wait_us(&self, now: Now) -> Option<u64> {
        let mono = self.first_mono().map(|due| due.wait_us(now));
        let wall = self
            .first_wall()
            .map(|due| due.wait_us(now).min(WALL_RECHECK_US));
        mono.into_iter().chain(wall).min()
    }

    /// `Due` orders monotonic times before those of the wall clock, so the map holds two heaps, one behind the other.
    fn first_mono(&self) -> Option<Due> {
        self.timers
            .first_key_value()
            .map(|((due, _), _)| *due)
            .filter(|due| matches!(due, Due::Mono(_)))
    }

    fn first_wall(&self) -> Option<Due> {
        self.timers
            .range((Due::Wall(0), 0)..)
            .next()
            .map(|((due, _), _)| *due)
    }
}
