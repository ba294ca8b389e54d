//! In which order the events of a job reach their listeners.
//!
//! A job has a mailbox, and while a thread tells the listeners of one of its events, later ones wait in there for the same
//! thread: so they are heard in the order in which they happened, one at a time, although they happen on many threads.
//! The jobs that follow each other under one id share it as long as something is still to be told.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use crate::event::Event;
use crate::executor::Executor;
use crate::sync::{Mutex, MutexGuard};

pub(crate) struct Mailbox<E: Executor>(Mutex<Mail<E>>);

struct Mail<E: Executor> {
    /// A thread tells an event of it right now.
    telling: bool,
    /// No job has it any more: whoever has told its last event is to give it back to the queue.
    left: bool,
    waiting: VecDeque<Event<E>>,
}

/// An event that the holder is to tell, and then to ask [`Mailbox::next`] for more.
pub(crate) struct Letter<E: Executor> {
    pub(crate) event: Event<E>,
    pub(crate) mailbox: Arc<Mailbox<E>>,
}

/// What is to be done after an event was told.
pub(crate) enum Next<E: Executor> {
    /// This one is next.
    Tell(Event<E>),
    /// Nothing more, for now.
    Nothing,
    /// Nothing more, and its job is gone: give the mailbox back.
    GiveBack,
}

impl<E: Executor> Default for Mailbox<E> {
    fn default() -> Self {
        Self(Mutex::new(Mail {
            telling: false,
            left: false,
            waiting: VecDeque::new(),
        }))
    }
}

impl<E: Executor> Mailbox<E> {
    /// Gives the event back if the caller is to tell it, and keeps it if another thread will.
    pub(crate) fn begin(&self, event: Event<E>) -> Option<Event<E>> {
        let mut mail = self.lock();
        if mail.telling {
            mail.waiting.push_back(event);
            return None;
        }
        mail.telling = true;
        Some(event)
    }

    /// To be called by who has told an event.
    pub(crate) fn next(&self) -> Next<E> {
        let mut mail = self.lock();
        if let Some(event) = mail.waiting.pop_front() {
            return Next::Tell(event);
        }
        mail.telling = false;
        if mail.left {
            Next::GiveBack
        } else {
            Next::Nothing
        }
    }

    /// Its job is gone. Answers whether nothing is to be told any more.
    pub(crate) fn leave(&self) -> bool {
        let mut mail = self.lock();
        mail.left = true;
        !mail.telling
    }

    /// A job of the same id takes it over.
    pub(crate) fn take_over(&self) {
        self.lock().left = false;
    }

    /// Whether nobody has it and nothing is to be told.
    pub(crate) fn is_idle(&self) -> bool {
        let mail = self.lock();
        mail.left && !mail.telling
    }

    fn lock(&self) -> MutexGuard<'_, Mail<E>> {
        // Nothing that can panic happens while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
