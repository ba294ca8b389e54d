//! The one place where the state machine meets threads: its lock, and what is done after each change.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::{Clock, Now, system_time};
use crate::cron::CronEngine;
use crate::event::{Event, EventCode, EventMask, SchedulerEvent};
use crate::executor::{Executor, JobError, RunContext};
use crate::io;
use crate::job::Lane;
use crate::listeners::{ListenerId, Listeners, Outbox, Sink};
use crate::queue::{CronCommand, Limits, Note, Queue, Started};
use crate::scheduler::Scheduler;
use crate::workers::{self, Kind};
use crate::{ids, panic_text, timer};

/// What all handles and threads of a scheduler share.
pub(crate) struct Shared<E: Executor> {
    pub(crate) executor: Arc<E>,
    pub(crate) clock: Clock,
    pub(crate) tokio: Option<Handle>,
    state: Mutex<State<E>>,
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
    pub(crate) queue: Queue<E::Task>,
    pub(crate) listeners: Arc<Listeners<E>>,
    pub(crate) outbox: Outbox<E>,
    /// Events that came up on a thread that must not wait for listeners; any worker delivers them.
    pub(crate) deferred: VecDeque<Arc<Event<E>>>,
    /// Workers that wait for something to do, by kind; the last is woken first, its cache is warmest.
    pub(crate) parked_prompt: Vec<usize>,
    pub(crate) parked_bulk: Vec<usize>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// How many of the threads have not ended.
    pub(crate) alive: usize,
    pub(crate) timer_started: bool,
    pub(crate) cron: Option<CronEngine>,
}

/// On which thread the listeners of an event run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deliver {
    /// On this one.
    Here,
    /// On a worker: for the timer, for cron and for tokio, which must not wait for listeners.
    OnWorker,
}

