//! In which order the events of a job reach their listeners.
//!
//! A job has a mailbox, and while a thread tells the listeners of one of its events, later ones wait in there for the same
//! thread: so they are heard in the order in which they happened, one at a time, although they happen on many threads.
//! The jobs that follow each other under one id share it as long as something is still to be told.

use std::collections::VecDeque;
use std::iter::Chain;
use std::sync::{Arc, PoisonError};
use std::{option, vec};

use crate::event::Event;
use crate::executor::Executor;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, MutexGuard};

pub(crate) struct Mailbox<E: Executor> {
    /// Some of the bits below. They are set under the scheduler's lock, or that of the hand which holds the job, apart from what
    /// [`next`](Mailbox::next) clears.
    state: AtomicU8,
    waiting: Mutex<VecDeque<Box<Event<E>>>>,
}

/// A thread tells an event of it right now.
const TELLING: u8 = 1;
/// No job has it any more: whoever has told its last event is to give it back to the queue.
const LEFT: u8 = 2;
/// Events wait. Changed with `waiting` locked.
const WAITING: u8 = 4;

/// An event that the holder is to tell, and then to ask [`Mailbox::next`] for more. It passes through many hands, so it
/// stays where it was made.
pub(crate) struct Letter<E: Executor> {
    pub(crate) event: Box<Event<E>>,
    pub(crate) mailbox: Arc<Mailbox<E>>,
}

/// Events to tell, in this order. There is usually one, which needs no list.
pub(crate) struct Letters<E: Executor> {
    first: Option<Letter<E>>,
    /// Empty without a first.
    rest: Vec<Letter<E>>,
}

impl<E: Executor> Letters<E> {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    pub(crate) fn push(&mut self, letter: Letter<E>) {
        match self.first {
            None => self.first = Some(letter),
            Some(_) => self.rest.push(letter),
        }
    }
}

#[cfg(test)]
impl<E: Executor> Letters<E> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Letter<E>> {
        self.first.iter().chain(&self.rest)
    }
}

impl<E: Executor> Default for Letters<E> {
    fn default() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
        }
    }
}

impl<E: Executor> IntoIterator for Letters<E> {
    type Item = Letter<E>;
    type IntoIter = Chain<option::IntoIter<Letter<E>>, vec::IntoIter<Letter<E>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

/// What is to be done after an event was told.
pub(crate) enum Next<E: Executor> {
    /// This one is next.
    Tell(Box<Event<E>>),
    /// Nothing more, for now.
    Nothing,
    /// Nothing more, and its job is gone: give the mailbox back.
    GiveBack,
}

impl<E: Executor> Default for Mailbox<E> {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(0),
            waiting: Mutex::new(VecDeque::new()),
        }
    }
}

impl<E: Executor> Mailbox<E> {
    /// Makes an event, which must not panic, and answers it if the caller is to tell it; keeps it if another thread will. To
    /// be called under the scheduler's lock, or that of the job's hand, as the others except `next`.
    #[inline]
    pub(crate) fn begin(&self, event: impl FnOnce() -> Box<Event<E>>) -> Option<Box<Event<E>>> {
        if self.state.fetch_or(TELLING, Ordering::Acquire) & TELLING == 0 {
            return Some(event());
        }
        self.keep(event())
    }

    /// Begins the telling of the first event of a job that nobody knows yet.
    pub(crate) fn begin_first(&self) {
        self.state.store(TELLING, Ordering::Relaxed);
    }

    /// As [`begin`](Self::begin), for an event that the caller has anyway; answers whether the caller is to tell it.
    #[inline]
    pub(crate) fn begin_or_keep(&self, event: &Event<E>) -> bool {
        self.state.fetch_or(TELLING, Ordering::Acquire) & TELLING == 0
            || self.keep(Box::new(event.clone())).is_some()
    }

    /// Another thread was telling an event: keeps this one for it, or answers it if that thread has gone.
    #[cold]
    fn keep(&self, event: Box<Event<E>>) -> Option<Box<Event<E>>> {
        let mut waiting = self.lock();
        waiting.push_back(event);
        let before = self.state.fetch_or(TELLING | WAITING, Ordering::AcqRel);
        if before & TELLING != 0 {
            return None;
        }
        // Who told the one before has gone meanwhile, and so there was none to wait for.
        self.state.fetch_and(!WAITING, Ordering::Relaxed);
        waiting.pop_back()
    }

    /// To be called by who has told an event.
    ///
    /// Only this ends the telling, and only in a state in which nothing waits; whoever begins it next acquires what was
    /// released here. Whether the job has left stands in the same word, so either this says so or [`leave`](Self::leave).
    #[inline]
    pub(crate) fn next(&self) -> Next<E> {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITING == 0 {
            let done = self.state.compare_exchange_weak(
                state,
                state & !TELLING,
                Ordering::Release,
                Ordering::Relaxed,
            );
            match done {
                Ok(_) if state & LEFT != 0 => return Next::GiveBack,
                Ok(_) => return Next::Nothing,
                Err(now) => state = now,
            }
        }
        self.take()
    }

    /// The next of those that wait.
    #[cold]
    fn take(&self) -> Next<E> {
        let mut waiting = self.lock();
        let event = waiting.pop_front();
        if waiting.is_empty() {
            self.state.fetch_and(!WAITING, Ordering::Relaxed);
        }
        match event {
            Some(event) => Next::Tell(event),
            // It is set and cleared with the lock held, and this thread alone takes events out.
            None => Next::Nothing,
        }
    }

    /// Its job is gone. Answers whether nothing is to be told any more.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        self.state.fetch_or(LEFT, Ordering::AcqRel) & TELLING == 0
    }

    /// A job of the same id takes it over.
    pub(crate) fn take_over(&self) {
        self.state.fetch_and(!LEFT, Ordering::AcqRel);
    }

    /// Whether nobody has it and nothing is to be told.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Acquire) & (LEFT | TELLING) == LEFT
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Box<Event<E>>>> {
        // Nothing that can panic happens while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
