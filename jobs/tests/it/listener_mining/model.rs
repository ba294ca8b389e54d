//! A naive scheduler around a listener: a map of jobs, runs that end late, and the two queues between them. It behaves
//! as `jbc-scheduler` does where the listener can tell, and checks the listener's promises as it goes.

mod checks;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jbc_chain::{Block, Hash, Unchecked, UnixMicros};
use jbc_jobs::listener::{Command, End, Input, Listener, MiningConfig, Network, News};
use jbc_jobs::peer_table::PeerTable;
use jbc_jobs::task::{
    MineTask, Mined, Origin, Outcome, Task, Tip, TipChange, Validated, Verdict, mining_id,
};

use crate::fakes::{NOW, child, first_tip, genesis, network, next, some_hash};

/// How a mining run ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Found,
    Exhausted,
    /// Somebody stopped just this run; it had searched something.
    Stopped,
    /// As before, without a word.
    StoppedSilently,
    /// A block found in the very moment it was stopped.
    StoppedWithBlock,
    Panicked,
}

/// What came of a validation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Judgement {
    NewTip,
    Side,
    Known,
    Refused,
    Full,
    Panicked,
}

#[derive(Debug)]
struct Job {
    task: Arc<Task>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Running,
    Paused,
}

/// An input that owns what it speaks of.
#[derive(Debug)]
enum Note {
    Started,
    Ended {
        task: Arc<Task>,
        end: OwnedEnd,
        kept: bool,
    },
    Gone {
        task: Arc<Task>,
        refused: bool,
    },
}

impl Note {
    fn is_about_validating(&self, hash: &Hash) -> bool {
        let task = match self {
            Self::Started => return false,
            Self::Ended { task, .. } | Self::Gone { task, .. } => task,
        };
        matches!(&**task, Task::Validate(task) if task.blocks.iter().any(|block| block.hash() == hash))
    }
}

#[derive(Debug)]
enum OwnedEnd {
    Done(Arc<Outcome>),
    Cancelled(Option<Arc<Outcome>>),
    Failed,
}

impl OwnedEnd {
    fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::Cancelled(outcome) => outcome.as_deref(),
            Self::Failed => None,
        }
    }
}

pub(super) struct Model {
    lanes: usize,
    pub(super) listener: Listener,
    now: UnixMicros,
    jobs: BTreeMap<String, Job>,
    /// Mining runs that were asked to stop and have not ended: of replaced, removed and paused jobs.
    stopping: Vec<Arc<Task>>,
    /// Ends that the listener has heard, to be told again.
    old_news: Vec<Arc<Task>>,
    inbox: VecDeque<Note>,
    commands: VecDeque<Command>,
    /// So many jobs are not let in.
    refusals: u32,
    tip: Tip,
    tips: u64,
    /// Mined blocks that found a full disk, or whose validation was not let in: they may be tried again.
    owed: Vec<Hash>,
    /// The last of them must be.
    owed_last: Option<Hash>,
    /// The first nonce not handed out yet, by the text that is searched behind.
    next_nonces: HashMap<String, u64>,
}

impl Model {
    pub(super) fn new(lanes: usize, rounds: Option<u64>, clock_lead: i64) -> Self {
        let config = MiningConfig {
            lanes,
            rounds,
            salt: 0,
        };
        let table = PeerTable::new([]);
        let peers = Network::new(table, "me".to_owned(), network().fingerprint());
        let mut tip = first_tip();
        tip.earliest = NOW.plus(-clock_lead);
        let listener = Listener::new(tip.clone(), next("data"), config, peers, true);
        let mut model = Self {
            lanes,
            listener,
            now: NOW,
            jobs: BTreeMap::new(),
            stopping: Vec::new(),
            old_news: Vec::new(),
            inbox: VecDeque::from([Note::Started]),
            commands: VecDeque::new(),
            refusals: 0,
            tip,
            tips: 0,
            owed: Vec::new(),
            owed_last: None,
            next_nonces: HashMap::new(),
        };
        model.settle();
        model
    }

    pub(super) fn move_clock(&mut self, micros: i64) {
        self.now = self.now.plus(micros);
    }

    pub(super) fn refuse(&mut self, jobs: u32) {
        self.refusals = jobs;
    }

    /// The job of a lane runs to its end, if it is there and not paused.
    pub(super) fn run_lane(&mut self, lane: usize, fate: Fate) {
        let id = mining_id(lane);
        if self
            .jobs
            .get(&id)
            .is_none_or(|job| job.state == State::Paused)
        {
            return;
        }
        let job = self.jobs.remove(&id).expect("looked up above");
        let end = match fate {
            Fate::Found => OwnedEnd::Done(mined(&job.task, true)),
            Fate::Exhausted => OwnedEnd::Done(mined(&job.task, false)),
            Fate::Panicked => OwnedEnd::Failed,
            Fate::Stopped => OwnedEnd::Cancelled(Some(mined(&job.task, false))),
            Fate::StoppedWithBlock => OwnedEnd::Cancelled(Some(mined(&job.task, true))),
            Fate::StoppedSilently => OwnedEnd::Cancelled(None),
        };
        self.end(job.task, end, false);
    }