impl<E: Executor> Shared<E> {
    pub(crate) fn new(
        executor: Arc<E>,
        tokio: Option<Handle>,
        limits: Limits,
        workers: usize,
    ) -> Self {
        Self {
            executor,
            clock: Clock::start(),
            tokio,
            state: Mutex::new(State {
                queue: Queue::new(limits, ids::RunIds::seed()),
                listeners: Arc::new(Listeners::none()),
                outbox: Outbox::new(),
                deferred: VecDeque::new(),
                parked_prompt: Vec::new(),
                parked_bulk: Vec::new(),
                threads: Vec::new(),
                alive: 0,
                timer_started: false,
                cron: None,
            }),
            workers: (0..workers).map(|_| Condvar::new()).collect(),
            timer: Condvar::new(),
            ended: Condvar::new(),
            last_listener: AtomicU64::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<E>> {
        // No code of the program runs under this lock, except the drop of a task; if that panics, the change it was
        // part of has been made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Makes a change, and sees to what follows from it. Listeners run on this thread, without the lock.
    pub(crate) fn change<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Queue<E::Task>, Now) -> R,
    ) -> R {
        let now = self.now();
        let mut state = self.lock();
        let answer = change(&mut state.queue, now);
        self.settle(state, now, Deliver::Here, None);
        answer
    }

    /// Lets go of the lock and does what the changes made under it ask for. `output` is what the run that ended has
    /// returned.
    pub(crate) fn settle(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<E>>,
        now: Now,
        deliver: Deliver,
        mut output: Option<Arc<E::Output>>,
    ) {
        let mut io_runs = Vec::new();
        while let Some(started) = state.queue.take(&[Lane::Io], now) {
            io_runs.push(started);
        }
        let effects = state.queue.take_effects();
        let listeners = Arc::clone(&state.listeners);
        let mut events = Vec::new();
        for note in effects.notes {
            if listeners.want(note.code) {
                let output = note.elapsed_us.and_then(|_| output.take());
                events.extend(state.outbox.begin(Arc::new(event(note, output))));
            }
        }
        let mut deferred = 0;
        if deliver == Deliver::OnWorker {
            deferred = events.len();
            state.deferred.extend(events.drain(..));
        }
        let woken = state.wake(effects.startable, deferred);
        if effects.sooner {
            timer::ensure_started(self, &mut state);
        }
        for command in effects.cron {
            self.tell_cron(&mut state, command);
        }
        drop(state);

        for token in effects.cancel {
            token.cancel();
        }
        self.notify(&woken);
        if effects.sooner {
            self.timer.notify_one();
        }
        // Before the listeners, which may be slow.
        for started in io_runs {
            io::spawn(self, started);
        }
        for event in events {
            self.deliver(event, &listeners);
        }
    }

    /// Delivers an event, and those of the same job that come up meanwhile. A thread of the program's is not kept for
    /// those: they may be of runs that ended, and a worker takes over.
    pub(crate) fn deliver(self: &Arc<Self>, event: Arc<Event<E>>, listeners: &Arc<Listeners<E>>) {
        let scheduler = Scheduler::borrowed(self);
        listeners.tell(&event, &scheduler);
        loop {
            let mut state = self.lock();
            let Some(event) = state.outbox.next(&event.job_id) else {
                return;
            };
            if !workers::is_worker() && !state.queue.is_closed() {
                state.deferred.push_back(event);
                let woken = state.wake([0; Lane::COUNT], 1);
                drop(state);
                return self.notify(&woken);
            }
            let listeners = Arc::clone(&state.listeners);
            drop(state);
            listeners.tell(&event, &scheduler);
        }
    }

    fn notify(&self, workers: &[usize]) {
        for worker in workers {
            self.workers[*worker].notify_one();
        }
    }

    /// Tells those who listen to the scheduler as a whole.
    pub(crate) fn announce(&self, code: EventCode) {
        let listeners = Arc::clone(&self.lock().listeners);
        listeners.tell_overall(&SchedulerEvent {
            code,
            at: system_time(self.now().wall_us),
        });
    }

    /// Runs a body on this thread, and the listeners of its end.
    pub(crate) fn execute(self: &Arc<Self>, started: Started<E::Task>) {
        let Started { run, task, context } = started;
        let result = catch_unwind(AssertUnwindSafe(|| self.executor.run(&task, &context)));
        let result = result.unwrap_or_else(|panic| Err(panicked(&*panic)));
        self.end(run, &context, result, Deliver::Here);
    }

    /// A body has returned.
    pub(crate) fn end(
        self: &Arc<Self>,
        run: u64,
        context: &RunContext,
        result: Result<E::Output, JobError>,
        deliver: Deliver,
    ) {
        let (output, error) = match result {
            Ok(output) => (Some(Arc::new(output)), None),
            Err(error) => (None, Some(error.message)),
        };
        let now = self.now();
        let mut state = self.lock();
        state
            .queue
            .finished(run, error, context.cancel().is_cancelled(), now);
        let closed = state.queue.is_closed();
        self.settle(state, now, deliver, output);
        if closed {
            // A drain counts runs, and prompt workers wait for the last io run.
            self.ended.notify_all();
            self.wake_everyone();
        }
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
        state.listeners = Arc::new(state.listeners.with(id, mask, sink));
        id
    }

    pub(crate) fn remove_listener(&self, id: ListenerId) -> bool {
        let mut state = self.lock();
        let Some(listeners) = state.listeners.without(id) else {
            return false;
        };
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

    /// Stops accepting, asks every run to stop and every thread to end; waits for nothing. Answers how many jobs will
    /// not run, and how many runs were asked.
    pub(crate) fn close(self: &Arc<Self>) -> (usize, usize) {
        let mut state = self.lock();
        let running = state.queue.running();
        let dropped = state.queue.close();
        state.cron = None;
        self.settle(state, self.now(), Deliver::Here, None);
        self.wake_everyone();
        (dropped, running)
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
        if state.cron.is_none() {
            let shared = Arc::downgrade(self);
            let tick = move |id: &crate::JobId, arm: u64| {
                if let Some(shared) = shared.upgrade() {
                    let now = shared.now();
                    let mut state = shared.lock();
                    state.queue.tick(id, arm, now);
                    shared.settle(state, now, Deliver::OnWorker, None);
                }
            };
            match CronEngine::start(tick) {
                Ok(engine) => state.cron = Some(engine),
                Err(error) => {
                    tracing::error!(%error, "cannot start the cron thread: cron jobs will not fire")
                }
            }
        }
        if let Some(engine) = &state.cron {
            engine.tell(command);
        }
    }
}

impl<E: Executor> State<E> {
    /// The list on which workers of that kind wait.
    pub(crate) fn parked(&mut self, kind: Kind) -> &mut Vec<usize> {
        match kind {
            Kind::Prompt => &mut self.parked_prompt,
            Kind::Bulk => &mut self.parked_bulk,
        }
    }

    /// Chooses the parked workers that are to look for what has become startable, and takes them off the lists. Nothing
    /// is lost if there are too few: whoever is busy looks again before it parks.
    fn wake(&mut self, startable: [usize; Lane::COUNT], deferred: usize) -> Vec<usize> {
        let mut woken = Vec::new();
        for _ in 0..startable[Lane::Prompt.index()] + deferred {
            match self.parked_prompt.pop().or_else(|| self.parked_bulk.pop()) {
                Some(worker) => woken.push(worker),
                None => break,
            }
        }
        for _ in 0..startable[Lane::Bulk.index()] {
            match self.parked_bulk.pop() {
                Some(worker) => woken.push(worker),
                None => break,
            }
        }
        woken
    }
}

fn event<E: Executor>(note: Note<E::Task>, output: Option<Arc<E::Output>>) -> Event<E> {
    Event {
        code: note.code,
        job_id: note.job_id,
        name: note.name,
        run_id: note.run_id,
        at: system_time(note.wall_us),
        task: note.task,
        elapsed: note.elapsed_us.map(Duration::from_micros),
        output,
        error: note.error,
        kept: note.kept,
    }
}

/// The error that a panic of a body is.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> JobError {
    JobError::from(format!("panicked: {}", panic_text(panic)))
}
