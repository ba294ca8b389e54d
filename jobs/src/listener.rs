//! What follows what: a pure function from events to commands, and the only place that decides it.
//!
//! [`Listener::on`] takes one [`Input`] and answers with [`Command`]s; it knows no scheduler, clock or socket. The
//! service feeds it the scheduler's events one at a time and carries its commands out.
//!
//! # Invariant: mining can not die
//! After every input, each mining lane has exactly one ticket out (a job that is queued, running or paused), unless
//! mining is off or held back because the disk is full. A lane is armed again whenever the job with its ticket ends
//! in any way (found, exhausted, cancelled, panicked, removed, refused); news of any other ticket is old and is ignored.

mod mining;
mod network;
mod news;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jbc_chain::{Block, Entries, Hash, Unchecked, UnixMicros};

use crate::peer_table::PeerTable;
use crate::peer_url::PeerUrl;
use crate::space::SPACE_INTERVAL_MS;
use crate::task::{
    Admission, AdmitTask, Admitted, MineTask, Origin, Outcome, Task, Tip, ValidateTask, Validated,
    Verdict,
};

pub use mining::{Mining, MiningConfig, ROLLS};
pub use network::Network;
pub use news::News;

use news::{audit_news, tip_news, verdict_news};

/// Blocks ahead of our clock that are held at once.
const HELD_MAX: usize = 100;
/// How long a block ahead of our clock may be held, in microseconds; one further ahead is told off without blame, and comes
/// again with a sync.
const HELD_MICROS_MAX: u64 = 600_000_000;
/// How long after an entry was taken the next block's entries are gathered, in milliseconds: of a flood, all of that time at
/// once.
const GATHER_AFTER_MS: u64 = 200;

/// Something that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The node is up; start what has to run from the start.
    Started,
    /// A job ended.
    Ended {
        /// What it was asked.
        task: &'a Task,
        /// How it ended.
        end: End<'a>,
        /// How long it ran.
        elapsed: Duration,
        /// Whether the scheduler keeps a job under this id for this task (paused, or recurring).
        kept: bool,
    },
    /// A job left the scheduler without running to its end, or was never let in.
    Gone {
        /// What it was asked.
        task: &'a Task,
        /// It was never let in: nothing is asked for again before something else has happened.
        refused: bool,
    },
    /// Somebody announced a peer; the caller's own limits have passed it.
    PeerOffered {
        /// Where it says it listens.
        url: PeerUrl,
        /// Whether that came from this machine.
        from_loopback: bool,
    },
    /// The operator takes a peer off the list.
    PeerRemoved {
        /// Which.
        url: PeerUrl,
    },
}

