//! Jobs over stored blocks, run as the node runs them: by a scheduler.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jbc_chain::{Block, Hash, Unchecked, UnixMicros};
use jbc_jobs::executor::Jobs;
use jbc_jobs::files::FILES_AT_ONCE;
use jbc_jobs::ports::Clock;
use jbc_jobs::task::{AuditReport, MineTask, MineTemplate, Origin, Outcome, Task};
use jbc_scheduler::{EventCode, EventMask, Scheduler, Trigger};

use crate::fakes::{
    Call, MemoryStore, NOW, ScriptedPeers, best_chain, branch, child, genesis, ledger_of, network,
    some_hash,
};

/// How long a test waits for a job to end. Only a failing test waits that long.
const DEADLINE: Duration = Duration::from_secs(60);

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixMicros {
        NOW
    }
}

type TestJobs = Jobs<MemoryStore, ScriptedPeers, StoppedClock>;
type Ended = (EventCode, Option<Outcome>);

struct Bench {
    jobs: Arc<TestJobs>,
    scheduler: Scheduler<TestJobs>,
    ends: Receiver<Ended>,
}

impl Bench {
    fn new(blocks: &[Block<Unchecked>]) -> Self {
        let jobs = Arc::new(Jobs {
            ledger: ledger_of(blocks),
            peers: ScriptedPeers::default(),
            clock: StoppedClock,
            kernel: jbc_pow::Kernel::best(),
            node_id: "me".to_owned(),
            fingerprint: network().fingerprint(),
        });
        let builder = Scheduler::builder(Arc::clone(&jobs)).workers(1, 1);
        let scheduler = builder.start().unwrap();
        let (sender, ends) = channel();
        let sender = Mutex::new(sender);
        scheduler.add_listener(EventMask::JOB_ENDED, move |event, _| {
            let outcome = event.output.as_deref().cloned();
            sender.lock().unwrap().send((event.code, outcome)).unwrap();
        });
        Self {
            jobs,
            scheduler,
            ends,
        }
    }

    /// Runs a task once, however it ends.
    fn run(&self, task: Task) -> Ended {
        self.scheduler
            .add_job(task.into_spec(Trigger::Now).retry(None))
            .unwrap();
        self.ends.recv_timeout(DEADLINE).unwrap()
    }

    fn store(&self) -> &MemoryStore {
        self.jobs.ledger.store()
    }

    fn admit(&self, blocks: &[Block<Unchecked>]) {
        self.jobs.ledger.admit(blocks, &Origin::Mined, NOW).unwrap();
    }

    /// The heights whose files the next run writes.
    fn write_files(&self) -> Vec<u64> {
        self.store().forget_calls();
        let (_, outcome) = self.run(Task::Files);
        let heights = self.written();
        let Some(Outcome::FilesWritten { tip, written }) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(tip, self.jobs.ledger.snapshot().tip.hash);
        assert_eq!(written, heights.len() as u64);
        assert_eq!(self.store().files(), best_chain(&self.jobs.ledger));
        heights
    }

    fn written(&self) -> Vec<u64> {
        let height = |call: &Call| match call {
            Call::WriteFile(height) => Some(*height),
            _ => None,
        };
        self.store().calls().iter().filter_map(height).collect()
    }

