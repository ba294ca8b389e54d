//! Jobs run: once each, in order, and what ends badly harms nobody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jbc_scheduler::{
    AddError, Added, ConflictPolicy, EventCode, EventMask, JobId, JobInfo, Lane, RunOutcome,
    RunRecord, Trigger,
};

use crate::harness::{Gate, Watch, builder, endless, gated, job, start};

#[test]
fn a_job_runs_and_its_events_come_in_order() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    assert_eq!(scheduler.add_job(job("a", |_| Ok(5))), Ok(Added::New));
    let events = [watch.next(), watch.next(), watch.next()];
    assert_eq!(
        events.each_ref().map(|seen| seen.code),
        [
            EventCode::JobAdded,
            EventCode::JobSubmitted,
            EventCode::JobExecuted
        ]
    );
    assert_eq!(events[2].output, Some(5));
    assert!(!events[2].kept);
    assert_eq!(events[1].run_id, events[2].run_id);
    assert_eq!(scheduler.get_jobs(), []);
}

#[test]
fn a_listener_can_add_its_own_id_again_and_a_second_add_of_it_conflicts() {
    let scheduler = start(1, 1);
    let answers = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&answers);
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, scheduler| {
        let mut answers = heard.lock().unwrap();
        if answers.len() < 300 {
            for _ in 0..2 {
                answers.push(scheduler.add_job(job(event.job_id.clone(), |_| Ok(0))));
            }
        }
    });
    let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
    scheduler.add_job(job("mining", |_| Ok(0))).unwrap();
    for _ in 0..151 {
        watch.wait(EventCode::JobExecuted, "mining");
    }
    for pair in answers.lock().unwrap().chunks(2) {
        assert_eq!(pair[0], Ok(Added::New));
        assert_eq!(
            pair[1],
            Err(AddError::ConflictingId {
                id: "mining".into()
            })
        );
    }
}

/// At once: as many as the issue asks for.
const JOBS: usize = 100_000;

#[test]
fn a_hundred_thousand_jobs_at_once_are_each_run_once_and_none_is_lost() {
    let scheduler = builder()
        .workers(3, 1)
        .max_pending(Lane::Bulk, JOBS)
        .history(0)
        .start()
        .unwrap();
    let runs = Arc::new(Mutex::new(HashMap::<JobId, usize>::new()));
    let ended = Arc::new(AtomicUsize::new(0));
    let (counted, all) = (Arc::clone(&ended), Gate::closed());
    let done = Arc::clone(&all);
    scheduler.add_listener(EventMask::JOB_ENDED, move |event, _| {
        assert_eq!(event.code, EventCode::JobExecuted);
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == JOBS {
            done.open();
        }
    });
    for n in 0..JOBS {
        let runs = Arc::clone(&runs);
        let body = move |ctx: &jbc_scheduler::RunContext| {
            *runs
                .lock()
                .unwrap()
                .entry(ctx.job_id().clone())
                .or_default() += 1;
            Ok(0)
        };
        let lane = if n % 3 == 0 { Lane::Prompt } else { Lane::Bulk };
        loop {
            match scheduler.add_job(job(format!("job-{n}"), body.clone()).lane(lane)) {
                Err(AddError::Full { .. }) => std::thread::yield_now(),
                added => break assert_eq!(added, Ok(Added::New)),
            }
        }
    }
    all.pass();
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), JOBS);
    assert!(runs.values().all(|count| *count == 1));
    assert_eq!(scheduler.get_jobs(), []);
}

#[test]
fn bodies_over_600_ms_lose_no_event() {
    let long = Duration::from_millis(650);
    let scheduler = start(3, 1);
    let gate = Gate::closed();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED);
    for id in ["a", "b", "c"] {
        scheduler.add_job(gated(id, &gate)).unwrap();
    }
    gate.wait_for(3);
    let opener = Arc::clone(&gate);
    let open = job("open", move |_| {
        opener.open();
        Ok(0)
    });
    let open = open.lane(Lane::Prompt).trigger(Trigger::After(long));
    scheduler.add_job(open).unwrap();
    for id in ["a", "b", "c"] {
        let submitted = watch.wait(EventCode::JobSubmitted, id);
        let executed = watch.wait(EventCode::JobExecuted, id);
        assert_eq!(submitted.run_id, executed.run_id);
        assert!(executed.elapsed >= Some(long), "{executed:?}");
    }
}

#[test]
fn a_panicking_body_is_an_error_with_its_text_and_its_worker_goes_on() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler
        .add_job(job("bad", |_| panic!("no block {}", 7)))
        .unwrap();
    let seen = watch.wait(EventCode::JobError, "bad");
    assert_eq!(seen.error.as_deref(), Some("panicked: no block 7"));
    scheduler
        .add_job(job("wrong", |_| Err("no such parent".into())))
        .unwrap();
    assert_eq!(
        watch.wait(EventCode::JobError, "wrong").error.as_deref(),
        Some("no such parent")
    );
    scheduler.add_job(job("good", |_| Ok(1))).unwrap();
    watch.wait(EventCode::JobExecuted, "good");
}

