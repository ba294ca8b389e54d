//! What a store keeps comes back, and a store that fails is no secret.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jbc_scheduler::{
    AddError, Added, ChangeError, ConflictPolicy, EventCode, EventMask, JobSpec, JobState,
    JobStore, Lane, MemoryStore, Modification, SchedulerEvent, StartError, StoreChange, StoreError,
    Stored, Trigger,
};

use crate::harness::{
    Closures, DEADLINE, Disk, Gate, Task, Watch, broken, durable, endless, gated, job,
};

fn hourly(id: &str) -> JobSpec<Task> {
    durable(id, "work").trigger(Trigger::every(Duration::from_secs(3_600)))
}

/// A program that knows what `work` is.
fn working() -> Closures {
    Closures::default().knowing("work", |_| Ok(1))
}

#[test]
fn a_durable_job_that_cannot_be_written_is_refused_and_nothing_has_changed() {
    let disk = Disk::default();
    let scheduler = working().builder().store(disk.clone()).start().unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    let before = scheduler.get_jobs();
    let written = disk.contents();
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    disk.fails(true);
    let refused = Err(AddError::Store(broken("write")));
    assert_eq!(scheduler.add_job(durable("other", "work")), refused);
    let replacing = durable("audit", "work").conflict(ConflictPolicy::Replace);
    assert_eq!(scheduler.add_job(replacing), refused);
    assert_eq!(scheduler.get_jobs().len(), before.len());
    assert_eq!(scheduler.get_jobs()[0].trigger, before[0].trigger);
    assert_eq!(disk.contents(), written);
    scheduler.add_job(job("not durable", |_| Ok(0))).unwrap();
    watch.wait(EventCode::JobExecuted, "not durable");
    assert!(watch.rest().iter().all(|seen| seen.id == "not durable"));
}

#[test]
fn a_store_that_fails_is_no_reason_to_refuse_what_it_does_not_keep() {
    let disk = Disk::default();
    let scheduler = working().builder().store(disk.clone()).start().unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    disk.fails(true);
    assert!(scheduler.pause_job(&"audit".into()).is_err());
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    assert_eq!(scheduler.add_job(job("mining", |_| Ok(0))), Ok(Added::New));
    watch.wait(EventCode::JobExecuted, "mining");
    let there = hourly("audit").conflict(ConflictPolicy::DoNothing);
    assert_eq!(scheduler.add_job(there), Ok(Added::AlreadyThere));
    disk.fails(false);
    disk.wait_until(|stored| stored.jobs[0].paused);
}

/// Keeps what it is given and says that it failed, as a disk may.
#[derive(Clone)]
struct Liar(Disk);

