//! What a store keeps, against what must never happen: the queue is crashed between any two steps, and starts again with
//! what was written.

mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use self::steps::{NewOne, Step, step};
use super::model::{When, name};
use super::*;
use crate::clock::MONO_START_US;
use crate::info::JobInfo;
use crate::job::Retry;
use crate::store::{JobStore, MemoryStore, StoreChange, StoredJob};

/// A run by the time it is for. Times differ between any two steps, so hardly ever is another for the same.
type Owed = (JobId, u64);

/// What a program knows of its jobs, as far as the store has said yes.
#[derive(Debug, Clone, Default)]
struct Known {
    jobs: Vec<JobInfo>,
    dead: BTreeSet<JobId>,
    paused: BTreeSet<JobId>,
    /// The first time of each interval, and its length.
    grids: BTreeMap<JobId, (u64, u64)>,
}

struct World {
    queue: Queue<Numbers>,
    store: MemoryStore,
    disk_fails: bool,
    last_write_failed: bool,
    /// Since [`EPOCH_US`]. Each step takes a microsecond, all else whole milliseconds.
    now_us: u64,
    /// Each life has a monotonic clock of its own.
    lives: u64,
    runs: Vec<(usize, Owed)>,
    known: Known,
    acknowledged: Known,
    succeeded: Vec<Owed>,
    success_written: BTreeSet<Owed>,
}

impl World {
    fn new() -> Self {
        let mut queue = queue();
        queue.keep();
        Self {
            queue,
            store: MemoryStore::new(),
            disk_fails: false,
            last_write_failed: false,
            now_us: 0,
            lives: 0,
            runs: Vec::new(),
            known: Known::default(),
            acknowledged: Known::default(),
            succeeded: Vec::new(),
            success_written: BTreeSet::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            mono_us: MONO_START_US - self.lives * 777 + self.now_us,
            wall_us: EPOCH_US + self.now_us,
        }
    }

    fn trigger(&self, when: When) -> Trigger {
        match when {
            When::Date(us) => When::Date(self.now_us + us).trigger(),
            other => other.trigger(),
        }
    }

    /// Its interval counts from now on, or it has none any more.
    fn note_grid(&mut self, id: u8, when: When) {
        match when {
            When::Interval { every, start_after } => {
                let first = EPOCH_US + self.now_us + start_after;
                self.known.grids.insert(name(id), (first, every));
            }
            _ => drop(self.known.grids.remove(&name(id))),
        }
    }

    fn spec(&self, new: &NewOne) -> JobSpec<u32> {
        let millis = Duration::from_millis;
        let retry = new.retry.map(|(attempts, wait)| {
            Retry::attempts(attempts).waits(millis(wait), millis(wait * 3))
        });
        let mut spec = JobSpec::new(name(new.id), "test", u32::from(new.id))
            .trigger(self.trigger(new.when))
            .conflict(new.conflict)
            .retry(retry)
            .misfire_grace_time(new.grace_ms.map(millis))
            .coalesce(new.coalesce)
            .max_instances(new.max_instances);
        spec.durable = new.durable;
        spec
    }

    /// As the keeper does it: a durable job is in the store before it is anywhere else.
    fn add(&mut self, new: &NewOne) -> Result<Option<Added>, TestCaseError> {
        let now = self.now();
        let asked = checked(self.spec(new), now);
        let before = self.queue.infos(now);
        let Ok(made) = asked.make(now) else {
            return Ok(None);
        };
        let (job, preview) = match self.queue.preview(made, now) {
            Ok(Preview::Write(job, preview)) => (job, preview),
            Ok(Preview::Place(job)) => return Ok(self.queue.add(job, now).ok()),
            Ok(Preview::Done(added)) => return Ok(Some(added)),
            Err(_) => return Ok(None),
        };
        let change = StoreChange::PutJob(preview.clone());
        if self.disk_fails {
            prop_assert_eq!(self.queue.infos(now), before, "refused means unchanged");
            return Ok(None);
        }
        self.store.apply(&[change]).unwrap();
        Ok(self.queue.add_written(job, &preview, now).ok())
    }

