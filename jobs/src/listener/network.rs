//! What follows from what peers say: syncs, pushes, introductions and scores.

mod calls;
mod gossip;

use std::collections::VecDeque;
use std::time::Duration;

use jbc_chain::{Hash, UnixMicros};

use self::calls::{announce, chance, shortened, sync, upload};
use super::{Command, End, News, add};
use crate::broadcast::PUSHES_MAX;
use crate::peer_table::{BAD_BLOCK_SCORE, BAN_SCORE, Ours, PeerKind, PeerTable};
use crate::peer_url::PeerUrl;
use crate::poll::POLL_INTERVAL_MS;
use crate::ports::{PeerError, PeerStatus};
use crate::task::{
    BroadcastTask, Origin, Outcome, PollTask, Polled, SyncStep, SyncTask, Task, Tip, TipChange,
    Uploaded, ValidateTask, Validated, Verdict,
};

/// Blocks remembered with the peers that have shown them to us.
const SEEN_BLOCKS_MAX: usize = 256;
/// Shortest time between two polls that an unknown parent asks for, in microseconds: random parents cost no more.
const ORPHAN_POLL_MICROS: i64 = 1_000_000;

/// Peers, and what is under way with them.
#[derive(Debug)]
pub struct Network {
    /// The peers.
    pub table: PeerTable,
    node_id: String,
    fingerprint: String,
    seen: VecDeque<(Hash, Vec<PeerUrl>)>,
    last_orphan_poll: UnixMicros,
    /// A poll job is out; the next one follows its end.
    polling: bool,
    /// The peer of the long download under way.
    syncing: Option<PeerUrl>,
    /// A job is out that pushes entries.
    gossiping: bool,
    /// Entries that came since.
    fresh: Vec<Hash>,
    /// Peers are to be reminded of those that still wait.
    reminder_due: bool,
    /// Where peers can ask us for what they lack.
    own_url: Option<PeerUrl>,
}

impl Network {
    /// The operator's peers, and how this node and its network are called.
    pub fn new(table: PeerTable, node_id: String, fingerprint: String) -> Self {
        let last_orphan_poll = UnixMicros(i64::MIN);
        Self {
            table,
            node_id,
            fingerprint,
            seen: VecDeque::new(),
            last_orphan_poll,
            polling: false,
            syncing: None,
            gossiping: false,
            fresh: Vec::new(),
            reminder_due: false,
            own_url: None,
        }
    }

    /// The network of a node that peers reach at this URL, if at all. Those that cannot are brought what they lack.
    #[must_use]
    pub fn reached_at(self, own_url: Option<PeerUrl>) -> Self {
        Self { own_url, ..self }
    }

    pub(super) fn poll_now(&mut self, commands: &mut Vec<Command>, now: UnixMicros) {
        self.poll(Duration::ZERO, commands, now);
    }

    /// A poll is always out; its end, however it ends, arms the next.
    pub(super) fn arm(&mut self, commands: &mut Vec<Command>, now: UnixMicros) {
        if !self.polling {
            self.poll(Duration::from_millis(POLL_INTERVAL_MS), commands, now);
        }
    }

