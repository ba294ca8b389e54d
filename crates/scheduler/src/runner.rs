//! The one place where the state machine meets threads: its lock, and what is done after each change.

pub(crate) mod bodies;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::{Clock, Now, system_time};
use crate::cron::{Cron, CronEngine};
use crate::event::{EventCode, EventMask, SchedulerEvent};
use crate::executor::Executor;
use crate::job::Lane;
use crate::keeper::Keeper;
use crate::listeners::{ListenerId, Listeners, Sink};
use crate::mailbox::{Letter, Letters};
use crate::queue::{CronCommand, Effects, Queue};
use crate::sleepers::Sleepers;
use crate::store::{StoreError, Unattached};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex, MutexGuard, hint};
use crate::teller::Teller;
use crate::{JobId, io, timer, workers};

/// What all handles and threads of a scheduler share.
pub(crate) struct Shared<E: Executor> {
    pub(crate) executor: Arc<E>,
    pub(crate) clock: Clock,
    pub(crate) tokio: Option<Handle>,
    pub(crate) keeper: Option<Keeper>,
    /// What the store held and the executor does not know.
    pub(crate) unattached: Vec<Unattached>,
    state: Mutex<State<E>>,
    /// How often a worker looks again before it sleeps.
    pub(crate) spins: u32,
    /// Changes whenever a searching worker should look again.
    news: AtomicU64,
    /// One for each worker, so that it is known who is woken.
    workers: Vec<Condvar>,
    /// The timer thread waits here.
    pub(crate) timer: Condvar,
    /// A drain waits here for runs and threads to end.
    pub(crate) ended: Condvar,
    last_listener: AtomicU64,
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

fn spin(turns: u32) {
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
        Self {
            executor,
            clock,
            tokio,
            keeper,
            unattached,
            state: Mutex::new(State {
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
            }),
            spins: workers::spins(),
            news: AtomicU64::new(0),
            workers: (0..workers).map(|_| Condvar::new()).collect(),
            timer: Condvar::new(),
            ended: Condvar::new(),
            last_listener: AtomicU64::new(0),
        }
    }

    /// The state machine, for this thread alone.
    ///
    /// It is sound even if poisoned: no code of the program runs under this lock, except the drop of a task or an output; if
    /// that panics, the change it was part of has been made.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.try_lock().unwrap_or_else(|| self.contend())
    }

    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, State<E>>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Waits for the lock. It is held for a fraction of a microsecond, and a thread that went to sleep for it would be woken
    /// by a system call of the next holder, who would do the same for the one after: so a thread tries for a while first,
    /// with pauses, to leave the holder its memory.
    #[cold]
    fn contend(&self) -> MutexGuard<'_, State<E>> {
        let mut pause = 1;
        for _ in 0..self.spins * ATTEMPTS {
            spin(pause);
            if let Some(state) = self.try_lock() {
                return state;
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.switch_at(now, |queue| change(queue, now))
    }

    /// As [`switch`](Self::switch), by who has looked at the clock.
    pub(crate) fn switch_at<R>(
        self: &Arc<Self>,
        now: Now,
        change: impl FnOnce(&mut Queue<E>) -> R,
    ) -> R {
        let mut state = self.lock();
        let answer = change(&mut state.queue);
        // It may take the place of what a store keeps. A store that failed is in the log, and written again later.
        let _ = self.settle(state, now, By::Unconcerned);
        answer
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
        let woken = self.wake(&mut state);
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
        let woken = self.wake(&mut state);
        drop(state);
        self.notify(&woken);
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

    /// Chooses who is to wake, and lets who searches look again.
    fn wake(&self, state: &mut State<E>) -> Vec<usize> {
        let prompt = state.queue.startable(Lane::Prompt) + state.deferred.len();
        let bulk = state.queue.startable(Lane::Bulk);
        if prompt + bulk == 0 {
            return Vec::new();
        }
        if state.sleepers.any_searching() {
            // The lock orders everything; this only ends a wait.
            self.news.fetch_add(1, Ordering::Relaxed);
        }
        state.sleepers.wake(prompt, bulk)
    }

    /// A number that changes when there is something to look for.
    pub(crate) fn news(&self) -> u64 {
        self.news.load(Ordering::Relaxed)
    }

    fn notify(&self, workers: &[usize]) {
        for worker in workers {
            self.workers[*worker].notify_one();
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
        state.queue.want(listeners.wanted());
        state.listeners = Arc::new(listeners);
        id
    }

    pub(crate) fn remove_listener(&self, id: ListenerId) -> bool {
        let mut state = self.lock();
        let Some(listeners) = state.listeners.without(id) else {
            return false;
        };
        state.queue.want(listeners.wanted());
        let old = std::mem::replace(&mut state.listeners, Arc::new(listeners));
        drop(state);
        // What the closure owned is dropped without the lock: it may hold a handle of this scheduler.
        drop(old);
        true
    }

    /// Waits until this worker is woken.
    pub(crate) fn park<'a>(
        &self,
        worker: usize,
        state: MutexGuard<'a, State<E>>,
    ) -> MutexGuard<'a, State<E>> {
        // The lock is sound even if poisoned, see `lock`.
        self.workers[worker]
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
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

    /// Lets every thread look whether it is to end.
    fn wake_everyone(&self) {
        for worker in &self.workers {
            worker.notify_one();
        }
        self.timer.notify_one();
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
