//! The real runner and workers, in many of the orders in which their threads can run. Whoever sleeps and is not woken is a
//! deadlock, which shuttle reports.

use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use crate::{
    AddError, Builder, ConflictPolicy, EventCode, EventMask, Executor, JobError, JobId, JobSpec,
    JobState, JobStore, Lane, MemoryStore, RunContext, Scheduler, StoreChange, StoreError, Stored,
    StoredTask,
};

/// How many orders each test tries.
const ORDERS: usize = 2_000;
/// Waits never end early under shuttle, so that this only has to be long.
const LONG: Duration = Duration::from_secs(3_600);

/// Looks at its token so often, or for ever.
type Turns = Option<u32>;

struct Looking;

impl Executor for Looking {
    type Task = Turns;
    type Output = ();

    fn run(&self, turns: &Turns, ctx: &RunContext) -> Result<(), JobError> {
        let mut turn = 0;
        while !ctx.cancel().is_cancelled() && turns.is_none_or(|turns| turn < turns) {
            turn += 1;
            thread::yield_now();
        }
        Ok(())
    }

    fn store(&self, _: &Turns) -> Option<StoredTask> {
        Some(StoredTask {
            kind: "look".into(),
            args: ().into(),
        })
    }
}

fn builder() -> Builder<Looking> {
    Scheduler::builder(Arc::new(Looking)).workers(1, 1)
}

fn job(id: impl Into<JobId>, turns: Turns) -> JobSpec<Turns> {
    JobSpec::new(id, "look", turns)
}

/// What was heard, in order.
#[derive(Default)]
struct Story {
    heard: Mutex<Vec<(EventCode, JobId, bool)>>,
    news: Condvar,
}

impl Story {
    fn of(builder: Builder<Looking>, mask: EventMask) -> (Arc<Self>, Builder<Looking>) {
        let story = Arc::new(Self::default());
        let sink = Arc::clone(&story);
        let builder = builder.listener(mask, move |event, _| {
            let heard = (event.code, event.job_id.clone(), event.kept);
            sink.heard.lock().unwrap().push(heard);
            sink.news.notify_all();
        });
        (story, builder)
    }

    fn wait_for(&self, count: usize) -> Vec<EventCode> {
        let mut heard = self.heard.lock().unwrap();
        while heard.len() < count {
            heard = self.news.wait(heard).unwrap();
        }
        heard.iter().map(|(code, ..)| *code).collect()
    }

    fn codes(&self) -> Vec<EventCode> {
        self.wait_for(0)
    }
}

fn in_many_orders(test: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(test, ORDERS);
}

#[test]
fn jobs_that_two_threads_add_to_both_lanes_all_run() {
    in_many_orders(|| {
        let (story, builder) = Story::of(builder(), EventMask::JOB_EXECUTED);
        let scheduler = builder.start().unwrap();
        let adders = ["a", "b"].map(|name| {
            let scheduler = scheduler.clone();
            thread::spawn(move || {
                for (n, lane) in [Lane::Bulk, Lane::Prompt, Lane::Bulk]
                    .into_iter()
                    .enumerate()
                {
                    let id = format!("{name}/{n}");
                    scheduler.add_job(job(id, Some(1)).lane(lane)).unwrap();
                }
            })
        });
        for adder in adders {
            adder.join().unwrap();
        }
        story.wait_for(6);
        assert!(scheduler.get_jobs().is_empty());
    });
}

#[test]
fn a_worker_that_sleeps_is_woken_for_each_job() {
    in_many_orders(|| {
        let (story, builder) = Story::of(builder(), EventMask::JOB_EXECUTED);
        let scheduler = builder.start().unwrap();
        for (n, lane) in [Lane::Bulk, Lane::Prompt, Lane::Bulk]
            .into_iter()
            .enumerate()
        {
            scheduler.add_job(job("a", Some(0)).lane(lane)).unwrap();
            story.wait_for(n + 1);
        }
    });
}

