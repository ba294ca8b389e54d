//! Jobs and the whole scheduler are paused, resumed, changed and run at will.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jbc_scheduler::{
    AddError, Added, ChangeError, ConflictPolicy, EventCode, EventMask, JobLookupError, JobSpec,
    JobState, Lane, Modification, Trigger,
};

use crate::harness::{Gate, Task, Watch, gated, job, start};

fn hourly(id: &str) -> JobSpec<Task> {
    job(id, |_| Ok(1)).trigger(Trigger::every(Duration::from_secs(3_600)))
}

#[test]
fn a_paused_pending_job_waits_and_runs_once_when_resumed() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("blocker", &gate)).unwrap();
    gate.wait_for(1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    scheduler.add_job(job("a", |_| Ok(1))).unwrap();
    scheduler.pause_job(&"a".into()).unwrap();
    scheduler.pause_job(&"a".into()).unwrap();
    assert_eq!(scheduler.pending(Lane::Bulk), 0);
    gate.open();
    watch.wait(EventCode::JobExecuted, "blocker");
    scheduler.resume_job(&"a".into()).unwrap();
    watch.wait(EventCode::JobExecuted, "a");
    let codes: Vec<_> = watch
        .rest()
        .into_iter()
        .filter(|seen| seen.id == "a")
        .map(|seen| seen.code)
        .collect();
    use EventCode::{JobAdded, JobPaused, JobResumed, JobSubmitted};
    assert_eq!(codes, [JobAdded, JobPaused, JobResumed, JobSubmitted]);
}

#[test]
fn run_job_runs_a_recurring_job_once_more_also_while_it_is_paused() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.add_job(hourly("audit")).unwrap();
    let before = scheduler.get_job(&"audit".into()).unwrap().next_run_time;
    scheduler.run_job(&"audit".into()).unwrap();
    assert!(watch.wait(EventCode::JobExecuted, "audit").kept);
    let after = scheduler.get_job(&"audit".into()).unwrap();
    assert_eq!(after.state, JobState::Scheduled);
    assert!(
        after.next_run_time.unwrap().abs_diff(before.unwrap()) < 60_000,
        "its times stay"
    );
    scheduler.pause_job(&"audit".into()).unwrap();
    scheduler.run_job(&"audit".into()).unwrap();
    assert!(watch.wait(EventCode::JobExecuted, "audit").kept);
    assert!(scheduler.get_job(&"audit".into()).unwrap().paused);
}

#[test]
fn run_job_brings_the_only_run_of_a_dated_job_forward() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    scheduler
        .add_job(job("once", |_| Ok(1)).trigger(Trigger::Date(tomorrow)))
        .unwrap();
    scheduler.run_job(&"once".into()).unwrap();
    assert!(!watch.wait(EventCode::JobExecuted, "once").kept);
    assert!(scheduler.get_job(&"once".into()).is_none());
    let unknown = ChangeError::NotFound(JobLookupError { id: "once".into() });
    assert_eq!(scheduler.run_job(&"once".into()), Err(unknown));
}

#[test]
fn run_job_refuses_more_runs_than_may_go_on_at_a_time() {
    let scheduler = start(2, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("a", &gate)).unwrap();
    gate.wait_for(1);
    assert_eq!(
        scheduler.run_job(&"a".into()),
        Err(ChangeError::MaxInstances {
            id: "a".into(),
            limit: 1
        })
    );
    let change = Modification {
        max_instances: Some(2),
        ..Modification::default()
    };
    scheduler.modify_job(&"a".into(), change).unwrap();
    scheduler.run_job(&"a".into()).unwrap();
    gate.wait_for(2);
    assert_eq!(scheduler.get_job(&"a".into()).unwrap().runs.len(), 2);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    gate.open();
    let kept = [watch.next().kept, watch.next().kept];
    assert_eq!(kept, [true, false], "the job is gone with its last run");
}

#[test]
fn a_modified_job_runs_its_new_task() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED | EventMask::JOB_MODIFIED);
    scheduler.add_job(hourly("a")).unwrap();
    let change = Modification {
        task: Some(Arc::new(Task::Work(Box::new(|_| Ok(42))))),
        name: Some("renamed".into()),
        coalesce: Some(false),
        misfire_grace_time: Some(Some(Duration::from_secs(5))),
        ..Modification::default()
    };
    let info = scheduler.modify_job(&"a".into(), change).unwrap();
    assert_eq!(
        (&*info.name, info.coalesce, info.misfire_grace_time_ms),
        ("renamed", false, Some(5_000))
    );
    watch.wait(EventCode::JobModified, "a");
    scheduler.run_job(&"a".into()).unwrap();
    assert_eq!(watch.wait(EventCode::JobExecuted, "a").output, Some(42));
}

