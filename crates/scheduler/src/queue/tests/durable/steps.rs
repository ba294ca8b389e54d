//! What can happen to durable jobs.

use proptest::prelude::*;

use crate::job::ConflictPolicy;
use crate::queue::tests::model::When;

#[derive(Debug, Clone)]
pub(super) struct NewOne {
    pub(super) id: u8,
    pub(super) when: When,
    pub(super) durable: bool,
    pub(super) conflict: ConflictPolicy,
    pub(super) retry: Option<(u32, u64)>,
    pub(super) grace_ms: Option<u64>,
    pub(super) coalesce: bool,
    pub(super) max_instances: u32,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Add(NewOne),
    Remove(u8),
    Pause(u8),
    Resume(u8),
    RunNow(u8),
    Reschedule(u8, When),
    Requeue(u8),
    Forget(u8),
    Wait { ms: u64 },
    Fire,
    Take,
    Finish { nth: usize, failed: bool },
    Disk { fails: bool },
    Crash { down_ms: u64 },
    Drain { down_ms: u64 },
}

fn when() -> impl Strategy<Value = When> {
    let interval = |(every, after)| When::Interval {
        every: every * 1_000,
        start_after: after * 1_000,
    };
    prop_oneof![
        1 => Just(When::Now),
        1 => (0u64..30).prop_map(|ms| When::Date(ms * 1_000)),
        2 => (1u64..6, 0u64..6).prop_map(interval),
    ]
}

fn new_one() -> impl Strategy<Value = NewOne> {
    let conflict = prop_oneof![
        1 => Just(ConflictPolicy::Exception),
        2 => Just(ConflictPolicy::Replace),
        2 => Just(ConflictPolicy::Refresh),
    ];
    let retry = proptest::option::of((1u32..4, 0u64..4));
    let grace = proptest::option::weighted(0.2, 0u64..20);
    let flags = (proptest::bool::weighted(0.7), any::<bool>(), 1u32..3);
    (0u8..4, when(), conflict, retry, grace, flags).prop_map(
        |(id, when, conflict, retry, grace_ms, (durable, coalesce, max_instances))| NewOne {
            id,
            when,
            durable,
            conflict,
            retry,
            grace_ms,
            coalesce,
            max_instances,
        },
    )
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let id = 0u8..4;
    prop_oneof![
        8 => new_one().prop_map(Step::Add),
        1 => id.clone().prop_map(Step::Remove),
        2 => id.clone().prop_map(Step::Pause),
        2 => id.clone().prop_map(Step::Resume),
        2 => id.clone().prop_map(Step::RunNow),
        1 => (id.clone(), when()).prop_map(|(id, when)| Step::Reschedule(id, when)),
        2 => id.clone().prop_map(Step::Requeue),
        1 => id.prop_map(Step::Forget),
        4 => (0u64..8).prop_map(|ms| Step::Wait { ms }),
        6 => Just(Step::Fire),
        10 => Just(Step::Take),
        9 => (any::<usize>(), any::<bool>()).prop_map(|(nth, failed)| Step::Finish { nth, failed }),
        2 => any::<bool>().prop_map(|fails| Step::Disk { fails }),
        3 => (0u64..30).prop_map(|down_ms| Step::Crash { down_ms }),
        1 => (0u64..30).prop_map(|down_ms| Step::Drain { down_ms }),
    ]
}
