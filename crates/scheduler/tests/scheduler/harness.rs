//! An executor of closures, a disk that fails when it is told to, and ways to wait for what happens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use jbc_scheduler::{
    BoxFuture, Builder, Event, EventCode, EventMask, Executor, JobError, JobId, JobSpec, JobStore,
    Lane, MemoryStore, RunContext, Scheduler, StoreChange, StoreError, StoreErrorKind, Stored,
    StoredTask,
};
use uuid::Uuid;

/// How long a test waits for what must happen. Only a failing test waits that long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

type Answer = Result<u32, JobError>;
type Body = dyn Fn(&RunContext) -> Answer + Send + Sync;
type IoBody = dyn Fn(RunContext) -> BoxFuture<'static, Answer> + Send + Sync;

pub(crate) enum Task {
    Work(Box<Body>),
    Io(Box<IoBody>),
    /// One that the executor knows by name, and a store can keep.
    Named(String),
}

/// Runs closures; those with a name outlive the process.
#[derive(Default)]
pub(crate) struct Closures(BTreeMap<&'static str, Box<Body>>);

impl Closures {
    pub(crate) fn knowing(
        mut self,
        name: &'static str,
        body: impl Fn(&RunContext) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name, Box::new(body));
        self
    }

    pub(crate) fn builder(self) -> Builder<Self> {
        Scheduler::builder(Arc::new(self)).workers(1, 1)
    }
}

pub(crate) type Sched = Scheduler<Closures>;

impl Executor for Closures {
    type Task = Task;
    type Output = u32;

    fn run(&self, task: &Task, ctx: &RunContext) -> Answer {
        match task {
            Task::Work(body) => body(ctx),
            Task::Named(name) => match self.0.get(&**name) {
                Some(body) => body(ctx),
                None => Err(format!("{name} is unknown").into()),
            },
            Task::Io(_) => Err("an io task on a worker".into()),
        }
    }

    fn run_io(self: Arc<Self>, task: Arc<Task>, ctx: RunContext) -> BoxFuture<'static, Answer> {
        match &*task {
            Task::Io(body) => body(ctx),
            _ => Box::pin(async { Err("a work task on tokio".into()) }),
        }
    }

    fn store(&self, task: &Task) -> Option<StoredTask> {
        let Task::Named(name) = task else { return None };
        Some(StoredTask {
            kind: name.clone().into(),
            args: ().into(),
        })
    }

    fn restore(&self, task: &StoredTask) -> Result<Task, JobError> {
        match self.0.contains_key(&*task.kind) {
            true => Ok(Task::Named(task.kind.to_string())),
            false => Err(format!("{} is unknown", task.kind).into()),
        }
    }
}

/// A durable bulk job of this name.
pub(crate) fn durable(id: impl Into<JobId>, name: &str) -> JobSpec<Task> {
    JobSpec::new(id, "test", Task::Named(name.to_owned()))
        .lane(Lane::Bulk)
        .durable()
}

/// A store in memory that can be told to fail. Clones share their contents.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<DiskState>);

#[derive(Default)]
struct DiskState {
    contents: MemoryStore,
    fails: AtomicBool,
    writes: Mutex<u64>,
    written: Condvar,
}

impl Disk {
    pub(crate) fn fails(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::SeqCst);
    }

    pub(crate) fn contents(&self) -> Stored {
        self.0.contents.load().unwrap()
    }

    /// Waits until what is written is so.
    pub(crate) fn wait_until(&self, is_so: impl Fn(&Stored) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut writes = self.0.writes.lock().unwrap();
        while !is_so(&self.contents()) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never written: {:?}", self.contents());
            writes = self.0.written.wait_timeout(writes, left).unwrap().0;
        }
    }
}

impl JobStore for Disk {
    fn name(&self) -> &str {
        "disk"
    }

    fn load(&self) -> Result<Stored, StoreError> {
        self.0.contents.load()
    }

    fn apply(&self, changes: &[StoreChange]) -> Result<(), StoreError> {
        if self.0.fails.load(Ordering::SeqCst) {
            return Err(broken("write"));
        }
        self.0.contents.apply(changes)?;
        *self.0.writes.lock().unwrap() += 1;
        self.0.written.notify_all();
        Ok(())
    }
}

/// What a store says that fails.
pub(crate) fn broken(action: &'static str) -> StoreError {
    StoreError {
        store: "disk".to_owned(),
        action,
        kind: StoreErrorKind::Failed,
        reason: "no room".to_owned(),
    }
}

pub(crate) fn builder() -> Builder<Closures> {
    Scheduler::builder(Arc::new(Closures::default()))
}

pub(crate) fn start(bulk: usize, prompt: usize) -> Sched {
    builder().workers(bulk, prompt).start().unwrap()
}