#[test]
fn a_prompt_job_runs_although_the_bulk_worker_is_in_a_job_without_end() {
    in_many_orders(|| {
        let (story, builder) = Story::of(builder(), EventMask::JOB_EXECUTED);
        let scheduler = builder.start().unwrap();
        let other = scheduler.clone();
        let adder = thread::spawn(move || {
            other.add_job(job("prompt", Some(0))).unwrap();
        });
        scheduler
            .add_job(job("bulk", None).lane(Lane::Bulk))
            .unwrap();
        adder.join().unwrap();
        story.wait_for(1);
        scheduler.remove_job(&"bulk".into()).unwrap();
    });
}

#[test]
fn a_run_that_is_cancelled_while_it_starts_or_ends_has_one_end_and_the_right_one() {
    in_many_orders(|| {
        let (story, builder) = Story::of(builder(), EventMask::JOB_ENDED);
        let scheduler = builder.start().unwrap();
        scheduler.add_job(job("a", Some(1))).unwrap();
        let asked = scheduler.cancel_run(&"a".into()) == Ok(1);
        story.wait_for(1);
        assert!(scheduler.drain(LONG).is_clean());
        let end = match asked {
            true => EventCode::JobCancelled,
            false => EventCode::JobExecuted,
        };
        assert_eq!(story.codes(), [end]);
    });
}

#[test]
fn a_run_without_end_stops_when_its_job_is_removed_while_it_starts() {
    in_many_orders(|| {
        let (story, builder) = Story::of(builder(), EventMask::JOB_ENDED);
        let scheduler = builder.start().unwrap();
        scheduler.add_job(job("a", None)).unwrap();
        let removed = scheduler.remove_job(&"a".into()).unwrap();
        let ends = usize::from(removed.state == JobState::Running);
        story.wait_for(ends);
        let report = scheduler.drain(LONG);
        assert!(report.is_clean());
        assert_eq!(story.codes(), vec![EventCode::JobCancelled; ends]);
    });
}

/// Adds so many jobs that run side by side, so that there is something to deal: the first of them without an end.
fn add_crowd(scheduler: &Scheduler<Looking>, count: usize) {
    scheduler.pause();
    for n in 0..count {
        let turns = if n == 0 { None } else { Some(0) };
        scheduler.add_job(job(n.to_string(), turns)).unwrap();
    }
    scheduler.resume();
}

#[test]
fn jobs_that_were_dealt_with_one_that_does_not_end_run_all_the_same() {
    in_many_orders(|| {
        let (story, builder) = Story::of(builder(), EventMask::JOB_ENDED);
        let scheduler = builder.start().unwrap();
        add_crowd(&scheduler, 6);
        story.wait_for(5);
        assert_eq!(scheduler.cancel_run(&"0".into()), Ok(1));
        let mut codes = story.wait_for(6);
        assert_eq!(codes.pop(), Some(EventCode::JobCancelled));
        assert_eq!(codes, [EventCode::JobExecuted; 5]);
    });
}

#[test]
fn jobs_that_were_dealt_are_seen_and_changed_as_any_other() {
    in_many_orders(|| {
        let all = EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED | EventMask::JOB_REMOVED;
        let (story, builder) = Story::of(builder(), all);
        let scheduler = builder.start().unwrap();
        add_crowd(&scheduler, 6);
        let other = scheduler.clone();
        let remover = thread::spawn(move || {
            let removed = other.remove_job(&"3".into());
            removed.map(|info| info.state)
        });
        let seen = scheduler.get_jobs();
        let removed = remover.join().unwrap();
        scheduler.cancel_run(&"0".into()).unwrap_or_default();
        let _ = scheduler.remove_job(&"0".into());
        assert!(scheduler.drain(LONG).is_clean());

        // It was there for as long as nobody had heard that it is gone, and for no longer than until it was removed.
        assert!(seen.iter().any(|info| info.id == "0"));
        assert!(seen.windows(2).all(|pair| pair[0].id < pair[1].id));
        let heard = story.heard.lock().unwrap();
        let of_it = heard.iter().filter(|(_, id, _)| *id == "3");
        let codes: Vec<_> = of_it.map(|(code, ..)| *code).collect();
        let expected: &[EventCode] = match removed {
            Ok(JobState::Pending) => &[EventCode::JobRemoved],
            Ok(_) => &[
                EventCode::JobSubmitted,
                EventCode::JobRemoved,
                EventCode::JobCancelled,
            ],
            Err(_) => &[EventCode::JobSubmitted, EventCode::JobExecuted],
        };
        assert_eq!(codes, expected);
    });
}

