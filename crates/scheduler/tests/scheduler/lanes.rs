//! Who runs before whom, and who keeps nobody waiting.

use std::sync::{Arc, Mutex};

use jbc_scheduler::{EventCode, EventMask, Lane, Modification, StartError};

use crate::harness::{Gate, Watch, builder, gated, job, start};

#[test]
fn higher_priorities_run_first_and_equals_in_the_order_of_their_adding() {
    let scheduler = start(1, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("blocker", &gate)).unwrap();
    gate.wait_for(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    for (id, priority) in [
        ("low", -1),
        ("a", 0),
        ("b", 0),
        ("high", 5),
        ("c", 0),
        ("moved", 0),
    ] {
        let order = Arc::clone(&order);
        let body = move |_: &jbc_scheduler::RunContext| {
            order.lock().unwrap().push(id);
            Ok(0)
        };
        scheduler.add_job(job(id, body).priority(priority)).unwrap();
    }
    let change = Modification {
        priority: Some(9),
        ..Modification::default()
    };
    scheduler.modify_job(&"moved".into(), change).unwrap();
    let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
    gate.open();
    watch.wait(EventCode::JobExecuted, "low");
    assert_eq!(
        *order.lock().unwrap(),
        ["moved", "high", "a", "b", "c", "low"]
    );
}

#[test]
fn a_prompt_job_runs_while_every_bulk_worker_is_busy() {
    let scheduler = start(2, 1);
    let gate = Gate::closed();
    scheduler.add_job(gated("mining", &gate)).unwrap();
    scheduler.add_job(gated("mining/1", &gate)).unwrap();
    gate.wait_for(2);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_ENDED);
    scheduler.add_job(job("audit", |_| Ok(0))).unwrap();
    for n in 0..100 {
        let id = format!("validate:{n}");
        scheduler
            .add_job(job(id.as_str(), |_| Ok(0)).lane(Lane::Prompt))
            .unwrap();
        assert_eq!(watch.next().id, id.as_str());
    }
    assert_eq!(
        scheduler.pending(Lane::Bulk),
        1,
        "the reserved worker must not take bulk jobs"
    );
    gate.open();
    watch.wait(EventCode::JobExecuted, "audit");
}

#[test]
fn a_bulk_worker_takes_a_prompt_job_before_a_bulk_job_that_came_earlier() {
    let scheduler = start(1, 1);
    let (gate, reserved) = (Gate::closed(), Gate::closed());
    scheduler.add_job(gated("blocker", &gate)).unwrap();
    gate.wait_for(1);
    scheduler
        .add_job(gated("reserved", &reserved).lane(Lane::Prompt))
        .unwrap();
    reserved.wait_for(1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
    scheduler
        .add_job(job("bulk", |_| Ok(0)).priority(100))
        .unwrap();
    scheduler
        .add_job(job("prompt", |_| Ok(0)).lane(Lane::Prompt))
        .unwrap();
    gate.open();
    assert_eq!(
        [watch.next().id, watch.next().id, watch.next().id],
        ["blocker", "prompt", "bulk"]
    );
    reserved.open();
}

#[test]
fn a_slow_listener_holds_up_only_its_own_worker() {
    let scheduler = start(2, 1);
    let gate = Gate::closed();
    let slow = Arc::clone(&gate);
    scheduler.add_listener(EventMask::JOB_EXECUTED, move |event, _| {
        if event.job_id == "slow" {
            slow.pass();
        }
    });
    scheduler.add_job(job("slow", |_| Ok(0))).unwrap();
    gate.wait_for(1);
    let mut watch = Watch::on(&scheduler, EventMask::JOB_EXECUTED);
    for n in 0..50 {
        let id = format!("{n}");
        scheduler.add_job(job(id.as_str(), |_| Ok(0))).unwrap();
        watch.wait(EventCode::JobExecuted, &id);
    }
    gate.open();
}

#[test]
fn a_lane_without_a_worker_is_refused() {
    assert!(matches!(
        builder().workers(0, 1).start(),
        Err(StartError::NoWorker { lane: Lane::Bulk })
    ));
    assert!(matches!(
        builder().workers(1, 0).start(),
        Err(StartError::NoWorker { lane: Lane::Prompt })
    ));
}
