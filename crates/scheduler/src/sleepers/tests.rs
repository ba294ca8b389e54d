//! Workers that obey the rules, in any order: no one sleeps beside work that nobody will look for.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Others are at it who will soon have done so much, or no longer.
    Cover(usize),
    /// A worker looks, and leaves what there is to them.
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::AddPrompt),
        1 => Just(Step::AddBulk),
        6 => (0..WORKERS).prop_map(Step::Go),
        1 => Just(Step::Wake),
        1 => (0..4usize).prop_map(Step::Cover),
        2 => (0..WORKERS).prop_map(Step::Leave),
    ]
}

struct World {
    sleepers: Sleepers,
    workers: BTreeMap<usize, Doing>,
    prompt: usize,
    bulk: usize,
    covered: usize,
    /// Who sleeps only for a while.
    watcher: Option<usize>,
    /// Who did, and was woken before the while was over.
    watched: BTreeSet<usize>,
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
            covered: 0,
            watcher: None,
            watched: BTreeSet::new(),
        }
    }

    /// As after every change.
    fn wake(&mut self) -> Result<(), TestCaseError> {
        for worker in self.sleepers.wake(self.prompt, self.bulk, self.covered) {
            self.watched
                .extend(self.watcher.take_if(|watcher| *watcher == worker));
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

    /// A worker that looks is no longer what it was.
    fn looks(&mut self, worker: usize) -> Doing {
        let kind = kind(worker);
        let before = self.workers[&worker];
        match before {
            Doing::Asleep | Doing::Woken => {
                self.sleepers.awake(kind, worker);
                self.watcher.take_if(|watcher| *watcher == worker);
                self.watched.remove(&worker);
            }
            Doing::Searching => self.sleepers.found(kind),
            Doing::Running => {}
        }
        before
    }

    fn leave(&mut self, worker: usize) {
        if self.bulk > 0 || self.covered == 0 {
            return;
        }
        self.looks(worker);
        let is_first = self.watcher.get_or_insert(worker) == &worker;
        assert_eq!(self.sleepers.watch(worker), is_first);
        self.sleepers.sleep(kind(worker), worker);
        self.workers.insert(worker, Doing::Asleep);
    }

    fn go(&mut self, worker: usize) -> Result<(), TestCaseError> {
        let kind = kind(worker);
        let before = self.looks(worker);
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
        // The watcher will look for what is prompt, whatever that is.
        let is_watched = self.watcher.is_some() || !self.watched.is_empty();
        let prompt = if is_watched { 0 } else { self.prompt };
        let both_sleep = self.count(|kind, doing| kind == Kind::Bulk && doing == Doing::Asleep);
        let prompt_sleep = self.count(|kind, doing| kind == Kind::Prompt && doing == Doing::Asleep);
        prop_assert!(
            both_sleep + prompt_sleep == 0 || prompt <= both_look + prompt_look,
            "a prompt job for which nobody looks"
        );
        let left_to_both = prompt.saturating_sub(prompt_look) + self.bulk;
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
                // Nobody is told when they meet a slow job.
                Step::Cover(covered) => world.covered = covered,
                Step::Leave(worker) => world.leave(worker),
            }
            world.check()?;
        }
    }
}