impl JobStore for Liar {
    fn name(&self) -> &str {
        "liar"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        self.0.load()
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        self.0.apply(changes)?;
        match changes {
            [StoreChange::PutJob(_)] => Err(broken("write")),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_job_that_was_refused_is_taken_out_of_a_store_that_kept_it_all_the_same() {
    let disk = Disk::default();
    let liar = Liar(disk.clone());
    let scheduler = working().builder().store(liar).start().unwrap();
    let refused = Err(AddError::Store(broken("write")));
    assert_eq!(scheduler.add_job(hourly("audit")), refused);
    disk.wait_until(|stored| stored.jobs.is_empty());
    assert_eq!(scheduler.get_jobs(), []);
}

#[test]
fn a_change_that_cannot_be_written_says_so_and_is_written_later() {
    let disk = Disk::default();
    let scheduler = working().builder().store(disk.clone()).start().unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    disk.fails(true);
    assert_eq!(
        scheduler.pause_job(&"audit".into()),
        Err(ChangeError::Store(broken("write")))
    );
    assert!(scheduler.get_job(&"audit".into()).unwrap().paused);
    assert!(!disk.contents().jobs[0].paused);
    disk.fails(false);
    disk.wait_until(|stored| stored.jobs[0].paused);
}

#[test]
fn the_end_of_a_run_that_cannot_be_written_is_told_and_written_later() {
    let disk = Disk::default();
    let gate = Gate::closed();
    let inside = Arc::clone(&gate);
    let waiting = Closures::default().knowing("wait", move |_| {
        inside.pass();
        Ok(0)
    });
    let scheduler = waiting.builder().store(disk.clone()).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.add_job(durable("once", "wait")).unwrap();
    gate.wait_for(1);
    disk.fails(true);
    gate.open();
    watch.wait(EventCode::JobExecuted, "once");
    assert_eq!(disk.contents().jobs.len(), 1);
    disk.fails(false);
    disk.wait_until(|stored| stored.jobs.is_empty());
}

#[test]
fn an_ended_run_is_written_before_its_listener_hears_of_it() {
    let disk = Disk::default();
    let left = Arc::new(Mutex::new(Vec::new()));
    let (sink, contents) = (Arc::clone(&left), disk.clone());
    let scheduler = working()
        .builder()
        .store(disk)
        .listener(EventMask::JOB_ENDED, move |_, _| {
            sink.lock().unwrap().push(contents.contents().jobs.len());
        })
        .start()
        .unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    for _ in 0..100 {
        scheduler.add_job(durable("once", "work")).unwrap();
        watch.wait(EventCode::JobExecuted, "once");
    }
    assert_eq!(*left.lock().unwrap(), [0; 100]);
}

/// Writes of the end of a run wait at a gate.
#[derive(Clone)]
struct SlowDisk(MemoryStore, Arc<Gate>);

impl JobStore for SlowDisk {
    fn name(&self) -> &str {
        "slow disk"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        self.0.load()
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        if matches!(changes, [StoreChange::DeleteJob(_), ..]) {
            self.1.pass();
        }
        self.0.apply(changes)
    }
}

/// The caller of `add_job` is still in its listener when the run ends, so that it takes the end along: it must not be
/// faster than the disk.
#[test]
fn the_end_of_a_run_that_is_told_by_another_thread_is_written_before_too() {
    let (store, disk) = (MemoryStore::new(), Gate::closed());
    let (ending, contents) = (Arc::clone(&disk), store.clone());
    let scheduler = working()
        .builder()
        .workers(1, 2)
        .store(SlowDisk(store, Arc::clone(&disk)))
        .listener(EventMask::JOB_ADDED, move |event, _| {
            if event.job_id == "once" {
                ending.wait_for(1);
            }
        })
        .start()
        .unwrap();
    let (sender, left) = std::sync::mpsc::channel();
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, _| {
        if event.job_id == "once" {
            let _ = sender.send(contents.load().unwrap().jobs.len());
        }
    });
    let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
    scheduler.add_job(durable("once", "work")).unwrap();
    // What was left to a worker is done before this starts, or by the other prompt worker, which waits for the disk.
    let next = job("next", |_| Ok(0)).lane(Lane::Prompt);
    scheduler.add_job(next).unwrap();
    watch.wait(EventCode::JobExecuted, "next");
    disk.open();
    watch.wait(EventCode::JobExecuted, "once");
    assert_eq!(left.recv_timeout(DEADLINE), Ok(0));
}

#[test]
fn listeners_of_the_builder_hear_of_the_start_the_pools_and_the_store() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let hear = move |event: &SchedulerEvent| {
        let heard = (event.code, event.alias.clone());
        sink.lock().unwrap().push(heard);
    };
    let scheduler = working()
        .builder()
        .store(MemoryStore::new())
        .scheduler_listener(EventMask::ALL, hear)
        .start()
        .unwrap();
    assert!(scheduler.drain(DEADLINE).is_clean());
    let heard = heard.lock().unwrap();
    let heard: Vec<_> = heard
        .iter()
        .map(|(code, alias)| (code.as_str(), alias.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(
        heard,
        [
            ("SCHEDULER_STARTED", ""),
            ("EXECUTOR_ADDED", "prompt"),
            ("EXECUTOR_ADDED", "bulk"),
            ("JOBSTORE_ADDED", "memory"),
            ("SCHEDULER_SHUTDOWN", ""),
            ("EXECUTOR_REMOVED", "prompt"),
            ("EXECUTOR_REMOVED", "bulk"),
            ("JOBSTORE_REMOVED", "memory"),
        ]
    );
}

#[test]
fn jobs_of_unknown_kinds_stay_in_the_store_until_a_program_knows_them() {
    let store = MemoryStore::new();
    let scheduler = working().builder().store(store.clone()).start().unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    assert!(scheduler.drain(DEADLINE).is_clean());
    let kept = store.load().unwrap();

    let other = Closures::default().builder().store(store.clone());
    let other = other.start().unwrap();
    let unattached = other.unattached();
    assert_eq!(unattached[0].id, "audit");
    assert_eq!(unattached[0].reason, "work is unknown");
    assert_eq!(other.get_jobs(), []);
    assert!(other.drain(DEADLINE).is_clean());
    assert_eq!(store.load().unwrap(), kept);

    let again = working().builder().store(store.clone()).start().unwrap();
    assert!(again.unattached().is_empty());
    assert_eq!(again.get_jobs()[0].id, "audit");
}

#[test]
fn a_kept_pause_ends_when_it_is_resumed_also_while_no_job_has_its_id() {
    let store = MemoryStore::new();
    let start = || working().builder().store(store.clone()).start().unwrap();
    let mining = || job("mining", |_| Ok(0)).trigger(Trigger::every(Duration::from_secs(3_600)));
    let scheduler = start();
    scheduler.add_job(mining()).unwrap();
    scheduler.pause_job(&"mining".into()).unwrap();
    assert!(scheduler.drain(DEADLINE).is_clean());
    assert_eq!(store.load().unwrap().paused, ["mining"]);

    let scheduler = start();
    let resumed = scheduler.resume_job(&"mining".into());
    assert!(matches!(resumed, Err(ChangeError::NotFound(_))));
    assert!(store.load().unwrap().paused.is_empty());
    scheduler.add_job(mining()).unwrap();
    assert!(!scheduler.get_job(&"mining".into()).unwrap().paused);
}

#[test]
fn the_pause_of_a_job_that_is_not_durable_outlives_the_process_until_it_is_resumed() {
    let store = MemoryStore::new();
    let mining = || job("mining", |_| Ok(0)).trigger(Trigger::every(Duration::from_secs(3_600)));
    for (paused_before, paused_after) in [(false, true), (true, false), (false, false)] {
        let scheduler = working().builder().store(store.clone()).start().unwrap();
        scheduler.add_job(mining()).unwrap();
        let info = scheduler.get_job(&"mining".into()).unwrap();
        assert_eq!(info.paused, paused_before);
        match paused_after {
            true => scheduler.pause_job(&"mining".into()).unwrap(),
            false => scheduler.resume_job(&"mining".into()).unwrap(),
        };
        assert!(scheduler.drain(DEADLINE).is_clean());
    }
}

#[test]
fn a_drain_keeps_durable_jobs_also_those_that_ran() {
    let store = MemoryStore::new();
    let stubborn = Closures::default().knowing("work", |ctx| {
        while !ctx.cancel().is_cancelled() {
            std::thread::yield_now();
        }
        Ok(7)
    });
    let scheduler = stubborn.builder().store(store.clone()).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    scheduler.add_job(durable("runs", "work")).unwrap();
    watch.wait(EventCode::JobSubmitted, "runs");
    scheduler.add_job(durable("waits", "work")).unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    scheduler.add_job(job("forgotten", |_| Ok(0))).unwrap();
    let report = scheduler.drain(DEADLINE);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(
        (report.stored, report.dropped, report.cancelled),
        (3, 1, 1),
        "{report:?}"
    );
    let ended = watch.wait(EventCode::JobCancelled, "runs");
    assert!(ended.kept, "the store says that it is to run again");

    let (mut watch, builder) = Watch::built_in(working().builder(), EventMask::JOB_ENDED);
    let again = builder.store(store).start().unwrap();
    watch.wait(EventCode::JobExecuted, "runs");
    watch.wait(EventCode::JobExecuted, "waits");
    let left = again.get_jobs();
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].id.as_str(), left[0].state),
        ("audit", JobState::Scheduled)
    );
}

