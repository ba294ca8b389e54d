//! A running job can be stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jbc_scheduler::{
    Added, ChangeError, ConflictPolicy, EventCode, EventMask, JobLookupError, JobState, Lane,
    Trigger,
};

use crate::harness::{Gate, Watch, endless, gated, job, start};

#[test]
fn a_removed_running_job_stops_and_its_output_is_kept() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.add_job(endless("mining")).unwrap();
    watch.wait(EventCode::JobSubmitted, "mining");
    let info = scheduler.remove_job(&"mining".into()).unwrap();
    assert_eq!(info.state, JobState::Running);
    watch.wait(EventCode::JobRemoved, "mining");
    let ended = watch.wait(EventCode::JobCancelled, "mining");
    assert_eq!(ended.output, Some(7));
    assert!(!ended.kept);
    assert_eq!(
        scheduler.remove_job(&"mining".into()),
        Err(ChangeError::NotFound(JobLookupError {
            id: "mining".into()
        }))
    );
}

#[test]
fn a_removed_pending_job_never_runs() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("blocker", &gate)).unwrap();
    gate.wait_for(1);
    let ran = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&ran);
    scheduler
        .add_job(job("a", move |_| {
            inside.store(true, Ordering::SeqCst);
            Ok(0)
        }))
        .unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.remove_job(&"a".into()).unwrap();
    scheduler
        .add_job(job("last", |_| Ok(0)).priority(-1))
        .unwrap();
    gate.open();
    watch.wait(EventCode::JobExecuted, "last");
    assert!(!ran.load(Ordering::SeqCst));
    let codes: Vec<_> = watch
        .rest()
        .into_iter()
        .filter(|seen| seen.id == "a")
        .map(|seen| seen.code)
        .collect();
    assert_eq!(codes, [EventCode::JobRemoved]);
}

#[test]
fn a_job_replaced_while_it_runs_is_cancelled_and_the_new_one_does_not_wait_for_it() {
    let scheduler = start(2, 1);
    let gate = Gate::closed();
    // Deaf to its token: it ends when the gate opens.
    scheduler.add_job(gated("mining", &gate)).unwrap();
    gate.wait_for(1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    let again = job("mining", |_| Ok(2)).conflict(ConflictPolicy::Replace);
    assert_eq!(scheduler.add_job(again), Ok(Added::Replaced));
    assert_eq!(watch.wait(EventCode::JobExecuted, "mining").output, Some(2));
    scheduler.add_job(endless("mining")).unwrap();
    gate.open();
    let old = watch.wait(EventCode::JobCancelled, "mining");
    assert_eq!(
        old.output,
        Some(1),
        "what a cancelled body returned is not lost"
    );
    assert!(old.kept, "a newer job of this id exists");
    assert!(
        scheduler.get_job(&"mining".into()).is_some(),
        "the end of the old run must not take the new job away"
    );
}

#[test]
fn a_paused_running_one_shot_is_cancelled_and_kept_and_resuming_runs_it_again() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.add_job(endless("mining")).unwrap();
    watch.wait(EventCode::JobSubmitted, "mining");
    let info = scheduler.pause_job(&"mining".into()).unwrap();
    assert_eq!(
        (info.state, info.paused, info.next_run_time),
        (JobState::Paused, true, None)
    );
    let ended = watch.wait(EventCode::JobCancelled, "mining");
    assert!(ended.kept);
    assert_eq!(
        scheduler.get_job(&"mining".into()).unwrap().state,
        JobState::Paused
    );
    scheduler.resume_job(&"mining".into()).unwrap();
    watch.wait(EventCode::JobResumed, "mining");
    watch.wait(EventCode::JobSubmitted, "mining");
    scheduler.cancel_run(&"mining".into()).unwrap();
    assert!(
        !watch.wait(EventCode::JobCancelled, "mining").kept,
        "a one-shot whose run was cancelled is over"
    );
}

#[test]
fn a_replaced_paused_job_stays_paused_with_the_new_task_until_it_is_resumed() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    scheduler.add_job(endless("mining")).unwrap();
    watch.wait(EventCode::JobSubmitted, "mining");
    scheduler.pause_job(&"mining".into()).unwrap();
    watch.wait(EventCode::JobCancelled, "mining");
    for output in 1..=3 {
        let on_new_tip = job("mining", move |_| Ok(output)).conflict(ConflictPolicy::Replace);
        assert_eq!(scheduler.add_job(on_new_tip), Ok(Added::Replaced));
    }
    scheduler
        .add_job(job("other", |_| Ok(0)).priority(-1))
        .unwrap();
    watch.wait(EventCode::JobExecuted, "other");
    assert_eq!(
        watch
            .rest()
            .iter()
            .filter(|seen| seen.id == "mining")
            .count(),
        0,
        "paused means paused"
    );
    scheduler.resume_job(&"mining".into()).unwrap();
    assert_eq!(watch.wait(EventCode::JobExecuted, "mining").output, Some(3));
}

#[test]
fn cancelling_the_run_of_a_recurring_job_keeps_the_job() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler
        .add_job(endless("sync").trigger(Trigger::every(Duration::from_secs(3_600))))
        .unwrap();
    scheduler.run_job(&"sync".into()).unwrap();
    watch.wait(EventCode::JobSubmitted, "sync");
    assert_eq!(scheduler.cancel_run(&"sync".into()), Ok(1));
    assert!(watch.wait(EventCode::JobCancelled, "sync").kept);
    assert_eq!(
        scheduler.get_job(&"sync".into()).unwrap().state,
        JobState::Scheduled
    );
    assert_eq!(scheduler.cancel_run(&"sync".into()), Ok(0));
}

#[test]
fn a_body_that_cancels_its_own_token_ends_cancelled() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler
        .add_job(job("a", |ctx| {
            ctx.cancel().cancel();
            Err("gave up".into())
        }))
        .unwrap();
    assert_eq!(
        watch.wait(EventCode::JobCancelled, "a").error.as_deref(),
        Some("gave up")
    );
}

#[test]
fn removing_every_job_stops_what_runs_and_drops_what_waits() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.add_job(endless("a")).unwrap();
    watch.wait(EventCode::JobSubmitted, "a");
    scheduler.add_job(job("b", |_| Ok(0))).unwrap();
    scheduler
        .add_job(job("c", |_| Ok(0)).trigger(Trigger::every(Duration::from_secs(60))))
        .unwrap();
    assert_eq!(scheduler.remove_all_jobs(), Ok(3));
    watch.wait(EventCode::JobCancelled, "a");
    for id in ["a", "b", "c"] {
        watch.wait(EventCode::JobRemoved, id);
    }
    assert_eq!(scheduler.pending(Lane::Bulk), 0);
    assert_eq!(scheduler.get_jobs(), []);
}
