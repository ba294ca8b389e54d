//! A job that fails until its cause is repaired: `cargo run -p jbc-scheduler --example retry`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use jbc_scheduler::{Event, EventCode, EventMask, JobError, Kinds, Retry, Scheduler};

/// How long any event is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints events as they come, this one the last.
fn print_until(
    events: &Receiver<Event<Kinds>>,
    last: EventCode,
) -> Result<(), mpsc::RecvTimeoutError> {
    loop {
        let event = events.recv_timeout(PATIENCE)?;
        let reason = event.error.as_deref().unwrap_or("it worked");
        let fate = match (event.retry_at, event.kept) {
            (Some(_), _) => "is tried again",
            (None, true) => "stays",
            (None, false) => "ends",
        };
        println!(
            "{} {} ({reason}), failures: {}; it {fate}",
            event.code, event.job_id, event.failures
        );
        if event.code == last {
            return Ok(());
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repaired = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&repaired);
    let deliver = move |letter: String, _: &_| match works.load(Ordering::Relaxed) {
        true => Ok(format!("delivered: {letter}")),
        false => Err(JobError::from("the bridge is out")),
    };
    let kinds = Arc::new(Kinds::new().register("deliver", deliver));
    let (sender, events) = mpsc::channel();
    let scheduler = Scheduler::builder(Arc::clone(&kinds))
        .listener(
            EventMask::JOB_ENDED | EventMask::JOB_DEAD,
            move |event, _| {
                // The receiver is gone once main is.
                let _ = sender.send(event.clone());
            },
        )
        .start()?;

    // Three attempts; the second 100 ms after the first, the third 200 ms after the second.
    let retry = Retry::attempts(3).waits(Duration::from_millis(100), Duration::from_secs(5));
    scheduler.add_job(kinds.job("letter", "deliver", "hello")?.retry(retry))?;
    print_until(&events, EventCode::JobDead)?;

    for dead in scheduler.dead_jobs() {
        println!(
            "dead: {} failed {} times: {}",
            dead.id, dead.failures, dead.error
        );
    }
    repaired.store(true, Ordering::Relaxed);
    scheduler.requeue_dead(&"letter".into())?;
    print_until(&events, EventCode::JobExecuted)?;
    println!("dead jobs: {}", scheduler.dead_jobs().len());

    for run in scheduler.history() {
        println!(
            "history: {} attempt {}: {}",
            run.job_id, run.attempt, run.outcome
        );
    }
    println!("{:?}", scheduler.drain(Duration::from_secs(1)));
    Ok(())
}