#[test]
fn a_rescheduled_job_follows_its_new_trigger() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED | EventMask::JOB_MODIFIED);
    scheduler.add_job(hourly("a")).unwrap();
    let info = scheduler
        .reschedule_job(&"a".into(), Trigger::every(Duration::from_millis(5)))
        .unwrap();
    assert_eq!(info.trigger, "interval[0:00:00.005]");
    watch.wait(EventCode::JobModified, "a");
    for _ in 0..3 {
        assert!(watch.wait(EventCode::JobExecuted, "a").kept);
    }
    scheduler.reschedule_job(&"a".into(), Trigger::Now).unwrap();
    loop {
        if !watch.wait(EventCode::JobExecuted, "a").kept {
            break;
        }
    }
    assert!(scheduler.get_job(&"a".into()).is_none(), "now means once");
    let zero = Trigger::every(Duration::ZERO);
    assert!(matches!(
        scheduler.reschedule_job(&"a".into(), zero),
        Err(ChangeError::BadTrigger { field: "every", .. })
    ));
}

#[test]
fn a_paused_scheduler_starts_nothing_until_it_is_resumed() {
    let scheduler = start(2, 1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.pause();
    assert!(scheduler.is_paused());
    for n in 0..20 {
        let lane = if n % 2 == 0 { Lane::Prompt } else { Lane::Bulk };
        scheduler
            .add_job(job(format!("{n}"), |_| Ok(0)).lane(lane))
            .unwrap();
    }
    scheduler
        .add_job(job("timed", |_| Ok(0)).trigger(Trigger::Date(SystemTime::now())))
        .unwrap();
    assert_eq!(
        scheduler.pending(Lane::Prompt) + scheduler.pending(Lane::Bulk),
        20
    );
    assert_eq!(watch.rest().len(), 0);
    scheduler.resume();
    for _ in 0..21 {
        watch.next();
    }
    assert_eq!(scheduler.get_jobs(), []);
}

#[test]
fn a_run_too_late_for_its_grace_time_is_missed_and_a_one_shot_is_over() {
    let scheduler = start(1, 1);
    let mut watch = Watch::on(&scheduler, EventMask::ALL);
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    let grace = Duration::from_secs(30);
    scheduler
        .add_job(
            job("late", |_| Ok(0))
                .trigger(Trigger::Date(long_ago))
                .misfire_grace_time(grace),
        )
        .unwrap();
    assert!(!watch.wait(EventCode::JobMissed, "late").kept);
    assert!(scheduler.get_job(&"late".into()).is_none());
    assert_eq!(scheduler.history()[0].run_id, None);
    scheduler
        .add_job(job("late", |_| Ok(0)).trigger(Trigger::Date(long_ago)))
        .unwrap();
    watch.wait(EventCode::JobExecuted, "late");
}

#[test]
fn impossible_jobs_are_refused_by_name_of_the_field() {
    let scheduler = start(1, 1);
    let field = |trigger: Trigger| match scheduler.add_job(job("a", |_| Ok(0)).trigger(trigger)) {
        Err(AddError::BadTrigger { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(Trigger::every(Duration::ZERO)), "every");
    assert_eq!(field(Trigger::cron("61 * * * *")), "expression");
    assert_eq!(field(Trigger::cron("a b c")), "expression");
    let zone = Some("Mars/Olympus".to_owned());
    assert_eq!(
        field(Trigger::Cron {
            expression: "0 4 * * *".into(),
            time_zone: zone
        }),
        "time_zone"
    );
    let io = job("a", |_| Ok(0)).lane(Lane::Io);
    assert_eq!(scheduler.add_job(io), Err(AddError::NoRuntime));
    assert_eq!(scheduler.get_jobs(), []);
}

#[test]
fn a_job_that_cannot_be_added_does_not_replace_one_that_runs() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("a", &gate)).unwrap();
    gate.wait_for(1);
    let bad = job("a", |_| Ok(0))
        .trigger(Trigger::cron("0 0 30 2 *"))
        .conflict(ConflictPolicy::Replace);
    assert!(matches!(
        scheduler.add_job(bad),
        Err(AddError::BadTrigger {
            field: "expression",
            ..
        })
    ));
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    gate.open();
    watch.wait(EventCode::JobExecuted, "a");
    assert_eq!(scheduler.add_job(job("a", |_| Ok(0))), Ok(Added::New));
}
