//! A store that fails or panics: what is refused, what is changed all the same, and what is written later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jbc_scheduler::{
    AddError, Added, ChangeError, ConflictPolicy, EventCode, EventMask, JobSpec, JobStore,
    StoreChange, StoreError, Stored, Trigger,
};

use crate::harness::{Closures, Disk, Task, Watch, durable, job};

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
