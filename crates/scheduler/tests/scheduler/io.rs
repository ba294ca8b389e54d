//! The io lane: on tokio, with a cap, stoppable, and never left hanging.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jbc_scheduler::{
    EventCode, EventMask, JobError, JobStore, Kinds, Lane, MemoryStore, Scheduler,
};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::harness::{DEADLINE, Gate, Sched, Watch, builder, io_job, job};

fn start_on(runtime: &Runtime, io_limit: usize) -> Sched {
    builder()
        .workers(1, 1)
        .tokio(runtime.handle().clone())
        .io_limit(io_limit)
        .start()
        .unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap()
}

#[test]
fn io_jobs_run_on_tokio_and_their_listeners_on_a_worker() {
    let runtime = runtime();
    let scheduler = start_on(&runtime, 4);
    let (sender, heard_on) = std::sync::mpsc::channel();
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |_, _| {
        let _ = sender.send(std::thread::current().name().map(str::to_owned));
    });
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    let body = |_| async {
        tokio::task::yield_now().await;
        if tokio::runtime::Handle::try_current().is_ok() {
            Ok(3)
        } else {
            Err(JobError::from("not on tokio"))
        }
    };
    scheduler.add_job(io_job("sync", body)).unwrap();
    assert_eq!(watch.wait(EventCode::JobExecuted, "sync").output, Some(3));
    let thread = heard_on.recv().unwrap().unwrap();
    assert!(
        thread.starts_with("prompt-") || thread.starts_with("worker-"),
        "{thread}"
    );
    let codes: Vec<_> = watch.rest().into_iter().map(|seen| seen.code).collect();
    assert_eq!(codes, [EventCode::JobAdded, EventCode::JobSubmitted]);
}

#[test]
fn the_caller_of_add_job_is_not_kept_for_the_listeners_of_the_run() {
    let runtime = runtime();
    let scheduler = start_on(&runtime, 4);
    let caller = std::thread::current().id();
    let gate = Gate::closed();
    let inside = Arc::clone(&gate);
    // Holds the caller in JOB_ADDED until the run has begun, so that the rest of the story comes up meanwhile.
    scheduler.add_listener(EventMask::JOB_ADDED, move |_, _| {
        inside.pass();
    });
    let (sender, heard_by) = std::sync::mpsc::channel();
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |_, _| {
        let _ = sender.send(std::thread::current().id());
    });
    let opener = Arc::clone(&gate);
    let body = move |_| {
        opener.open();
        async { Ok(0) }
    };
    scheduler.add_job(io_job("a", body)).unwrap();
    assert_ne!(heard_by.recv_timeout(DEADLINE).unwrap(), caller);
}

#[test]
fn no_more_io_jobs_run_at_a_time_than_the_limit() {
    let runtime = runtime();
    let scheduler = start_on(&runtime, 3);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    for n in 0..60 {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        let body = move |_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..5 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(0)
            }
        };
        scheduler.add_job(io_job(format!("{n}"), body)).unwrap();
    }
    for _ in 0..60 {
        assert_eq!(watch.next().code, EventCode::JobExecuted);
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(scheduler.pending(Lane::Io), 0);
}