    fn audit(&self) -> (EventCode, AuditReport) {
        match self.run(Task::Audit) {
            (code, Some(Outcome::Audited(report))) => (code, report),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn files_show_the_whole_chain_and_then_only_what_is_new() {
    let blocks = branch(&genesis(), "chain", 5);
    let bench = Bench::new(&blocks);
    assert_eq!(bench.write_files(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(bench.write_files(), [0; 0], "nothing is rewritten");
    bench.admit(&branch(&blocks[4], "chain", 2));
    assert_eq!(bench.write_files(), [6, 7]);
}

#[test]
fn files_of_a_long_chain_are_written_by_several_jobs_so_that_others_get_their_turn() {
    let blocks = branch(&genesis(), "chain", FILES_AT_ONCE + 20);
    let bench = Bench::new(&blocks);
    let (_, outcome) = bench.run(Task::Files);
    let Some(Outcome::FilesWritten { tip, written }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(written, FILES_AT_ONCE as u64);
    assert_eq!(tip, *blocks[FILES_AT_ONCE - 2].hash()); // the first block has a file too
    assert_eq!(bench.write_files().len(), 21);
}

#[test]
fn files_follow_a_reorganisation_from_the_fork_on() {
    let blocks = branch(&genesis(), "ours", 6);
    let bench = Bench::new(&blocks);
    bench.write_files();
    bench.admit(&branch(&blocks[2], "theirs", 5));
    assert_eq!(bench.write_files(), [4, 5, 6, 7, 8]);
    bench.admit(&[child(&blocks[5], "a side block")]);
    assert_eq!(bench.write_files(), [0; 0]);
}

#[test]
fn files_go_on_from_the_mark_after_a_failure_in_the_middle() {
    let blocks = branch(&genesis(), "ours", 3);
    let bench = Bench::new(&blocks);
    bench.write_files();
    bench.admit(&branch(&blocks[2], "ours", 5));
    bench.store().fail_after_files(Some(2));
    let (code, outcome) = bench.run(Task::Files);
    assert_eq!(code, EventCode::JobError);
    assert!(outcome.is_none());
    assert_eq!(
        bench.jobs.ledger.snapshot().tip.index,
        8,
        "the chain does not depend on its picture"
    );

    bench.store().fail_after_files(None);
    assert_eq!(bench.write_files(), [4, 5, 6, 7, 8]);
}

#[test]
fn files_go_on_from_the_mark_after_a_failure_and_a_reorganisation() {
    let blocks = branch(&genesis(), "ours", 3);
    let bench = Bench::new(&blocks);
    bench.write_files();
    bench.admit(&branch(&blocks[2], "ours", 3));
    bench.store().fail_after_files(Some(2));
    bench.run(Task::Files);
    bench.store().fail_after_files(None);
    bench.admit(&branch(&blocks[1], "theirs", 5));
    assert_eq!(bench.write_files(), [3, 4, 5, 6, 7]);
}

#[test]
fn files_stopped_in_the_middle_go_on_from_the_mark() {
    let bench = Bench::new(&branch(&genesis(), "ours", 9));
    let scheduler = bench.scheduler.clone();
    bench.store().watch(move |call| {
        if *call == Call::WriteFile(3) {
            scheduler.cancel_run(&"files".into()).unwrap();
        }
    });
    let (code, _) = bench.run(Task::Files);
    assert_eq!(code, EventCode::JobCancelled);
    assert_eq!(bench.written(), [0, 1, 2, 3]);
    bench.store().watch(|_| {});
    assert_eq!(bench.write_files().len(), 10);
}

#[test]
fn files_of_a_chain_that_nobody_knows_are_all_written_anew() {
    let bench = Bench::new(&branch(&genesis(), "ours", 3));
    for height in 0..20 {
        bench.store().put_file(height, some_hash(height));
    }
    bench.store().mark_files_tip(some_hash(19));
    assert_eq!(bench.write_files(), [0, 1, 2, 3]);
    assert!(bench.store().calls().contains(&Call::RemoveFilesAbove(3)));
}

#[test]
fn an_audit_of_a_sound_store_finds_nothing() {
    let blocks = branch(&genesis(), "ours", 20);
    let bench = Bench::new(&blocks);
    bench.admit(&branch(&blocks[3], "a side branch", 4));
    let sound = AuditReport {
        checked: 25,
        faults: Vec::new(),
        cancelled: false,
    };
    assert_eq!(bench.audit(), (EventCode::JobExecuted, sound));
}

#[test]
fn an_audit_names_every_damaged_block() {
    let blocks = branch(&genesis(), "ours", 20);
    let bench = Bench::new(&blocks);
    // The stated hash is right, so that only hashing again can tell.
    let forged = Block::new(
        7,
        blocks[6].prev_hash().copied(),
        "forged".to_owned(),
        blocks[6].timestamp(),
        blocks[6].nonce(),
        *blocks[6].hash(),
    );
    bench.store().damage(7, Some(forged));
    bench.store().damage(12, Some(blocks[12].clone()));
    bench.store().damage(20, None);
    let (_, report) = bench.audit();
    let positions: Vec<_> = report.faults.iter().map(|fault| fault.0).collect();
    assert_eq!(positions, [7, 12, 20]);
    assert_eq!((report.checked, report.cancelled), (21, false));
    assert!(
        report.faults[0].1.contains(&blocks[6].hash().to_string()),
        "{report:?}"
    );
}

#[test]
fn an_audit_lists_a_hundred_faults_and_checks_on() {
    let bench = Bench::new(&branch(&genesis(), "ours", 150));
    for position in 1..=150 {
        bench.store().damage(position, None);
    }
    let (_, report) = bench.audit();
    assert_eq!((report.checked, report.faults.len()), (151, 100));
}

#[test]
fn an_audit_that_is_stopped_says_how_far_it_came() {
    let bench = Bench::new(&branch(&genesis(), "ours", 20));
    let scheduler = bench.scheduler.clone();
    bench.store().watch(move |call| {
        if *call == Call::Load(5) {
            scheduler.cancel_run(&"audit".into()).unwrap();
        }
    });
    let (code, report) = bench.audit();
    assert_eq!(code, EventCode::JobCancelled);
    assert_eq!(
        report,
        AuditReport {
            checked: 6,
            faults: Vec::new(),
            cancelled: true
        }
    );
}

#[test]
fn what_a_range_finds_passes_the_door() {
    let bench = Bench::new(&branch(&genesis(), "ours", 3));
    let tip = bench.jobs.ledger.snapshot().tip.clone();
    let parts = jbc_chain::TemplateParts {
        index: tip.index + 1,
        prev_hash: Some(tip.hash),
        data: "mined here".to_owned(),
        timestamp: jbc_chain::Timestamp::from_instant(NOW),
        v2: None,
    };
    let target = network().rules.easiest_target();
    let template = Arc::new(MineTemplate { parts, target });
    let range = MineTask {
        lane: 0,
        ticket: 1,
        template,
        nonces: 5..100,
    };
    let (_, outcome) = bench.run(Task::Mine(range));
    let Some(Outcome::Mined(mined)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(mined.searched, 1, "every hash is valid work here");
    let block = mined.found.unwrap();
    assert_eq!((block.nonce(), block.data().as_ref()), (5, "mined here"));

    let hash: Hash = *block.hash();
    let task = jbc_jobs::task::ValidateTask {
        blocks: vec![block],
        origin: Origin::Mined,
    };
    let (_, outcome) = bench.run(Task::Validate(task));
    assert!(matches!(outcome, Some(Outcome::Validated(answer)) if answer.tip.is_some()));
    assert_eq!(bench.jobs.ledger.snapshot().tip.hash, hash);
}
