//! A line in front of the workers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use crate::queue::agenda::Seat;

/// A place in a lane's line: higher priority first, then first come.
pub(super) type Place = (Reverse<i32>, u64);

/// Who starts in a lane, and in which order. Most join at the end of their priority and leave from its front, which takes
/// constant time. Leaving from within takes O(log n), but for gaps that are closed now and then; joining from within, as with
/// a new priority, moves the fewer of those who stand before and behind.
#[derive(Default)]
pub(super) struct Line {
    /// At most one is empty: the last to become so, which keeps its memory for those who come next.
    ranks: BTreeMap<Reverse<i32>, Rank>,
    len: usize,
}

/// Those of one priority, by their numbers.
#[derive(Default)]
struct Rank {
    /// Who left from within has left a gap; none is at an end, and they are never more than half.
    places: VecDeque<(u64, Option<Seat>)>,
    gaps: usize,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<Seat> {
        self.ranks
            .values()
            .find_map(|rank| rank.places.front().and_then(|(_, seat)| *seat))
    }

    /// The priority of who is first.
    pub(super) fn first_priority(&self) -> Option<i32> {
        let mut ranks = self.ranks.iter();
        let (Reverse(priority), _) = ranks.find(|(_, rank)| !rank.places.is_empty())?;
        Some(*priority)
    }

    /// Joins at the end of its priority, or where an older number belongs, by moving those behind it.
    pub(super) fn insert(&mut self, (priority, number): Place, seat: Seat) {
        self.ranks.entry(priority).or_default().insert(number, seat);
        self.len += 1;
    }

    /// Leaves; `None` if nobody has that place.
    pub(super) fn remove(&mut self, (priority, number): Place) -> Option<Seat> {
        let rank = self.ranks.get_mut(&priority)?;
        let seat = rank.remove(number)?;
        self.len -= 1;
        if rank.places.is_empty() && self.ranks.len() > 1 {
            self.ranks.remove(&priority);
        }
        Some(seat)
    }
}

impl Rank {
    fn insert(&mut self, number: u64, seat: Seat) {
        let place = (number, Some(seat));
        if self.places.back().is_none_or(|(last, _)| *last < number) {
            return self.places.push_back(place);
        }
        match self.search(number) {
            // It was here before.
            Ok(gap) => {
                self.places[gap] = place;
                self.gaps -= 1;
            }
            Err(at) => self.places.insert(at, place),
        }
    }

    fn search(&self, number: u64) -> Result<usize, usize> {
        self.places
            .binary_search_by_key(&number, |(number, _)| *number)
    }

    fn remove(&mut self, number: u64) -> Option<Seat> {
        let at = match self.places.front() {
            Some((first, _)) if *first == number => 0,
            _ => self.search(number).ok()?,
        };
        let seat = self.places[at].1.take()?;
        self.gaps += 1;
        while self.places.front().is_some_and(|(_, seat)| seat.is_none()) {
            self.places.pop_front();
            self.gaps -= 1;
        }
        while self.places.back().is_some_and(|(_, seat)| seat.is_none()) {
            self.places.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.places.len() / 2 {
            self.places.retain(|(_, seat)| seat.is_some());
            self.gaps = 0;
        }
        Some(seat)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_a_sorted_map(steps in prop::collection::vec((0..3, -1..2, 0..60u64), 0..300)) {
            let (mut line, mut map) = (Line::default(), BTreeMap::new());
            for (step, priority, number) in steps {
                let place = (Reverse(priority), number);
                if step > 0 && !map.keys().any(|(_, other)| *other == number) {
                    line.insert(place, number as Seat);
                    map.insert(place, number as Seat);
                } else {
                    prop_assert_eq!(line.remove(place), map.remove(&place));
                }
                prop_assert_eq!(line.first(), map.values().next().copied());
                let priority = map.keys().next().map(|(Reverse(priority), _)| *priority);
                prop_assert_eq!(line.first_priority(), priority);
                prop_assert_eq!(line.len(), map.len());
                let gaps: usize = line.ranks.values().map(|rank| rank.gaps).sum();
                let kept: usize = line.ranks.values().map(|rank| rank.places.len()).sum();
                prop_assert!(gaps <= kept / 2 && kept == map.len() + gaps);
            }
        }
    }
}
