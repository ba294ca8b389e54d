//! The one place where the state machine meets threads: its lock, and what is done after each change.

pub(crate) mod bodies;
mod waking;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::{Clock, Now, system_time};
use crate::cron::{Cron, CronEngine};
use crate::error::AddError;
use crate::event::{EventCode, EventMask, SchedulerEvent};
use crate::executor::Executor;
use crate::hands::Hands;
use crate::ids::RunIds;
use crate::job::Added;
use crate::keeper::Keeper;
use crate::listeners::{ListenerId, Listeners, Sink};
use crate::mailbox::{Letter, Letters};
use crate::queue::{CronCommand, Effects, MadeJob, Queue};
use crate::sleepers::Sleepers;
use crate::store::{StoreError, Unattached};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::thread::JoinHandle;
use crate::sync::{Apart, Condvar, Mutex, MutexGuard, hint};
use crate::teller::Teller;
use crate::{JobId, io, timer, workers};

/// What all handles and threads of a scheduler share. What is written often lies apart from what is only read, and all of
/// it apart from the count of those who have it.
#[repr(align(128))]
pub(crate) struct Shared<E: Executor> {
    pub(crate) executor: Arc<E>,
    pub(crate) clock: Clock,
    pub(crate) tokio: Option<Handle>,
    pub(crate) keeper: Option<Keeper>,
    /// What the store held and the executor does not know.
    pub(crate) unattached: Vec<Unattached>,
    state: Apart<Mutex<State<E>>>,
    pub(crate) hands: Hands<E>,
    /// How often a worker looks again before it sleeps.
    pub(crate) spins: u32,
    /// Changes whenever a searching worker should look again.
    news: Apart<AtomicU64>,
    /// One for each worker, so that it is known who is woken.
    workers: Vec<Condvar>,
    /// The timer thread waits here.
    pub(crate) timer: Condvar,
    /// A drain waits here for runs and threads to end.
    pub(crate) ended: Condvar,
    last_listener: AtomicU64,
    /// The events that somebody wants, as the listeners say under the lock.
    wanted: AtomicU32,
}

/// What the lock guards.
pub(crate) struct State<E: Executor> {
    pub(crate) queue: Queue<E>,
    pub(crate) listeners: Arc<Listeners<E>>,
    /// What came up on a thread that must not wait for listeners or disks; any worker does it.
    pub(crate) deferred: VecDeque<Deferred<E>>,
    pub(crate) sleepers: Sleepers,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// How many of the threads have not ended.
    pub(crate) alive: usize,
    pub(crate) timer_started: bool,
    /// How many of the threads wait in a drain, called by a listener.
    pub(crate) draining: usize,
    /// Whether a drain has said that the scheduler has ended.
    pub(crate) has_said_end: bool,
    pub(crate) cron: Cron,
}

impl<E: Executor> State<E> {
    /// Leaves this to a worker, if it is anything.
    #[inline(never)]
    fn defer(&mut self, write: bool, letters: Letters<E>) {
        if write || !letters.is_empty() {
            self.deferred.push_back(Deferred { write, letters });
        }
    }
}

/// What a worker is to do for another thread.
pub(crate) struct Deferred<E: Executor> {
    /// Write the store first.
    pub(crate) write: bool,
    /// Then tell these.
    pub(crate) letters: Letters<E>,
}

impl<E: Executor> Deferred<E> {
    /// Tell this, and write the store first if that may not have been done.
    pub(crate) fn tell(letter: Letter<E>) -> Self {
        let write = letter.event.is_durable;
        let mut letters = Letters::default();
        letters.push(letter);
        Self { write, letters }
    }
}

/// Who makes a change: where the store is written, and the listeners run.
pub(crate) enum By<'a, E: Executor> {
    /// A worker, which has a teller: here.
    Worker(&'a mut Teller<E>),
    /// A thread of the program's: here, and it is told whether the store was written.
    Caller,
    /// A thread of the program's whose change no store keeps: here, and what the store still lacks of others is left to
    /// them.
    Unconcerned,
    /// The timer, cron or tokio, which must not wait: a worker does it.
    Hurried,
}

