//! The end of a scheduler.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jbc_scheduler::{AddError, ConflictPolicy, EventCode, EventMask, Trigger};

use crate::harness::{DEADLINE, Gate, Sched, Watch, builder, endless, gated, io_job, job, start};

#[test]
fn a_drain_under_load_stops_everything_and_joins_every_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let scheduler = builder()
        .workers(2, 1)
        .tokio(runtime.handle().clone())
        .start()
        .unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ended);
    let refused = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&refused);
    scheduler.add_listener(EventMask::JOB_CANCELLED, move |event, scheduler| {
        counted.fetch_add(1, Ordering::SeqCst);
        let again = scheduler.add_job(endless(event.job_id.clone()));
        seen.store(again == Err(AddError::ShuttingDown), Ordering::SeqCst);
    });
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED);
    for n in 0..100 {
        scheduler.add_job(endless(format!("mining/{n}"))).unwrap();
    }
    let wait = |ctx: jbc_scheduler::RunContext| async move {
        ctx.cancel().cancelled().await;
        Ok(0)
    };
    scheduler.add_job(io_job("sync", wait)).unwrap();
    scheduler
        .add_job(job("tick", |_| Ok(0)).trigger(Trigger::every(Duration::from_millis(1))))
        .unwrap();
    scheduler
        .add_job(job("cron", |_| Ok(0)).trigger(Trigger::cron("* * * * * *")))
        .unwrap();
    for _ in 0..3 {
        watch.next();
    }
    let report = scheduler.drain(DEADLINE);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.cancelled, 3, "two workers and an io job");
    assert_eq!(
        report.dropped,
        98 + 2,
        "what waited, and the two that recur"
    );
    assert_eq!(report.joined, 4, "three workers and the timer");
    assert_eq!(ended.load(Ordering::SeqCst), 3);
    assert!(refused.load(Ordering::SeqCst));
    assert_eq!(
        scheduler.add_job(job("late", |_| Ok(0))),
        Err(AddError::ShuttingDown)
    );
    assert_eq!(scheduler.get_jobs(), []);
    let again = scheduler.drain(DEADLINE);
    assert!(again.is_clean() && again.cancelled == 0, "{again:?}");
}

#[test]
fn a_drain_does_not_wait_for_ever_and_names_who_ignored_its_token() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("deaf", &gate)).unwrap();
    gate.wait_for(1);
    let report = scheduler.drain(Duration::from_millis(50));
    assert_eq!(report.ignored, ["deaf"]);
    assert_eq!((report.joined, report.left), (1, 1));
    assert!(!report.is_clean());
    gate.open();
}

#[test]
fn a_drain_called_by_a_listener_does_not_wait_for_itself() {
    let scheduler = start(1, 1);
    let (sender, report) = std::sync::mpsc::channel();
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |_, scheduler| {
        let _ = sender.send(scheduler.drain(DEADLINE));
    });
    scheduler.add_job(job("stop", |_| Ok(0))).unwrap();
    let report = report.recv_timeout(DEADLINE / 2).unwrap();
    assert_eq!(
        (report.ignored.len(), report.joined, report.left),
        (0, 1, 1)
    );
}

#[test]
fn draining_is_possible_from_async_code() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let scheduler = builder()
        .workers(1, 1)
        .tokio(runtime.handle().clone())
        .start()
        .unwrap();
    let report = runtime.block_on(async {
        let wait = |ctx: jbc_scheduler::RunContext| async move {
            ctx.cancel().cancelled().await;
            Ok(0)
        };
        scheduler.add_job(io_job("sync", wait)).unwrap();
        tokio::task::yield_now().await;
        scheduler.drain_async(DEADLINE).await
    });
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn dropping_the_last_handle_stops_what_runs() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    scheduler.add_job(endless("mining")).unwrap();
    watch.wait(EventCode::JobSubmitted, "mining");
    let other = scheduler.clone();
    drop(scheduler);
    assert_eq!(other.get_jobs().len(), 1);
    drop(other);
    watch.wait(EventCode::JobCancelled, "mining");
}

#[test]
fn a_gentle_drain_lets_runs_finish() {
    let scheduler = start(1, 1);
    let inside = Arc::new(OnceLock::new());
    assert!(inside.set(scheduler.clone()).is_ok());
    let handle = Arc::clone(&inside);
    let gate = Gate::closed();
    let begun = Arc::clone(&gate);
    // Goes on until the drain has begun.
    let body = move |ctx: &jbc_scheduler::RunContext| {
        begun.pass();
        let probe = || job("probe", |_| Ok(0)).conflict(ConflictPolicy::Replace);
        let scheduler: &Sched = handle.get().unwrap();
        while scheduler.add_job(probe()) != Err(AddError::ShuttingDown) {
            std::thread::yield_now();
        }
        Ok(u32::from(ctx.cancel().is_cancelled()))
    };
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.add_job(job("last", body)).unwrap();
    gate.open();
    gate.wait_for(1);
    let report = scheduler.drain_gently(DEADLINE, DEADLINE);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.finished, report.cancelled), (1, 0), "{report:?}");
    assert_eq!(watch.wait(EventCode::JobExecuted, "last").output, Some(0));
}

#[test]
fn a_gentle_drain_stops_who_does_not_finish_in_time() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    scheduler.add_job(endless("mining")).unwrap();
    watch.wait(EventCode::JobSubmitted, "mining");
    let report = scheduler.drain_gently(Duration::from_millis(5), DEADLINE);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.finished, report.cancelled), (0, 1), "{report:?}");
    watch.wait(EventCode::JobCancelled, "mining");
}

#[test]
fn a_run_has_its_time_limit_also_while_a_drain_has_patience() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    let gate = Gate::closed();
    let begun = Arc::clone(&gate);
    // Is asked to stop by its limit alone, since the drain has more patience than the test.
    let body = move |ctx: &jbc_scheduler::RunContext| {
        begun.pass();
        let deadline = std::time::Instant::now() + DEADLINE;
        while !ctx.cancel().is_cancelled() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        Ok(0)
    };
    let limit = Duration::from_millis(500);
    scheduler.add_job(job("slow", body).timeout(limit)).unwrap();
    watch.wait(EventCode::JobSubmitted, "slow");
    gate.open();
    let report = scheduler.drain_gently(2 * DEADLINE, DEADLINE);
    assert!(report.is_clean(), "{report:?}");
    let ended = watch.wait(EventCode::JobError, "slow");
    assert_eq!(ended.error.as_deref(), Some("timed out"));
}

#[test]
fn two_listeners_that_drain_at_once_do_not_wait_for_each_other_and_the_end_is_told_once() {
    let scheduler = start(2, 1);
    let ends = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ends);
    scheduler.add_scheduler_listener(EventMask::SCHEDULER_SHUTDOWN, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let both = Arc::new(std::sync::Barrier::new(2));
    let (sender, reports) = std::sync::mpsc::channel();
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |_, scheduler| {
        both.wait();
        let _ = sender.send(scheduler.drain(DEADLINE));
    });
    for id in ["a", "b"] {
        scheduler.add_job(job(id, |_| Ok(0))).unwrap();
    }
    for _ in 0..2 {
        let report = reports.recv_timeout(DEADLINE / 2).unwrap();
        assert_eq!(report.ignored.len(), 0);
    }
    assert_eq!(ends.load(Ordering::SeqCst), 1);
}
