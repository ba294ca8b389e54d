//! Tests of the state machine: time is a number, and nothing waits.

mod agreement;
mod attempts;
mod durable;
mod jitter;
mod model;
mod plain;
mod times;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::clock::system_time;
use crate::error::AddError;
use crate::executor::{JobError, RunContext};
use crate::info::{JobState, RunOutcome, RunRecord};
use crate::job::{Added, ConflictPolicy, JobSpec};
use crate::mailbox::Next;
use crate::store::StoredTask;
use crate::trigger::{Schedule, Trigger};

const SECOND_US: u64 = 1_000_000;
/// Where the wall clock stands when the monotonic one is at 0.
const EPOCH_US: u64 = 1_700_000_000 * SECOND_US;

/// How long a run may ignore that it was asked to stop.
const STUCK_AFTER_US: u64 = 3_000;

/// Io runs at a time.
const IO_LIMIT: usize = 2;

fn at(mono_us: u64) -> Now {
    Now {
        mono_us,
        wall_us: EPOCH_US + mono_us,
    }
}

/// Tasks are numbers, and nobody runs them: the queue is driven by hand.
struct Numbers;

impl Executor for Numbers {
    type Task = u32;
    type Output = u32;

    fn run(&self, _: &u32, _: &RunContext) -> Result<u32, JobError> {
        Err("driven by hand".into())
    }
}

/// The number as data.
fn stored(task: u32) -> Box<StoredTask> {
    Box::new(StoredTask {
        kind: "number".into(),
        args: task.into(),
    })
}

fn limits() -> Limits {
    Limits {
        pending: [100; 3],
        io: IO_LIMIT,
        history: 100,
        history_age_us: u64::MAX,
        dead: 100,
        stuck_after_us: STUCK_AFTER_US,
    }
}

fn queue() -> Queue<Numbers> {
    let mut queue = Queue::new(limits(), 2, 1);
    queue.want(EventMask::ALL);
    queue
}

/// What is asked for, checked; durable as the spec says.
fn checked(spec: JobSpec<u32>, now: Now) -> NewJob<Numbers> {
    let schedule = Schedule::check(&spec.trigger, now.wall_us).unwrap();
    let stored = spec.durable.then(|| stored(*spec.task));
    NewJob {
        spec,
        schedule,
        stored,
        anchor_us: now.wall_us,
    }
}

/// The whole jobs.
fn whole(queue: &Queue<Numbers>) -> impl Iterator<Item = &Job<Numbers>> {
    queue.seated().filter_map(|(_, job)| match job {
        Seated::Whole(job) => Some(&**job),
        _ => None,
    })
}

fn add(queue: &mut Queue<Numbers>, spec: JobSpec<u32>, now: Now) -> Added {
    let made = checked(spec, now).make(now);
    made.and_then(|job| queue.add(job, now)).unwrap()
}

fn spec(id: &str) -> JobSpec<u32> {
    JobSpec::new(id, "test", 0u32)
}

/// How a body ended that nobody had stopped.
fn ended(error: Option<&str>) -> Ended<Numbers> {
    Ended {
        output: error.is_none().then(|| Arc::new(0)),
        error: error.map(str::to_owned),
        token_cancelled: false,
    }
}

/// What the listeners hear, in this order; they answer at once.
fn told(queue: &mut Queue<Numbers>, letters: Letters<Numbers>) -> Vec<Event<Numbers>> {
    let mut told = Vec::new();
    for Letter { event, mailbox } in letters {
        let id = event.job_id.clone();
        told.push(*event);
        loop {
            match mailbox.next() {
                Next::Tell(event) => told.push(*event),
                Next::Nothing => break,
                Next::GiveBack => break drop(queue.give_back(&id)),
            }
        }
    }
    told
}

/// What the listeners hear of all that has happened.
fn heard(queue: &mut Queue<Numbers>) -> Vec<Event<Numbers>> {
    let letters = queue.take_letters();
    told(queue, letters)
}

fn every(seconds: u64) -> Trigger {
    Trigger::every(Duration::from_secs(seconds))
}

/// Starts and ends the best prompt run; answers when it was due.
fn run_one(queue: &mut Queue<Numbers>, now: Now) -> Option<u64> {
    let started = queue.take(&[Lane::Prompt], now)?;
    queue.finished(started.run, ended(None), now);
    heard(queue);
    Some(queue.history(now).last().unwrap().scheduled_at)
}

