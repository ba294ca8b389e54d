//! The queue that the scheduler is measured against: a mutex, a condition variable, and nothing else.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// What it runs.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Worker threads that take closures from a queue, first come first served, and sleep while it is empty. No ids, no
/// events, no priorities, no way to look inside; but also no trick that would make it slower or faster than what one
/// would write in an afternoon. When it is dropped its threads end.
pub(super) struct BareQueue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl BareQueue {
    /// Starts so many worker threads.
    ///
    /// # Errors
    /// If the system refuses one.
    pub(super) fn start(workers: usize) -> io::Result<Self> {
        let mut queue = Self {
            shared: Arc::default(),
            threads: Vec::new(),
        };
        for number in 0..workers {
            let shared = Arc::clone(&queue.shared);
            let thread = thread::Builder::new().name(format!("bare-{number}"));
            queue.threads.push(thread.spawn(move || shared.work())?);
        }
        Ok(queue)
    }

    /// Puts a job at the end and wakes a worker, after the lock has been let go.
    pub(super) fn push(&self, job: Job) {
        self.shared.lock().jobs.push_back(job);
        self.shared.news.notify_one();
    }
}

impl Drop for BareQueue {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.news.notify_all();
        for thread in self.threads.drain(..) {
            // The panic of a job was printed when it happened.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.take() {
            job();
        }
    }

    /// The first job, as soon as there is one; `None` once the queue is closed and empty.
    fn take(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs under the lock, so nothing can panic there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_was_pushed_runs_in_order_and_a_drop_waits_for_it() {
        let (sender, ran) = mpsc::channel();
        let queue = BareQueue::start(1).unwrap();
        for number in 0..100 {
            let sender = sender.clone();
            queue.push(Box::new(move || sender.send(number).unwrap()));
        }
        drop((queue, sender));
        assert!(ran.iter().eq(0..100));
    }
}
