//! What must hold after each input, and when all has come to rest.

use std::sync::Arc;

use jbc_jobs::listener::Command;
use jbc_jobs::task::{MineTask, Origin, Outcome, Task};

use super::{Model, Note};

impl Model {
    /// A block found is followed by exactly one validation; no other mined block is validated, but one that is owed.
    pub(super) fn check_validations(&mut self, note: &Note, commands: &[Command]) {
        let found = match note {
            Note::Ended { end, .. } => end.outcome(),
            _ => None,
        };
        let found = found.and_then(|outcome| match outcome {
            Outcome::Mined(mined) => mined.found.as_ref().map(|block| *block.hash()),
            _ => None,
        });
        let mut validated = Vec::new();
        for command in commands {
            if let Command::Add {
                task: Task::Validate(task),
                ..
            } = command
            {
                assert_eq!(task.origin, Origin::Mined);
                validated.extend(task.blocks.iter().map(|block| *block.hash()));
            }
        }
        if let Some(hash) = found {
            let times = validated
                .iter()
                .filter(|validated| **validated == hash)
                .count();
            assert_eq!(times, 1, "a found block is validated exactly once");
        }
        for hash in validated {
            // Of a block found again the end of an earlier try may still be under way to the listener: then it stays owed.
            let is_untold = self
                .inbox
                .iter()
                .any(|note| note.is_about_validating(&hash));
            if found != Some(hash) || (self.owed.contains(&hash) && !is_untold) {
                let owed = self.owed.iter().position(|owed| *owed == hash);
                self.owed
                    .swap_remove(owed.unwrap_or_else(|| panic!("nobody found {hash} just now")));
            }
            self.owed_last = self.owed_last.filter(|owed| *owed != hash);
        }
    }

    pub(super) fn check_tickets(&self, note: &Note) {
        let tickets = self.listener.mining().tickets();
        assert_eq!(tickets.len(), self.lanes);
        if self.listener.disk_is_full() {
            assert!(
                tickets.iter().all(Option::is_none),
                "mining into a full disk after {note:?}"
            );
        } else if !matches!(note, Note::Gone { refused: true, .. }) {
            assert!(
                tickets.iter().all(Option::is_some),
                "a lane has no job after {note:?}"
            );
        }
    }

    /// A ticket is given up only for the end of its own job or for a new tip (or a full disk): old news cost nothing.
    pub(super) fn check_changes(&self, before: &[Option<u64>], note: &Note) {
        let over = match note {
            Note::Ended { task, kept, .. } => (!kept).then_some(task),
            Note::Gone { task, .. } => Some(task),
            Note::Started => None,
        };
        let over = over.and_then(|task| match &**task {
            Task::Mine(range) => Some(range.ticket),
            _ => None,
        });
        let moved = matches!(note, Note::Ended { end, .. }
            if matches!(end.outcome(), Some(Outcome::Validated(answer)) if answer.tip.is_some()));
        for (before, after) in before.iter().zip(self.listener.mining().tickets()) {
            let may_change = before.is_none() || *before == over || moved;
            if !may_change && !self.listener.disk_is_full() {
                assert_eq!(*before, after, "changed by {note:?}");
            }
        }
    }

    /// No nonce is searched twice behind the same text, and none is left out at its start.
    pub(super) fn check_range(&mut self, range: &MineTask) {
        assert!(!range.nonces.is_empty(), "an empty range: {range:?}");
        let prefix = range.template.parts.prefix();
        let first = jbc_pow::best_nonces(prefix.len()).start;
        let next = self.next_nonces.entry(prefix).or_insert(first);
        assert_eq!(*next, range.nonces.start, "{range:?}");
        *next = range.nonces.end;
    }

    /// The scheduler holds exactly the jobs whose tickets are out, and all are on the tip.
    pub(super) fn check_agreement(&self) {
        let mut held = vec![None; self.lanes];
        for task in self.mining_jobs() {
            held[task.lane] = Some(task.ticket);
        }
        let tickets = self.listener.mining().tickets();
        for (lane, (ticket, held)) in tickets.iter().zip(&held).enumerate() {
            // A lane whose job was not let in has to wait; what it replaces may still be there.
            assert!(
                ticket.is_none() || ticket == held,
                "lane {lane}: {ticket:?} is out, {held:?} is held"
            );
        }
        for task in self
            .mining_jobs()
            .filter(|task| tickets[task.lane] == Some(task.ticket))
        {
            assert_eq!(
                task.template.parts.prev_hash,
                Some(self.tip.hash),
                "lane {} is on an old tip",
                task.lane
            );
            assert_eq!(task.template.parts.index, self.tip.index + 1);
            assert!(task.template.parts.timestamp.instant() >= self.tip.earliest);
        }
        if self.listener.disk_is_full() {
            assert_eq!(
                self.mining_jobs().count(),
                0,
                "ranges are armed while the disk is full"
            );
        }
    }

    /// After an input and without a refusal nothing is missing: every lane, or the look at the disk, and the poll.
    pub(in super::super) fn check_all_armed(&mut self) {
        self.refusals = 0;
        self.inbox.push_back(Note::Gone {
            task: Arc::new(Task::Audit),
            refused: false,
        });
        self.settle();
        assert!(
            self.jobs.contains_key("poll"),
            "nobody asks the peers any more"
        );
        if self.listener.disk_is_full() {
            assert!(
                self.jobs.contains_key("space"),
                "nobody looks at the disk any more"
            );
        } else {
            assert_eq!(self.mining_jobs().count(), self.lanes, "mining is dead");
            assert_eq!(self.owed_last, None, "a mined block is forgotten");
        }
    }
}
