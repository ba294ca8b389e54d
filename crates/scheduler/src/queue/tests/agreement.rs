//! The queue against the naive model: what both say and do must be the same after every step; and the timer thread must
//! look in time.

mod real;

use proptest::prelude::*;

use self::real::{Real, RealRun, WORKERS};
use super::model::{Added, Again, Model, When, name};
use super::{at, heard, requeue};
use crate::event::EventCode::JobModified;
use crate::ids::JobId;
use crate::job::{ConflictPolicy, Lane, Modification};
use crate::trigger::Schedule;

const LANES: [Lane; 3] = [Lane::Prompt, Lane::Bulk, Lane::Io];

#[derive(Debug, Clone)]
enum Step {
    Add(Added),
    Remove(u8),
    Pause(u8),
    Resume(u8),
    RunNow(u8),
    CancelRun(u8),
    Reprioritise(u8, i32),
    Allow(u8, u32),
    Reschedule(u8, When),
    Wait(u64),
    Fire,
    /// A worker shows its hand, and is dealt another.
    Turn(usize),
    /// It begins the next job of its hand.
    Begin(usize),
    /// Somebody looks at all jobs.
    Look,
    Take(usize),
    Finish {
        nth: usize,
        failed: bool,
    },
    Requeue(u8),
    Forget(u8),
    PauseAll,
    ResumeAll,
}

fn when() -> impl Strategy<Value = When> {
    let interval = |(every, after)| When::Interval {
        every: every * 1_000,
        start_after: after * 1_000,
    };
    prop_oneof![
        2 => Just(When::Now),
        1 => (0u64..30).prop_map(|ms| When::Date(ms * 1_000)),
        2 => (1u64..6, 0u64..6).prop_map(interval),
    ]
}

fn added() -> impl Strategy<Value = Added> {
    let conflict = prop_oneof![
        1 => Just(ConflictPolicy::Exception),
        2 => Just(ConflictPolicy::Replace),
        1 => Just(ConflictPolicy::DoNothing),
        2 => Just(ConflictPolicy::Refresh),
    ];
    let millis = |range: std::ops::Range<u64>| range.prop_map(|ms| ms * 1_000);
    let again = (0u32..5, millis(0..4), millis(0..10));
    let again = again.prop_map(|(attempts, wait, longest)| Again {
        attempts,
        wait,
        longest,
    });
    let failing = (
        proptest::option::of(again),
        proptest::option::weighted(0.3, millis(0..6)),
    );
    let grace = proptest::option::weighted(0.3, (0u64..4).prop_map(|ms| ms * 1_000));
    let numbers = (0u8..5, 0usize..3, -1i32..2, 1u32..3);
    (numbers, when(), conflict, grace, any::<bool>(), failing).prop_map(
        |((id, lane, priority, max_instances), when, conflict, grace, coalesce, failing)| Added {
            id,
            lane: LANES[lane],
            priority,
            when,
            conflict,
            grace,
            coalesce,
            max_instances,
            retry: failing.0,
            timeout: failing.1,
        },
    )
}

