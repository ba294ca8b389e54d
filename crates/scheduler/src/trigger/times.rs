//! The times of a trigger as a set on the wall clock, in microseconds since the Unix epoch.
//!
//! What is in the set does not depend on where a search begins, so that whoever skips times goes on with the same ones.

use crate::calendar::Calendar;

/// How far apart two times may be that count as one, in microseconds: the `threshold` of APScheduler 4's `AndTrigger`,
/// one second unless told. That of 3.11 knows none.
const AGREE_US: u64 = 1_000_000;

/// How many times of its first part an and compares in one search before it gives up: the `max_iterations` of
/// APScheduler 4's `AndTrigger`, 10,000 unless told. That of 3.11 searches without an end.
const MAX_COMPARED: u32 = 10_000;

/// How often all parts together are asked in one search before it gives up. An answer takes about a microsecond, so this
/// is how long the queue's lock may be held in the worst case: a few tenths of a second.
const MAX_ASKED: u32 = 200_000;

#[derive(Debug)]
pub(super) enum Times {
    /// None.
    Void,
    Once {
        at_us: u64,
    },
    Grid {
        first_us: u64,
        every_us: u64,
    },
    Cron {
        calendar: Box<Calendar>,
        /// Its times begin after this.
        after_us: u64,
        note: usize,
    },
    Or(Vec<Times>),
    And {
        parts: Vec<Times>,
        note: usize,
    },
}

/// What one search has found out and what it may still do. Searches that belong together share one.
pub(super) struct Search {
    left: u32,
    /// By the number of a part: the latest answer it gave. Rare times are dear to find.
    notes: Vec<Option<Note>>,
}

/// The first time not before `from`.
#[derive(Clone, Copy)]
struct Note {
    from: u64,
    answer: Option<u64>,
}

impl Search {
    /// A search among times that keep so many notes.
    pub(super) fn new(notes: usize) -> Self {
        Self {
            left: MAX_ASKED,
            notes: vec![None; notes],
        }
    }

    /// The answer of a part, from its note if that will do.
    fn noted(
        &mut self,
        note: usize,
        from: u64,
        find: impl FnOnce(&mut Self) -> Option<u64>,
    ) -> Option<u64> {
        if let Some(known) = self.notes[note]
            && known.from <= from
            && known.answer.is_none_or(|at| from <= at)
        {
            return known.answer;
        }
        let answer = find(self);
        self.notes[note] = Some(Note { from, answer });
        answer
    }
}

impl Times {
    /// The first time that is not before `from`; `None` if none comes, or if the search gives up.
    pub(super) fn first_from(&self, from: u64, search: &mut Search) -> Option<u64> {
        search.left = search.left.checked_sub(1)?;
        let first = match self {
            Self::Void => None,
            Self::Once { at_us } => Some(*at_us).filter(|at| from <= *at),
            Self::Grid { first_us, every_us } => {
                let steps = from.saturating_sub(*first_us).div_ceil(*every_us);
                steps.checked_mul(*every_us)?.checked_add(*first_us)
            }
            Self::Cron {
                calendar,
                after_us,
                note,
            } => {
                let after = from.saturating_sub(1).max(*after_us);
                search.noted(*note, after.saturating_add(1), |_| {
                    calendar.next_after(after)
                })
            }
            Self::Or(parts) => parts
                .iter()
                .filter_map(|part| part.first_from(from, search))
                .min(),
            Self::And { parts, note } => {
                search.noted(*note, from, |search| agreed_from(parts, from, search))
            }
        };
        // What was found after that is not the first: some part has not said its own.
        first.filter(|_| search.left > 0)
    }

    /// The time nearest to `at`, which is one if none is further away than [`AGREE_US`]; of two at the same distance
    /// the later if so asked.
    fn nearest(&self, at: u64, prefer_later: bool, search: &mut Search) -> Option<u64> {
        let later = self.first_from(at, search);
        let earliest = at.saturating_sub(AGREE_US);
        let earlier = self
            .first_from(earliest, search)
            .filter(|found| *found < at)
            .map(|found| self.last_between(found, at, search));
        match (earlier, later) {
            (Some(before), Some(after)) => {
                let (back, ahead) = (at - before, after - at);
                let take_later = ahead < back || (ahead == back && prefer_later);
                Some(if take_later { after } else { before })
            }
            (one, other) => one.or(other),
        }
    }

    /// The last time before `end`; `last`, one of them, if there is no other.
    fn last_between(&self, mut last: u64, mut end: u64, search: &mut Search) -> u64 {
        loop {
            // The next one is enough where times are sparse ...
            match self.first_from(last + 1, search) {
                Some(found) if found < end => last = found,
                _ => return last,
            }
            // ... and one half-way where they are dense.
            let half = last + (end - last) / 2;
            match self.first_from(half, search) {
                Some(found) if found < end => last = found,
                _ => end = half,
            }
        }
    }
}

/// The first time not before `from` at which all agree.
fn agreed_from(parts: &[Times], from: u64, search: &mut Search) -> Option<u64> {
    let (leader, others) = parts.split_first()?;
    let mut lead = leader.first_from(from.saturating_sub(AGREE_US), search)?;
    for _ in 0..MAX_COMPARED {
        let go_on_from = match compare(leader, others, lead, search)? {
            Comparison::Agreed(at) if from <= at => return Some(at),
            Comparison::Agreed(_) => lead.saturating_add(1),
            Comparison::NoneBefore(next) => next,
        };
        lead = leader.first_from(go_on_from, search)?;
    }
    None
}

enum Comparison {
    /// All agree; this is the latest of their times.
    Agreed(u64),
    /// They do not, nor with any other time of the leader before this.
    NoneBefore(u64),
}

/// Whether all others agree with this time of the leader; `None` if they will with none from here on.
///
/// Each time of one goes with the nearest of the other and with no second one, so that a job of every second and one of
/// every ten seconds meet every ten seconds, and not also a second before and after.
fn compare(leader: &Times, others: &[Times], lead: u64, search: &mut Search) -> Option<Comparison> {
    let after_lead = lead.saturating_add(1);
    let (mut earliest, mut latest) = (lead, lead);
    for other in others {
        let ahead = other.first_from(lead.saturating_sub(AGREE_US), search)?;
        if ahead > lead.saturating_add(AGREE_US) {
            return Some(Comparison::NoneBefore(ahead - AGREE_US));
        }
        let near = other.nearest(lead, true, search)?;
        let back = leader.nearest(near, false, search)?;
        if back != lead {
            return Some(Comparison::NoneBefore(back.max(after_lead)));
        }
        (earliest, latest) = (earliest.min(near), latest.max(near));
    }
    Some(if latest - earliest > AGREE_US {
        Comparison::NoneBefore(after_lead)
    } else {
        Comparison::Agreed(latest)
    })
}
