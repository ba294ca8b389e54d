//! Jobs by the calendar, in time zones and combined: `cargo run -p jbc-scheduler --example cron`.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use jbc_scheduler::{EventMask, Kinds, Scheduler, Trigger};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kinds = Kinds::new().register("say", |words: String, _| Ok(words));
    let kinds = Arc::new(kinds);
    let scheduler = Scheduler::builder(Arc::clone(&kinds)).start()?;
    let (sender, ended) = mpsc::channel();
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, _| {
        // The receiver is gone once main is.
        let _ = sender.send(format!("{} {}", event.code, event.job_id));
    });

    // Six fields begin with the seconds, five with the minutes.
    let tick = kinds.job("tick", "say", "tick")?;
    scheduler.add_job(tick.trigger(Trigger::cron("* * * * * *")))?;

    // Two in the morning in Berlin: once a day, also on the days on which the clocks change.
    let nightly = Trigger::Cron {
        expression: "0 2 * * *".to_owned(),
        time_zone: Some("Europe/Berlin".to_owned()),
    };
    // Up to ten minutes later, so that not everybody's backup starts at once.
    let backup = kinds.job("backup", "say", "all is safe")?;
    scheduler.add_job(
        backup
            .trigger(nightly.clone())
            .jitter(Duration::from_secs(600)),
    )?;

    // Every night, and besides at noon on workdays.
    let report = kinds.job("report", "say", "all is well")?;
    scheduler.add_job(report.trigger(Trigger::Or(vec![
        nightly,
        Trigger::cron("0 12 * * Mon-Fri"),
    ])))?;

    // The last Friday of a month, but only if it is the 31st.
    let party = kinds.job("party", "say", "cheers")?;
    scheduler.add_job(party.trigger(Trigger::And(vec![
        Trigger::cron("0 18 * * FriL"),
        Trigger::cron("0 18 31 * *"),
    ])))?;

    print!("{}", scheduler.print_jobs());
    for _ in 0..2 {
        println!("{}", ended.recv_timeout(Duration::from_secs(10))?);
    }

    // A mistake is found at once, and by its field.
    let mistake = kinds.job("never", "say", "")?;
    let refused = scheduler.add_job(mistake.trigger(Trigger::cron("0 0 30 2 *")));
    println!("{refused:?}");

    println!("{:?}", scheduler.drain(Duration::from_secs(1)));
    Ok(())
}
