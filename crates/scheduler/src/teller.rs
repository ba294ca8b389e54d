//! Who tells the listeners: the thread on which an event happened, with what it needs for that at hand.

use std::sync::Arc;

use crate::event::{Event, EventMask};
use crate::executor::Executor;
use crate::ids::JobId;
use crate::listeners::Listeners;
use crate::mailbox::{Letter, Letters, Mailbox, Next};
use crate::queue::Remains;
use crate::runner::{Deferred, Shared, State};
use crate::scheduler::Scheduler;
use crate::workers;

/// A thread's own copies of what all threads share: counting references to those for every event would make the cores
/// wait for each other.
pub(crate) struct Teller<E: Executor> {
    scheduler: Scheduler<E>,
    /// `None` while it has let go of them.
    listeners: Option<Arc<Listeners<E>>>,
    /// Those of before, to be let go of without the lock.
    stale: Option<Arc<Listeners<E>>>,
    /// Jobs whose last event has been told, to be [given back](crate::queue::Queue::give_back) under the next lock.
    gone: Vec<JobId>,
    /// What is left of them, to be dropped without the lock.
    pub(crate) remains: Vec<Remains<E>>,
}

impl<E: Executor> Teller<E> {
    pub(crate) fn new(shared: &Arc<Shared<E>>) -> Self {
        Self {
            scheduler: Scheduler::borrowed(shared),
            listeners: None,
            stale: None,
            gone: Vec::new(),
            remains: Vec::new(),
        }
    }

    /// To be called with the lock: gives back what was told.
    #[inline]
    pub(crate) fn give_back(&mut self, state: &mut State<E>) {
        for id in self.gone.drain(..) {
            self.remains.extend(state.queue.give_back(&id));
        }
    }

    /// To be called with the lock, before something is told: takes notice of changed listeners.
    #[inline]
    pub(crate) fn refresh(&mut self, state: &State<E>) {
        let is_same = |listeners| Arc::ptr_eq(listeners, &state.listeners);
        if !self.listeners.as_ref().is_some_and(is_same) {
            self.replace(&state.listeners);
        }
    }

    #[inline(never)]
    fn replace(&mut self, listeners: &Arc<Listeners<E>>) {
        self.stale = self.listeners.replace(Arc::clone(listeners));
    }

    /// Lets go of the listeners, without the lock: what a removed one owned may be the program's. So a thread that sleeps
    /// keeps none alive.
    pub(crate) fn forget(&mut self) {
        self.stale = None;
        self.listeners = None;
        self.remains.clear();
    }

    /// Tells them all, in this order.
    #[inline]
    pub(crate) fn tell(&mut self, letters: Letters<E>) {
        self.stale = None;
        self.remains.clear();
        for letter in letters {
            self.tell_one(letter);
        }
    }

    /// The events that somebody wants.
    pub(crate) fn wanted(&self) -> EventMask {
        let listeners = self.listeners.as_ref();
        listeners.map_or(EventMask::NONE, |listeners| listeners.wanted())
    }

    /// Tells an event that stays with the caller, and those of the same job that come up meanwhile.
    #[inline]
    pub(crate) fn tell_here(&mut self, event: &Event<E>, mailbox: &Arc<Mailbox<E>>) {
        if let Some(listeners) = &self.listeners {
            listeners.tell(event, &self.scheduler);
        }
        match mailbox.next() {
            Next::Nothing => {}
            Next::GiveBack => self.gone.push(event.job_id.clone()),
            Next::Tell(next) => self.tell_more(next, Arc::clone(mailbox)),
        }
    }

    /// Tells an event, and those of the same job that come up meanwhile.
    #[inline]
    fn tell_one(&mut self, letter: Letter<E>) {
        let Letter { event, mailbox } = letter;
        if let Some(listeners) = &self.listeners {
            listeners.tell(&event, &self.scheduler);
        }
        match mailbox.next() {
            Next::Nothing => {}
            Next::GiveBack => self.gone.push(event.job_id),
            Next::Tell(next) => self.tell_more(next, mailbox),
        }
    }

    /// Tells an event that came up meanwhile, and those after it. A thread of the program's is not kept for those: they may
    /// be of runs that ended, and a worker takes over.
    #[cold]
    fn tell_more(&mut self, mut event: Box<Event<E>>, mailbox: Arc<Mailbox<E>>) {
        loop {
            let shared = &self.scheduler.shared;
            let state = shared.lock_as_dealt();
            if !workers::is_worker() && !state.queue.is_closed() {
                return shared.defer(state, Deferred::tell(Letter { event, mailbox }));
            }
            let listeners = Arc::clone(&state.listeners);
            drop(state);
            if event.is_durable {
                // The thread on which it happened writes the store too, but this one may be faster. A store that failed
                // is in the log, and written again later.
                let _ = shared.write();
            }
            listeners.tell(&event, &self.scheduler);
            event = match mailbox.next() {
                Next::Nothing => return,
                Next::GiveBack => return self.gone.push(event.job_id),
                Next::Tell(next) => next,
            };
        }
    }

    /// Gives back what was told, on a thread that will not look again.
    pub(crate) fn end(mut self) {
        if !self.gone.is_empty() {
            let shared = Arc::clone(&self.scheduler.shared);
            self.give_back(&mut shared.lock_as_dealt());
        }
    }
}
