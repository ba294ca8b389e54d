//! Failures of a job that owes more than one run: no time of it is forgotten.

use super::*;
use crate::job::Retry;
use crate::store::StoredJob;

/// Every second, each time for itself; tried again after ten.
fn backlog() -> JobSpec<u32> {
    let wait = Duration::from_secs(10);
    spec("a")
        .trigger(every(1))
        .coalesce(false)
        .retry(Retry::attempts(2).waits(wait, wait))
        .durable()
}

/// How the job stands in the store.
fn written(queue: &mut Queue<Numbers>, now: Now) -> StoredJob {
    let changes = queue.changes(now);
    let [crate::store::StoreChange::PutJob(job)] = &changes[..] else {
        panic!("not one job: {changes:?}")
    };
    StoredJob::clone(job)
}

fn start(queue: &mut Queue<Numbers>, now: Now) -> usize {
    queue.take(&[Lane::Prompt], now).unwrap().run
}

fn due_seconds(stored: &StoredJob) -> Vec<u64> {
    let second = |at: &u64| (at - EPOCH_US) / SECOND_US;
    stored.owed_us.iter().map(second).collect()
}

#[test]
fn a_time_that_failed_is_tried_again_before_those_that_came_with_it() {
    let mut queue = queue();
    add(&mut queue, backlog(), at(0));
    let now = at(3 * SECOND_US);
    queue.fire_due(now);
    let run = start(&mut queue, now);
    queue.finished(run, ended(Some("no")), now);
    assert!(
        queue.take(&[Lane::Prompt], now).is_none(),
        "the others wait"
    );
    let info = queue.info(&"a".into(), now).unwrap();
    assert_eq!(info.state, JobState::Scheduled);
    assert_eq!(info.next_run_time, Some(EPOCH_US / 1_000 + 13_000));
    assert_eq!(due_seconds(&written(&mut queue, now)), [13, 2, 3]);

    let now = at(13 * SECOND_US);
    queue.fire_due(now);
    heard(&mut queue);
    let run = start(&mut queue, now);
    queue.finished(run, ended(Some("no")), now);
    let codes: Vec<_> = heard(&mut queue)
        .into_iter()
        .map(|event| (event.code, event.failures))
        .collect();
    use EventCode::{JobDead, JobError, JobSubmitted};
    assert_eq!(codes, [(JobSubmitted, 1), (JobError, 2), (JobDead, 2)]);
    let second = |due_ms| due_ms - EPOCH_US / 1_000;
    let left: Vec<_> = std::iter::from_fn(|| run_one(&mut queue, now)).collect();
    let left: Vec<_> = left.into_iter().map(second).collect();
    let expected: Vec<_> = (2..=13).map(|second| second * 1_000).collect();
    assert_eq!(left, expected, "each of them once, also those since");
}

#[test]
fn a_success_beside_it_does_not_end_the_attempts_of_a_run_that_failed() {
    let mut queue = queue();
    queue.keep();
    add(&mut queue, backlog().max_instances(3), at(0));
    let now = at(3 * SECOND_US);
    queue.fire_due(now);
    let runs: Vec<_> = (0..3).map(|_| start(&mut queue, now)).collect();
    queue.finished(runs[0], ended(Some("no")), now);
    queue.finished(runs[1], ended(None), now);
    assert_eq!(due_seconds(&written(&mut queue, now)), [3, 13]);
    assert_eq!(queue.info(&"a".into(), now).unwrap().failures, 1);
    queue.finished(runs[2], ended(None), now);
    assert_eq!(due_seconds(&written(&mut queue, now)), [13]);
}

#[test]
fn two_runs_that_fail_side_by_side_are_both_owed() {
    let mut queue = queue();
    let retry = Retry::attempts(5).waits(Duration::from_secs(10), Duration::from_secs(10));
    add(&mut queue, backlog().max_instances(2).retry(retry), at(0));
    let now = at(2 * SECOND_US);
    queue.fire_due(now);
    let runs: Vec<_> = (0..2).map(|_| start(&mut queue, now)).collect();
    for run in runs {
        queue.finished(run, ended(Some("no")), now);
    }
    assert_eq!(due_seconds(&written(&mut queue, now)), [12, 2]);
    queue.run_now(&"a".into(), now).unwrap();
    assert_eq!(
        due_seconds(&written(&mut queue, now)),
        [2, 2],
        "brought forward"
    );
}

#[test]
fn what_is_owed_in_the_future_of_a_clock_that_was_set_back_is_not_forgotten() {
    let mut queue = queue();
    add(&mut queue, backlog(), at(0));
    let now = at(3 * SECOND_US);
    queue.fire_due(now);
    let stored = written_at_once(&mut queue, now);
    assert_eq!(due_seconds(&stored), [1, 2, 3]);
    let mut again = super::queue();
    let schedule = Schedule::check(&stored.trigger, stored.anchor_us).unwrap();
    again.restore(stored, Arc::new(0), schedule, at(0));
    again.pause_all();
    assert_eq!(due_seconds(&written_at_once(&mut again, at(0))), [1, 2, 3]);
}

/// As [`written`], although nothing has changed that the store does not know.
fn written_at_once(queue: &mut Queue<Numbers>, now: Now) -> StoredJob {
    let change = crate::job::Modification::default();
    queue.modify(&"a".into(), change, None, now).unwrap();
    written(queue, now)
}

#[test]
fn a_recurring_job_that_fails_while_it_is_paused_is_not_tried_again() {
    let mut queue = queue();
    add(&mut queue, backlog(), at(0));
    let now = at(SECOND_US);
    queue.fire_due(now);
    let run = start(&mut queue, now);
    queue.pause(&"a".into(), now).unwrap();
    heard(&mut queue);
    queue.finished(run, ended(Some("no")), now);
    assert_eq!(heard(&mut queue)[0].retry_at, None);
    let info = queue.resume(&"a".into(), now).unwrap();
    assert_eq!(
        (info.failures, info.next_run_time),
        (0, Some(EPOCH_US / 1_000 + 2_000))
    );
}
