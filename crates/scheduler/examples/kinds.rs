//! Jobs as data, by the names of their kinds: `cargo run -p jbc-scheduler --example kinds`.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use jbc_scheduler::{EventMask, JobError, Kinds, RunContext, Scheduler, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

fn greet(args: Greet, _: &RunContext) -> Result<String, JobError> {
    Ok(format!("hello, {}", args.name))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kinds = Kinds::new()
        .register("greet", greet)
        .register("add", |(a, b): (u32, u32), _| {
            a.checked_add(b).ok_or_else(|| "too much to add".into())
        });
    let kinds = Arc::new(kinds);
    let scheduler = Scheduler::builder(Arc::clone(&kinds)).start()?;

    let (sender, ended) = mpsc::channel();
    scheduler.add_listener(EventMask::JOB_ENDED, move |event, _| {
        // The receiver is gone once main is.
        let _ = sender.send(match (&event.output, &event.error) {
            (Some(output), _) => format!("{}: {output}", event.job_id),
            (None, error) => format!("{} failed: {error:?}", event.job_id),
        });
    });

    let name = "Ada".to_owned();
    let every = Trigger::every(Duration::from_millis(200));
    scheduler.add_job(kinds.job("often", "greet", &Greet { name })?.trigger(every))?;
    let nightly = Trigger::cron("0 4 * * *");
    scheduler.add_job(kinds.job("nightly", "add", &(1, 2))?.trigger(nightly))?;
    scheduler.add_job(kinds.job("now", "add", &(1, u32::MAX))?)?;
    print!("{}", scheduler.print_jobs());
    for line in ended.iter().take(4) {
        println!("{line}");
    }

    // A mistake in a call is found when it is made, and not tonight.
    for mistake in [
        kinds.call("great", &()),
        kinds.call("greet", &json!({ "nam": "Ada" })),
        kinds.call("add", &(1, "two")),
    ] {
        println!("{mistake:?}");
    }
    println!("{:?}", scheduler.drain(Duration::from_secs(1)));
    Ok(())
}