#[test]
fn a_waiting_io_job_is_woken_by_its_cancellation() {
    let runtime = runtime();
    let scheduler = start_on(&runtime, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    let body = |ctx: jbc_scheduler::RunContext| async move {
        ctx.cancel().cancelled().await;
        Ok(9)
    };
    scheduler.add_job(io_job("a", body)).unwrap();
    scheduler.add_job(io_job("b", body)).unwrap();
    watch.wait(EventCode::JobSubmitted, "a");
    assert_eq!(scheduler.pending(Lane::Io), 1);
    scheduler.remove_job(&"a".into()).unwrap();
    assert_eq!(watch.wait(EventCode::JobCancelled, "a").output, Some(9));
    watch.wait(EventCode::JobSubmitted, "b");
    scheduler.cancel_run(&"b".into()).unwrap();
    watch.wait(EventCode::JobCancelled, "b");
}

#[test]
fn a_panicking_io_body_is_an_error_before_and_after_its_first_wait() {
    let runtime = runtime();
    let scheduler = start_on(&runtime, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler
        .add_job(io_job("early", |ctx| {
            assert!(ctx.job_id() == "another", "early");
            async { Ok(0) }
        }))
        .unwrap();
    assert_eq!(
        watch.wait(EventCode::JobError, "early").error.as_deref(),
        Some("panicked: early")
    );
    scheduler
        .add_job(io_job("late", |_| async {
            tokio::task::yield_now().await;
            panic!("late")
        }))
        .unwrap();
    assert_eq!(
        watch.wait(EventCode::JobError, "late").error.as_deref(),
        Some("panicked: late")
    );
}

#[test]
fn the_io_jobs_of_a_runtime_that_ends_are_cancelled_and_no_other_starts() {
    let runtime = runtime();
    let scheduler = start_on(&runtime, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    let never = Arc::new(Semaphore::new(0));
    let waiting = |id: &str| {
        let never = Arc::clone(&never);
        io_job(id, move |_| {
            let never = Arc::clone(&never);
            async move {
                let _permit = never.acquire().await;
                Ok(0)
            }
        })
    };
    scheduler.add_job(waiting("a")).unwrap();
    scheduler.add_job(waiting("b")).unwrap();
    watch.wait(EventCode::JobSubmitted, "a");
    runtime.shutdown_background();
    let ended = watch.wait(EventCode::JobCancelled, "a");
    assert_eq!(
        ended.error.as_deref(),
        Some("the tokio runtime ended before the job did")
    );
    assert_eq!(
        scheduler.add_job(waiting("c")),
        Err(jbc_scheduler::AddError::NoRuntime)
    );
    scheduler.add_job(job("work", |_| Ok(0))).unwrap();
    watch.wait(EventCode::JobExecuted, "work");
    assert_eq!(scheduler.pending(Lane::Io), 1, "b waits");
    assert!(watch.rest().iter().all(|seen| seen.id != "b"));
}

/// Kinds of which one is for tokio, and goes on until it is asked to stop.
fn polling() -> Kinds {
    Kinds::new().register_io("poll", |(): (), ctx| async move {
        ctx.cancel().cancelled().await;
        Ok(())
    })
}

#[test]
fn durable_io_jobs_are_owed_when_their_runtime_ends() {
    let (runtime, store) = (runtime(), MemoryStore::new());
    let kinds = Arc::new(polling());
    let (ended, cancelled) = std::sync::mpsc::channel();
    let scheduler = Scheduler::builder(Arc::clone(&kinds))
        .tokio(runtime.handle().clone())
        .io_limit(1)
        .store(store.clone())
        .listener(EventMask::JOB_ENDED, move |event, _| {
            let _ = ended.send(event.code);
        })
        .start()
        .unwrap();
    // More than a stack could hold, were each the end of the one before.
    const COUNT: usize = 200;
    for n in 0..COUNT {
        let poll = kinds.job(format!("{n:03}"), "poll", &()).unwrap();
        scheduler.add_job(poll.durable()).unwrap();
    }
    runtime.shutdown_background();
    assert_eq!(
        cancelled.recv_timeout(DEADLINE),
        Ok(EventCode::JobCancelled)
    );
    assert!(scheduler.drain(DEADLINE).is_clean());
    assert_eq!(store.load().unwrap().jobs.len(), COUNT);
}

#[test]
fn stored_io_jobs_stay_in_the_store_while_there_is_no_runtime_or_their_kind_is_in_another_lane() {
    let (runtime, store) = (runtime(), MemoryStore::new());
    let kinds = Arc::new(polling());
    let builder = Scheduler::builder(Arc::clone(&kinds)).store(store.clone());
    let scheduler = builder.tokio(runtime.handle().clone()).start().unwrap();
    let poll = kinds.job("poll", "poll", &()).unwrap().durable();
    scheduler.add_job(poll).unwrap();
    assert!(scheduler.drain(DEADLINE).is_clean());

    let elsewhere = Kinds::new().register("poll", |(): (), _| Ok(()));
    for (kinds, tokio, reason) in [
        (polling(), None, "needs a tokio runtime"),
        (
            elsewhere,
            Some(runtime.handle().clone()),
            "anywhere but in the lane io",
        ),
    ] {
        let mut builder = Scheduler::builder(Arc::new(kinds)).store(store.clone());
        if let Some(tokio) = tokio {
            builder = builder.tokio(tokio);
        }
        let other = builder.start().unwrap();
        let unattached = other.unattached();
        assert_eq!(unattached.len(), 1);
        assert!(unattached[0].reason.contains(reason), "{unattached:?}");
        assert!(other.drain(DEADLINE).is_clean());
        assert_eq!(store.load().unwrap().jobs.len(), 1);
    }
}
