//! Workers that obey the rules, in any order: no one sleeps beside work that nobody will look for.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const PROMPT_WORKERS: usize = 2;
const WORKERS: usize = 5;

fn kind(worker: usize) -> Kind {
    match worker < PROMPT_WORKERS {
        true => Kind::Prompt,
        false => Kind::Bulk,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// In a job; afterwards it looks.
    Running,
    /// It found nothing and will look again.
    Searching,
    Asleep,
    /// It was woken, and will look.
    Woken,
}

#[derive(Debug, Clone)]
enum Step {
    AddPrompt,
    AddBulk,
    /// The next thing that this worker does: it ends its job, looks, or wakes by itself.
    Go(usize),
    /// Whoever changed something chooses who wakes.
    Wake,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::AddPrompt),
        1 => Just(Step::AddBulk),
        6 => (0..WORKERS).prop_map(Step::Go),
        1 => Just(Step::Wake),
    ]
}

struct World {
    sleepers: Sleepers,
    workers: BTreeMap<usize, Doing>,
    prompt: usize,
    bulk: usize,
}

impl World {
    fn new() -> Self {
        Self {
            sleepers: Sleepers::default(),
            workers: (0..WORKERS)
                .map(|worker| (worker, Doing::Running))
                .collect(),
            prompt: 0,
            bulk: 0,
        }
    }

    /// As after every change.
    fn wake(&mut self) -> Result<(), TestCaseError> {
        for worker in self.sleepers.wake(self.prompt, self.bulk) {
            let before = self.workers.insert(worker, Doing::Woken);
            prop_assert_eq!(before, Some(Doing::Asleep), "only who sleeps is woken");
        }
        Ok(())
    }

    /// Takes what it may; answers whether there was something.
    fn takes(&mut self, kind: Kind) -> bool {
        let lane = match kind {
            _ if self.prompt > 0 => &mut self.prompt,
            Kind::Bulk if self.bulk > 0 => &mut self.bulk,
            _ => return false,
        };
        *lane -= 1;
        true
    }

    fn go(&mut self, worker: usize) -> Result<(), TestCaseError> {
        let kind = kind(worker);
        let before = self.workers[&worker];
        match before {
            Doing::Asleep | Doing::Woken => self.sleepers.awake(kind, worker),
            Doing::Searching => self.sleepers.found(kind),
            Doing::Running => {}
        }
        let next = if self.takes(kind) {
            Doing::Running
        } else if before == Doing::Searching {
            self.sleepers.sleep(kind, worker);
            Doing::Asleep
        } else {
            self.sleepers.search(kind);
            Doing::Searching
        };
        self.workers.insert(worker, next);
        // Who takes something sees to it that the rest is taken care of.
        match next {
            Doing::Running => self.wake(),
            _ => Ok(()),
        }
    }

    /// Of those who are of this kind and do this.
    fn count(&self, which: impl Fn(Kind, Doing) -> bool) -> usize {
        let workers = self.workers.iter();
        workers
            .filter(|(worker, doing)| which(kind(**worker), **doing))
            .count()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let looks = |doing| matches!(doing, Doing::Searching | Doing::Woken);
        let both_look = self.count(|kind, doing| kind == Kind::Bulk && looks(doing));
        let prompt_look = self.count(|kind, doing| kind == Kind::Prompt && looks(doing));
        let both_sleep = self.count(|kind, doing| kind == Kind::Bulk && doing == Doing::Asleep);
        let prompt_sleep = self.count(|kind, doing| kind == Kind::Prompt && doing == Doing::Asleep);
        prop_assert!(
            both_sleep + prompt_sleep == 0 || self.prompt <= both_look + prompt_look,
            "a prompt job for which nobody looks"
        );
        let left_to_both = self.prompt.saturating_sub(prompt_look) + self.bulk;
        prop_assert!(
            both_sleep == 0 || left_to_both <= both_look,
            "a bulk job for which nobody looks"
        );
        prop_assert_eq!(self.sleepers.any_searching(), both_look + prompt_look > 0);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_worker_sleeps_that_could_take_what_no_searching_worker_looks_for(
        steps in proptest::collection::vec(step(), 1..100),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::AddPrompt => {
                    world.prompt += 1;
                    world.wake()?;
                }
                Step::AddBulk => {
                    world.bulk += 1;
                    world.wake()?;
                }
                Step::Go(worker) => world.go(worker)?,
                Step::Wake => world.wake()?,
            }
            world.check()?;
        }
    }
}