/// The longest pause between two attempts to get the lock, in turns of a spin loop: about a hold of it.
const MAX_PAUSE: u32 = 4;
/// Attempts for each look of a worker's: together some tens of microseconds, which is what a sleep would cost.
const ATTEMPTS: u32 = 2;

/// Does nothing for so many turns.
pub(crate) fn spin(turns: u32) {
    for _ in 0..turns {
        hint::spin_loop();
    }
}

impl<E: Executor> Shared<E> {
    #[expect(clippy::too_many_arguments, reason = "the builder's one call")]
    pub(crate) fn new(
        executor: Arc<E>,
        clock: Clock,
        tokio: Option<Handle>,
        keeper: Option<Keeper>,
        unattached: Vec<Unattached>,
        queue: Queue<E>,
        listeners: Listeners<E>,
        workers: usize,
    ) -> Self {
        let wanted = AtomicU32::new(listeners.wanted().0);
        Self {
            executor,
            clock,
            tokio,
            keeper,
            unattached,
            state: Apart(Mutex::new(State {
                queue,
                listeners: Arc::new(listeners),
                deferred: VecDeque::new(),
                sleepers: Sleepers::default(),
                threads: Vec::new(),
                alive: 0,
                timer_started: false,
                draining: 0,
                has_said_end: false,
                cron: Cron::default(),
            })),
            hands: Hands::new(workers, RunIds::seed()),
            spins: workers::spins(),
            news: Apart(AtomicU64::new(0)),
            workers: (0..workers).map(|_| Condvar::new()).collect(),
            timer: Condvar::new(),
            ended: Condvar::new(),
            last_listener: AtomicU64::new(0),
            wanted,
        }
    }