#[test]
fn a_drain_under_load_stops_every_run_and_joins_every_thread() {
    in_many_orders(|| {
        let scheduler = builder().start().unwrap();
        let other = scheduler.clone();
        let adder = thread::spawn(move || {
            for n in 0..3 {
                let lane = if n == 1 { Lane::Bulk } else { Lane::Prompt };
                match other.add_job(job(n.to_string(), None).lane(lane)) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error, AddError::ShuttingDown),
                }
            }
        });
        let report = scheduler.drain(LONG);
        assert!(report.is_clean(), "{report:?}");
        adder.join().unwrap();
        assert!(scheduler.get_jobs().is_empty());
    });
}

#[test]
fn the_events_of_an_id_that_two_threads_fight_over_tell_a_consistent_story() {
    in_many_orders(|| {
        let (story, builder) = Story::of(builder(), EventMask::ALL);
        let scheduler = builder.start().unwrap();
        let fighters = [0, 1].map(|_| {
            let scheduler = scheduler.clone();
            thread::spawn(move || {
                let fought_over = || job("x", Some(1)).conflict(ConflictPolicy::Replace);
                scheduler.add_job(fought_over()).unwrap();
                // It may have run, or be removed by the other.
                let _ = scheduler.remove_job(&"x".into());
                scheduler.add_job(fought_over()).unwrap();
            })
        });
        for fighter in fighters {
            fighter.join().unwrap();
        }
        assert!(scheduler.drain(LONG).is_clean());
        let (mut exists, mut runs) = (false, 0);
        for (code, _, kept) in story.heard.lock().unwrap().iter() {
            match code {
                EventCode::JobAdded => exists = true,
                EventCode::JobRemoved => {
                    assert!(exists, "removed what was not there");
                    exists = false;
                }
                EventCode::JobSubmitted => {
                    assert!(exists, "a run of a job that does not exist");
                    runs += 1;
                }
                EventCode::JobExecuted | EventCode::JobCancelled => {
                    assert!(runs > 0, "an end without a start");
                    runs -= 1;
                    exists = *kept;
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!(runs, 0);
    });
}

/// A store that takes its time, in which other threads go on.
struct Slow(MemoryStore);

impl JobStore for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        self.0.load()
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        for _ in 0..40 {
            thread::yield_now();
        }
        self.0.apply(changes)
    }
}

#[test]
fn the_end_of_a_durable_run_is_written_before_anybody_hears_of_it() {
    in_many_orders(|| {
        let store = MemoryStore::new();
        let contents = store.clone();
        let left = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&left);
        let look = move |code| {
            if code == EventCode::JobExecuted {
                let jobs = contents.load().unwrap().jobs;
                sink.lock().unwrap().push(jobs.len());
            }
            thread::yield_now();
        };
        let builder = builder().listener(EventMask::ALL, move |event, _| look(event.code));
        let (story, builder) = Story::of(builder, EventMask::JOB_EXECUTED);
        let scheduler = builder.store(Slow(store)).start().unwrap();
        scheduler.add_job(job("a", Some(0)).durable()).unwrap();
        story.wait_for(1);
        assert_eq!(*left.lock().unwrap(), [0]);
    });
}