    fn add_and_compare(&mut self, new: &NewOne) -> Result<(), TestCaseError> {
        let id = name(new.id);
        if let Some(added) = self.add(new)? {
            if matches!(added, Added::New | Added::Replaced) {
                self.note_grid(new.id, new.when);
            }
            let info = self.queue.info(&id, self.now()).unwrap();
            prop_assert_eq!(
                info.paused,
                self.known.paused.contains(&id),
                "a pause is of the id"
            );
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        if let Some(started) = self.queue.take(&[Lane::Prompt], now) {
            let run = &self.queue.runs[started.run];
            let job = &self.queue.jobs[run.seat];
            let owed = (job.spec.id.clone(), run.due.wall_us(run.started));
            prop_assert!(
                !self.success_written.contains(&owed),
                "runs again: {:?}",
                owed
            );
            let grace = job.spec.misfire_grace_time.map(crate::clock::micros);
            prop_assert!(grace.is_none_or(|grace| now.wall_us - owed.1 <= grace));
            prop_assert_eq!(run.record.attempt, job.failures + 1);
            self.runs.push((started.run, owed));
        }
        Ok(())
    }

    fn finish(&mut self, nth: usize, error: Option<&str>) {
        if !self.runs.is_empty() {
            let (run, owed) = self.runs.remove(nth % self.runs.len());
            let id = self.queue.runs[run].context.run_id();
            self.queue.finished(run, ended(error), self.now());
            let executed = |letter: &Letter<Numbers>| {
                letter.event.code == EventCode::JobExecuted && letter.event.run_id == Some(id)
            };
            if self.queue.post.letters.iter().any(executed) {
                // Runs that were interrupted and come back paused are all for the time of their resuming.
                let is_owed_again = self.is_owed(&owed);
                self.succeeded.extend((!is_owed_again).then_some(owed));
            }
        }
    }

    fn job(&self, id: &JobId) -> Option<&Job<Numbers>> {
        whole(&self.queue).find(|job| job.spec.id == *id)
    }

    fn is_owed(&self, owed: &Owed) -> bool {
        let goes_on = self.runs.iter().any(|(_, other)| other == owed);
        let job = self.job(&owed.0);
        let mut due = job.iter().flat_map(|job| &job.due);
        goes_on || due.any(|due| due.wall_us(self.now()) == owed.1)
    }

    /// Writes what has changed, or fails to, and tells.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        let is_dirty = self.queue.is_dirty();
        let waits = self.last_write_failed;
        let effects = self.queue.take_effects();
        prop_assert!(
            !is_dirty || waits || effects.dirty,
            "nobody was told to write"
        );
        let changes = self.queue.changes(now);
        self.last_write_failed = self.disk_fails && !changes.is_empty();
        if self.last_write_failed {
            self.queue.unwritten(changes, now);
        } else {
            self.store.apply(&changes).unwrap();
            self.queue.written();
        }
        heard(&mut self.queue);
        self.look();
        Ok(())
    }

    /// Looks at what a program can see, and remembers it if the store is said to hold it.
    fn look(&mut self) {
        self.known.jobs = self.queue.infos(self.now());
        let dead = self.queue.dead().into_iter();
        let durable = dead.filter(|dead| dead.job.is_some());
        self.known.dead = durable.map(|dead| dead.id).collect();
        for info in &self.known.jobs {
            match info.paused {
                true => self.known.paused.insert(info.id.clone()),
                false => self.known.paused.remove(&info.id),
            };
        }
        if !self.queue.is_dirty() {
            self.acknowledged = self.known.clone();
            self.success_written.extend(self.succeeded.drain(..));
        }
    }

    /// The process is gone, and some time later there is another.
    fn crash(&mut self, down_ms: u64) -> Result<(), TestCaseError> {
        self.now_us += down_ms * 1_000;
        self.lives += 1;
        self.last_write_failed = false;
        self.runs.clear();
        self.succeeded.clear();
        let mut queue = queue();
        queue.keep();
        let stored = self.store.load().unwrap();
        for id in stored.paused {
            queue.restore_pause(id);
        }
        let jobs = stored.jobs.clone();
        for job in stored.jobs {
            let schedule = Schedule::check(&job.trigger, job.anchor_us).unwrap();
            queue.restore(job, Arc::new(0), schedule, self.now());
        }
        for dead in stored.dead {
            queue.restore_dead(dead, Ok(Arc::new(0)));
        }
        self.queue = queue;
        self.compare_with_acknowledged(&jobs)?;
        self.known = self.acknowledged.clone();
        Ok(())
    }

    fn compare_with_acknowledged(&self, stored: &[StoredJob]) -> Result<(), TestCaseError> {
        let now = self.now();
        let durable = self.acknowledged.jobs.iter().filter(|info| info.durable);
        let back = self.queue.infos(now);
        prop_assert_eq!(
            back.iter().map(|info| &info.id).collect::<Vec<_>>(),
            durable.clone().map(|info| &info.id).collect::<Vec<_>>()
        );
        for (before, after) in durable.zip(&back) {
            prop_assert_eq!(before.paused, after.paused);
            prop_assert!(
                after.paused || after.next_run_time.is_some(),
                "it never runs"
            );
            let was_due = matches!(before.state, JobState::Pending | JobState::Running);
            if was_due && !before.paused {
                let job = self.job(&after.id).unwrap();
                prop_assert!(!job.due.is_empty(), "it is owed");
            }
        }
        let dead: BTreeSet<_> = self.queue.dead().into_iter().map(|dead| dead.id).collect();
        prop_assert_eq!(&dead, &self.acknowledged.dead);
        for job in stored {
            self.compare_with_stored(job)?;
        }
        Ok(())
    }