#[test]
fn what_was_missed_while_no_process_ran_runs_at_the_start_or_is_missed_as_the_job_says() {
    let store = MemoryStore::new();
    let scheduler = working().builder().store(store.clone()).start().unwrap();
    let minute = Duration::from_secs(60);
    scheduler.add_job(hourly("audit")).unwrap();
    let strict = hourly("strict").misfire_grace_time(minute);
    scheduler.add_job(strict).unwrap();
    assert!(scheduler.drain(DEADLINE).is_clean());
    // The laptop slept for half an hour: as if both had been due then.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let half_an_hour_ago = u64::try_from((now - 30 * minute).as_micros()).unwrap();
    for mut stored in store.load().unwrap().jobs {
        stored.next_us = Some(half_an_hour_ago);
        let put = StoreChange::PutJob(Box::new(stored));
        store.apply(&[put]).unwrap();
    }
    let (mut watch, builder) = Watch::built_in(working().builder(), EventMask::JOB_ENDED);
    let again = builder.store(store).start().unwrap();
    assert!(watch.wait(EventCode::JobExecuted, "audit").kept);
    assert!(watch.wait(EventCode::JobMissed, "strict").kept);
    for info in again.get_jobs() {
        let next = Duration::from_millis(info.next_run_time.unwrap());
        let ahead = next.saturating_sub(now);
        assert!(
            ahead > 29 * minute && ahead < 31 * minute,
            "on the old grid: {info:?}"
        );
    }
}

