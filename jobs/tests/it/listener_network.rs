//! What follows from what peers say and do.

mod order;
mod posts;
mod scores;
mod syncs;
mod uploads;

use std::collections::VecDeque;
use std::time::Duration;

use jbc_chain::{Block, Hash, Unchecked, UnixMicros};
use jbc_jobs::listener::{Command, End, Input, Listener, MiningConfig, Network, News};
use jbc_jobs::peer_table::{Peer, PeerTable};
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::{PeerStatus, TipClaim};
use jbc_jobs::task::{
    BroadcastTask, Met, Outcome, PollTask, Polled, SyncStep, SyncTask, Task, Tip, TipChange,
    ValidateTask, Validated, Verdict,
};

use crate::fakes::{NOW, added, claim, first_tip, network, next, status, verdicts};

/// A listener that mines nothing, and the time it believes in.
struct Node {
    listener: Listener,
    now: UnixMicros,
}

impl Node {
    fn with_peers(peers: impl IntoIterator<Item = PeerUrl>) -> Self {
        let config = MiningConfig {
            lanes: 0,
            rounds: None,
            salt: 0,
        };
        let network = Network::new(
            PeerTable::new(peers),
            "me".to_owned(),
            network().fingerprint(),
        );
        let listener = Listener::new(first_tip(), next("data"), config, network, false);
        Self { listener, now: NOW }
    }

    /// The same node before its start, as one that peers can call back or not.
    fn callable(&mut self, callable: bool) {
        let table = PeerTable::new(self.listener.peers().list().map(|peer| peer.url.clone()));
        let peers = Network::new(table, "me".to_owned(), network().fingerprint());
        let peers = peers.reached_at(callable.then(|| crate::fakes::remote(9)));
        let config = MiningConfig {
            lanes: 0,
            rounds: None,
            salt: 0,
        };
        self.listener = Listener::new(first_tip(), next("data"), config, peers, false);
    }

    /// A started node in reach of these peers, all of which have introduced themselves and stand where it stands.
    fn among(peers: impl IntoIterator<Item = PeerUrl>) -> Self {
        let peers: Vec<_> = peers.into_iter().collect();
        let mut node = Self::with_peers(peers.clone());
        node.listener.on(&Input::Started, NOW);
        for peer in peers {
            node.polled(&peer, Ok(friend(ours())));
        }
        node
    }

    fn on(&mut self, input: &Input<'_>) -> Vec<Command> {
        self.listener.on(input, self.now)
    }

    fn ended(&mut self, task: &Task, end: End<'_>) -> Vec<Command> {
        self.on(&Input::Ended {
            task,
            end,
            elapsed: Duration::ZERO,
            kept: false,
        })
    }

    fn done(&mut self, task: &Task, outcome: &Outcome) -> Vec<Command> {
        self.ended(task, End::Done(outcome))
    }

    /// A poll of this one peer ends.
    fn polled(&mut self, peer: &PeerUrl, status: Result<PeerStatus, String>) -> Vec<Command> {
        let task = Task::Poll(PollTask {
            peers: vec![peer.clone()],
        });
        let answer = Polled {
            peer: peer.clone(),
            status,
        };
        self.done(&task, &Outcome::Polled(vec![answer]))
    }

    fn met(&mut self, peer: &PeerUrl, status: PeerStatus, learned: Vec<PeerUrl>) -> Vec<Command> {
        let task = announce_task(peer);
        let met = Met {
            peer: peer.clone(),
            status: Ok(status),
            learned,
        };
        self.done(&task, &Outcome::Met(met))
    }

    fn synced(&mut self, peer: &PeerUrl, step: SyncStep) -> Vec<Command> {
        let task = Task::Sync(SyncTask {
            peer: peer.clone(),
            next: None,
        });
        self.done(&task, &Outcome::Synced(step))
    }

    fn validated(&mut self, task: &ValidateTask, answer: Validated) -> Vec<Command> {
        self.done(&Task::Validate(task.clone()), &Outcome::Validated(answer))
    }

    fn peer(&self, url: &PeerUrl) -> &Peer {
        self.listener.peers().get(url).unwrap()
    }

