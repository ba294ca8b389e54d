//! The runs that have ended, as many as fit.

use std::collections::VecDeque;

use crate::info::RunRecord;

/// A ring of the newest records.
#[derive(Debug)]
pub(crate) struct History {
    records: VecDeque<RunRecord>,
    limit: usize,
}

impl History {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            records: VecDeque::new(),
            limit,
        }
    }

    pub(crate) fn push(&mut self, record: RunRecord) {
        if self.limit == 0 {
            return;
        }
        if self.records.len() == self.limit {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// All of them, newest last.
    pub(crate) fn list(&self) -> Vec<RunRecord> {
        self.records.iter().cloned().collect()
    }
}
