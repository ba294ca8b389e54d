//! Stops a job in the middle of its work: `cargo run -p jbc-scheduler --example cancel`.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use jbc_scheduler::{EventMask, Executor, JobError, JobSpec, Lane, RunContext, Scheduler};

/// Counts up to the number that is its task.
struct Counter;

impl Executor for Counter {
    type Task = u64;
    type Output = u64;

    fn run(&self, goal: &u64, ctx: &RunContext) -> Result<u64, JobError> {
        let mut count = 0;
        while count < *goal && !ctx.cancel().is_cancelled() {
            count += 1;
            if count % 1_000_000 == 0 {
                ctx.set_progress(format!("at {count}"));
            }
        }
        Ok(count)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scheduler = Scheduler::builder(Arc::new(Counter)).start()?;
    let (sender, ended) = mpsc::channel();
    scheduler.add_listener(
        EventMask::JOB_SUBMITTED | EventMask::JOB_ENDED,
        move |event, _| {
            // The receiver is gone once main is.
            let _ = sender.send(format!(
                "{} {}: {:?}",
                event.code, event.job_id, event.output
            ));
        },
    );

    scheduler.add_job(JobSpec::new("count", "counter", u64::MAX).lane(Lane::Bulk))?;
    println!("{}", ended.recv()?);
    std::thread::sleep(Duration::from_millis(200));
    print!("{}", scheduler.print_jobs());
    println!("progress: {:?}", scheduler.get_jobs()[0].runs[0].progress);

    scheduler.remove_job(&"count".into())?;
    println!("{}", ended.recv()?);
    println!("{:?}", scheduler.drain(Duration::from_secs(1)));
    Ok(())
}
