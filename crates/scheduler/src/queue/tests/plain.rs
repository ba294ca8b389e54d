//! A plain job is to everybody what a whole one is, and a run from a hand what any other is.

use super::*;
use crate::info::JobInfo;

/// What is said of an event, but for the run's id.
type Said = (
    EventCode,
    JobId,
    String,
    SystemTime,
    u32,
    Option<Duration>,
    Option<u32>,
    bool,
    u32,
);

fn said(event: &Event<Numbers>) -> Said {
    assert_eq!(event.run_id.is_some(), event.code != EventCode::JobAdded);
    assert!(event.error.is_none() && event.retry_at.is_none() && !event.is_durable);
    let output = event.output.as_deref().copied();
    let (id, name) = (event.job_id.clone(), event.name.to_string());
    let (task, kept, failures) = (*event.task, event.kept, event.failures);
    (
        event.code,
        id,
        name,
        event.at,
        task,
        event.elapsed,
        output,
        kept,
        failures,
    )
}

/// The life of a job: how it stood before it ran and while it did, what was told of it, and its record.
#[derive(Debug, PartialEq)]
struct Life {
    stood: [Vec<JobInfo>; 2],
    told: Vec<Said>,
    record: RunRecord,
}

const ADDED_US: u64 = 1_500;
const STARTED_US: u64 = 70_700;
const ENDED_US: u64 = 3_000_900;

fn life(mut job: JobSpec<u32>, is_plain: bool, is_recalled: bool) -> Life {
    let (mut queue, mut hand) = (queue(), Hand::new(1));
    let mut told = Vec::new();
    if is_plain {
        let job = Plain::new(job, at(ADDED_US));
        told.push(said(&job.event(EventCode::JobAdded, at(ADDED_US))));
        assert!(queue.add_plain(job).is_ok());
    } else {
        // Else its run would be one from a hand.
        job.timeout = Some(Duration::from_secs(3_600));
        add(&mut queue, job, at(ADDED_US));
        told.extend(heard(&mut queue).iter().map(said));
    }
    let stood = queue.infos(at(STARTED_US));
    assert_eq!(queue.deal(0, &mut hand, at(STARTED_US)), is_plain);
    let (stands, now) = if is_plain {
        let mut begun = hand.begin(EventMask::ALL, at(STARTED_US)).unwrap();
        told.push(said(&begun.event));
        assert!(begun.tell && matches!(begun.mail.next(), Next::Nothing));
        if is_recalled {
            queue.recall(0, &mut hand);
        }
        let stands = queue.infos(at(ENDED_US));
        match hand.end(&mut begun, &Arc::new(0), EventMask::ALL, at(ENDED_US)) {
            Ok(()) => told.push(said(&begun.event)),
            Err(run) => queue.finished(run, ended(None), at(ENDED_US)),
        }
        queue.book(0, &mut hand, &mut Vec::new(), at(ENDED_US));
        (stands, at(ENDED_US))
    } else {
        let started = queue.take(&[Lane::Prompt], at(STARTED_US)).unwrap();
        let stands = queue.infos(at(ENDED_US));
        queue.finished(started.run, ended(None), at(ENDED_US));
        (stands, at(ENDED_US))
    };
    told.extend(heard(&mut queue).iter().map(said));
    let mut record = queue.history(now).pop().unwrap();
    assert!(record.run_id.take().is_some());
    let mut stood = [stood, stands];
    for info in stood.iter_mut().flatten() {
        info.timeout_ms = None;
        for run in &mut info.runs {
            run.run_id = uuid::Uuid::nil();
        }
    }
    Life {
        stood,
        told,
        record,
    }
}

#[test]
fn a_plain_job_and_its_run_are_what_a_whole_job_and_its_run_are() {
    let spec = || {
        JobSpec::new("a", "named", 7u32)
            .priority(3)
            .coalesce(false)
            .max_instances(4)
    };
    assert!(Plain::<Numbers>::is_enough(&spec()));
    let whole = life(spec(), false, false);
    assert_eq!(whole.stood.each_ref().map(Vec::len), [1, 1]);
    assert_eq!(whole.told.len(), 3);
    assert_eq!(life(spec(), true, true), whole);
    let hidden = life(spec(), true, false);
    assert_eq!((hidden.told, hidden.record), (whole.told, whole.record));
}

#[test]
fn a_job_of_which_more_is_asked_is_not_plain() {
    let second = Duration::from_secs(1);
    let plain = || JobSpec::new("a", "test", 0u32);
    for more in [
        plain().lane(Lane::Bulk),
        plain().lane(Lane::Io),
        plain().trigger(Trigger::After(second)),
        plain().misfire_grace_time(second),
        plain().jitter(second),
        plain().timeout(second),
        plain().retry(crate::Retry::attempts(2)),
        plain().tag("tagged"),
        plain().durable(),
    ] {
        assert!(!Plain::<Numbers>::is_enough(&more), "{more:?}");
    }
}

#[test]
fn what_is_dealt_counts_as_waiting_so_that_no_more_come_than_there_is_room_for() {
    let narrow = Limits {
        pending: [4; 3],
        ..limits()
    };
    let (mut queue, mut hand) = (Queue::<Numbers>::new(narrow, 1, 1), Hand::new(1));
    let add = |queue: &mut Queue<Numbers>, n: u32| {
        queue
            .add_plain(Plain::new(spec(&n.to_string()), at(0)))
            .is_ok()
    };
    assert!((0..4).all(|n| add(&mut queue, n)));
    assert!(queue.deal(0, &mut hand, at(0)));
    assert!(!add(&mut queue, 4), "the one that was dealt may come back");
    hand.begin(EventMask::NONE, at(0)).unwrap();
    queue.recall(0, &mut hand);
    assert!(add(&mut queue, 4), "it has begun");
    assert!(!add(&mut queue, 5));
}

#[test]
fn a_hand_grows_while_its_jobs_are_quick_and_shrinks_when_they_are_not() {
    let (mut queue, mut hand) = (Queue::<Numbers>::new(limits(), 1, 1), Hand::new(1));
    for n in 0..100 {
        let job = Plain::new(spec(&n.to_string()), at(0));
        assert!(queue.add_plain(job).is_ok());
    }
    let mut now_us = 0;
    let mut play = |a_job_us: u64| {
        assert!(queue.deal(0, &mut hand, at(now_us)));
        let mut count = 0;
        while let Some(mut begun) = hand.begin(EventMask::NONE, at(now_us)) {
            now_us += a_job_us;
            hand.end(&mut begun, &Arc::new(0), EventMask::NONE, at(now_us))
                .unwrap();
            count += 1;
        }
        queue.book(0, &mut hand, &mut Vec::new(), at(now_us));
        count
    };
    assert_eq!([1; 6].map(&mut play), [1, 2, 4, 8, 16, 16]);
    // The hand is stale after 50 µs; what is left of it is dealt again.
    assert_eq!([30; 6].map(&mut play), [2, 2, 2, 2, 1, 1]);
    assert_eq!(play(1), 1);
    assert_eq!(play(1), 2);
}
