//! Time limits of runs, who ignores them, and what is forgotten.

use std::time::Duration;

use jbc_scheduler::{EventCode, EventMask, Modification, Retry, RunOutcome, Trigger};

use crate::harness::{Gate, Watch, builder, endless, gated, io_job, job, start};

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_run_that_takes_too_long_is_asked_to_stop_and_has_failed() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.add_job(endless("mining").timeout(SHORT)).unwrap();
    let seen = watch.wait(EventCode::JobError, "mining");
    assert_eq!(seen.error.as_deref(), Some("timed out"));
    assert!(!seen.kept && seen.elapsed >= Some(SHORT), "{seen:?}");
    let history = scheduler.history();
    assert_eq!(history[0].outcome, RunOutcome::Error);
    assert_eq!(history[0].message.as_deref(), Some("timed out"));
}

#[test]
fn a_run_that_took_too_long_is_tried_again() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    let retry = Retry::attempts(2).waits(SHORT, SHORT);
    let slow = endless("mining").timeout(SHORT).retry(retry);
    scheduler.add_job(slow).unwrap();
    assert!(watch.wait(EventCode::JobError, "mining").is_retried);
    watch.wait(EventCode::JobDead, "mining");
}

#[test]
fn a_run_that_ignores_its_time_limit_is_stuck_until_it_ends() {
    let scheduler = builder().workers(1, 1).stuck_after(SHORT).start().unwrap();
    let gate = Gate::closed();
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler
        .add_job(gated("deaf", &gate).timeout(SHORT))
        .unwrap();
    let stuck = watch.wait(EventCode::JobStuck, "deaf");
    assert!(stuck.kept && stuck.elapsed >= Some(2 * SHORT), "{stuck:?}");
    let started = watch.wait(EventCode::JobSubmitted, "deaf");
    assert_eq!(stuck.run_id, started.run_id);
    gate.open();
    let ended = watch.wait(EventCode::JobError, "deaf");
    assert_eq!(ended.error.as_deref(), Some("timed out"));
}

#[test]
fn a_run_that_ignores_its_removal_is_stuck_too() {
    let scheduler = builder().workers(1, 1).stuck_after(SHORT).start().unwrap();
    let gate = Gate::closed();
    scheduler.add_job(gated("deaf", &gate)).unwrap();
    gate.wait_for(1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.remove_job(&"deaf".into()).unwrap();
    assert!(!watch.wait(EventCode::JobStuck, "deaf").kept);
    gate.open();
    watch.wait(EventCode::JobCancelled, "deaf");
}

#[test]
fn an_io_run_that_takes_too_long_is_woken_by_its_token() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let tokio = runtime.handle().clone();
    let scheduler = builder().workers(1, 1).tokio(tokio).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    let wait = |ctx: jbc_scheduler::RunContext| async move {
        ctx.cancel().cancelled().await;
        Err("gave up".into())
    };
    scheduler
        .add_job(io_job("sync", wait).timeout(SHORT))
        .unwrap();
    let seen = watch.wait(EventCode::JobError, "sync");
    assert_eq!(seen.error.as_deref(), Some("timed out: gave up"));
}

#[test]
fn a_run_that_ends_in_time_is_left_alone() {
    let scheduler = builder().workers(1, 1).stuck_after(SHORT).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler
        .add_job(job("quick", |_| Ok(1)).timeout(SHORT))
        .unwrap();
    let later = job("later", |_| Ok(1)).trigger(Trigger::After(4 * SHORT));
    scheduler.add_job(later).unwrap();
    watch.wait(EventCode::JobExecuted, "later");
    let of_quick = |seen: &crate::harness::Seen| seen.id == "quick";
    let codes: Vec<_> = watch
        .rest()
        .into_iter()
        .filter(of_quick)
        .map(|seen| seen.code)
        .collect();
    assert!(!codes.contains(&EventCode::JobStuck), "{codes:?}");
    assert_eq!(codes.len(), 3, "added, submitted and one end: {codes:?}");
}

#[test]
fn jobs_are_found_by_their_tags() {
    let scheduler = start(1, 1);
    let later = || Trigger::After(Duration::from_secs(3_600));
    let tagged = |id: &str, tag: &'static str| job(id, |_| Ok(0)).trigger(later()).tag(tag);
    scheduler.add_job(tagged("b", "mining")).unwrap();
    scheduler.add_job(tagged("a", "mining").tag("gpu")).unwrap();
    scheduler.add_job(tagged("c", "gpu")).unwrap();
    assert_eq!(scheduler.tagged("mining"), ["a", "b"]);
    assert_eq!(scheduler.tagged("gpu"), ["a", "c"]);
    assert!(scheduler.tagged("sync").is_empty());
    let change = Modification {
        tags: Some(vec!["sync".into()]),
        ..Modification::default()
    };
    let info = scheduler.modify_job(&"a".into(), change).unwrap();
    assert_eq!(info.tags, ["sync"]);
    assert_eq!(scheduler.tagged("mining"), ["b"]);
    scheduler.remove_job(&"a".into()).unwrap();
    assert!(scheduler.tagged("sync").is_empty());
}

#[test]
fn the_history_forgets_what_is_older_than_it_may_be() {
    for (age, keeps_old) in [(Duration::ZERO, false), (Duration::from_secs(3_600), true)] {
        let scheduler = builder().workers(1, 1).history_age(age).start().unwrap();
        let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
        scheduler.add_job(job("old", |_| Ok(0))).unwrap();
        watch.wait(EventCode::JobExecuted, "old");
        let new = job("new", |_| Ok(0)).trigger(Trigger::After(SHORT));
        scheduler.add_job(new).unwrap();
        watch.wait(EventCode::JobExecuted, "new");
        let history = scheduler.history();
        let has_old = history.iter().any(|record| record.job_id == "old");
        assert_eq!(has_old, keeps_old);
    }
}
