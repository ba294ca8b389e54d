//! Jobs that outlive their process: `cargo run -p jbc-scheduler --features redb --example persistence`.
//!
//! Two schedulers, one after the other, open the same file, as a program does that is stopped and started again.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use jbc_scheduler::{EventMask, Kinds, RedbStore, Scheduler, Trigger, format_jobs};

/// When the two jobs are due that will be missed: after the first life.
const WAIT: Duration = Duration::from_millis(500);
/// How long the program is down: until they are late.
const DOWNTIME: Duration = Duration::from_millis(700);
/// How long any event is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program does at each start: functions cannot be stored, so it says anew what its kinds mean.
fn start(
    file: &Path,
    kinds: &Arc<Kinds>,
    ended: Sender<String>,
) -> Result<Scheduler<Kinds>, Box<dyn Error>> {
    let scheduler = Scheduler::builder(Arc::clone(kinds))
        .store(RedbStore::create(file)?)
        // Given to the builder: what was missed may run before `start` has returned.
        .listener(EventMask::JOB_ENDED, move |event, _| {
            // The receiver is gone once main is.
            let _ = ended.send(format!("{} {}", event.code, event.job_id));
        })
        .start()?;
    Ok(scheduler)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("jobs.redb");
    let kinds = Arc::new(Kinds::new().register("say", |words: String, _| Ok(words)));
    let (sender, ended) = mpsc::channel();
    let hour = Duration::from_secs(3_600);

    println!("The first life:");
    let first = start(&file, &kinds, sender.clone())?;
    for (id, trigger) in [
        ("missed", Trigger::After(WAIT)),
        ("pending", Trigger::After(hour)),
        ("recurring", Trigger::every(hour)),
    ] {
        first.add_job(kinds.job(id, "say", id)?.trigger(trigger).durable())?;
    }
    let news = kinds.job("news", "say", "old soon")?.durable();
    let news = news.misfire_grace_time(Duration::from_millis(50));
    first.add_job(news.trigger(Trigger::After(WAIT)))?;
    println!("{:?}", first.drain(Duration::from_secs(1)));
    // The file is closed with the last handle.
    drop(first);

    println!("\nNo process has the file open. What it holds:");
    let jobs = RedbStore::read(&file)?.jobs;
    let infos: Vec<_> = jobs.iter().map(|job| job.info()).collect();
    print!("{}", format_jobs(&infos));
    std::thread::sleep(DOWNTIME);

    println!("\nThe second life: what was missed runs now, unless it is too late for it:");
    let second = start(&file, &kinds, sender)?;
    for _ in 0..2 {
        println!("{}", ended.recv_timeout(PATIENCE)?);
    }
    print!("{}", second.print_jobs());
    println!("{:?}", second.drain(Duration::from_secs(1)));
    Ok(())
}