    /// Carries out everything that is to start at once, as `world` answers it, until nothing is left. Returns the
    /// tasks in their order; more than `most` of them are a loop.
    fn run(
        &mut self,
        commands: Vec<Command>,
        most: usize,
        mut world: impl FnMut(&Task) -> Option<Outcome>,
    ) -> Vec<Task> {
        let mut ran = Vec::new();
        let mut waiting: VecDeque<Command> = commands.into();
        while let Some(command) = waiting.pop_front() {
            let Command::Add { task, delay } = command else {
                continue;
            };
            if !delay.is_zero() {
                continue;
            }
            let commands = match world(&task) {
                Some(outcome) => self.done(&task, &outcome),
                None => self.ended(&task, End::Failed("the world has no answer")),
            };
            waiting.extend(commands);
            ran.push(task);
            assert!(
                ran.len() <= most,
                "a loop: {:?}",
                ran.iter().map(Task::id).collect::<Vec<_>>()
            );
        }
        ran
    }
}

fn announce_task(peer: &PeerUrl) -> Task {
    Task::Announce(jbc_jobs::task::AnnounceTask { peer: peer.clone() })
}

/// A jbc node of our network.
fn friend(tip: TipClaim) -> PeerStatus {
    status("another node", tip)
}

/// The tip we have at the start, as a peer claims it.
fn ours() -> TipClaim {
    let tip = first_tip();
    TipClaim {
        index: tip.index,
        hash: tip.hash,
        work: tip.work,
    }
}

/// The verdict that this block is the new tip.
fn new_tip(block: &Block<Unchecked>) -> Validated {
    let claim = claim(block.index(), *block.hash());
    let tip = Tip {
        index: claim.index,
        hash: claim.hash,
        work: claim.work,
        earliest: block.timestamp().instant(),
        ..first_tip()
    };
    let change = TipChange {
        tip,
        block: block.clone(),
        data: "data".to_owned(),
        entries: Default::default(),
        depth: 0,
        from: *block.prev_hash().unwrap(),
    };
    Validated {
        tip: Some(Box::new(change)),
        ..verdicts(vec![Verdict::Best(*block.hash())])
    }
}

fn refused(blame: bool) -> Verdict {
    Verdict::Refused {
        rule: "median",
        field: "timestamp",
        reason: "a test".to_owned(),
        blame,
    }
}

/// The syncs that commands start: with whom, and from which height.
fn syncs(commands: &[Command]) -> Vec<(PeerUrl, Option<u64>)> {
    let sync = |task: &Task| match task {
        Task::Sync(task) => Some((task.peer.clone(), task.next)),
        _ => None,
    };
    added(commands).into_iter().filter_map(sync).collect()
}

fn pushes(commands: &[Command]) -> Vec<BroadcastTask> {
    let push = |task: &Task| match task {
        Task::Broadcast(task) => Some(task.clone()),
        _ => None,
    };
    added(commands).into_iter().filter_map(push).collect()
}

fn announcements(commands: &[Command]) -> Vec<PeerUrl> {
    let announce = |task: &Task| match task {
        Task::Announce(task) => Some(task.peer.clone()),
        _ => None,
    };
    added(commands).into_iter().filter_map(announce).collect()
}

/// The polls that commands arm: whom they ask, and after how long.
fn polls(commands: &[Command]) -> Vec<(Vec<PeerUrl>, Duration)> {
    let poll = |command: &Command| match command {
        Command::Add {
            task: Task::Poll(task),
            delay,
        } => Some((task.peers.clone(), *delay)),
        _ => None,
    };
    commands.iter().filter_map(poll).collect()
}

fn peer_news(commands: &[Command]) -> Vec<(PeerUrl, &'static str)> {
    let news = |command: &Command| match command {
        Command::Publish(News::Peer { url, state, .. }) => Some((url.clone(), *state)),
        _ => None,
    };
    commands.iter().filter_map(news).collect()
}

fn heavy(height: u64, hash: Hash) -> PeerStatus {
    friend(claim(height, hash))
}
