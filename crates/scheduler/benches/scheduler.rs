//! The costs of a scheduler, one by one: to see whether a change made one of them worse.
//!
//! `cargo bench -p jbc-scheduler`. How it stands beside a bare queue is what `jbc bench scheduler` measures.

use std::hint::black_box;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jbc_scheduler::{
    EventCode, EventMask, Executor, JobError, JobId, JobSpec, Lane, RunContext, Scheduler, Trigger,
};

/// Jobs that are added at once for the throughput.
const CROWD: u64 = 10_000;
/// How long the workers are left alone before a start is measured, in microseconds, so that they sleep.
const REST_US: u64 = 200;
/// When the pending timers are due, in seconds: after the end of the benchmark.
const DUE_S: u64 = 3_600;

/// What a job leaves behind: when it started.
type Started = Arc<OnceLock<Instant>>;

struct Starts;

impl Executor for Starts {
    type Task = Option<Started>;
    type Output = ();

    fn run(&self, started: &Option<Started>, _: &RunContext) -> Result<(), JobError> {
        if let Some(started) = started {
            started.get_or_init(Instant::now);
        }
        Ok(())
    }
}

fn scheduler(mask: EventMask) -> (Scheduler<Starts>, Receiver<()>) {
    let scheduler = Scheduler::builder(Arc::new(Starts))
        .workers(1, 1)
        .max_pending(Lane::Prompt, CROWD as usize)
        .start()
        .expect("two threads can be started");
    let (sender, ends) = mpsc::sync_channel(CROWD as usize);
    scheduler.add_listener(mask, move |event, _| {
        if event.code == EventCode::JobExecuted {
            let _ = sender.try_send(());
        }
    });
    (scheduler, ends)
}

/// From adding a job to the first instruction of its body, on workers that sleep.
fn start(criterion: &mut Criterion) {
    let (scheduler, ends) = scheduler(EventMask::JOB_EXECUTED);
    let mut group = criterion.benchmark_group("start");
    // The rests are not measured but take time: a short measurement is still one of many thousand starts.
    group
        .warm_up_time(Duration::from_millis(20))
        .measurement_time(Duration::from_millis(50));
    group.bench_function("a sleeping worker", |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| start_once(&scheduler, &ends)).sum());
    });
    group.finish();
}

fn start_once(scheduler: &Scheduler<Starts>, ends: &Receiver<()>) -> Duration {
    let started = Started::default();
    let spec = JobSpec::new(JobId::from("start"), "start", Some(Arc::clone(&started)));
    let rest = Instant::now();
    while rest.elapsed() < Duration::from_micros(REST_US) {
        std::hint::spin_loop();
    }
    let added = Instant::now();
    scheduler.add_job(spec).expect("the job before has ended");
    ends.recv().expect("the scheduler lives");
    let started = started.get().expect("it has run");
    started.saturating_duration_since(added)
}

/// Many jobs added by one thread, from the first add to the last end heard.
fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jobs");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Elements(CROWD));
    let ids: Vec<JobId> = (0..CROWD).map(|job| format!("job-{job}").into()).collect();
    for (name, mask) in [
        ("their ends heard", EventMask::JOB_EXECUTED),
        ("all events heard", EventMask::ALL),
    ] {
        let (scheduler, ends) = scheduler(mask);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for id in &ids {
                    let spec = JobSpec::new(id, "crowd", None);
                    scheduler.add_job(spec).expect("there is room for all");
                }
                for _ in &ids {
                    ends.recv().expect("the scheduler lives");
                }
            });
        });
    }
    group.finish();
}

/// Adding a timer and removing it again, among many that are pending.
fn timers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("add and remove a timer");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    let (scheduler, _ends) = scheduler(EventMask::NONE);
    let probe = JobId::from("probe");
    let mut pending: u64 = 0;
    for level in [1_000, 10_000, 100_000] {
        while pending < level {
            add_timer(&scheduler, format!("timer-{pending}").into(), pending);
            pending += 1;
        }
        let mut number = 0;
        group.bench_function(BenchmarkId::from_parameter(level), |bencher| {
            bencher.iter(|| {
                number = (number + 1) % level;
                add_timer(&scheduler, probe.clone(), number);
                black_box(scheduler.remove_job(&probe)).expect("it was just added");
            });
        });
    }
    group.finish();
}

/// A job that is due in an hour and so many milliseconds.
fn add_timer(scheduler: &Scheduler<Starts>, id: JobId, number: u64) {
    let wait = Duration::from_secs(DUE_S) + Duration::from_millis(number);
    let spec = JobSpec::new(id, "timer", None).trigger(Trigger::After(wait));
    scheduler.add_job(spec).expect("the id is new");
}

criterion_group!(benches, start, throughput, timers);
criterion_main!(benches);
