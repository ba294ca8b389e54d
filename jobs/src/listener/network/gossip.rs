//! Entries on their way to peers.

use jbc_chain::Hash;

use super::Network;
use crate::broadcast::PUSHES_MAX;
use crate::listener::{Command, add};
use crate::peer_table::PeerKind;
use crate::task::{GossipTask, Task, Tip};

/// New entries that wait for the job that pushes the last ones.
const FRESH_MAX: usize = 1_000;

impl Network {
    /// Has a new entry pushed to peers.
    pub(in crate::listener) fn pass_on(&mut self, leaf: Hash, commands: &mut Vec<Command>) {
        if self.fresh.len() < FRESH_MAX {
            self.fresh.push(leaf); // else it is one of those that peers are reminded of
        }
        self.gossip(commands);
    }

    /// Has peers reminded of what still waits: one may have been away when it came.
    pub(super) fn remind(&mut self, tip: &Tip, commands: &mut Vec<Command>) {
        self.reminder_due = tip.bits.is_some();
        self.gossip(commands);
    }

    /// Pushes what there is, one job at a time: peers that hang must not fill the line before blocks.
    pub(super) fn gossip(&mut self, commands: &mut Vec<Command>) {
        if self.gossiping || (!self.reminder_due && self.fresh.is_empty()) {
            return;
        }
        let friends = self
            .table
            .list()
            .filter(|peer| peer.kind == PeerKind::Jbc && peer.reachable);
        let peers: Vec<_> = friends
            .map(|peer| peer.url.clone())
            .take(PUSHES_MAX)
            .collect();
        let (leaves, remind) = (
            std::mem::take(&mut self.fresh),
            std::mem::take(&mut self.reminder_due),
        );
        if !peers.is_empty() {
            self.gossiping = true;
            commands.push(add(Task::Gossip(GossipTask {
                leaves,
                remind,
                peers,
            })));
        }
    }
}
