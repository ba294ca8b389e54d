//! Every store is held against the same naive model; the one on redb also against a disk that fails.

#[cfg(feature = "redb")]
mod crash;
#[cfg(feature = "redb")]
mod disk;
#[cfg(feature = "redb")]
mod file;

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A job that differs from those of other versions in most of its fields.
fn job(id: &str, version: u32) -> StoredJob {
    let trigger = match version % 3 {
        0 => Trigger::Now,
        1 => Trigger::every(Duration::from_secs(u64::from(version))),
        _ => Trigger::cron("0 4 * * *"),
    };
    let odd = version % 2 == 1;
    StoredJob {
        id: id.into(),
        name: format!("kind {version}").into(),
        task: StoredTask {
            kind: "greet".into(),
            args: json!({ "name": "Ada \"the\" ä", "times": version, "nested": [null, { "odd": odd }] }),
        },
        lane: if odd { Lane::Bulk } else { Lane::Io },
        priority: -3,
        trigger,
        anchor_us: u64::MAX,
        jitter_us: 7,
        misfire_grace_us: odd.then_some(60_000_000),
        coalesce: odd,
        max_instances: version,
        timeout_us: odd.then_some(1),
        retry: odd.then(|| Retry::attempts(version)),
        tags: vec!["nightly".into(), version.to_string().into()],
        paused: !odd,
        failures: version,
        owed_us: (0..u64::from(version % 4)).collect(),
        next_us: odd.then_some(u64::MAX),
    }
}

fn dead(id: &str, version: u32) -> DeadJob {
    DeadJob {
        id: id.into(),
        name: "greet".into(),
        failures: version,
        error: "no route to host".into(),
        // Some die in the same millisecond.
        died_at: u64::from(version / 2),
        job: version
            .is_multiple_of(2)
            .then(|| Box::new(job(id, version))),
    }
}

fn put(id: &str, version: u32) -> StoreChange {
    StoreChange::PutJob(Box::new(job(id, version)))
}

fn put_dead(id: &str, version: u32) -> StoreChange {
    StoreChange::PutDead(Box::new(dead(id, version)))
}

/// What a store should hold, kept as simply as can be.
#[derive(Debug, Clone, Default)]
struct Model {
    jobs: HashMap<String, StoredJob>,
    dead: HashMap<String, DeadJob>,
    paused: HashMap<String, ()>,
}

impl Model {
    fn apply(&mut self, changes: &[StoreChange]) {
        for change in changes {
            match change.clone() {
                StoreChange::PutJob(job) => drop(self.jobs.insert(job.id.to_string(), *job)),
                StoreChange::DeleteJob(id) => drop(self.jobs.remove(id.as_str())),
                StoreChange::PutDead(dead) => drop(self.dead.insert(dead.id.to_string(), *dead)),
                StoreChange::DeleteDead(id) => drop(self.dead.remove(id.as_str())),
                StoreChange::PutPause(id) => drop(self.paused.insert(id.to_string(), ())),
                StoreChange::DeletePause(id) => drop(self.paused.remove(id.as_str())),
            }
        }
    }

    fn contents(&self) -> Stored {
        let mut stored = Stored {
            jobs: self.jobs.values().cloned().collect(),
            dead: self.dead.values().cloned().collect(),
            paused: self.paused.keys().map(|id| id.as_str().into()).collect(),
            damaged: Vec::new(),
        };
        stored.jobs.sort_by_key(|job| job.id.clone());
        stored.dead.sort_by_key(|dead| dead.id.clone());
        stored.dead.sort_by_key(|dead| dead.died_at);
        stored.paused.sort();
        stored
    }
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<StoreChange>),
    /// The process ends and another one starts.
    Reopen,
}

fn change() -> impl Strategy<Value = StoreChange> {
    let id = prop::sample::select(vec!["", "a", "b", "mine:ä/0f", "z"]);
    (id, 0u32..6, 0..6).prop_map(|(id, version, what)| match what {
        0 => put(id, version),
        1 => StoreChange::DeleteJob(id.into()),
        2 => put_dead(id, version),
        3 => StoreChange::DeleteDead(id.into()),
        4 => StoreChange::PutPause(id.into()),
        _ => StoreChange::DeletePause(id.into()),
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(change(), 0..5).prop_map(Step::Apply),
        1 => Just(Step::Reopen),
    ]
}

/// Takes these steps with a store that `open` opens, and compares it with the model after each.
fn follows_the_model<S: JobStore>(steps: &[Step], open: impl Fn() -> S) {
    let mut model = Model::default();
    let mut store = open();
    for step in steps {
        match step {
            Step::Apply(changes) => {
                store.apply(changes).unwrap();
                model.apply(changes);
            }
            Step::Reopen => {
                drop(store);
                store = open();
            }
        }
        assert_eq!(store.load().unwrap(), model.contents());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_store_does_what_the_naive_model_does(steps in prop::collection::vec(step(), 1..30)) {
        let kept = MemoryStore::new();
        follows_the_model(&steps, || kept.clone());
    }

    #[cfg(feature = "redb")]
    #[test]
    fn the_redb_store_does_what_the_naive_model_does(steps in prop::collection::vec(step(), 1..30)) {
        let disk = disk::Disk::new();
        follows_the_model(&steps, || RedbStore::with_backend("disk", disk.clone()).unwrap());
    }
}

#[test]
fn the_last_write_of_an_id_in_one_apply_counts() {
    let store = MemoryStore::new();
    let changes = [
        put("a", 1),
        StoreChange::DeleteJob("a".into()),
        put("a", 2),
        put("b", 1),
        StoreChange::DeleteJob("b".into()),
    ];
    store.apply(&changes).unwrap();
    assert_eq!(store.load().unwrap().jobs, [job("a", 2)]);
}

#[test]
fn dead_jobs_come_oldest_first_and_by_id_among_equals() {
    let store = MemoryStore::new();
    let changes = [put_dead("a", 5), put_dead("c", 2), put_dead("b", 3)];
    store.apply(&changes).unwrap();
    let dead = store.load().unwrap().dead;
    let ids: Vec<&str> = dead.iter().map(|dead| dead.id.as_str()).collect();
    assert_eq!(ids, ["b", "c", "a"]);
}