    fn poll(&mut self, delay: Duration, commands: &mut Vec<Command>, now: UnixMicros) {
        self.polling = true;
        let then = UnixMicros(
            now.0
                .saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)),
        );
        commands.push(Command::Add {
            task: Task::Poll(PollTask {
                peers: self.table.due(then),
            }),
            delay,
        });
    }

    pub(super) fn ended(
        &mut self,
        task: &Task,
        end: &End<'_>,
        kept: bool,
        tip: &Tip,
        now: UnixMicros,
        commands: &mut Vec<Command>,
    ) {
        match (task, end) {
            (Task::Poll(_), end) => {
                self.polling = kept;
                if let End::Done(Outcome::Polled(answers)) = end {
                    for answer in answers {
                        let introduce = self.heard(&answer.peer, &answer.status, now, commands);
                        commands.extend(introduce.then(|| announce(&answer.peer)));
                        commands.extend(self.lacks_ours(answer, tip).then(|| upload(&answer.peer)));
                    }
                    self.sync_with_the_best(tip, commands);
                    self.remind(tip, commands);
                }
            }
            (
                Task::Upload(task),
                End::Done(Outcome::Uploaded(Uploaded {
                    count: 1..,
                    error: None,
                })),
            ) => {
                commands.push(upload(&task.peer)); // there may be more
            }
            (Task::Gossip(_), _) => {
                self.gossiping = kept;
                self.gossip(commands);
            }
            (Task::Announce(_), End::Done(Outcome::Met(met))) => {
                if met.status.is_ok() {
                    // It was called because it is new: it is in the table from here on, if it answers.
                    self.table.learn(&met.peer, true);
                }
                self.heard(&met.peer, &met.status, now, commands); // it has just been introduced
                for url in &met.learned {
                    if self.table.learn(url, met.peer.is_loopback()) {
                        commands.push(announce(url));
                    }
                }
                self.sync_with_the_best(tip, commands);
            }
            (Task::Sync(task), End::Done(Outcome::Synced(step))) => {
                self.synced(task, step, now, commands);
                self.sync_with_the_best(tip, commands);
            }
            (Task::Sync(task), _) => self.sync_is_over(&task.peer),
            (
                Task::Validate(ValidateTask {
                    origin: Origin::Synced { peer, .. },
                    ..
                }),
                _,
            ) => self.sync_is_over(peer),
            (Task::Broadcast(_), End::Done(Outcome::Broadcast(pushes))) => {
                for push in pushes
                    .iter()
                    .filter(|push| matches!(push.error, Some(PeerError::Unreachable { .. })))
                {
                    self.table.failed(&push.peer, now, chance(&push.peer, now));
                }
            }
            _ => {}
        }
    }

    pub(super) fn gone(&mut self, task: &Task) {
        match task {
            Task::Poll(_) => self.polling = false,
            Task::Gossip(_) => self.gossiping = false,
            Task::Sync(task) => self.sync_is_over(&task.peer),
            Task::Validate(ValidateTask {
                origin: Origin::Synced { peer, .. },
                ..
            }) => self.sync_is_over(peer),
            _ => {}
        }
    }

    pub(super) fn offered(
        &mut self,
        url: &PeerUrl,
        from_loopback: bool,
        commands: &mut Vec<Command>,
    ) {
        let known = self.table.get(url);
        let new = known.is_none_or(|peer| !peer.reachable && peer.score < BAN_SCORE);
        if new && url.is_fixed() && (from_loopback || !url.is_loopback()) {
            commands.push(announce(url));
        }
    }

    pub(super) fn removed(&mut self, url: &PeerUrl) {
        self.table.remove(url);
    }

    /// Whether a peer is behind us and cannot ask us for the rest.
    fn lacks_ours(&self, answer: &Polled, tip: &Tip) -> bool {
        let known = self.table.get(&answer.peer);
        let friend = known.is_some_and(|peer| peer.kind == PeerKind::Jbc);
        let behind =
            matches!(&answer.status, Ok(PeerStatus::Jbc(theirs)) if theirs.tip.work < tip.work);
        let own_url = self.own_url.as_ref();
        friend && behind && !own_url.is_some_and(|own| own.means_us_to(&answer.peer))
    }

    /// A peer answered a call, or did not. Says whether it should get to know us now.
    fn heard(
        &mut self,
        peer: &PeerUrl,
        status: &Result<PeerStatus, String>,
        now: UnixMicros,
        commands: &mut Vec<Command>,
    ) -> bool {
        let mut introduce = false;
        let before = self
            .table
            .get(peer)
            .map(|known| (known.reachable, known.kind));
        match status {
            Ok(status) => {
                let ours = Ours {
                    node_id: &self.node_id,
                    network: &self.fingerprint,
                };
                introduce = self.table.answered(peer, status, &ours, now);
            }
            Err(_) => self.table.failed(peer, now, chance(peer, now)),
        }
        let Some(known) = self.table.get(peer) else {
            return introduce;
        };
        // It claims no tip, so its chain is looked at each time it is asked: a long download.
        if known.kind == PeerKind::Tutorial && known.reachable && self.syncing.is_none() {
            commands.push(sync(peer, None));
            self.syncing = Some(peer.clone());
        }
        if before == Some((known.reachable, known.kind)) || (before.is_none() && !known.reachable) {
            return introduce;
        }
        let (state, detail) = match (known.kind, status) {
            (_, Err(reason)) => ("unreachable", reason.clone()),
            (PeerKind::Myself, _) => ("myself", String::new()),
            (PeerKind::Foreign, Ok(PeerStatus::Jbc(theirs))) => {
                ("other network", shortened(&theirs.network.description))
            }
            (PeerKind::Tutorial, _) => ("reachable", "a node of the Python tutorial".to_owned()),
            _ => ("reachable", String::new()),
        };
        commands.push(Command::Publish(News::Peer {
            url: peer.clone(),
            state,
            detail,
        }));
        introduce
    }

    /// One long download at a time: from the peer that claims most work, and from the next best when that one fails.
    fn sync_with_the_best(&mut self, tip: &Tip, commands: &mut Vec<Command>) {
        if self.syncing.is_none()
            && let Some(peer) = self.table.best_to_sync(&tip.work)
        {
            commands.push(sync(peer, None));
            self.syncing = Some(peer.clone());
        }
    }

    fn sync_is_over(&mut self, peer: &PeerUrl) {
        if self.syncing.as_ref() == Some(peer) {
            self.syncing = None;
        }
    }

    fn synced(
        &mut self,
        task: &SyncTask,
        step: &SyncStep,
        now: UnixMicros,
        commands: &mut Vec<Command>,
    ) {
        let peer = task.peer.clone();
        if !matches!(step, SyncStep::Fetched { .. }) {
            self.sync_is_over(&peer);
        }
        match step {
            SyncStep::UpToDate => self.table.caught_up(&peer),
            SyncStep::Fetched {
                blocks,
                claim,
                next,
            } => {
                let origin = Origin::Synced {
                    peer,
                    claim: claim.clone(),
                    next: *next,
                };
                commands.push(add(Task::Validate(ValidateTask {
                    blocks: blocks.clone(),
                    origin,
                })));
            }
            SyncStep::OtherNetwork { theirs } => {
                self.table.turned_foreign(&peer, now);
                let detail = shortened(theirs);
                commands.push(Command::Publish(News::Peer {
                    url: peer,
                    state: "other network",
                    detail,
                }));
            }
            SyncStep::Unreachable { .. } => self.table.failed(&peer, now, chance(&peer, now)),
            SyncStep::Nonsense { .. } => {
                let claim = self
                    .table
                    .get(&peer)
                    .and_then(|peer| peer.tip.as_ref())
                    .map(|tip| tip.hash);
                self.table.lied(&peer, claim, now);
            }
        }
    }

    /// Blocks went through the door: score the sender, push what is new, fetch what is missing.
    pub(super) fn validated(
        &mut self,
        task: &ValidateTask,
        validated: &Validated,
        change: Option<&TipChange>,
        now: UnixMicros,
        commands: &mut Vec<Command>,
    ) {
        self.note_senders(task, validated);
        // What is early is nobody's fault, and ends a sync all the same: what follows builds on it.
        let refused = validated
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Refused { .. } | Verdict::Early { .. }));
        let blamed = validated
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Refused { blame: true, .. }));
        let orphaned = validated
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Orphan { .. }));
        match &task.origin {
            Origin::Mined => {}
            Origin::Posted { address, peer } => {
                if blamed {
                    // Anybody can speak in a peer's name; only from its own address it counts as that peer.
                    let own = Some(address.to_canonical());
                    let sender = peer.as_ref().filter(|peer| peer.address() == own);
                    self.table
                        .misbehaved(sender, Some(*address), BAD_BLOCK_SCORE, now);
                }
                if orphaned {
                    self.find_parent(peer.as_ref(), now, commands);
                }
            }
            Origin::Synced { peer, claim, next } => {
                // A tutorial node's folder may hold pieces of several branches; it means no harm.
                if blamed || (claim.is_some() && orphaned) {
                    self.table
                        .lied(peer, claim.as_ref().map(|tip| tip.hash), now);
                } else if refused {
                    self.table.caught_up(peer); // perhaps our clock is wrong: the next poll asks again
                } else if next.is_some() && !validated.brought_news() {
                    // It claims more and gives what we have: it would hold the download for ever.
                    self.table.doubt(peer, claim.as_ref().map(|tip| tip.hash));
                    return self.sync_is_over(peer);
                }
                match next {
                    Some(next) if !(refused || orphaned || validated.full) => {
                        commands.push(sync(peer, Some(*next)))
                    }
                    _ => self.sync_is_over(peer),
                }
            }
        }
        let more_to_come = matches!(&task.origin, Origin::Synced { next: Some(_), .. });
        if let Some(change) = change
            && !more_to_come
        {
            let senders = self
                .seen
                .iter()
                .find(|(hash, _)| *hash == change.tip.hash)
                .map_or(&[][..], |(_, peers)| peers);
            let peers = self.table.to_push(&change.tip.hash, senders, PUSHES_MAX);
            if !peers.is_empty() {
                commands.push(add(Task::Broadcast(BroadcastTask {
                    block: change.block.clone(),
                    peers,
                })));
            }
        }
    }

    /// Whoever sent a block has it: it is not pushed back.
    fn note_senders(&mut self, task: &ValidateTask, validated: &Validated) {
        let (Origin::Posted {
            peer: Some(peer), ..
        }
        | Origin::Synced { peer, .. }) = &task.origin
        else {
            return;
        };
        let Some(last) = validated.verdicts.iter().rev().find_map(Verdict::hash) else {
            return;
        };
        match self.seen.iter_mut().find(|(hash, _)| *hash == last) {
            Some((_, peers)) if peers.contains(peer) || peers.len() >= PUSHES_MAX => {}
            Some((_, peers)) => peers.push(peer.clone()),
            None => {
                if self.seen.len() >= SEEN_BLOCKS_MAX {
                    self.seen.pop_front();
                }
                self.seen.push_back((last, vec![peer.clone()]));
            }
        }
    }

    /// A block's parent is unknown: ask its sender if we know it, else everybody.
    fn find_parent(
        &mut self,
        sender: Option<&PeerUrl>,
        now: UnixMicros,
        commands: &mut Vec<Command>,
    ) {
        if let Some(peer) = sender
            .and_then(|url| self.table.get(url))
            .filter(|peer| peer.kind == PeerKind::Jbc)
        {
            commands.push(sync(&peer.url, None));
            self.syncing.get_or_insert_with(|| peer.url.clone());
            return;
        }
        if now.0.saturating_sub(self.last_orphan_poll.0) >= ORPHAN_POLL_MICROS {
            self.last_orphan_poll = now;
            let reachable = |kind| {
                let peers = self.table.list();
                peers.filter(move |peer| peer.reachable && peer.kind == kind)
            };
            let nodes = reachable(PeerKind::Jbc).take(PUSHES_MAX);
            commands.extend(nodes.map(|peer| sync(&peer.url, None)));
            // Tutorial nodes take turns: each gives its whole chain.
            let tutorial = reachable(PeerKind::Tutorial).min_by_key(|peer| peer.last_seen_ms);
            if let Some(peer) = tutorial.filter(|_| self.syncing.is_none()) {
                commands.push(sync(&peer.url, None));
                self.syncing = Some(peer.url.clone());
            }
        }
    }
}

impl Verdict {
    /// The block's hash, where it has one that was checked.
    fn hash(&self) -> Option<Hash> {
        match self {
            Self::Best(hash) | Self::Side(hash) | Self::Known(hash) | Self::Orphan { hash, .. } => {
                Some(*hash)
            }
            Self::Refused { .. } | Self::Early { .. } => None,
        }
    }
}