#[test]
fn a_store_that_failed_is_written_again_after_a_while_and_not_at_once() {
    let mut queue = queue();
    queue.keep();
    let hourly = || every(3_600);
    add(&mut queue, spec("a").trigger(hourly()).durable(), at(0));
    assert!(queue.take_effects().dirty);
    let changes = queue.changes(at(0));
    assert_eq!(changes.len(), 1);
    queue.unwritten(changes, at(0));
    queue.pause(&"a".into(), at(1)).unwrap();
    assert!(!queue.take_effects().dirty, "not with each change");
    assert!(queue.is_dirty());
    let wait_us = queue.wait_us(at(1)).unwrap();
    queue.fire_due(at(wait_us));
    assert!(!queue.take_effects().dirty, "a microsecond early");
    // Also while nothing starts: it starts nothing.
    queue.pause_all();
    queue.fire_due(at(1 + wait_us));
    assert!(queue.take_effects().dirty);
    assert_eq!(
        queue.changes(at(1 + wait_us)).len(),
        1,
        "one for both changes"
    );
}

#[test]
fn a_missed_run_tells_whether_the_job_goes_on() {
    let mut queue = queue();
    let grace = Duration::from_secs(1);
    add(&mut queue, spec("once").misfire_grace_time(grace), at(0));
    add(
        &mut queue,
        spec("often").trigger(every(1)).misfire_grace_time(grace),
        at(0),
    );
    queue.fire_due(at(SECOND_US));
    heard(&mut queue);
    assert!(queue.take(&[Lane::Prompt], at(3 * SECOND_US)).is_none());
    let kept: Vec<_> = heard(&mut queue)
        .into_iter()
        .map(|event| (event.code, event.job_id, event.kept))
        .collect();
    assert_eq!(
        kept,
        [
            (EventCode::JobMissed, "once".into(), false),
            (EventCode::JobMissed, "often".into(), true)
        ]
    );
}

#[test]
fn the_end_of_a_removed_run_is_heard_in_its_turn_among_the_events_of_the_next_job_of_its_id() {
    let mut queue = queue();
    add(&mut queue, spec("a"), at(0));
    let run = queue.take(&[Lane::Prompt], at(1)).unwrap().run;
    queue.remove(&"a".into(), at(2)).unwrap();
    heard(&mut queue);
    add(&mut queue, spec("a"), at(3));
    let added = queue.take_letters();
    queue.finished(run, ended(None), at(4));
    assert!(!queue.has_letters(), "somebody else is telling");
    let codes: Vec<_> = told(&mut queue, added)
        .into_iter()
        .map(|event| (event.code, event.kept))
        .collect();
    use EventCode::{JobAdded, JobCancelled};
    assert_eq!(codes, [(JobAdded, true), (JobCancelled, true)]);
}

#[test]
fn the_end_of_a_run_is_told_of_the_job_as_it_was_when_it_started() {
    let mut queue = queue();
    let first = JobSpec::new("a", "first", 1u32).trigger(every(10));
    add(&mut queue, first.conflict(ConflictPolicy::Refresh), at(0));
    queue.run_now(&"a".into(), at(0)).unwrap();
    let run = queue.take(&[Lane::Prompt], at(2_000)).unwrap();
    let second = JobSpec::new("a", "second", 2u32).trigger(every(10));
    let second = second.lane(Lane::Io).conflict(ConflictPolicy::Refresh);
    assert_eq!(add(&mut queue, second, at(3_000)), Added::Refreshed);
    heard(&mut queue);
    queue.finished(run.run, ended(Some("no")), at(7_000));

    let record = queue.history(at(7_000)).pop().unwrap();
    let event = heard(&mut queue).pop().unwrap();
    let epoch_ms = EPOCH_US / 1_000;
    let expected = RunRecord {
        run_id: Some(run.context.run_id()),
        job_id: "a".into(),
        name: "first".into(),
        lane: Lane::Prompt,
        outcome: RunOutcome::Error,
        message: Some("no".to_owned()),
        scheduled_at: epoch_ms,
        started_at: Some(epoch_ms + 2),
        finished_at: epoch_ms + 7,
        elapsed_us: Some(5_000),
        attempt: 1,
    };
    assert_eq!(record, expected);
    assert_eq!(
        (event.code, event.job_id),
        (EventCode::JobError, record.job_id)
    );
    assert_eq!((event.name, *event.task), ("first".into(), 1));
    assert_eq!(event.run_id, record.run_id);
    assert_eq!(event.at, system_time(EPOCH_US + 7_000));
    assert_eq!(event.elapsed, Some(Duration::from_micros(5_000)));
    assert_eq!((event.output, event.error), (None, record.message));
    assert_eq!(
        (event.kept, event.failures, event.retry_at),
        (true, 1, None)
    );
    assert!(!event.is_durable);
}