/// A bulk job that runs now.
pub(crate) fn job(
    id: impl Into<JobId>,
    body: impl Fn(&RunContext) -> Answer + Send + Sync + 'static,
) -> JobSpec<Task> {
    JobSpec::new(id, "test", Task::Work(Box::new(body))).lane(Lane::Bulk)
}

/// A bulk job that runs until it is asked to stop, and then returns 7.
pub(crate) fn endless(id: impl Into<JobId>) -> JobSpec<Task> {
    job(id, |ctx| {
        while !ctx.cancel().is_cancelled() {
            std::thread::yield_now();
        }
        Ok(7)
    })
}

pub(crate) fn io_job<F>(
    id: impl Into<JobId>,
    body: impl Fn(RunContext) -> F + Send + Sync + 'static,
) -> JobSpec<Task>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let body = move |ctx| -> BoxFuture<'static, Answer> { Box::pin(body(ctx)) };
    JobSpec::new(id, "test", Task::Io(Box::new(body))).lane(Lane::Io)
}

/// What a test remembers of an event.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) code: EventCode,
    pub(crate) id: JobId,
    pub(crate) run_id: Option<Uuid>,
    pub(crate) output: Option<u32>,
    pub(crate) error: Option<String>,
    pub(crate) kept: bool,
    pub(crate) elapsed: Option<Duration>,
    pub(crate) failures: u32,
    pub(crate) is_retried: bool,
}

impl From<&Event<Closures>> for Seen {
    fn from(event: &Event<Closures>) -> Self {
        Self {
            code: event.code,
            id: event.job_id.clone(),
            run_id: event.run_id,
            output: event.output.as_deref().copied(),
            error: event.error.clone(),
            kept: event.kept,
            elapsed: event.elapsed,
            failures: event.failures,
            is_retried: event.retry_at.is_some(),
        }
    }
}

/// The events of a scheduler, in the order in which its listeners heard them.
pub(crate) struct Watch {
    receiver: Receiver<Seen>,
    unread: VecDeque<Seen>,
}

impl Watch {
    pub(crate) fn on(scheduler: &Sched, mask: EventMask) -> Self {
        let (watch, hear) = Self::new();
        scheduler.add_listener(mask, hear);
        watch
    }

    /// One that misses nothing from the start on.
    pub(crate) fn built_in(
        builder: Builder<Closures>,
        mask: EventMask,
    ) -> (Self, Builder<Closures>) {
        let (watch, hear) = Self::new();
        (watch, builder.listener(mask, hear))
    }

    fn new() -> (
        Self,
        impl Fn(&Event<Closures>, &Sched) + Send + Sync + 'static,
    ) {
        let (sender, receiver) = channel();
        let sender = Mutex::new(sender);
        let watch = Self {
            receiver,
            unread: VecDeque::new(),
        };
        // The test may have ended.
        let hear = move |event: &Event<Closures>, _: &Sched| {
            let _ = sender.lock().unwrap().send(Seen::from(event));
        };
        (watch, hear)
    }

    /// The next event, whatever it is.
    pub(crate) fn next(&mut self) -> Seen {
        self.unread
            .pop_front()
            .unwrap_or_else(|| self.receive("an event"))
    }

    /// The next event of this code and job; others stay for later.
    pub(crate) fn wait(&mut self, code: EventCode, id: &str) -> Seen {
        let is_it = |seen: &Seen| seen.code == code && seen.id == id;
        if let Some(at) = self.unread.iter().position(is_it) {
            return self.unread.remove(at).unwrap();
        }
        loop {
            let seen = self.receive(&format!("{code} of {id}"));
            if is_it(&seen) {
                return seen;
            }
            self.unread.push_back(seen);
        }
    }

    /// All events that have been heard so far and not waited for.
    pub(crate) fn rest(&mut self) -> Vec<Seen> {
        self.unread.extend(self.receiver.try_iter());
        self.unread.drain(..).collect()
    }

    fn receive(&self, what: &str) -> Seen {
        match self.receiver.recv_timeout(DEADLINE) {
            Ok(seen) => seen,
            Err(_) => panic!("waited in vain for {what}; unread: {:?}", self.unread),
        }
    }
}

/// A door that a body waits at until the test opens it, and a count of who has come.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn closed() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Counts the caller and holds it until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        let deadline = Instant::now() + DEADLINE;
        while !state.0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the gate was never opened");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().0 = true;
        self.changed.notify_all();
    }

    /// Waits until so many have come to the gate.
    pub(crate) fn wait_for(&self, count: usize) {
        let mut state = self.state.lock().unwrap();
        let deadline = Instant::now() + DEADLINE;
        while state.1 < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "only {} of {count} came to the gate",
                state.1
            );
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

/// A bulk job that waits at a gate and then returns 1.
pub(crate) fn gated(id: impl Into<JobId>, gate: &Arc<Gate>) -> JobSpec<Task> {
    let gate = Arc::clone(gate);
    job(id, move |_| {
        gate.pass();
        Ok(1)
    })
}
