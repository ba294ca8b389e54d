//! The workers' hands at work.

use std::sync::{Arc, PoisonError};

use crate::clock::Now;
use crate::error::AddError;
use crate::event::EventCode;
use crate::executor::Executor;
use crate::job::Added;
use crate::queue::{Hand, Plain};
use crate::runner::{Shared, State};
use crate::sync::{Apart, Mutex, MutexGuard};
use crate::teller::Teller;

/// Each behind a lock that hardly anybody asks for but its worker. Who has one asks for none of these and not for the
/// scheduler's, unless it has that already.
pub(crate) struct Hands<E: Executor>(Vec<Apart<Mutex<Hand<E>>>>);

impl<E: Executor> Hands<E> {
    /// So many; the ids of their runs follow from the seed.
    pub(crate) fn new(workers: usize, seed: u64) -> Self {
        let hand = |worker| Apart(Mutex::new(Hand::new(seed.wrapping_add(worker))));
        Self((0..workers as u64).map(hand).collect())
    }

    pub(crate) fn of(&self, worker: usize) -> MutexGuard<'_, Hand<E>> {
        // Nothing panics while it is held but the drop of a task, and that leaves it whole.
        let hand = &self.0[worker].0;
        hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl<E: Executor> Shared<E> {
    /// Takes back all that the workers hold.
    #[cold]
    pub(crate) fn recall(&self, state: &mut State<E>) {
        for worker in 0..self.hands.count() {
            if state.queue.is_dealt(worker) {
                state.queue.recall(worker, &mut self.hands.of(worker));
            }
        }
    }

    /// Takes back what this worker holds. Answers the run of the queue's that goes on.
    #[cold]
    fn recall_own(&self, me: usize) -> Option<usize> {
        let mut state = self.lock_as_dealt();
        let mut hand = self.hands.of(me);
        if state.queue.is_dealt(me) {
            state.queue.recall(me, &mut hand);
        }
        hand.end_recalled()
    }

    /// Takes back what others hold and do not begin, for a worker that looks for something prompt to do.
    pub(crate) fn share(&self, state: &mut State<E>, me: usize, now: Now) {
        for worker in 0..self.hands.count() {
            if worker != me && state.queue.may_keep_waiting(worker, now) {
                state.queue.reclaim(worker, &mut self.hands.of(worker));
            }
        }
    }

    /// Takes back what was dealt and is no longer first.
    pub(crate) fn keep_order(&self, state: &mut State<E>) {
        if state.queue.has_dealt() && state.queue.is_overtaken() {
            for worker in 0..self.hands.count() {
                if state.queue.is_dealt(worker) {
                    state.queue.reclaim(worker, &mut self.hands.of(worker));
                }
            }
            state.queue.order_is_kept();
        }
    }

    /// Adds a plain job.
    pub(crate) fn add_plain(
        self: &Arc<Self>,
        job: Box<Plain<E>>,
        now: Now,
    ) -> Result<Added, AddError> {
        let code = EventCode::JobAdded;
        let mail = Arc::clone(&job.mail);
        // Made without the lock, if it seems to be wanted.
        let event = self.is_wanted(code).then(|| job.event(code, now));
        let mut state = self.lock_as_dealt();
        let is_wanted = state.listeners.wanted().contains(code);
        let event = is_wanted.then(|| event.unwrap_or_else(|| job.event(code, now)));
        if let Err(job) = state.queue.add_plain(job) {
            drop(state);
            return self.add(job.into(), now);
        }
        let mut teller = None;
        if event.is_some() {
            mail.begin_first();
            teller.insert(Teller::new(self)).refresh(&state);
        }
        self.release(state, now);
        if let (Some(event), Some(mut teller)) = (event, teller) {
            teller.tell_here(&event, &mail);
            teller.end();
        }
        Ok(Added::New)
    }

    /// Runs what this worker was dealt.
    pub(crate) fn play(self: &Arc<Self>, me: usize, teller: &mut Teller<E>) {
        let wanted = teller.wanted();
        loop {
            let now = self.now();
            let begun = self.hands.of(me).begin(wanted, now);
            let Some(mut begun) = begun else { return };
            if begun.tell {
                teller.tell_here(&begun.event, &begun.mail);
            }
            let result = self.run(&begun.event.task, &begun.context).map(Arc::new);
            let run = match &result {
                Ok(output) if !begun.context.cancel().is_cancelled() => {
                    let now = self.now();
                    self.hands.of(me).end(&mut begun, output, wanted, now).err()
                }
                // What has failed, or was stopped, is for the queue to judge.
                _ => self.recall_own(me),
            };
            if let Some(run) = run {
                return self.end(run, &begun.context, result, Some(teller));
            }
            if begun.tell {
                teller.tell_here(&begun.event, &begun.mail);
            }
        }
    }
}
