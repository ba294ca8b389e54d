//! The dispatcher between a real scheduler and a real listener, on a chain that nobody can add to.

use std::sync::mpsc::sync_channel;

use jbc_chain::{Entries, Network, Target};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::listener::{MiningConfig, Network as Peers};
use jbc_jobs::peer_table::PeerTable;
use jbc_jobs::task::{Origin, ValidateTask, Validated};
use jbc_scheduler::{JobStore, MemoryStore};
use tempfile::TempDir;

use super::*;

/// How long a test waits for what must come, before it fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// A node with one mining lane, as far as jobs go.
struct Bench {
    scheduler: Scheduler<NodeJobs>,
    dispatch: Arc<Dispatch>,
    feed: Feed,
    store: MemoryStore,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let since = "1508895381".parse().unwrap();
        let target = Target::from_expected_hashes(2.0);
        let network = Network::custom("easy", target, "First block.", since).unwrap();
        let blocks = BlockStore::open(folder.path(), &network).unwrap();
        let ledger = Ledger::open(network.clone(), blocks, std::iter::empty()).unwrap();
        let mining = MiningConfig {
            lanes: 1,
            // One range for as long as the test takes: between two there is no job for a moment.
            rounds: Some(1 << 40),
            salt: 0,
        };
        let mut tip = ledger.snapshot().tip.clone();
        tip.target = Target::from_expected_hashes(1e60);
        let peers = Peers::new(PeerTable::new([]), "me".to_owned(), network.fingerprint());
        let listener = Listener::new(
            tip,
            ("data".to_owned(), Entries::default()),
            mining,
            peers,
            false,
        );
        let jobs = Arc::new(Jobs {
            ledger,
            peers: HttpPeers::new(None).unwrap(),
            clock: SystemClock,
            kernel: jbc_pow::Kernel::best(),
            node_id: "me".to_owned(),
            fingerprint: network.fingerprint(),
        });
        let (feed, store) = (Feed::default(), MemoryStore::new());
        let dispatch = Arc::new(Dispatch::new(listener, feed.clone()));
        let scheduler = Scheduler::builder(jobs)
            .workers(1, 1)
            .store(store.clone())
            .listener(Dispatch::EVENTS, Dispatch::ear(&dispatch))
            .start()
            .unwrap();
        Self {
            scheduler,
            dispatch,
            feed,
            store,
            _folder: folder,
        }
    }

    fn mining(&self) -> Option<bool> {
        let job = self.scheduler.get_job(&"mining".into())?;
        Some(job.paused)
    }

    fn kept_pauses(&self) -> Vec<JobId> {
        self.store.load().unwrap().paused
    }

    fn ended(&self, task: Task, outcome: Outcome) {
        self.dispatch.take(Note::Ended {
            task: Arc::new(task),
            end: Ended::Done(Arc::new(outcome)),
            elapsed: Duration::ZERO,
            kept: false,
        });
    }

    /// A validation that met a full disk ends.
    fn disk_fills(&self) {
        let task = ValidateTask {
            blocks: Vec::new(),
            origin: Origin::Mined,
        };
        let validated = Validated {
            verdicts: Vec::new(),
            tip: None,
            full: true,
            early: Vec::new(),
        };
        self.ended(Task::Validate(task), Outcome::Validated(validated));
        assert!(self.dispatch.listener().disk_is_full());
    }

    fn disk_has_room(&self) {
        self.ended(Task::Space, Outcome::Room { free: true });
        assert!(!self.dispatch.listener().disk_is_full());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let report = self.scheduler.drain(DEADLINE);
        assert!(report.is_clean() || std::thread::panicking(), "{report:?}");
    }
}

#[test]
fn what_ends_before_the_start_is_told_at_the_start() {
    let bench = Bench::new();
    let mut news = bench.feed.subscribe();
    let (sender, ends) = sync_channel(1);
    bench
        .scheduler
        .add_listener(EventMask::JOB_ENDED, move |event, _| {
            // Only the first end is waited for.
            let _ = sender.try_send(event.job_id.clone());
        });
    bench
        .scheduler
        .add_job(Task::Audit.into_spec(Trigger::Now))
        .unwrap();
    assert_eq!(ends.recv_timeout(DEADLINE).unwrap(), "audit");
    assert_eq!(bench.mining(), None, "nothing is armed yet");

    bench.dispatch.start(&bench.scheduler);
    assert_eq!(bench.mining(), Some(false));
    let told = std::iter::from_fn(|| news.try_recv().ok());
    let audits = told.filter(|line| line.contains(r#""type":"audit""#));
    assert_eq!(audits.count(), 1);
}

#[test]
fn a_full_disk_holds_mining_and_leaves_no_pause_behind() {
    let bench = Bench::new();
    bench.dispatch.start(&bench.scheduler);
    bench.disk_fills();
    assert_eq!(bench.mining(), None);
    assert!(bench.kept_pauses().is_empty());
    bench.disk_has_room();
    assert_eq!(bench.mining(), Some(false));
}

#[test]
fn a_full_disk_does_not_end_the_operators_pause() {
    let bench = Bench::new();
    bench.dispatch.start(&bench.scheduler);
    bench.scheduler.pause_job(&"mining".into()).unwrap();
    bench.disk_fills();
    assert_eq!(bench.kept_pauses(), ["mining"]);
    bench.disk_has_room();
    assert_eq!(bench.mining(), Some(true));
    assert_eq!(bench.kept_pauses(), ["mining"]);
}
