//! A store that fails or panics: what is refused, what is changed all the same, and what is written later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jbc_scheduler::{
    AddError, Added, ChangeError, ConflictPolicy, EventCode, EventMask, JobSpec, JobStore, Lane,
    StoreChange, StoreError, Stored, Trigger,
};

use crate::harness::{Closures, Disk, Gate, Task, Watch, durable, job};

fn hourly(id: &str) -> JobSpec<Task> {
    durable(id, "work").trigger(Trigger::every(Duration::from_secs(3_600)))
}

/// A program that knows what `work` is.
fn working() -> Closures {
    Closures::default().knowing("work", |_| Ok(1))
}

#[test]
fn a_job_that_is_refreshed_while_the_store_fails_is_changed_and_written_later() {
    let disk = Disk::default();
    let scheduler = working().builder().store(disk.clone()).start().unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    disk.fails(true);
    let refreshing = hourly("audit").conflict(ConflictPolicy::Refresh);
    let added = scheduler.add_job(refreshing.priority(3));
    assert_eq!(added, Ok(Added::Refreshed));
    assert_eq!(scheduler.get_job(&"audit".into()).unwrap().priority, 3);
    disk.fails(false);
    disk.wait_until(|stored| stored.jobs[0].priority == 3);
}

/// A store with a mistake in it.
#[derive(Clone)]
struct Panicking(Disk, Arc<AtomicBool>);

impl JobStore for Panicking {
    fn name(&self) -> &str {
        "panicking"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        self.0.load()
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        assert!(!self.1.load(Ordering::SeqCst), "a mistake");
        self.0.apply(changes)
    }
}

#[test]
fn a_store_that_panics_has_failed_and_costs_no_worker() {
    let (disk, panics) = (Disk::default(), Arc::new(AtomicBool::new(false)));
    let store = Panicking(disk.clone(), Arc::clone(&panics));
    let scheduler = working().builder().store(store).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.add_job(hourly("audit")).unwrap();
    panics.store(true, Ordering::SeqCst);
    let reason = "it panicked: a mistake";
    let refused = scheduler.add_job(durable("other", "work"));
    assert!(matches!(refused, Err(AddError::Store(error)) if error.reason == reason));
    let refused = scheduler.pause_job(&"audit".into());
    assert!(matches!(refused, Err(ChangeError::Store(error)) if error.reason == reason));
    // As many as workers would be lost.
    for _ in 0..3 {
        scheduler.run_job(&"audit".into()).unwrap_err();
        watch.wait(EventCode::JobExecuted, "audit");
    }
    scheduler.add_job(job("not durable", |_| Ok(0))).unwrap();
    watch.wait(EventCode::JobExecuted, "not durable");
    panics.store(false, Ordering::SeqCst);
    disk.wait_until(|stored| stored.jobs[0].paused);
}

/// A disk on which the end of a run hangs at a gate.
#[derive(Clone)]
struct Hanging(Disk, Arc<Gate>, Arc<AtomicBool>);

impl JobStore for Hanging {
    fn name(&self) -> &str {
        "hanging"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        self.0.load()
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        if matches!(changes, [StoreChange::DeleteJob(_), ..]) {
            self.1.pass();
            self.2.store(true, Ordering::SeqCst);
        }
        self.0.apply(changes)
    }
}

#[test]
fn a_drain_and_the_drop_of_the_last_handle_do_not_wait_for_a_store_that_hangs() {
    for drained in [true, false] {
        let (hangs, has_returned) = (Gate::closed(), Arc::new(AtomicBool::new(false)));
        let store = Hanging(
            Disk::default(),
            Arc::clone(&hangs),
            Arc::clone(&has_returned),
        );
        let gates = [Gate::closed(), Gate::closed()];
        let [one, other] = gates.clone();
        let known = Closures::default()
            .knowing("one", move |_| {
                one.pass();
                Ok(0)
            })
            .knowing("other", move |_| {
                other.pass();
                Ok(0)
            });
        let scheduler = known.builder().workers(1, 1).store(store).start().unwrap();
        scheduler.add_job(durable("one", "one")).unwrap();
        gates[0].wait_for(1);
        let prompt = durable("other", "other").lane(Lane::Prompt);
        scheduler.add_job(prompt).unwrap();
        gates[0].open();
        hangs.wait_for(1);
        gates[1].open();
        // Its end is to be written too.
        while scheduler.get_job(&"other".into()).is_some() {
            std::thread::yield_now();
        }
        if drained {
            let report = scheduler.drain(Duration::from_millis(20));
            assert!(report.left > 0, "{report:?}");
        } else {
            drop(scheduler);
        }
        assert!(
            !has_returned.load(Ordering::SeqCst),
            "the store was waited for"
        );
        hangs.open();
    }
}

#[test]
fn the_end_of_a_run_is_written_after_the_last_handle_is_dropped_though_a_write_failed_just_before()
{
    let (disk, gate) = (Disk::default(), Gate::closed());
    let inside = Arc::clone(&gate);
    let known = working().knowing("wait", move |_| {
        inside.pass();
        Ok(0)
    });
    let scheduler = known.builder().store(disk.clone()).start().unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    scheduler.add_job(durable("cancelled", "wait")).unwrap();
    gate.wait_for(1);
    scheduler.cancel_run(&"cancelled".into()).unwrap();
    disk.fails(true);
    scheduler.pause_job(&"audit".into()).unwrap_err();
    drop(scheduler);
    disk.fails(false);
    gate.open();
    disk.wait_until(|stored| stored.jobs.len() == 1 && stored.jobs[0].paused);
}

#[test]
fn a_change_of_what_is_not_kept_is_no_error_while_the_store_lacks_another() {
    let disk = Disk::default();
    let scheduler = working().builder().store(disk.clone()).start().unwrap();
    scheduler.add_job(hourly("audit")).unwrap();
    let often = Trigger::every(Duration::from_secs(3_600));
    scheduler
        .add_job(job("mining", |_| Ok(0)).trigger(often))
        .unwrap();
    disk.fails(true);
    for _ in 0..2 {
        // The second changes nothing, and the first is still not written.
        scheduler.pause_job(&"audit".into()).unwrap_err();
    }
    assert_eq!(scheduler.cancel_run(&"mining".into()), Ok(0));
    scheduler.run_job(&"mining".into()).unwrap();
    scheduler.remove_job(&"mining".into()).unwrap();
}
