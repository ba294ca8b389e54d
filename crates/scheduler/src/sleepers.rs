//! Which workers sleep, and who is woken for what.
//!
//! A worker that finds nothing to do looks around for a moment before it sleeps: waking a thread costs more than most
//! jobs. While it looks it is *searching*, and what becomes startable needs nobody else. The invariant: no worker sleeps
//! that could take something which no searching worker will look for.
//!
//! What will have been done before somebody could wake is left to those who are at it: it is *covered*. They may meet a slow
//! job all the same, so that holds only while a sleeping worker is the *watcher*, who looks again after a while.

#[cfg(test)]
mod tests;

use crate::workers::Kind;

#[derive(Debug, Default)]
pub(crate) struct Sleepers {
    /// Workers that sleep, by kind; the last is woken first, its cache is warmest.
    asleep: [Vec<usize>; 2],
    /// How many are awake and will look before they sleep, by kind.
    searching: [usize; 2],
    /// One that sleeps only for a while, since others are expected back soon.
    watcher: Option<usize>,
}

impl Sleepers {
    /// A worker found nothing, and will look again.
    pub(crate) fn search(&mut self, kind: Kind) {
        self.searching[kind as usize] += 1;
    }

    /// It looks again now.
    pub(crate) fn found(&mut self, kind: Kind) {
        self.searching[kind as usize] -= 1;
    }

    /// A worker that is about to sleep offers to be the watcher; answers whether it is.
    pub(crate) fn watch(&mut self, worker: usize) -> bool {
        self.watcher.get_or_insert(worker) == &worker
    }

    /// Whether somebody is the watcher.
    pub(crate) fn is_watched(&self) -> bool {
        self.watcher.is_some()
    }

    fn watch_no_more(&mut self, worker: usize) {
        self.watcher.take_if(|watcher| *watcher == worker);
    }

    /// A worker goes to sleep.
    pub(crate) fn sleep(&mut self, kind: Kind, worker: usize) {
        self.asleep[kind as usize].push(worker);
    }

    /// A worker woke up. Who wakes one has made it a searching one; one that woke by itself is still listed.
    pub(crate) fn awake(&mut self, kind: Kind, worker: usize) {
        self.watch_no_more(worker);
        let asleep = &mut self.asleep[kind as usize];
        match asleep.iter().position(|other| *other == worker) {
            Some(at) => drop(asleep.swap_remove(at)),
            None => self.found(kind),
        }
    }

    /// Whether a worker is awake and looking.
    pub(crate) fn any_searching(&self) -> bool {
        self.searching != [0, 0]
    }

    /// Chooses who is to wake for so much that could start, of which so much that is prompt is covered. Nothing is lost if too
    /// few sleep: who is busy looks again before it sleeps.
    pub(crate) fn wake(&mut self, prompt: usize, bulk: usize, covered: usize) -> Vec<usize> {
        let mut woken = Vec::new();
        let (only_prompt, both) = (Kind::Prompt as usize, Kind::Bulk as usize);
        let prompt = match self.watcher {
            // Who wakes for what is bulky would be the one to take what is covered.
            Some(_) if bulk == 0 => prompt.saturating_sub(covered),
            _ => prompt,
        };
        // What is prompt is taken first, so searching workers count for that before they count for bulk.
        while prompt > self.searching[only_prompt] + self.searching[both] {
            let asleep = [only_prompt, both].into_iter();
            let Some(worker) = asleep.filter_map(|kind| self.rouse(kind)).next() else {
                break;
            };
            woken.push(worker);
        }
        let for_prompt = prompt.saturating_sub(self.searching[only_prompt]);
        while for_prompt + bulk > self.searching[both] {
            let Some(worker) = self.rouse(both) else {
                break;
            };
            woken.push(worker);
        }
        woken
    }

    /// Chooses a worker of this kind that sleeps; it will look.
    fn rouse(&mut self, kind: usize) -> Option<usize> {
        let worker = self.asleep[kind].pop()?;
        self.watch_no_more(worker);
        self.searching[kind] += 1;
        Some(worker)
    }
}