/// How a job ended.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// With an outcome.
    Done(&'a Outcome),
    /// Cancelled, perhaps with an outcome all the same.
    Cancelled(Option<&'a Outcome>),
    /// With an error or a panic.
    Failed(&'a str),
}

/// Something to be done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Add a job, from now or later.
    Add {
        /// What it is asked.
        task: Task,
        /// How long to wait first.
        delay: Duration,
    },
    /// Stop the job of this id, if there is one.
    Remove {
        /// The id.
        id: String,
    },
    /// Tell whoever watches.
    Publish(News),
    /// Stop the node: it can not go on.
    Fail {
        /// Why.
        reason: String,
    },
}

/// The listener's memory.
#[derive(Debug)]
pub struct Listener {
    mining: Mining,
    network: Network,
    files_wanted: bool,
    files_tip: Option<Hash>,
    tip: Tip,
    disk_full: bool,
    looking_at_disk: bool,
    /// Jobs that look at a held block when its time has come: their blocks.
    held: HashSet<Hash>,
    /// A job is out that gathers what the next block is to carry.
    gathering: bool,
    /// An entry came since that job began, or before there was one.
    ungathered: bool,
    /// A block mined here that found the disk or the scheduler full: tried again, since nobody else has it.
    unstored: Option<Block<Unchecked>>,
}

impl Listener {
    /// A listener for a chain at `tip`, where the next block will say `data` and carry `entries`.
    pub fn new(
        tip: Tip,
        (data, entries): (String, Entries),
        mining: MiningConfig,
        network: Network,
        files_wanted: bool,
    ) -> Self {
        let mut mining = Mining::new(mining, tip.clone(), data);
        mining.carry(&entries);
        Self {
            mining,
            network,
            files_wanted,
            files_tip: None,
            tip,
            disk_full: false,
            looking_at_disk: false,
            held: HashSet::new(),
            gathering: false,
            ungathered: false,
            unstored: None,
        }
    }

    /// The peers.
    pub fn peers(&self) -> &PeerTable {
        &self.network.table
    }

    /// What mining is doing.
    pub fn mining(&self) -> &Mining {
        &self.mining
    }

    /// Whether the disk is full, so that mining and acknowledging wait.
    pub fn disk_is_full(&self) -> bool {
        self.disk_full
    }

    /// Takes one event in and says what follows.
    pub fn on(&mut self, input: &Input<'_>, now: UnixMicros) -> Vec<Command> {
        let mut commands = Vec::new();
        match input {
            Input::Started => {
                self.add_files(&mut commands);
                self.network.poll_now(&mut commands, now);
            }
            Input::Ended {
                task,
                end,
                elapsed,
                kept,
            } => self.ended(task, end, *elapsed, *kept, now, &mut commands),
            Input::Gone { task, refused } => self.gone(task, *refused),
            Input::PeerOffered { url, from_loopback } => {
                self.network.offered(url, *from_loopback, &mut commands)
            }
            Input::PeerRemoved { url } => self.network.removed(url),
        }
        if !matches!(input, Input::Gone { refused: true, .. }) {
            self.arm(&mut commands, now);
        }
        commands
    }

    /// Restores what must always be under way.
    fn arm(&mut self, commands: &mut Vec<Command>, now: UnixMicros) {
        self.network.arm(commands, now);
        if !self.disk_full {
            self.mining.arm(commands, now);
            self.offer_unstored(commands);
        } else if !self.looking_at_disk {
            self.looking_at_disk = true;
            commands.push(Command::Add {
                task: Task::Space,
                delay: Duration::from_millis(SPACE_INTERVAL_MS),
            });
        }
    }

    fn ended(
        &mut self,
        task: &Task,
        end: &End<'_>,
        elapsed: Duration,
        kept: bool,
        now: UnixMicros,
        commands: &mut Vec<Command>,
    ) {
        match (task, end) {
            (Task::Mine(task), end) => self.range_ended(task, end, elapsed, kept, commands),
            // A validation that was cancelled while it ran has done its work all the same.
            (
                Task::Validate(task),
                End::Done(Outcome::Validated(validated))
                | End::Cancelled(Some(Outcome::Validated(validated))),
            ) => self.validated(task, validated, now, commands),
            (
                Task::Validate(_),
                End::Done(Outcome::Broken { reason })
                | End::Cancelled(Some(Outcome::Broken { reason })),
            ) => commands.push(Command::Fail {
                reason: reason.clone(),
            }),
            // As a validation, one that was cancelled while it ran has done its work all the same.
            (
                Task::Admit(task),
                End::Done(Outcome::Admitted(admitted))
                | End::Cancelled(Some(Outcome::Admitted(admitted))),
            ) => self.admitted(task, admitted, commands),
            (
                Task::Admit(_),
                End::Done(Outcome::Broken { reason })
                | End::Cancelled(Some(Outcome::Broken { reason })),
            ) => {
                commands.push(Command::Fail {
                    reason: reason.clone(),
                });
            }
            (Task::Gather, end) => {
                self.gathering = kept;
                self.gather(commands);
                if let End::Done(Outcome::Gathered { tip, entries }) = end
                    && *tip == self.tip.hash
                {
                    self.mining.carry(entries);
                }
            }
            (Task::Files, End::Done(Outcome::FilesWritten { tip, .. })) => {
                self.files_tip = Some(*tip);
                self.add_files(commands);
            }
            (Task::Space, end) => self.looked_at_disk(
                matches!(end, End::Done(Outcome::Room { free: true })),
                kept,
                commands,
            ),
            (Task::Audit, End::Done(Outcome::Audited(report))) => {
                commands.push(Command::Publish(audit_news(report)))
            }
            (task, end) => self
                .network
                .ended(task, end, kept, &self.tip, now, commands),
        }
    }

    fn range_ended(
        &mut self,
        task: &MineTask,
        end: &End<'_>,
        elapsed: Duration,
        kept: bool,
        commands: &mut Vec<Command>,
    ) {
        if let End::Cancelled(Some(Outcome::Mined(mined))) = end {
            let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            commands.push(Command::Publish(News::RangeCancelled {
                lane: task.lane,
                searched: mined.searched,
                elapsed_us,
            }));
        }
        // A block found in the moment of its cancellation is as good as any: the door decides.
        if let Some(block) = self.mining.ended(task, end, elapsed, kept) {
            // A range that was paused and resumed may find its block twice: what waits to be tried again is this one.
            self.unstored
                .take_if(|unstored| unstored.hash() == block.hash());
            commands.push(add(Task::Validate(ValidateTask {
                blocks: vec![block],
                origin: Origin::Mined,
            })));
        }
    }

    /// A new entry goes to peers, and soon into the block that is being mined.
    fn admitted(&mut self, task: &AdmitTask, admitted: &Admitted, commands: &mut Vec<Command>) {
        if admitted.admission != Admission::Taken {
            return;
        }
        let (leaf, bytes) = (admitted.leaf, task.entry.len());
        commands.push(Command::Publish(News::Entry { leaf, bytes }));
        self.network.pass_on(leaf, commands);
        self.ungathered = self.mining.lanes() > 0;
        self.gather(commands);
    }

    /// Has the miner's next entries gathered, if there are new ones and nobody does.
    fn gather(&mut self, commands: &mut Vec<Command>) {
        if self.gathering || !std::mem::take(&mut self.ungathered) {
            return;
        }
        self.gathering = true;
        commands.push(Command::Add {
            task: Task::Gather,
            delay: Duration::from_millis(GATHER_AFTER_MS),
        });
    }

    /// Holds a block until its time, if there is room and its time is near. One that was asked for comes again with the next
    /// sync.
    fn hold(
        &mut self,
        block: &Block<Unchecked>,
        until: UnixMicros,
        (origin, now): (&Origin, UnixMicros),
        commands: &mut Vec<Command>,
    ) {
        let hash = *block.hash();
        let wait_micros = until.0.saturating_sub(now.0).max(0).unsigned_abs() + 1_000;
        let is_held = wait_micros <= HELD_MICROS_MAX
            && self.held.len() < HELD_MAX
            && !matches!(origin, Origin::Synced { .. });
        commands.push(Command::Publish(News::Early {
            hash,
            wait_ms: wait_micros / 1_000,
            held: is_held,
        }));
        if is_held {
            self.held.insert(hash);
            commands.push(Command::Add {
                task: Task::Validate(ValidateTask {
                    blocks: vec![block.clone()],
                    origin: origin.clone(),
                }),
                delay: Duration::from_micros(wait_micros),
            });
        }
    }

    fn validated(
        &mut self,
        task: &ValidateTask,
        validated: &Validated,
        now: UnixMicros,
        commands: &mut Vec<Command>,
    ) {
        self.release(task);
        let times = validated
            .verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                Verdict::Early { until, .. } => Some(*until),
                _ => None,
            });
        for (block, until) in validated.early.iter().zip(times) {
            self.hold(block, until, (&task.origin, now), commands);
        }
        if validated.full {
            self.disk_filled(task, commands);
        }
        // Two validations may end in the other order than they wrote: the tip of less work is the older news.
        let change = validated
            .tip
            .as_deref()
            .filter(|change| change.tip.work > self.tip.work);
        if let Some(change) = change {
            self.tip = change.tip.clone();
            self.mining.retarget(
                change.tip.clone(),
                change.data.clone(),
                Arc::clone(&change.entries),
            );
            commands.push(Command::Publish(tip_news(change, &task.origin)));
            self.add_files(commands);
        }
        commands.extend(
            validated
                .verdicts
                .iter()
                .filter_map(|verdict| verdict_news(verdict, &task.origin))
                .map(Command::Publish),
        );
        self.network
            .validated(task, validated, change, now, commands);
    }

    /// What was held is not any more.
    fn release(&mut self, task: &ValidateTask) {
        if let Some(block) = task.blocks.first() {
            self.held.remove(block.hash());
        }
    }

    fn disk_filled(&mut self, task: &ValidateTask, commands: &mut Vec<Command>) {
        if task.origin == Origin::Mined {
            self.unstored = task.blocks.first().cloned();
        }
        if !self.disk_full {
            self.disk_full = true;
            commands.push(Command::Publish(News::Disk { full: true }));
            commands.extend(
                self.mining
                    .hold()
                    .into_iter()
                    .map(|id| Command::Remove { id }),
            );
        }
    }

    fn looked_at_disk(&mut self, free: bool, kept: bool, commands: &mut Vec<Command>) {
        self.looking_at_disk = kept;
        if !free || !self.disk_full {
            return;
        }
        self.disk_full = false;
        commands.push(Command::Publish(News::Disk { full: false }));
    }

    fn offer_unstored(&mut self, commands: &mut Vec<Command>) {
        if let Some(block) = self.unstored.take() {
            commands.push(add(Task::Validate(ValidateTask {
                blocks: vec![block],
                origin: Origin::Mined,
            })));
        }
    }

    fn gone(&mut self, task: &Task, refused: bool) {
        if let Task::Validate(task) = task {
            self.release(task);
        }
        match task {
            Task::Mine(task) => self.mining.gone(task),
            Task::Space => self.looking_at_disk = false,
            Task::Gather => self.gathering = false,
            Task::Validate(task) if refused && task.origin == Origin::Mined => {
                self.unstored = task.blocks.first().cloned();
            }
            task => self.network.gone(task),
        }
    }

    fn add_files(&self, commands: &mut Vec<Command>) {
        if self.files_wanted && self.files_tip != Some(self.tip.hash) {
            commands.push(add(Task::Files));
        }
    }
}

/// A job to be started at once.
fn add(task: Task) -> Command {
    Command::Add {
        task,
        delay: Duration::ZERO,
    }
}