/// A crowd of plain jobs, into which something else falls now and then.
fn crowd() -> impl Strategy<Value = Step> {
    let plain = (0u8..20, 0i32..2).prop_map(|(id, priority)| Added {
        id,
        lane: Lane::Prompt,
        priority,
        when: When::Now,
        conflict: ConflictPolicy::Exception,
        grace: None,
        coalesce: true,
        max_instances: 1,
        retry: None,
        timeout: None,
    });
    prop_oneof![
        60 => plain.prop_map(Step::Add),
        30 => (0..WORKERS).prop_map(Step::Turn),
        60 => (0..WORKERS).prop_map(Step::Begin),
        50 => any::<usize>().prop_map(|nth| Step::Finish { nth, failed: false }),
        10 => step(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0u8..5;
    prop_oneof![
        8 => added().prop_map(Step::Add),
        2 => id.clone().prop_map(Step::Remove),
        2 => id.clone().prop_map(Step::Pause),
        3 => id.clone().prop_map(Step::Resume),
        2 => id.clone().prop_map(Step::RunNow),
        1 => id.clone().prop_map(Step::CancelRun),
        1 => (id.clone(), -1i32..2).prop_map(|(id, priority)| Step::Reprioritise(id, priority)),
        1 => (id.clone(), 1u32..3).prop_map(|(id, limit)| Step::Allow(id, limit)),
        2 => (id.clone(), when()).prop_map(|(id, when)| Step::Reschedule(id, when)),
        2 => id.clone().prop_map(Step::Requeue),
        1 => id.prop_map(Step::Forget),
        6 => (0u64..8).prop_map(|ms| Step::Wait(ms * 500)),
        8 => Just(Step::Fire),
        12 => (0usize..3).prop_map(Step::Take),
        4 => (0..WORKERS).prop_map(Step::Turn),
        4 => (0..WORKERS).prop_map(Step::Begin),
        4 => Just(Step::Look),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(nth, failed)| Step::Finish { nth, failed }),
        1 => Just(Step::PauseAll),
        2 => Just(Step::ResumeAll),
    ]
}

/// Does one step to both; answers what each started.
fn apply(step: &Step, real: &mut Real, model: &mut Model) -> (Option<JobId>, Option<JobId>) {
    let now = at(model.now);
    let looks_up = match step {
        Step::Add(_) | Step::Wait(_) | Step::Fire | Step::Finish { .. } => false,
        Step::Turn(_) | Step::Begin(_) => false,
        // The naive model has no hands, out of which others may be taken first.
        Step::Take(lane) => LANES[*lane] == Lane::Prompt,
        _ => true,
    };
    if looks_up {
        real.recall();
    }
    let queue = &mut real.queue;
    match step {
        Step::Add(spec) => {
            real.add(spec, now);
            model.add(spec.clone());
        }
        Step::Remove(id) => {
            let _ = queue.remove(&name(*id), now);
            model.remove(*id);
        }
        Step::Pause(id) => {
            let _ = queue.pause(&name(*id), now);
            model.pause(*id);
        }
        Step::Resume(id) => {
            let _ = queue.resume(&name(*id), now);
            model.resume(*id);
        }
        Step::RunNow(id) => {
            let _ = queue.run_now(&name(*id), now);
            model.run_now(*id);
        }
        Step::CancelRun(id) => {
            let _ = queue.cancel_run(&name(*id), now);
            if let Some(at) = model.index(*id) {
                model.stop(*id, model.jobs[at].number);
            }
        }
        Step::Reprioritise(id, priority) => {
            real.modify(
                *id,
                Modification {
                    priority: Some(*priority),
                    ..Modification::default()
                },
                now,
            );
            model.with(*id, |model, job| {
                job.spec.priority = *priority;
                model.said.push((JobModified, *id, true));
            });
        }
        Step::Allow(id, limit) => {
            real.modify(
                *id,
                Modification {
                    max_instances: Some(*limit),
                    ..Modification::default()
                },
                now,
            );
            model.with(*id, |model, job| {
                job.spec.max_instances = *limit;
                model.said.push((JobModified, *id, true));
            });
        }
        Step::Reschedule(id, when) => {
            let trigger = when.trigger();
            let schedule = Schedule::check(&trigger, now.wall_us).unwrap();
            let _ = queue.reschedule(&name(*id), trigger, schedule, now);
            model.reschedule(*id, *when);
        }
        Step::Wait(us) => model.now += us,
        Step::Fire => {
            queue.fire_due(now);
            real.keep_order();
            model.fire();
        }
        Step::Turn(worker) => real.turn(*worker, now),
        Step::Begin(worker) => {
            if let Some((id, is_first)) = real.begin(*worker, now) {
                model.take_this(Lane::Prompt, &id, is_first);
            }
        }
        Step::Look => {}
        Step::Take(lane) => {
            let started = queue.take(&[LANES[*lane]], now);
            let runs = started.iter().map(|started| RealRun::Queue(started.run));
            real.runs.extend(runs);
            let started = started.map(|started| started.context.job_id().clone());
            return (started, model.take(LANES[*lane]).map(name));
        }
        Step::Finish { nth, failed } if !real.runs.is_empty() => {
            let nth = nth % real.runs.len();
            let run = real.runs.remove(nth);
            real.finish(run, *failed, now);
            real.keep_order();
            model.finish(nth, *failed);
        }
        Step::Finish { .. } => {}
        Step::Requeue(id) => {
            let _ = requeue(queue, &name(*id), now);
            model.requeue(*id);
        }
        Step::Forget(id) => {
            let _ = queue.forget_dead(&name(*id));
            model.forget(*id);
        }
        Step::PauseAll => {
            queue.pause_all();
            model.paused = true;
        }
        Step::ResumeAll => {
            if queue.resume_all(now) {
                model.paused = false;
                model.fire();
            }
        }
    }
    (None, None)
}

fn check(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut real = Real::new();
    let mut model = Model::default();
    for step in steps {
        let (started, expected) = apply(step, &mut real, &mut model);
        prop_assert_eq!(started, expected);
        if !real.queue.has_dealt() {
            compare_what_is_seen(&real, &model)?;
        }

        let effects = real.queue.take_effects();
        // The events of a job come in order; those of two jobs need not.
        let told = std::mem::take(&mut real.told);
        let heard = heard(&mut real.queue);
        let mut said: Vec<_> = told
            .into_iter()
            .chain(heard)
            .map(|event| (event.code, event.job_id, event.kept))
            .collect();
        let mut expected: Vec<_> = model
            .said
            .drain(..)
            .map(|(code, id, kept)| (code, name(id), kept))
            .collect();
        said.sort_by(|a, b| a.1.cmp(&b.1));
        expected.sort_by(|a, b| a.1.cmp(&b.1));
        prop_assert_eq!(said, expected);
        prop_assert_eq!(effects.cancel.len(), std::mem::take(&mut model.cancelled));

        // The timer thread looks again when it was last told, or at once if told so now.
        let wanted = real
            .queue
            .wait_us(at(model.now))
            .map(|wait_us| model.now + wait_us);
        if effects.sooner || matches!(step, Step::Fire) {
            real.timer_looks_at = wanted;
        }
        if let Some(wanted) = wanted {
            let looks_at = real.timer_looks_at;
            prop_assert!(
                looks_at.is_some_and(|at| at <= wanted),
                "a timer at {} but {:?}",
                wanted,
                looks_at
            );
        }
    }
    Ok(())
}

fn compare_what_is_seen(real: &Real, model: &Model) -> Result<(), TestCaseError> {
    let infos = real.queue.infos(at(model.now));
    let seen: Vec<_> = infos
        .into_iter()
        .map(|info| {
            let runs = info.runs.len();
            (info.id, info.state, info.next_run_time, runs, info.failures)
        })
        .collect();
    prop_assert_eq!(seen, model.states());
    let dead = real.queue.dead().into_iter();
    let dead: Vec<_> = dead.map(|dead| (dead.id, dead.failures)).collect();
    let expected = model.dead.iter();
    let expected: Vec<_> = expected
        .map(|dead| (name(dead.id), dead.failures))
        .collect();
    prop_assert_eq!(dead, expected);
    for lane in LANES {
        let waiting = model
            .jobs
            .iter()
            .filter(|job| job.spec.lane == lane && job.may_start())
            .count();
        prop_assert_eq!(real.queue.pending(lane), waiting);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_the_naive_model_does(steps in proptest::collection::vec(step(), 1..80)) {
        check(&steps)?;
    }

    #[test]
    fn a_crowd_that_workers_run_from_their_hands_is_to_everybody_as_the_naive_model_has_it(
        steps in proptest::collection::vec(crowd(), 1..200),
    ) {
        check(&steps)?;
    }
}