    pub(super) fn start(&mut self, lane: usize) {
        if let Some(job) = self.jobs.get_mut(&mining_id(lane))
            && job.state == State::Queued
        {
            job.state = State::Running;
        }
    }

    /// A running one-shot that is paused is asked to stop, and its job kept.
    pub(super) fn pause(&mut self, lane: usize) {
        if let Some(job) = self.jobs.get_mut(&mining_id(lane)) {
            if job.state == State::Running {
                self.stopping.push(Arc::clone(&job.task));
            }
            job.state = State::Paused;
        }
    }

    pub(super) fn resume(&mut self, lane: usize) {
        if let Some(job) = self.jobs.get_mut(&mining_id(lane))
            && job.state == State::Paused
        {
            job.state = State::Queued;
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        let Some(job) = self.jobs.remove(id) else {
            return;
        };
        if job.state == State::Running && matches!(*job.task, Task::Mine(_)) {
            self.stopping.push(Arc::clone(&job.task));
        }
        self.inbox.push_back(Note::Gone {
            task: job.task,
            refused: false,
        });
    }

    /// A run that was asked to stop ends.
    pub(super) fn stopped(&mut self, which: usize, fate: Fate) {
        if self.stopping.is_empty() {
            return;
        }
        let task = self.stopping.remove(which % self.stopping.len());
        let outcome = match fate {
            Fate::Found | Fate::StoppedWithBlock => Some(mined(&task, true)),
            Fate::Exhausted | Fate::Stopped => Some(mined(&task, false)),
            Fate::StoppedSilently | Fate::Panicked => None,
        };
        let kept = self.jobs.contains_key(&task.id());
        self.end(task, OwnedEnd::Cancelled(outcome), kept);
    }

    /// An end that was told before is told again.
    pub(super) fn repeat(&mut self, which: usize, kept: bool) {
        if self.old_news.is_empty() {
            return;
        }
        let task = Arc::clone(&self.old_news[which % self.old_news.len()]);
        let Task::Mine(mine) = &*task else {
            unreachable!("only ranges are repeated")
        };
        let ticket = Some(mine.ticket);
        // News of the job that the scheduler holds would be true, not old.
        if self.mining_jobs().all(|held| Some(held.ticket) != ticket) {
            self.inbox.push_back(Note::Ended {
                task,
                end: OwnedEnd::Cancelled(None),
                kept,
            });
        }
    }

    /// A validation that waits is run; without one, somebody else's block is judged.
    pub(super) fn validate(&mut self, judgement: Judgement) {
        let waiting = self
            .jobs
            .keys()
            .find(|id| id.starts_with("validate:"))
            .cloned();
        let task = match waiting.and_then(|id| self.jobs.remove(&id)) {
            Some(job) => job.task,
            None => Arc::new(posted(child(&genesis(), "theirs"))),
        };
        let Task::Validate(asked) = &*task else {
            unreachable!("only validations have that id")
        };
        let block = asked.blocks[0].clone();
        let refused = Verdict::Refused {
            rule: "median",
            field: "timestamp",
            reason: "a test".to_owned(),
            blame: true,
        };
        let (verdict, tip) = match judgement {
            Judgement::NewTip => (
                Some(Verdict::Best(*block.hash())),
                Some(self.next_tip(&block)),
            ),
            Judgement::Side => (Some(Verdict::Side(*block.hash())), None),
            Judgement::Known => (Some(Verdict::Known(*block.hash())), None),
            Judgement::Refused => (Some(refused), None),
            Judgement::Full | Judgement::Panicked => (None, None),
        };
        let full = matches!(judgement, Judgement::Full);
        if full && asked.origin == Origin::Mined {
            self.owe(*block.hash());
        }
        let end = match judgement {
            Judgement::Panicked => OwnedEnd::Failed,
            _ => OwnedEnd::Done(Arc::new(Outcome::Validated(Validated {
                verdicts: verdict.into_iter().collect(),
                tip: tip.map(Box::new),
                early: Vec::new(),
                full,
            }))),
        };
        self.end(task, end, false);
    }

    /// The look at the disk, or the poll, or the files: whichever waits under this id.
    pub(super) fn run_other(&mut self, id: &str, outcome: Option<Outcome>) {
        if let Some(job) = self.jobs.remove(id) {
            let end = outcome.map_or(OwnedEnd::Failed, |outcome| {
                OwnedEnd::Done(Arc::new(outcome))
            });
            self.end(job.task, end, false);
        }
    }

    fn owe(&mut self, block: Hash) {
        self.owed.push(block);
        self.owed_last = Some(block);
    }

    fn next_tip(&mut self, block: &Block<Unchecked>) -> TipChange {
        self.tips += 1;
        let from = self.tip.hash;
        let claim = crate::fakes::claim(self.tips, some_hash(self.tips));
        let tip = Tip {
            index: claim.index,
            hash: claim.hash,
            work: claim.work,
            earliest: self.tip.earliest.plus(1),
            ..first_tip()
        };
        self.tip = tip.clone();
        TipChange {
            tip,
            block: block.clone(),
            data: format!("data {}", self.tips),
            entries: Default::default(),
            depth: 0,
            from,
        }
    }

    fn end(&mut self, task: Arc<Task>, end: OwnedEnd, kept: bool) {
        if matches!(*task, Task::Mine(_)) {
            self.old_news.push(Arc::clone(&task));
        }
        self.inbox.push_back(Note::Ended { task, end, kept });
    }

    /// One step of the way between the two: a command is carried out, or, with none left, a note read. `false` when
    /// there is nothing to do.
    pub(super) fn step(&mut self) -> bool {
        if let Some(command) = self.commands.pop_front() {
            self.carry_out(command);
            return true;
        }
        let Some(note) = self.inbox.pop_front() else {
            return false;
        };
        self.tell(&note);
        true
    }

    /// Steps until nothing is left to do, and then checks that scheduler and listener agree.
    pub(super) fn settle(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 1_000, "the listener never comes to rest");
        }
        self.check_agreement();
    }

    fn tell(&mut self, note: &Note) {
        let elapsed = Duration::from_millis(100);
        let input = match note {
            Note::Started => Input::Started,
            Note::Gone { task, refused } => Input::Gone {
                task,
                refused: *refused,
            },
            Note::Ended { task, end, kept } => Input::Ended {
                task,
                end: match end {
                    OwnedEnd::Done(outcome) => End::Done(outcome),
                    OwnedEnd::Cancelled(outcome) => End::Cancelled(outcome.as_deref()),
                    OwnedEnd::Failed => End::Failed("it panicked"),
                },
                elapsed,
                kept: *kept,
            },
        };
        let before = self.listener.mining().tickets();
        let commands = self.listener.on(&input, self.now);
        // A tip, its files, its watchers, the disk and the poll; and for each lane a removal and an arming.
        let most = 8 + 2 * self.lanes;
        assert!(
            commands.len() <= most,
            "{} commands for {note:?}",
            commands.len()
        );
        self.check_validations(note, &commands);
        self.check_tickets(note);
        self.check_changes(&before, note);
        self.commands.extend(commands);
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Add { task, .. } => self.add(Arc::new(task)),
            Command::Remove { id } => self.remove(&id),
            Command::Publish(news) => assert!(
                !matches!(news, News::RangeCancelled { lane, .. } if lane >= self.lanes),
                "{news:?}"
            ),
            Command::Fail { reason } => panic!("the node gives up: {reason}"),
        }
    }

    fn add(&mut self, task: Arc<Task>) {
        if let Task::Mine(range) = &*task {
            self.check_range(range);
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            if let Task::Validate(refused) = &*task {
                self.owe(*refused.blocks[0].hash());
            }
            self.inbox.push_back(Note::Gone {
                task,
                refused: true,
            });
            return;
        }
        let id = task.id();
        let mut state = State::Queued;
        if let Some(old) = self.jobs.get(&id) {
            if !matches!(*task, Task::Mine(_)) {
                return; // of everything else one under an id is enough
            }
            match old.state {
                State::Running => self.stopping.push(Arc::clone(&old.task)),
                State::Paused => state = State::Paused,
                State::Queued => {}
            }
        }
        self.jobs.insert(id, Job { task, state });
    }

    fn mining_jobs(&self) -> impl Iterator<Item = &MineTask> {
        self.jobs.values().filter_map(|job| match &*job.task {
            Task::Mine(task) => Some(task),
            _ => None,
        })
    }
}

fn posted(block: Block<Unchecked>) -> Task {
    Task::Validate(jbc_jobs::task::ValidateTask {
        blocks: vec![block],
        origin: Origin::Posted {
            address: [127, 0, 0, 1].into(),
            peer: None,
        },
    })
}

fn mined(task: &Task, found: bool) -> Arc<Outcome> {
    let Task::Mine(task) = task else {
        unreachable!("only ranges are mined")
    };
    let block = task.template.parts.block(task.nonces.start);
    Arc::new(Outcome::Mined(Mined {
        searched: task.nonces.end - task.nonces.start,
        found: found.then_some(block),
    }))
}