    /// The state machine, for this thread alone, with all that the workers hold.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<E>> {
        let mut state = self.lock_as_dealt();
        if state.queue.has_dealt() {
            self.recall(&mut state);
        }
        state
    }

    /// The state machine, for this thread alone, without what the workers hold.
    ///
    /// It is sound even if poisoned: no code of the program runs under this lock, except the drop of a task or an output; if
    /// that panics, the change it was part of has been made.
    #[inline]
    pub(crate) fn lock_as_dealt(&self) -> MutexGuard<'_, State<E>> {
        self.try_lock().unwrap_or_else(|| self.contend())
    }

    /// As [`lock_as_dealt`](Self::lock_as_dealt), if nobody else has it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, State<E>>> {
        match self.state.0.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Waits for the lock. It is held for a fraction of a microsecond, and a thread that went to sleep for it would be woken
    /// by a system call of the next holder, who would do the same for the one after: so a thread tries for a while first,
    /// with pauses, to leave the holder its memory.
    #[cold]
    pub(crate) fn contend(&self) -> MutexGuard<'_, State<E>> {
        let mut pause = 1;
        for _ in 0..self.spins * ATTEMPTS {
            spin(pause);
            if let Some(state) = self.try_lock() {
                return state;
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Makes a change of the job of this id, or of all, and sees to what follows from it. Listeners run on this thread,
    /// without the lock.
    ///
    /// # Errors
    /// If the store is to hold the change and failed.
    pub(crate) fn change<R>(
        self: &Arc<Self>,
        id: Option<&JobId>,
        change: impl FnOnce(&mut Queue<E>, Now) -> R,
    ) -> Result<R, StoreError> {
        let now = self.now();
        let mut state = self.lock();
        let answer = change(&mut state.queue, now);
        // Also if an earlier change of the same could not be written.
        let is_kept = match id {
            Some(id) => state.queue.is_dirty_about(id),
            None => state.queue.is_dirty(),
        };
        if is_kept {
            self.settle(state, now, By::Caller)?;
        } else {
            // What a store lacks of others is no error of this one.
            let _ = self.settle(state, now, By::Unconcerned);
        }
        Ok(answer)
    }

    /// Makes a change that no store keeps.
    pub(crate) fn switch<R>(self: &Arc<Self>, change: impl FnOnce(&mut Queue<E>, Now) -> R) -> R {
        let now = self.now();
        let mut state = self.lock();
        let answer = change(&mut state.queue, now);
        let _ = self.settle(state, now, By::Unconcerned);
        answer
    }

    /// Adds a job that no store keeps.
    pub(crate) fn add(self: &Arc<Self>, job: MadeJob<E>, now: Now) -> Result<Added, AddError> {
        let mut state = self.lock_as_dealt();
        if !state.queue.is_apart(&job) {
            self.recall(&mut state);
        }
        let added = state.queue.add(job, now);
        // It may take the place of what a store keeps. A store that failed is in the log, and written again later.
        let _ = self.settle(state, now, By::Unconcerned);
        added
    }

    /// Lets go of the lock and does what the changes made under it ask for.
    ///
    /// # Errors
    /// If the store is to hold them and failed; only a caller is told.
    pub(crate) fn settle(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<E>>,
        now: Now,
        by: By<'_, E>,
    ) -> Result<(), StoreError> {
        let io_runs = state.queue.take_io(now);
        // A caller writes also while the store is given time to recover.
        let mut writes = matches!(by, By::Caller) && state.queue.is_dirty();
        let mut effects = state
            .queue
            .has_effects()
            .then(|| state.queue.take_effects());
        let mut letters = state.queue.take_letters();
        let mut own = None;
        let mut teller = match by {
            By::Worker(teller) => Some(teller),
            By::Caller | By::Unconcerned if letters.is_empty() => None,
            By::Caller | By::Unconcerned => Some(own.insert(Teller::new(self))),
            By::Hurried => {
                let write = effects
                    .as_mut()
                    .is_some_and(|effects| std::mem::take(&mut effects.dirty));
                state.defer(write, std::mem::take(&mut letters));
                None
            }
        };
        if let Some(teller) = &mut teller {
            // Also if nothing is to be told now: at the end of the run that starts they are at hand.
            teller.refresh(&state);
        }
        let woken = self.wake(&mut state, now);
        if let Some(effects) = &mut effects {
            self.prepare(&mut state, effects);
        }
        drop(state);

        self.notify(&woken);
        if let Some(effects) = effects {
            writes |= effects.dirty;
            self.carry_out(effects);
        }
        // Before the listeners, which may be slow.
        for started in io_runs {
            io::spawn(self, started);
        }
        let written = match writes {
            true => self.write(),
            false => Ok(()),
        };
        if let Some(teller) = teller {
            teller.tell(letters);
        }
        if let Some(teller) = own {
            teller.end();
        }
        written
    }

    /// Does what effects ask for that needs the lock.
    #[inline(never)]
    fn prepare(self: &Arc<Self>, state: &mut State<E>, effects: &mut Effects) {
        if effects.sooner {
            timer::ensure_started(self, state);
        }
        for command in effects.cron.drain(..) {
            self.tell_cron(state, command);
        }
    }

    /// Does the rest without the lock, all but the writing.
    #[inline(never)]
    fn carry_out(&self, effects: Effects) {
        for token in effects.cancel {
            token.cancel();
        }
        if effects.sooner {
            self.timer.notify_one();
        }
    }

    /// Leaves something to a worker.
    pub(crate) fn defer(&self, mut state: MutexGuard<'_, State<E>>, deferred: Deferred<E>) {
        state.deferred.push_back(deferred);
        self.release(state, self.now());
    }

    /// Does what another thread has left to a worker.
    pub(crate) fn catch_up(self: &Arc<Self>, deferred: Deferred<E>, teller: &mut Teller<E>) {
        if deferred.write {
            // Logged there; whoever listens is told all the same.
            let _ = self.write();
        }
        teller.tell(deferred.letters);
    }

    /// Lets the store hold how things stand.
    pub(crate) fn write(self: &Arc<Self>) -> Result<(), StoreError> {
        match &self.keeper {
            Some(keeper) => keeper.write(self),
            None => Ok(()),
        }
    }

    /// As [`write`](Self::write), unless another thread is at it.
    pub(crate) fn write_if_free(self: &Arc<Self>) {
        if let Some(keeper) = &self.keeper {
            keeper.write_if_free(self);
        }
    }

    /// Tells those who listen to the scheduler as a whole.
    pub(crate) fn announce(&self, code: EventCode, alias: Option<&str>) {
        let listeners = Arc::clone(&self.lock().listeners);
        listeners.tell_overall(&SchedulerEvent {
            code,
            alias: alias.map(str::to_owned),
            at: system_time(self.now().wall_us),
        });
    }

    pub(crate) fn add_listener(&self, mask: EventMask, sink: Sink<E>) -> ListenerId {
        // A number that only tells listeners apart orders nothing.
        let id = ListenerId(self.last_listener.fetch_add(1, Ordering::Relaxed) + 1);
        let mut state = self.lock();
        if let Sink::Feed(feed) = &sink
            && state.queue.is_closed()
        {
            feed.close();
        }
        let listeners = state.listeners.with(id, mask, sink);
        self.listen(&mut state, listeners);
        id
    }

    pub(crate) fn remove_listener(&self, id: ListenerId) -> bool {
        let mut state = self.lock();
        let Some(listeners) = state.listeners.without(id) else {
            return false;
        };
        let old = self.listen(&mut state, listeners);
        drop(state);
        // What the closure owned is dropped without the lock: it may hold a handle of this scheduler.
        drop(old);
        true
    }

    /// Whether somebody wants this event; who came a moment ago may not be known yet.
    pub(crate) fn is_wanted(&self, code: EventCode) -> bool {
        EventMask(self.wanted.load(Ordering::Relaxed)).contains(code)
    }

    /// Replaces the listeners; answers those of before, to be dropped without the lock.
    fn listen(&self, state: &mut State<E>, listeners: Listeners<E>) -> Arc<Listeners<E>> {
        state.queue.want(listeners.wanted());
        self.wanted.store(listeners.wanted().0, Ordering::Relaxed);
        std::mem::replace(&mut state.listeners, Arc::new(listeners))
    }

    /// Waits on one of the condition variables, at most so long.
    pub(crate) fn wait<'a>(
        &self,
        on: &Condvar,
        state: MutexGuard<'a, State<E>>,
        limit: Duration,
    ) -> MutexGuard<'a, State<E>> {
        on.wait_timeout(state, limit)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Stops accepting and starting; waits for nothing. Answers how many jobs will not run, how many wait in the store,
    /// and how many runs go on.
    pub(crate) fn close(self: &Arc<Self>) -> (usize, usize, usize) {
        let mut state = self.lock();
        let (dropped, stored) = state.queue.close();
        let counts = (dropped, stored, state.queue.running());
        state.cron = Cron::default();
        // Nothing is told: jobs go without a word, and those that a store keeps stay in it. What the store still lacks is
        // left to a worker, since it may hang.
        let _ = self.settle(state, self.now(), By::Hurried);
        self.wake_everyone();
        counts
    }

    /// Asks every run to stop and answers how many go on.
    pub(crate) fn stop_all(self: &Arc<Self>) -> usize {
        let now = self.now();
        let mut state = self.lock();
        let running = state.queue.running();
        state.queue.stop_all(now);
        let _ = self.settle(state, now, By::Hurried);
        // The timer watches no longer.
        self.timer.notify_one();
        running
    }

    fn tell_cron(self: &Arc<Self>, state: &mut State<E>, command: CronCommand) {
        if state.queue.is_closed() {
            return;
        }
        let shared = Arc::downgrade(self);
        state.cron.tell(command, || {
            CronEngine::start(move |id, arm| {
                if let Some(shared) = shared.upgrade() {
                    let now = shared.now();
                    let mut state = shared.lock();
                    state.queue.tick(id, arm, now);
                    let _ = shared.settle(state, now, By::Hurried);
                }
            })
        });
    }
}