#[test]
fn a_seat_is_free_again_when_the_last_run_of_its_job_has_ended_and_been_told() {
    for wanted in [EventMask::NONE, EventMask::ALL] {
        let mut queue = queue();
        queue.want(wanted);
        for _ in 0..3 {
            add(&mut queue, spec("a"), at(0));
            let run = queue.take(&[Lane::Prompt], at(1)).unwrap().run;
            queue.remove(&"a".into(), at(2)).unwrap();
            heard(&mut queue);
            assert!(queue.infos(at(2)).is_empty());
            queue.finished(run, ended(None), at(3));
            heard(&mut queue);
            assert_eq!((queue.jobs.iter().count(), queue.ids.len()), (0, 0));
        }
    }
}

#[test]
fn a_hundred_thousand_timers_come_and_go() {
    const COUNT: u64 = 100_000;
    let mut queue = queue();
    let task = Arc::new(0);
    let id = |n: u64| JobId::from(n.to_string());
    for n in 0..COUNT {
        // By a stride that visits every slot once, so that the order of adding is not the order of time.
        let date = Trigger::Date(system_time(EPOCH_US + (n * 99_991) % COUNT));
        add(
            &mut queue,
            JobSpec::new(id(n), "test", Arc::clone(&task)).trigger(date),
            at(0),
        );
    }
    for n in (0..COUNT).step_by(2) {
        queue.remove(&id(n), at(0)).unwrap();
    }
    queue.fire_due(at(COUNT));
    assert_eq!(queue.pending(Lane::Prompt), 50_000);
    assert_eq!(queue.wait_us(at(COUNT)), None);
}

/// As the scheduler requeues a dead job.
fn requeue(queue: &mut Queue<Numbers>, id: &JobId, now: Now) -> Result<(), crate::ChangeError> {
    let trigger = queue.trigger_of_dead(id)?;
    let schedule = Schedule::check(&trigger, now.wall_us);
    queue.requeue(id, &trigger, schedule, now).map(drop)
}

#[test]
fn a_dead_job_is_not_requeued_by_the_trigger_of_another_that_died_before() {
    let mut queue = queue();
    for trigger in [Trigger::Now, Trigger::After(Duration::ZERO)] {
        let retry = crate::Retry::attempts(1);
        add(&mut queue, spec("a").trigger(trigger).retry(retry), at(0));
        queue.fire_due(at(0));
        let run = queue.take(&[Lane::Prompt], at(0)).unwrap().run;
        queue.finished(run, ended(Some("no")), at(0));
        heard(&mut queue);
    }
    let refused = queue.requeue(&"a".into(), &Trigger::Now, Ok(Schedule::Now), at(0));
    assert!(matches!(refused, Err(crate::ChangeError::NotFound(_))));
    requeue(&mut queue, &"a".into(), at(0)).unwrap();
    assert_eq!(queue.dead(), []);
}

#[test]
fn a_full_line_is_no_reason_to_refuse_what_takes_no_place_in_it() {
    let narrow = Limits {
        pending: [1; 3],
        ..limits()
    };
    let mut queue = Queue::<Numbers>::new(narrow, 1, 1);
    queue.keep();
    queue.restore_pause("paused".into());
    add(&mut queue, spec("runs"), at(0));
    queue.take(&[Lane::Prompt], at(0)).unwrap();
    add(&mut queue, spec("waits"), at(0));
    let full = checked(spec("other"), at(0)).make(at(0));
    let full = full.and_then(|job| queue.add(job, at(0)));
    assert!(matches!(full, Err(AddError::Full { .. })));
    let refreshing = |id| spec(id).conflict(crate::ConflictPolicy::Refresh);
    assert_eq!(add(&mut queue, refreshing("runs"), at(0)), Added::Refreshed);
    assert_eq!(add(&mut queue, refreshing("paused"), at(0)), Added::New);
    let moved = refreshing("waits").lane(Lane::Bulk);
    assert_eq!(add(&mut queue, moved, at(0)), Added::Refreshed);
}
