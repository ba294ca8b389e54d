//! Jobs that a program adds at each start.

use std::time::{Duration, SystemTime};

use jbc_scheduler::{
    Added, ConflictPolicy, JobSpec, JobStore, MemoryStore, StoreChange, StoreError, Stored, Trigger,
};

use crate::harness::{Closures, DEADLINE, Task, durable};

fn hourly(id: &str) -> JobSpec<Task> {
    durable(id, "work").trigger(Trigger::every(Duration::from_secs(3_600)))
}

/// A program that knows what `work` is.
fn working() -> Closures {
    Closures::default().knowing("work", |_| Ok(1))
}

#[test]
fn a_job_that_a_program_adds_at_each_start_goes_on_and_is_what_is_new() {
    let store = MemoryStore::new();
    for (start, expected) in [(1, "New"), (2, "Refreshed"), (3, "Refreshed")] {
        let scheduler = working().builder().store(store.clone()).start().unwrap();
        let before = scheduler.get_job(&"audit".into());
        let spec = hourly("audit").conflict(ConflictPolicy::Refresh);
        let added = scheduler.add_job(spec.priority(start)).unwrap();
        assert_eq!(format!("{added:?}"), expected);
        let info = scheduler.get_job(&"audit".into()).unwrap();
        assert_eq!(info.priority, start);
        if let Some(before) = before {
            let moved = before
                .next_run_time
                .unwrap()
                .abs_diff(info.next_run_time.unwrap());
            assert!(moved < 60_000, "its times stay");
        }
        assert!(scheduler.drain(DEADLINE).is_clean());
        assert_eq!(store.load().unwrap().jobs[0].priority, start);
    }
}

#[test]
fn a_trigger_with_parts_of_a_microsecond_is_the_same_trigger_after_a_restart() {
    let store = MemoryStore::new();
    let odd = Duration::from_nanos(3_600_000_000_001_234);
    let trigger = Trigger::Or(vec![
        Trigger::every(odd),
        Trigger::After(odd),
        Trigger::Date(SystemTime::now() + odd),
    ]);
    for expected in [Added::New, Added::Refreshed] {
        let scheduler = working().builder().store(RoundTrip(store.clone())).start();
        let scheduler = scheduler.unwrap();
        let spec = hourly("audit").conflict(ConflictPolicy::Refresh);
        assert_eq!(
            scheduler.add_job(spec.trigger(trigger.clone())),
            Ok(expected)
        );
        assert!(scheduler.drain(DEADLINE).is_clean());
    }
}

/// A store in memory that hands out what was written as JSON.
struct RoundTrip(MemoryStore);

impl JobStore for RoundTrip {
    fn name(&self) -> &str {
        "round trip"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        let mut stored = self.0.load()?;
        for job in &mut stored.jobs {
            *job = serde_json::from_value(serde_json::to_value(&*job).unwrap()).unwrap();
        }
        Ok(stored)
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        self.0.apply(changes)
    }
}
