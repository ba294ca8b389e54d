//! Jobs that fail: tried again, dead, and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jbc_scheduler::{
    ChangeError, EventCode, EventMask, JobLookupError, MemoryStore, Retry, RunOutcome, Trigger,
};

use crate::harness::{Closures, DEADLINE, Watch, builder, durable, job, start};

/// So many attempts, a millisecond or two apart.
fn attempts(count: u32) -> Retry {
    let millis = Duration::from_millis;
    Retry::attempts(count).waits(millis(1), millis(2))
}

#[test]
fn a_job_that_fails_is_tried_again_until_it_succeeds() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED | EventMask::JOB_DEAD);
    let runs = AtomicU32::new(0);
    let body = move |_: &jbc_scheduler::RunContext| match runs.fetch_add(1, Ordering::SeqCst) {
        0 => Err("no peer".into()),
        1 => panic!("no memory"),
        _ => Ok(3),
    };
    scheduler
        .add_job(job("sync", body).retry(attempts(5)))
        .unwrap();
    for (failures, error) in [(1, "no peer"), (2, "panicked: no memory")] {
        let seen = watch.wait(EventCode::JobError, "sync");
        assert_eq!(
            (seen.failures, seen.error.as_deref()),
            (failures, Some(error))
        );
        assert!(seen.kept && seen.is_retried);
    }
    let seen = watch.wait(EventCode::JobExecuted, "sync");
    assert_eq!((seen.output, seen.kept), (Some(3), false));
    assert_eq!(scheduler.dead_jobs(), []);
    let attempts: Vec<u32> = scheduler.history().iter().map(|run| run.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[test]
fn a_job_that_failed_as_often_as_it_may_is_dead_and_can_be_requeued() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    let is_fixed = Arc::new(AtomicU32::new(0));
    let inside = Arc::clone(&is_fixed);
    let body = move |_: &jbc_scheduler::RunContext| match inside.load(Ordering::SeqCst) {
        0 => Err("disk full".into()),
        _ => Ok(1),
    };
    scheduler
        .add_job(job("audit", body).retry(attempts(2)))
        .unwrap();
    let first = watch.wait(EventCode::JobError, "audit");
    assert!(first.kept && first.is_retried);
    let last = watch.wait(EventCode::JobError, "audit");
    assert!(!last.kept && !last.is_retried);
    let dead = watch.wait(EventCode::JobDead, "audit");
    assert_eq!(
        (dead.failures, dead.error.as_deref()),
        (2, Some("disk full"))
    );
    assert!(scheduler.get_job(&"audit".into()).is_none());
    let listed = &scheduler.dead_jobs()[0];
    assert_eq!((listed.id.as_str(), listed.failures), ("audit", 2));

    is_fixed.store(1, Ordering::SeqCst);
    scheduler.requeue_dead(&"audit".into()).unwrap();
    watch.wait(EventCode::JobExecuted, "audit");
    assert_eq!(scheduler.dead_jobs(), []);
    let unknown = ChangeError::NotFound(JobLookupError { id: "audit".into() });
    assert_eq!(
        scheduler.requeue_dead(&"audit".into()),
        Err(unknown.clone())
    );
    assert_eq!(scheduler.forget_dead(&"audit".into()), Err(unknown));
}

#[test]
fn a_requeued_job_has_all_its_attempts_again() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_DEAD);
    let body = |_: &jbc_scheduler::RunContext| Err("never".into());
    scheduler
        .add_job(job("a", body).retry(attempts(2)))
        .unwrap();
    for _ in 0..2 {
        assert_eq!(watch.wait(EventCode::JobDead, "a").failures, 2);
        scheduler.requeue_dead(&"a".into()).unwrap();
    }
    assert_eq!(watch.wait(EventCode::JobDead, "a").failures, 2);
    assert_eq!(scheduler.history().len(), 6);
    scheduler.forget_dead(&"a".into()).unwrap();
    assert_eq!(scheduler.dead_jobs(), []);
}

