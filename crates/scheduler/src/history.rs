//! The runs that have ended, as many as fit and as long as they matter.

use std::collections::VecDeque;

use crate::info::RunRecord;

/// A ring of the newest records.
#[derive(Debug)]
pub(crate) struct History {
    records: VecDeque<RunRecord>,
    limit: usize,
    age_ms: u64,
}

/// Records above the limit at most.
const SURPLUS: usize = 64;

impl History {
    pub(crate) fn new(limit: usize, age_us: u64) -> Self {
        Self {
            records: VecDeque::new(),
            limit,
            age_ms: age_us / 1_000,
        }
    }

    /// Keeps a record. It may be one more than fit until [`prune`](Self::prune) is called: records that nobody has touched
    /// lately are slow to drop, and the end of a run is waited for.
    pub(crate) fn push(&mut self, record: RunRecord) {
        if self.limit == 0 {
            return;
        }
        if self.records.len() >= self.limit + SURPLUS {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Lets go of records that no longer fit: two of the old for one of the new, so that old ones go without a pass over
    /// all.
    pub(crate) fn prune(&mut self, now_ms: u64) {
        for _ in 0..2 {
            if self.records.len() > self.limit || self.is_first_too_old(now_ms) {
                self.records.pop_front();
            }
        }
    }

    fn is_first_too_old(&self, now_ms: u64) -> bool {
        let first = self.records.front();
        first.is_some_and(|first| now_ms.saturating_sub(first.finished_at) > self.age_ms)
    }

    /// All of them, newest last.
    pub(crate) fn list(&mut self, now_ms: u64) -> Vec<RunRecord> {
        while self.records.len() > self.limit || self.is_first_too_old(now_ms) {
            self.records.pop_front();
        }
        self.records.iter().cloned().collect()
    }
}
