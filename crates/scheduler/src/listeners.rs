//! Those who want to know: closures called where the event happens, and bounded feeds for async readers.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::Notify;

use crate::event::{Event, EventMask, SchedulerEvent};
use crate::executor::Executor;
use crate::panic_text;
use crate::runner::Shared;
use crate::scheduler::Scheduler;
use crate::sync::{Mutex, MutexGuard};

/// Names a listener to [`Scheduler::remove_listener`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(pub(crate) u64);

impl ListenerId {
    /// Of a listener of the builder's, which is there as long as the scheduler.
    pub(crate) fn of_builder() -> Self {
        Self(0)
    }
}

type JobListener<E> = dyn Fn(&Event<E>, &Scheduler<E>) + Send + Sync;
type SchedulerListener = dyn Fn(&SchedulerEvent) + Send + Sync;

/// Who is called with what.
pub(crate) enum Sink<E: Executor> {
    Call(Arc<JobListener<E>>),
    Feed(Arc<Feed<E>>),
    CallOverall(Arc<SchedulerListener>),
}

impl<E: Executor> Clone for Sink<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Call(call) => Self::Call(Arc::clone(call)),
            Self::Feed(feed) => Self::Feed(Arc::clone(feed)),
            Self::CallOverall(call) => Self::CallOverall(Arc::clone(call)),
        }
    }
}

/// All listeners; replaced as a whole when one comes or goes, so that an event is delivered without a lock. They lie apart
/// from the count of those who have them, which changes with every added job.
#[repr(align(128))]
pub(crate) struct Listeners<E: Executor> {
    entries: Vec<(ListenerId, EventMask, Sink<E>)>,
    /// Job events that at least one of them wants; others are not even made, apart from the ends of runs.
    wanted: EventMask,
}

impl<E: Executor> Listeners<E> {
    pub(crate) fn none() -> Self {
        Self {
            entries: Vec::new(),
            wanted: EventMask::NONE,
        }
    }

    pub(crate) fn with(&self, id: ListenerId, mask: EventMask, sink: Sink<E>) -> Self {
        let mut entries = self.entries.clone();
        entries.push((id, mask, sink));
        Self::of(entries)
    }

    /// Without that one; `None` if there is no such one.
    pub(crate) fn without(&self, id: ListenerId) -> Option<Self> {
        let entries: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.0 != id)
            .cloned()
            .collect();
        (entries.len() < self.entries.len()).then(|| Self::of(entries))
    }

    fn of(entries: Vec<(ListenerId, EventMask, Sink<E>)>) -> Self {
        let mut wanted = EventMask::NONE;
        for (_, mask, sink) in &entries {
            if !matches!(sink, Sink::CallOverall(_)) {
                wanted |= *mask;
            }
        }
        Self { entries, wanted }
    }

    pub(crate) fn wanted(&self) -> EventMask {
        self.wanted
    }

    /// Tells everyone. A listener that panics is logged and harms nobody.
    #[inline]
    pub(crate) fn tell(&self, event: &Event<E>, scheduler: &Scheduler<E>) {
        let mut kept: Option<Arc<Event<E>>> = None;
        for (_, mask, sink) in &self.entries {
            if !mask.contains(event.code) {
                continue;
            }
            match sink {
                Sink::Call(call) => {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(event, scheduler))) {
                        log_panic(event, &*panic);
                    }
                }
                Sink::Feed(feed) => {
                    let event = kept.get_or_insert_with(|| Arc::new(event.clone()));
                    feed.push(Arc::clone(event));
                }
                Sink::CallOverall(_) => {}
            }
        }
    }

    /// Tells those who listen to the scheduler as a whole.
    pub(crate) fn tell_overall(&self, event: &SchedulerEvent) {
        for (_, mask, sink) in &self.entries {
            if let Sink::CallOverall(call) = sink
                && mask.contains(event.code)
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(event)))
            {
                tracing::error!(code = %event.code, reason = panic_text(&*panic), "a listener panicked");
            }
        }
    }

    /// Tells the async readers that nothing more will come.
    pub(crate) fn close_feeds(&self) {
        for (_, _, sink) in &self.entries {
            if let Sink::Feed(feed) = sink {
                feed.close();
            }
        }
    }
}

#[cold]
fn log_panic<E: Executor>(event: &Event<E>, panic: &(dyn Any + Send)) {
    let reason = panic_text(panic);
    tracing::error!(job_id = %event.job_id, code = %event.code, reason, "a listener panicked");
}

/// What a [`Subscription`] receives.
#[derive(Debug)]
pub enum Received<E: Executor> {
    /// The next event.
    Event(Arc<Event<E>>),
    /// So many events did not fit, the oldest first; those that follow are the newest.
    Missed(u64),
    /// The scheduler has ended, nothing more will come.
    Closed,
}

/// A bounded, asynchronous reader of job events. It never holds up the scheduler: when its reader is slow the oldest
/// events are dropped and counted.
pub struct Subscription<E: Executor> {
    pub(crate) feed: Arc<Feed<E>>,
    pub(crate) id: ListenerId,
    pub(crate) shared: Weak<Shared<E>>,
}

impl<E: Executor> Subscription<E> {
    /// The next event, or how many were missed. It may be dropped while it waits without losing anything.
    pub async fn recv(&mut self) -> Received<E> {
        loop {
            if let Some(received) = self.feed.pop() {
                return received;
            }
            self.feed.news.notified().await;
        }
    }
}

impl<E: Executor> Drop for Subscription<E> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.remove_listener(self.id);
        }
    }
}

impl<E: Executor> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Feed<E: Executor> {
    capacity: usize,
    buffer: Mutex<Buffer<E>>,
    news: Notify,
}

struct Buffer<E: Executor> {
    events: VecDeque<Arc<Event<E>>>,
    missed: u64,
    closed: bool,
}

impl<E: Executor> Feed<E> {
    pub(crate) fn new(capacity: usize) -> Self {
        let buffer = Buffer {
            events: VecDeque::new(),
            missed: 0,
            closed: false,
        };
        Self {
            capacity: capacity.max(1),
            buffer: Mutex::new(buffer),
            news: Notify::new(),
        }
    }

    fn push(&self, event: Arc<Event<E>>) {
        let mut buffer = self.lock();
        let dropped = if buffer.events.len() == self.capacity {
            buffer.events.pop_front()
        } else {
            None
        };
        buffer.missed += u64::from(dropped.is_some());
        buffer.events.push_back(event);
        drop(buffer);
        self.news.notify_one();
    }

    fn pop(&self) -> Option<Received<E>> {
        let mut buffer = self.lock();
        if buffer.missed > 0 {
            return Some(Received::Missed(std::mem::take(&mut buffer.missed)));
        }
        match buffer.events.pop_front() {
            Some(event) => Some(Received::Event(event)),
            None => buffer.closed.then_some(Received::Closed),
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Buffer<E>> {
        // Nothing that can panic happens while it is held, and a deque is whole between any two pushes.
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
