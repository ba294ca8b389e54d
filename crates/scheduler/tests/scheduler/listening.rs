//! Listeners and subscriptions.

use std::sync::{Arc, Mutex};

use jbc_scheduler::{ConflictPolicy, EventCode, EventMask, Received};

use crate::harness::{DEADLINE, Gate, Seen, Watch, builder, endless, gated, job, start};

#[test]
fn a_listener_hears_only_its_mask_and_nothing_after_it_is_removed() {
    let scheduler = start(1, 1);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let id = scheduler.add_listener(
        EventMask::JOB_ADDED | EventMask::JOB_ERROR,
        move |event, _| {
            sink.lock().unwrap().push(event.code);
        },
    );
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.add_job(job("a", |_| Ok(0))).unwrap();
    watch.next();
    scheduler.add_job(job("b", |_| Err("no".into()))).unwrap();
    watch.next();
    assert_eq!(
        *heard.lock().unwrap(),
        [
            EventCode::JobAdded,
            EventCode::JobAdded,
            EventCode::JobError
        ]
    );
    assert!(scheduler.remove_listener(id));
    assert!(!scheduler.remove_listener(id));
    scheduler.add_job(job("c", |_| Ok(0))).unwrap();
    watch.next();
    assert_eq!(heard.lock().unwrap().len(), 3);
}

#[test]
fn listeners_of_the_whole_scheduler_hear_of_pauses_and_the_end() {
    let scheduler = start(1, 1);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    scheduler.add_scheduler_listener(EventMask::ALL, move |event| {
        sink.lock().unwrap().push(event.code)
    });
    scheduler.pause();
    scheduler.pause();
    scheduler.resume();
    scheduler.remove_all_jobs().unwrap();
    assert!(scheduler.drain(DEADLINE).is_clean());
    use EventCode::{
        AllJobsRemoved, ExecutorRemoved, SchedulerPaused, SchedulerResumed, SchedulerShutdown,
    };
    assert_eq!(
        *heard.lock().unwrap(),
        [
            SchedulerPaused,
            SchedulerResumed,
            AllJobsRemoved,
            SchedulerShutdown,
            ExecutorRemoved,
            ExecutorRemoved
        ]
    );
}

#[test]
fn a_listener_may_call_every_method_for_its_own_job() {
    let scheduler = start(2, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.add_listener(EventMask::JOB_EXECUTED, |event, scheduler| {
        if event.job_id != "a" {
            return;
        }
        let id = &event.job_id;
        scheduler.add_job(endless(id.clone())).unwrap();
        scheduler.pause_job(id).unwrap();
        scheduler
            .add_job(endless(id.clone()).conflict(ConflictPolicy::Replace))
            .unwrap();
        scheduler.resume_job(id).unwrap();
        assert_eq!(scheduler.get_jobs().len(), 1);
        scheduler.remove_job(id).unwrap();
        scheduler.add_job(job("after", |_| Ok(0))).unwrap();
    });
    scheduler.add_job(job("a", |_| Ok(0))).unwrap();
    watch.wait(EventCode::JobExecuted, "after");
    watch.wait(EventCode::JobRemoved, "a");
    watch.wait(EventCode::JobPaused, "a");
    watch.wait(EventCode::JobResumed, "a");
}

/// Threads fight over one id while a listener keeps the events; whatever the interleaving, the story must make sense.
#[test]
fn the_events_of_one_job_tell_a_consistent_story_under_contention() {
    let scheduler = builder().workers(3, 1).start().unwrap();
    let story = Arc::new(Mutex::new(Vec::<Seen>::new()));
    let sink = Arc::clone(&story);
    scheduler.add_listener(EventMask::ALL, move |event, _| {
        sink.lock().unwrap().push(Seen::from(event))
    });
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..400 {
                    let added =
                        scheduler.add_job(job("x", |_| Ok(0)).conflict(ConflictPolicy::Replace));
                    assert!(added.is_ok());
                    if n % 3 == 0 {
                        let _ = scheduler.remove_job(&"x".into());
                    }
                }
            });
        }
    });
    assert!(scheduler.drain(DEADLINE).is_clean());
    let story = story.lock().unwrap();
    assert_eq!(
        story
            .iter()
            .filter(|seen| seen.code == EventCode::JobAdded)
            .count(),
        1_200
    );
    let (mut exists, mut open_runs) = (false, Vec::new());
    for seen in story.iter() {
        match seen.code {
            EventCode::JobAdded => exists = true,
            EventCode::JobRemoved => {
                assert!(exists, "removed what was not there");
                exists = false;
            }
            EventCode::JobSubmitted => {
                assert!(exists, "a run of a job that does not exist");
                open_runs.push(seen.run_id);
            }
            EventCode::JobExecuted | EventCode::JobCancelled => {
                let at = open_runs
                    .iter()
                    .position(|run| *run == seen.run_id)
                    .expect("an end without a start");
                open_runs.remove(at);
                exists = seen.kept;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(open_runs, []);
}

#[test]
fn a_subscription_gets_events_and_learns_how_many_it_missed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let scheduler = start(1, 1);
    let mut subscription = scheduler.subscribe(EventMask::JOB_EXECUTED, 3);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
    for n in 0..10 {
        scheduler.add_job(job(format!("{n}"), |_| Ok(0))).unwrap();
        watch.next();
    }
    assert!(scheduler.drain(DEADLINE).is_clean());
    let received = runtime.block_on(async {
        let mut received = Vec::new();
        loop {
            match tokio::time::timeout(DEADLINE, subscription.recv())
                .await
                .unwrap()
            {
                Received::Event(event) => received.push(event.job_id.to_string()),
                Received::Missed(count) => received.push(format!("missed {count}")),
                Received::Closed => break received,
            }
        }
    });
    assert_eq!(received, ["missed 7", "7", "8", "9"]);
}

#[test]
fn a_waiting_subscription_is_woken_by_an_event() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let scheduler = start(1, 1);
    let mut subscription = scheduler.subscribe(EventMask::JOB_EXECUTED, 3);
    let ready = Gate::closed();
    let waiting = Arc::clone(&ready);
    let reader = runtime.spawn(async move {
        let mut recv = std::pin::pin!(subscription.recv());
        // Polled once, so that it waits when the event comes.
        std::future::poll_fn(|cx| {
            assert!(recv.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        waiting.open();
        recv.await
    });
    ready.pass();
    scheduler.add_job(job("a", |_| Ok(3))).unwrap();
    let received = runtime
        .block_on(async { tokio::time::timeout(DEADLINE, reader).await })
        .unwrap()
        .unwrap();
    assert!(matches!(received, Received::Event(event) if event.output.as_deref() == Some(&3)));
}

#[test]
fn what_a_removed_listener_owned_is_gone_while_a_bulk_body_goes_on() {
    let scheduler = start(1, 1);
    let (owned, is_gone) = std::sync::mpsc::channel::<()>();
    let owned = Mutex::new(owned);
    let id = scheduler.add_listener(EventMask::ALL, move |_, _| drop(owned.lock().unwrap()));
    let gate = Gate::closed();
    scheduler.add_job(gated("mining", &gate)).unwrap();
    gate.wait_for(1);
    assert!(scheduler.remove_listener(id));
    let gone = is_gone.recv_timeout(DEADLINE / 3);
    assert_eq!(gone, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
    gate.open();
}