#[test]
fn a_panicking_listener_harms_neither_the_worker_nor_other_listeners() {
    let scheduler = start(1, 1);
    scheduler.add_listener(EventMask::ALL, |_, _| panic!("a bad listener"));
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    for id in ["a", "b", "c"] {
        scheduler.add_job(job(id, |_| Ok(1))).unwrap();
        watch.wait(EventCode::JobExecuted, id);
    }
}

#[test]
fn an_id_that_exists_is_refused_replaced_or_left_as_the_policy_says() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("blocker", &gate)).unwrap();
    gate.wait_for(1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.add_job(job("a", |_| Ok(1))).unwrap();
    assert_eq!(
        scheduler.add_job(job("a", |_| Ok(2))),
        Err(AddError::ConflictingId { id: "a".into() })
    );
    assert_eq!(
        scheduler.add_job(job("a", |_| Ok(3)).conflict(ConflictPolicy::DoNothing)),
        Ok(Added::AlreadyThere)
    );
    assert_eq!(
        scheduler.add_job(job("a", |_| Ok(4)).conflict(ConflictPolicy::Replace)),
        Ok(Added::Replaced)
    );
    assert_eq!(scheduler.pending(Lane::Bulk), 1);
    gate.open();
    assert_eq!(watch.wait(EventCode::JobExecuted, "a").output, Some(4));
    let others: Vec<_> = watch
        .rest()
        .into_iter()
        .filter(|seen| seen.id == "a")
        .map(|seen| seen.code)
        .collect();
    assert_eq!(
        others,
        [
            EventCode::JobAdded,
            EventCode::JobAdded,
            EventCode::JobSubmitted
        ]
    );
}

#[test]
fn a_full_lane_refuses_new_ids_but_not_a_replacement() {
    let scheduler = builder()
        .workers(1, 1)
        .max_pending(Lane::Bulk, 2)
        .start()
        .unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_SUBMITTED);
    scheduler.add_job(endless("blocker")).unwrap();
    watch.wait(EventCode::JobSubmitted, "blocker");
    for id in ["a", "b"] {
        scheduler.add_job(job(id, |_| Ok(0))).unwrap();
    }
    assert_eq!(
        scheduler.add_job(job("c", |_| Ok(0))),
        Err(AddError::Full {
            lane: Lane::Bulk,
            limit: 2
        })
    );
    assert_eq!(
        scheduler.add_job(job("b", |_| Ok(0)).conflict(ConflictPolicy::Replace)),
        Ok(Added::Replaced)
    );
    assert_eq!(
        scheduler.add_job(job("c", |_| Ok(0)).lane(Lane::Prompt)),
        Ok(Added::New)
    );
}

#[test]
fn the_history_keeps_the_newest_runs_and_how_they_ended() {
    let scheduler = builder().workers(1, 1).history(3).start().unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    for id in ["a", "b", "c"] {
        scheduler.add_job(job(id, |_| Ok(0))).unwrap();
        watch.next();
    }
    scheduler
        .add_job(job("d", |_| Err("broken".into())))
        .unwrap();
    watch.next();
    let history = scheduler.history();
    assert_eq!(
        history
            .iter()
            .map(|record| record.job_id.as_str())
            .collect::<Vec<_>>(),
        ["b", "c", "d"]
    );
    assert_eq!(history[2].outcome, RunOutcome::Error);
    assert_eq!(history[2].message.as_deref(), Some("broken"));
    assert!(history[0].run_id < history[1].run_id);
    let json = serde_json::to_string(&history).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<RunRecord>>(&json).unwrap(),
        history
    );
    assert!(json.contains("\"outcome\":\"error\""), "{json}");
}

#[test]
fn a_running_job_shows_its_run_and_progress_also_through_json() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    let inside = Arc::clone(&gate);
    scheduler
        .add_job(job("sync", move |ctx| {
            ctx.set_progress("3 of 9 blocks");
            inside.pass();
            Ok(0)
        }))
        .unwrap();
    gate.wait_for(1);
    let info = scheduler.get_job(&"sync".into()).unwrap();
    assert_eq!(info.runs[0].progress.as_deref(), Some("3 of 9 blocks"));
    let json = serde_json::to_value(&info).unwrap();
    assert_eq!(json["state"], "running");
    assert_eq!(json["lane"], "bulk");
    assert_eq!(json["next_run_time"], serde_json::Value::Null);
    assert_eq!(serde_json::from_value::<JobInfo>(json).unwrap(), info);
    assert_eq!(
        scheduler.print_jobs(),
        "Jobstore default:\n    sync: test (trigger: now, running)\n"
    );
    gate.open();
}