#[test]
fn a_recurring_job_that_is_dead_goes_on_with_its_times() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_DEAD);
    let body = |_: &jbc_scheduler::RunContext| Err("never".into());
    let often = Trigger::every(Duration::from_millis(5));
    scheduler
        .add_job(job("a", body).trigger(often).retry(attempts(1)))
        .unwrap();
    for _ in 0..3 {
        assert!(watch.wait(EventCode::JobDead, "a").kept);
    }
    assert_eq!(scheduler.dead_jobs().len(), 1, "the latest is enough");
}

#[test]
fn without_a_retry_a_failure_is_final_and_nothing_is_dead() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED | EventMask::JOB_DEAD);
    scheduler.add_job(job("a", |_| Err("no".into()))).unwrap();
    assert!(!watch.wait(EventCode::JobError, "a").kept);
    scheduler.add_job(job("b", |_| Ok(0))).unwrap();
    watch.wait(EventCode::JobExecuted, "b");
    assert!(watch.rest().is_empty());
    assert_eq!(scheduler.dead_jobs(), []);
}

#[test]
fn the_oldest_dead_jobs_make_room() {
    let scheduler = builder().workers(1, 1).dead_limit(2).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_DEAD);
    for id in ["a", "b", "c"] {
        let failing = job(id, |_| Err("no".into())).retry(attempts(1));
        scheduler.add_job(failing).unwrap();
        watch.wait(EventCode::JobDead, id);
    }
    let dead: Vec<_> = scheduler
        .dead_jobs()
        .into_iter()
        .map(|dead| dead.id)
        .collect();
    assert_eq!(dead, ["b", "c"]);
}

#[test]
fn a_removed_job_that_waits_for_its_next_attempt_is_gone() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    let hour = Duration::from_secs(3_600);
    let failing = job("a", |_| Err("no".into()));
    scheduler
        .add_job(failing.retry(Retry::attempts(5).waits(hour, hour)))
        .unwrap();
    assert!(watch.wait(EventCode::JobError, "a").kept);
    assert_eq!(scheduler.get_job(&"a".into()).unwrap().failures, 1);
    scheduler.remove_job(&"a".into()).unwrap();
    assert_eq!(scheduler.get_jobs(), []);
}

#[test]
fn dead_jobs_and_waiting_attempts_are_back_after_a_restart() {
    let store = MemoryStore::new();
    let failing = || Closures::default().knowing("fail", |_| Err("no".into()));
    let scheduler = failing().builder().store(store.clone()).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler
        .add_job(durable("dead", "fail").retry(attempts(1)))
        .unwrap();
    watch.wait(EventCode::JobDead, "dead");
    let hour = Duration::from_secs(3_600);
    let patient = durable("patient", "fail").retry(Retry::attempts(5).waits(hour, hour));
    scheduler.add_job(patient).unwrap();
    watch.wait(EventCode::JobError, "patient");
    assert!(scheduler.drain(DEADLINE).is_clean());

    let unknowing = Closures::default().builder().store(store.clone());
    let unknowing = unknowing.start().unwrap();
    let refused = unknowing.requeue_dead(&"dead".into());
    assert!(matches!(refused, Err(ChangeError::Unrestorable { .. })));
    assert!(unknowing.drain(DEADLINE).is_clean());

    let fixed = Closures::default().knowing("fail", |_| Ok(1));
    let again = fixed.builder().store(store).start().unwrap();
    let mut watch = Watch::on(&again, EventMask::JOB_ENDED);
    let patient = again.get_job(&"patient".into()).unwrap();
    assert_eq!(patient.failures, 1);
    again.run_job(&"patient".into()).unwrap();
    watch.wait(EventCode::JobExecuted, "patient");
    assert_eq!(again.history()[0].attempt, 2);
    assert_eq!(again.history()[0].outcome, RunOutcome::Executed);
    again.requeue_dead(&"dead".into()).unwrap();
    watch.wait(EventCode::JobExecuted, "dead");
    assert_eq!(again.dead_jobs(), []);
}