    fn compare_with_stored(&self, stored: &StoredJob) -> Result<(), TestCaseError> {
        let now = self.now();
        let (owed, is_new_time) = owed_after_downtime(stored, now.wall_us);
        let job = self.job(&stored.id).unwrap();
        let due: Vec<u64> = job.due.iter().map(|due| due.wall_us(now)).collect();
        prop_assert_eq!(due, owed);
        let begins_anew = is_new_time && stored.coalesce;
        let failures = if begins_anew { 0 } else { stored.failures };
        prop_assert_eq!(job.failures, failures, "attempts go on where they were");
        let later = stored.owed_us.iter().find(|at| **at > now.wall_us);
        prop_assert_eq!(
            job.retry_at.map(|at| at.wall_us(now)),
            later.copied().filter(|_| !begins_anew)
        );
        Ok(())
    }

    fn check_grids(&self) -> Result<(), TestCaseError> {
        let now = self.now();
        for job in whole(&self.queue) {
            if let (Some((first, every)), Some(next)) =
                (self.known.grids.get(&job.spec.id), job.next)
            {
                let next = next.wall_us(now);
                prop_assert!(
                    next >= *first && (next - first) % every == 0,
                    "off its grid"
                );
            }
        }
        Ok(())
    }
}

/// The times that a stored job owes now, and whether one of them came while nobody looked.
fn owed_after_downtime(stored: &StoredJob, now_us: u64) -> (Vec<u64>, bool) {
    let every = match stored.trigger {
        Trigger::Interval { every, .. } => crate::clock::micros(every),
        _ => u64::MAX / 4,
    };
    let first = stored.next_us.filter(|_| !stored.paused);
    let times = std::iter::successors(first, |at| Some(at + every));
    let missed: Vec<u64> = times.take_while(|at| *at <= now_us).collect();
    let owed = stored.owed_us.iter().copied().filter(|at| *at <= now_us);
    let is_new_time = !missed.is_empty();
    let owed = match missed.last() {
        Some(latest) if stored.coalesce => vec![*latest],
        _ => owed.chain(missed).collect(),
    };
    (owed, is_new_time)
}

fn check(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for step in steps {
        world.now_us += 1;
        let now = world.now();
        match step {
            Step::Add(new) => world.add_and_compare(new)?,
            Step::Remove(id) => {
                if world.queue.remove(&name(*id), now).is_ok() {
                    world.known.paused.remove(&name(*id));
                }
            }
            Step::Pause(id) => drop(world.queue.pause(&name(*id), now)),
            Step::Resume(id) => {
                // Also while no job has the id.
                world.known.paused.remove(&name(*id));
                drop(world.queue.resume(&name(*id), now));
            }
            Step::RunNow(id) => drop(world.queue.run_now(&name(*id), now)),
            Step::Reschedule(id, when) => {
                let trigger = world.trigger(*when);
                let schedule = Schedule::check(&trigger, now.wall_us).unwrap();
                let changed = world.queue.reschedule(&name(*id), trigger, schedule, now);
                if changed.is_ok() {
                    world.note_grid(*id, *when);
                }
            }
            Step::Requeue(id) => world.requeue(*id),
            Step::Forget(id) => drop(world.queue.forget_dead(&name(*id))),
            Step::Wait { ms } => world.now_us += ms * 1_000,
            Step::Fire => drop(world.queue.fire_due(now)),
            Step::Take => world.take()?,
            Step::Finish { nth, failed } => world.finish(*nth, failed.then_some("failed")),
            Step::Disk { fails } => world.disk_fails = *fails,
            Step::Crash { down_ms } => world.crash(*down_ms)?,
            Step::Drain { down_ms } => {
                world.drain()?;
                world.crash(*down_ms)?;
            }
        }
        world.settle()?;
        world.check_grids()?;
    }
    Ok(())
}

impl World {
    fn requeue(&mut self, id: u8) {
        let now = self.now();
        let id = name(id);
        let exists = self.queue.info(&id, now).is_some();
        if requeue(&mut self.queue, &id, now).is_ok() && !exists {
            // It begins anew, as its trigger says.
            let job = self.job(&id).unwrap();
            match (&job.spec.trigger, job.next) {
                (Trigger::Interval { every, .. }, Some(first)) => {
                    let grid = (first.wall_us(now), crate::clock::micros(*every));
                    self.known.grids.insert(id, grid);
                }
                _ => drop(self.known.grids.remove(&id)),
            }
        }
    }

    /// Every run obeys its token at once.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        self.queue.close();
        self.queue.stop_all(self.now());
        while !self.runs.is_empty() {
            self.finish(0, None);
        }
        self.queue.take_effects();
        heard(&mut self.queue);
        let changes = self.queue.changes(self.now());
        if !self.disk_fails {
            self.store.apply(&changes).unwrap();
            self.look();
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_acknowledged_survives_a_crash_at_any_step(steps in proptest::collection::vec(step(), 1..70)) {
        check(&steps)?;
    }
}
