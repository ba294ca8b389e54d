//! The runs that have ended, as many as fit and as long as they matter.

use std::collections::VecDeque;

use crate::info::RunRecord;

/// A ring of the newest records.
#[derive(Debug)]
pub(crate) struct History {
    records: VecDeque<Box<RunRecord>>,
    limit: usize,
    age_ms: u64,
}

/// The age of a history that keeps records of any age.
const ANY_AGE_MS: u64 = u64::MAX / 1_000;
/// As many ends as a worker may book at a time.
const MOST_AT_A_TIME: usize = 16;

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

    /// Keeps a record. There may be [`SURPLUS`] more than fit until [`prune`](Self::prune) is called: records that nobody has
    /// touched lately are slow to drop, and the end of a run is waited for.
    #[must_use]
    pub(crate) fn push(&mut self, record: Box<RunRecord>) -> Option<Box<RunRecord>> {
        if self.limit == 0 {
            return Some(record);
        }
        let is_full = self.records.len() >= self.limit.saturating_add(SURPLUS);
        let oldest = if is_full {
            self.records.pop_front()
        } else {
            None
        };
        self.records.push_back(record);
        oldest
    }

    /// Lets go of records that no longer fit: two for one of the new, so that they go without a pass over all; and of those that
    /// are too old, twice as many as a worker may bring at a time.
    pub(crate) fn prune(&mut self, now_ms: u64) {
        for n in 0..2 * MOST_AT_A_TIME {
            let is_surplus = n < 2 && self.records.len() > self.limit;
            if !is_surplus && !self.is_first_too_old(now_ms) {
                return;
            }
            self.records.pop_front();
        }
    }

    fn is_first_too_old(&self, now_ms: u64) -> bool {
        // Not looked at where none can be: its memory is nobody's cache's.
        let first = self.records.front().filter(|_| self.age_ms < ANY_AGE_MS);
        first.is_some_and(|first| self.is_too_old(first, now_ms))
    }

    fn is_too_old(&self, record: &RunRecord, now_ms: u64) -> bool {
        now_ms.saturating_sub(record.finished_at) > self.age_ms
    }

    /// All of them, newest last.
    pub(crate) fn list(&mut self, now_ms: u64) -> Vec<RunRecord> {
        while self.records.len() > self.limit || self.is_first_too_old(now_ms) {
            self.records.pop_front();
        }
        let records = self.records.iter().map(|record| (**record).clone());
        // Workers say at their turns what has ended meanwhile.
        let mut records: Vec<RunRecord> = records
            .filter(|record| !self.is_too_old(record, now_ms))
            .collect();
        records.sort_by_key(|record| record.finished_at);
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::RunOutcome;
    use crate::job::Lane;

    fn record(n: u64) -> Box<RunRecord> {
        Box::new(RunRecord {
            run_id: None,
            job_id: n.to_string().into(),
            name: "test".into(),
            lane: Lane::Prompt,
            outcome: RunOutcome::Missed,
            message: None,
            scheduled_at: n,
            started_at: None,
            finished_at: n,
            elapsed_us: None,
            attempt: 1,
        })
    }

    #[test]
    fn records_come_in_the_order_of_the_ends_though_some_are_brought_late_and_none_is_too_old() {
        let mut history = History::new(100, 50_000);
        for n in [70, 90, 20, 80] {
            drop(history.push(record(n)));
        }
        let finished = |records: Vec<RunRecord>| -> Vec<u64> {
            records.iter().map(|record| record.finished_at).collect()
        };
        assert_eq!(finished(history.list(90)), [70, 80, 90]);
    }

    #[test]
    fn the_newest_records_are_kept_with_and_without_pruning() {
        for (limit, kept) in [(0, 0), (1, 1), (3, 3), (usize::MAX, 100)] {
            for prunes in [false, true] {
                let mut history = History::new(limit, u64::MAX);
                for n in 0..100 {
                    drop(history.push(record(n)));
                    if prunes {
                        history.prune(n);
                        assert!(history.records.len() <= limit);
                    }
                    assert!(history.records.len() <= limit.saturating_add(SURPLUS));
                }
                let ends: Vec<u64> = history
                    .list(100)
                    .iter()
                    .map(|run| run.finished_at)
                    .collect();
                assert_eq!(ends, Vec::from_iter(100 - kept..100), "{limit} {prunes}");
            }
        }
    }
}
