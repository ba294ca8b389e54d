//! Jitter delays each run, and moves no grid.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::micros;

/// Starts and ends all that is due; answers the times it was for.
fn run_all(queue: &mut Queue<Numbers>, now: Now) -> Vec<u64> {
    let mut due = Vec::new();
    while let Some(started) = queue.take(&[Lane::Prompt], now) {
        due.push(queue.runs[started.run].due.wall_us(now) - EPOCH_US);
        queue.finished(started.run, ended(None), now);
        heard(queue);
    }
    due
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_run_of_an_interval_lies_in_its_window_and_the_grid_does_not_drift(
        every_ms in 1u64..20,
        jitter_ms in 0u64..60,
        coalesce: bool,
        looks_ms in proptest::collection::vec(1u64..50, 1..60),
    ) {
        let (every_us, jitter_us) = (every_ms * 1_000, jitter_ms * 1_000);
        let mut queue = queue();
        let trigger = Trigger::every(Duration::from_millis(every_ms));
        let jitter = Duration::from_millis(jitter_ms);
        add(&mut queue, spec("a").trigger(trigger).jitter(jitter).coalesce(coalesce), at(0));
        let (mut now_us, mut times) = (0, Vec::new());
        for look_ms in looks_ms {
            now_us += look_ms * 1_000;
            queue.fire_due(at(now_us));
            times.extend(run_all(&mut queue, at(now_us)));
            let job = whole(&queue).next().unwrap();
            let next = job.next.unwrap().wall_us(at(now_us)) - EPOCH_US;
            prop_assert_eq!(next % every_us, 0, "the grid drifts");
            prop_assert!(next + jitter_us + every_us > now_us, "a time was left out");
            prop_assert!(job.delay_us <= jitter_us);
        }
        for time in times {
            prop_assert!(time <= now_us, "early");
            prop_assert!(
                time >= every_us && (time % every_us <= jitter_us || jitter_us >= every_us),
                "outside of its window"
            );
        }
    }

    #[test]
    fn what_runs_once_is_delayed_once_and_a_retry_by_its_own_jitter(
        wait_ms in 1u64..1_000,
        jitter_ms in 1u64..1_000,
        seed: u64,
    ) {
        let (wait, jitter) = (Duration::from_millis(wait_ms), Duration::from_millis(jitter_ms));
        let mut queue = Queue::<Numbers>::new(limits(), 1, seed);
        queue.want(EventMask::ALL);
        let once = spec("a").trigger(Trigger::After(wait)).jitter(jitter);
        let retry = crate::Retry::attempts(2).waits(wait, wait);
        add(&mut queue, once.retry(retry), at(0));
        let mut began_us = 0;
        for _ in 0..2 {
            let due_us = began_us + queue.wait_us(at(began_us)).unwrap();
            let window = micros(wait)..=micros(wait) + micros(jitter);
            prop_assert!(window.contains(&(due_us - began_us)));
            queue.fire_due(at(due_us - 1));
            prop_assert!(queue.take(&[Lane::Prompt], at(due_us - 1)).is_none(), "early");
            queue.fire_due(at(due_us));
            let run = queue.take(&[Lane::Prompt], at(due_us)).unwrap().run;
            queue.finished(run, ended(Some("failed")), at(due_us));
            began_us = due_us;
        }
        prop_assert_eq!(queue.dead().len(), 1);
    }
}

#[test]
fn a_nightly_job_that_is_refreshed_without_its_jitter_does_not_wait_for_the_delay_it_had() {
    let mut queue = queue();
    let nightly = || {
        let trigger = Trigger::cron("0 4 * * *");
        spec("a")
            .trigger(trigger)
            .conflict(crate::ConflictPolicy::Refresh)
    };
    let hour = Duration::from_secs(3_600);
    add(&mut queue, nightly().jitter(hour), at(0));
    let job = whole(&queue).next().unwrap();
    let four = job.next.unwrap().wall_us(at(0)) - EPOCH_US;
    assert!(job.delay_us > 1, "the seed draws a delay");
    assert_eq!(add(&mut queue, nightly(), at(four - 1)), Added::Refreshed);
    let [CronCommand::Arm { arm, .. }] = queue.take_effects().cron[..] else {
        panic!("not armed")
    };
    queue.tick(&"a".into(), arm, at(four));
    assert_eq!(queue.pending(Lane::Prompt), 1);
}