#[test]
fn what_cannot_be_durable_is_refused() {
    let scheduler = working().builder().start().unwrap();
    assert_eq!(
        scheduler.add_job(durable("a", "work")),
        Err(AddError::NoStore)
    );
    let builder = working().builder().store(MemoryStore::new());
    let scheduler = builder.start().unwrap();
    let unnamed = job("a", |_| Ok(0)).durable();
    let refused = scheduler.add_job(unnamed);
    assert!(matches!(refused, Err(AddError::NotStorable { .. })));
    scheduler.add_job(hourly("a")).unwrap();
    let change = Modification {
        task: Some(Arc::new(Task::Work(Box::new(|_| Ok(2))))),
        ..Modification::default()
    };
    let refused = scheduler.modify_job(&"a".into(), change);
    assert_eq!(refused, Err(ChangeError::NotStorable { id: "a".into() }));
}

/// A store that cannot be read.
struct Unreadable;

impl JobStore for Unreadable {
    fn name(&self) -> &str {
        "unreadable"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        Err(broken("read"))
    }

    fn apply(&self, _: &[StoreChange]) -> Result<(), StoreError> {
        Err(broken("write"))
    }
}

#[test]
fn a_store_that_cannot_be_read_is_an_error_at_the_start() {
    let started = working().builder().store(Unreadable).start();
    assert!(matches!(started, Err(StartError::Store(error)) if error == broken("read")));
}

#[test]
fn jobs_that_are_not_durable_do_not_pay_for_the_store() {
    let disk = Disk::default();
    disk.fails(true);
    let scheduler = working().builder().store(disk).start().unwrap();
    let gate = Gate::closed();
    scheduler.add_job(gated("blocker", &gate)).unwrap();
    gate.wait_for(1);
    scheduler.add_job(endless("mining")).unwrap();
    // Were any of this written, it would fail.
    scheduler.run_job(&"mining".into()).unwrap();
    scheduler.remove_job(&"mining".into()).unwrap();
    assert_eq!(scheduler.remove_all_jobs(), Ok(1));
    gate.open();
}
