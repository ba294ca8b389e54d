//! Crowds of plain jobs, which workers take several at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use jbc_scheduler::{EventCode, EventMask, JobId, Lane};

use crate::harness::{DEADLINE, Sched, Task, Watch, builder, job};

/// Jobs of a crowd: enough that hands are at their largest.
const CROWD: usize = 3_000;

fn start() -> Sched {
    let builder = builder().max_pending(Lane::Prompt, 4 * CROWD);
    builder.workers(1, 1).start().unwrap()
}

fn plain(id: impl Into<JobId>) -> jbc_scheduler::JobSpec<Task> {
    job(id, |_| Ok(0)).lane(Lane::Prompt)
}

fn add_crowd(scheduler: &Sched, name: &str) {
    for n in 0..CROWD {
        scheduler.add_job(plain(format!("{name}/{n}"))).unwrap();
    }
}

#[test]
fn a_job_that_waits_for_the_next_in_line_gets_it_though_both_were_dealt_to_one_worker() {
    for _ in 0..20 {
        let scheduler = start();
        let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
        scheduler.pause();
        add_crowd(&scheduler, "before");
        let (sender, next) = channel();
        let next = Mutex::new(next);
        let waits = move |_: &jbc_scheduler::RunContext| match next
            .lock()
            .unwrap()
            .recv_timeout(DEADLINE)
        {
            Ok(()) => Ok(1),
            Err(_) => Err("the next never ran".into()),
        };
        scheduler
            .add_job(job("waits", waits).lane(Lane::Prompt))
            .unwrap();
        let tells = move |_: &jbc_scheduler::RunContext| {
            let _ = sender.send(());
            Ok(0)
        };
        scheduler
            .add_job(job("next", tells).lane(Lane::Prompt))
            .unwrap();
        add_crowd(&scheduler, "after");
        scheduler.resume();
        assert_eq!(watch.wait(EventCode::JobExecuted, "waits").output, Some(1));
        assert!(scheduler.drain(DEADLINE).is_clean());
    }
}

#[test]
fn whatever_is_done_to_the_jobs_of_a_crowd_while_it_runs_each_has_one_story() {
    let scheduler = start();
    let stories: Arc<Mutex<BTreeMap<JobId, Vec<EventCode>>>> = Arc::default();
    let sink = Arc::clone(&stories);
    scheduler.add_listener(EventMask::ALL, move |event, _| {
        let mut stories = sink.lock().unwrap();
        stories
            .entry(event.job_id.clone())
            .or_default()
            .push(event.code);
    });
    let is_over = Arc::new(AtomicBool::new(false));
    let meddlers: Vec<_> = (0..2)
        .map(|meddler| {
            let (scheduler, is_over) = (scheduler.clone(), Arc::clone(&is_over));
            thread::spawn(move || {
                let mut n = meddler;
                while !is_over.load(Ordering::Relaxed) {
                    n = (n * 7 + 11) % CROWD;
                    let id = JobId::from(format!("crowd/{n}"));
                    // Each may have run by now.
                    match n % 6 {
                        0 => drop(scheduler.remove_job(&id)),
                        1 => drop(scheduler.pause_job(&id)),
                        2 => drop(scheduler.run_job(&id)),
                        3 => drop(scheduler.cancel_run(&id)),
                        4 => drop(
                            scheduler
                                .remove_listener(scheduler.add_listener(EventMask::ALL, |_, _| {})),
                        ),
                        _ => assert!(
                            scheduler
                                .get_jobs()
                                .windows(2)
                                .all(|two| two[0].id < two[1].id)
                        ),
                    }
                }
            })
        })
        .collect();
    add_crowd(&scheduler, "crowd");
    let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
    scheduler.add_job(plain("last").priority(-1)).unwrap();
    watch.wait(EventCode::JobExecuted, "last");
    is_over.store(true, Ordering::Relaxed);
    for meddler in meddlers {
        meddler.join().unwrap();
    }
    // Those that are paused run at last.
    for info in scheduler.get_jobs() {
        drop(scheduler.resume_job(&info.id));
    }
    scheduler.add_job(plain("very last").priority(-1)).unwrap();
    watch.wait(EventCode::JobExecuted, "very last");
    assert!(scheduler.drain(DEADLINE).is_clean());

    let stories = stories.lock().unwrap();
    assert_eq!(stories.len(), CROWD + 2);
    for (id, story) in stories.iter() {
        let count = |code| story.iter().filter(|other| **other == code).count();
        let ends = count(EventCode::JobExecuted) + count(EventCode::JobCancelled);
        assert_eq!(story[0], EventCode::JobAdded, "{id}: {story:?}");
        assert_eq!(count(EventCode::JobAdded), 1, "{id}: {story:?}");
        assert_eq!(count(EventCode::JobSubmitted), ends, "{id}: {story:?}");
        assert!(count(EventCode::JobExecuted) <= 1, "{id}: {story:?}");
        let stopped = count(EventCode::JobRemoved) + count(EventCode::JobCancelled);
        assert!(
            count(EventCode::JobExecuted) + stopped > 0,
            "{id}: {story:?}"
        );
    }
    assert_eq!(scheduler.history().len(), 500);
}
