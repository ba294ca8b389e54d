//! Dates, intervals and cron, on the real clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use jbc_scheduler::{EventCode, EventMask, JobState, Trigger};

use crate::harness::{Gate, Watch, gated, job, start};

#[test]
fn a_dated_job_runs_at_its_time_and_is_gone() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    let at = SystemTime::now() + Duration::from_millis(40);
    scheduler
        .add_job(
            job("once", move |_| {
                if SystemTime::now() >= at {
                    Ok(1)
                } else {
                    Err("early".into())
                }
            })
            .trigger(Trigger::Date(at)),
        )
        .unwrap();
    assert_eq!(
        scheduler.get_job(&"once".into()).unwrap().state,
        JobState::Scheduled
    );
    assert!(!watch.wait(EventCode::JobExecuted, "once").kept);
    assert_eq!(scheduler.get_jobs(), []);
}

#[test]
fn an_interval_job_runs_again_and_again_and_an_earlier_timer_does_not_wait_for_a_later() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler
        .add_job(job("hourly", |_| Ok(0)).trigger(Trigger::every(Duration::from_secs(3_600))))
        .unwrap();
    let quick = Trigger::Interval {
        every: Duration::from_millis(10),
        start_after: Some(Duration::ZERO),
    };
    scheduler
        .add_job(job("quick", |_| Ok(0)).trigger(quick))
        .unwrap();
    for _ in 0..5 {
        assert!(watch.wait(EventCode::JobExecuted, "quick").kept);
    }
    scheduler.remove_job(&"quick".into()).unwrap();
    assert_eq!(
        watch
            .rest()
            .iter()
            .filter(|seen| seen.id == "hourly")
            .count(),
        0
    );
}

#[test]
fn a_time_that_comes_while_a_job_runs_is_skipped_with_an_event() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler
        .add_job(gated("slow", &gate).trigger(Trigger::every(Duration::from_millis(5))))
        .unwrap();
    assert!(watch.wait(EventCode::JobMaxInstances, "slow").kept);
    watch.wait(EventCode::JobMaxInstances, "slow");
    gate.open();
    watch.wait(EventCode::JobExecuted, "slow");
    watch.wait(EventCode::JobExecuted, "slow");
}

#[test]
fn a_stall_of_every_worker_kills_no_interval_job() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.add_job(gated("stall", &gate)).unwrap();
    gate.wait_for(1);
    let body = move |_: &jbc_scheduler::RunContext| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(0)
    };
    scheduler
        .add_job(job("tick", body).trigger(Trigger::every(Duration::from_millis(2))))
        .unwrap();
    let later = SystemTime::now() + Duration::from_millis(60);
    let lane = jbc_scheduler::Lane::Prompt;
    scheduler
        .add_job(
            job("later", |_| Ok(0))
                .trigger(Trigger::Date(later))
                .lane(lane),
        )
        .unwrap();
    watch.wait(EventCode::JobExecuted, "later");
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    gate.open();
    for _ in 0..5 {
        watch.wait(EventCode::JobExecuted, "tick");
    }
}

#[test]
fn a_cron_job_is_fired_every_second_by_tokio_cron_scheduler_until_it_is_removed() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler
        .add_job(job("cron", |_| Ok(0)).trigger(Trigger::cron("* * * * * *")))
        .unwrap();
    let next = scheduler
        .get_job(&"cron".into())
        .unwrap()
        .next_run_time
        .unwrap();
    assert_eq!(next % 1_000, 0, "the preview is a whole second");
    for _ in 0..2 {
        assert!(watch.wait(EventCode::JobExecuted, "cron").kept);
    }
    scheduler.pause_job(&"cron".into()).unwrap();
    watch.wait(EventCode::JobPaused, "cron");
    scheduler.resume_job(&"cron".into()).unwrap();
    watch.wait(EventCode::JobResumed, "cron");
    watch.rest();
    watch.wait(EventCode::JobExecuted, "cron");
    scheduler
        .reschedule_job(&"cron".into(), Trigger::cron("0 0 4 1 1 *"))
        .unwrap();
    watch.wait(EventCode::JobModified, "cron");
    watch.rest();
    // Two seconds of another cron job, in which this one must stay silent.
    scheduler
        .add_job(job("clock", |_| Ok(0)).trigger(Trigger::cron("* * * * * *")))
        .unwrap();
    watch.wait(EventCode::JobExecuted, "clock");
    watch.wait(EventCode::JobExecuted, "clock");
    assert_eq!(
        watch.rest().iter().filter(|seen| seen.id == "cron").count(),
        0
    );
    scheduler.remove_job(&"clock".into()).unwrap();
    scheduler.remove_job(&"cron".into()).unwrap();
}

#[test]
fn a_cron_job_in_a_time_zone_is_fired_by_the_timer() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    let trigger = Trigger::Cron {
        expression: "* * * * * *".into(),
        time_zone: Some("Asia/Kathmandu".into()),
    };
    scheduler
        .add_job(job("cron", |_| Ok(0)).trigger(trigger))
        .unwrap();
    watch.wait(EventCode::JobExecuted, "cron");
    watch.wait(EventCode::JobExecuted, "cron");
    assert_eq!(
        scheduler.get_job(&"cron".into()).unwrap().trigger,
        "cron[* * * * * *, Asia/Kathmandu]"
    );
}
