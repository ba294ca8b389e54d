//! SIGKILL: what was acknowledged is there again, and what was said to be done is not done twice.
//!
//! The test starts itself as a child, which writes down what happens, one line at a time; the parent kills it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use jbc_scheduler::{EventMask, RedbStore, Trigger};

use crate::harness::{Closures, DEADLINE, Sched, durable};

/// Where the child keeps its files; without it the child does nothing.
const DIR: &str = "JBC_SCHEDULER_KILL_DIR";
/// Which life of the child it is; the last adds nothing and ends when everything has run.
const LIFE: &str = "JBC_SCHEDULER_KILL_LIFE";
const LAST: &str = "last";

fn note(mut to: &File, line: &str) {
    // One write: a kill leaves it whole or not there.
    let written = to.write_all(format!("{line}\n").as_bytes());
    written.expect("the disk of the tests has room");
    println!("{line}");
}

fn notes(dir: &Path) -> PathBuf {
    dir.join("notes")
}

#[test]
#[ignore = "the child of the test below"]
fn child() {
    let (Some(dir), Ok(life)) = (
        std::env::var_os(DIR).map(PathBuf::from),
        std::env::var(LIFE),
    ) else {
        panic!("it has no parent");
    };
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(notes(&dir));
    let file = Arc::new(file.unwrap());
    let body = Arc::clone(&file);
    let noting = Closures::default().knowing("note", move |ctx| {
        note(&body, &format!("ran {}", ctx.job_id()));
        Ok(0)
    });
    let (sender, ends) = sync_channel(1);
    let heard = Arc::clone(&file);
    let scheduler = noting
        .builder()
        .workers(2, 1)
        .store(RedbStore::create(dir.join("jobs.redb")).unwrap())
        .listener(EventMask::JOB_EXECUTED, move |event, _| {
            if !event.kept {
                note(&heard, &format!("done {}", event.job_id));
            }
            let _ = sender.try_send(());
        })
        .start()
        .unwrap();
    if life == "0" {
        let tick = Trigger::every(Duration::from_millis(3));
        scheduler
            .add_job(durable("tick", "note").trigger(tick))
            .unwrap();
        let never = Trigger::every(Duration::from_secs(3_600));
        scheduler
            .add_job(durable("paused", "note").trigger(never))
            .unwrap();
        scheduler.pause_job(&"paused".into()).unwrap();
        note(&file, "paused");
    }
    if life != LAST {
        for n in 0.. {
            let id = format!("{life}/{n}");
            scheduler.add_job(durable(id.as_str(), "note")).unwrap();
            note(&file, &format!("added {id}"));
        }
    }
    let is_left = |scheduler: &Sched| {
        scheduler
            .get_jobs()
            .iter()
            .any(|info| info.id.as_str().contains('/'))
    };
    while is_left(&scheduler) {
        ends.recv_timeout(DEADLINE).unwrap();
    }
    for info in scheduler.get_jobs() {
        note(&file, &format!("left {} {}", info.id, info.paused));
    }
}

/// Kills the child even if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path, life: &str) -> Killed {
    let this = std::env::current_exe().expect("it runs");
    let child = Command::new(this)
        .args([
            "killing::child",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir)
        .env(LIFE, life)
        .stdout(Stdio::piped())
        .spawn();
    Killed(child.expect("it could be started the first time"))
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_done_is_done_again_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    for (life, lines) in [40, 25, 33, 58, 71, 29].into_iter().enumerate() {
        let mut child = start(dir.path(), &life.to_string());
        let said = BufReader::new(child.0.stdout.take().unwrap()).lines();
        // Killed in the middle of whatever follows the last of these.
        assert_eq!(said.take(lines).filter(Result::is_ok).count(), lines);
        drop(child);
    }
    let mut last = start(dir.path(), LAST);
    let said = BufReader::new(last.0.stdout.take().unwrap()).lines();
    let said: Vec<String> = said.map_while(Result::ok).collect();
    assert!(last.0.wait().unwrap().success(), "{said:?}");

    let text = std::fs::read_to_string(notes(dir.path())).unwrap();
    let (mut added, mut ran, mut done) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("added", id)) => drop(added.insert(id)),
            Some(("ran", id)) => {
                assert!(!done.contains(id), "{id} ran again after it was done");
                ran.insert(id);
            }
            Some(("done", id)) => drop(done.insert(id)),
            _ => {}
        }
    }
    assert!(added.len() > 30, "too few for a test: {added:?}");
    let lost: Vec<_> = added.difference(&ran).collect();
    assert!(lost.is_empty(), "never ran: {lost:?}");
    assert!(ran.contains("tick") && !ran.contains("paused"));
    let left: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("left"))
        .collect();
    assert_eq!(left, ["left paused true", "left tick false"]);
}
