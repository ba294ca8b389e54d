//! Nodes as child processes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jbc_chain::{Block, Unchecked};
use jbc_jobs::task::validate_id;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::http::{Answer, JSON, ask, send};
use crate::wait::{until, until_true};

/// The program under test.
pub(crate) const JBC: &str = env!("CARGO_BIN_EXE_jbc");
/// The program that looks into it.
pub(crate) const JBC_SCHED: &str = env!("CARGO_BIN_EXE_jbc-sched");

/// How a node is started, also again.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    command: &'static str,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    network: Option<PathBuf>,
    logs: PathBuf,
    peers: Vec<u16>,
    args: Vec<String>,
}

impl Plan {
    /// `jbc COMMAND` on this port, data folder and network file, with its log in the folder `logs`.
    pub(crate) fn new(
        command: &'static str,
        port: u16,
        folder: PathBuf,
        network: &Path,
        logs: &Path,
    ) -> Self {
        let (network, logs) = (Some(network.to_owned()), logs.to_owned());
        Self {
            command,
            port,
            folder,
            network,
            logs,
            peers: Vec::new(),
            args: Vec::new(),
        }
    }

    /// Mining, with one thread.
    pub(crate) fn mining(&self) -> Self {
        self.with(&["--mine", "--threads", "1"])
    }

    /// With further flags.
    pub(crate) fn with(&self, args: &[&str]) -> Self {
        let mut plan = self.clone();
        plan.args.extend(args.iter().map(ToString::to_string));
        plan
    }

    /// With further peers on this machine.
    pub(crate) fn with_peers(&self, ports: &[u16]) -> Self {
        let mut plan = self.clone();
        plan.peers.extend(ports);
        plan
    }

    /// On another folder.
    pub(crate) fn on(&self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            ..self.clone()
        }
    }

    /// On another network: a name or a file.
    pub(crate) fn of(&self, network: impl AsRef<Path>) -> Self {
        Self {
            network: Some(network.as_ref().to_owned()),
            ..self.clone()
        }
    }

    /// Without a word about the network.
    pub(crate) fn on_the_default_network(&self) -> Self {
        Self {
            network: None,
            ..self.clone()
        }
    }

    /// Starts it and waits until it answers.
    #[track_caller]
    pub(crate) fn start(&self) -> Node {
        let mut node = self.spawn();
        until("the node answers", || {
            if let Some(status) = node.child.try_wait().unwrap() {
                panic!("the node ended with {status}");
            }
            ask(self.port, "GET", "/status", &[]).ok()
        });
        node
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn spawn(&self) -> Node {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let log = self
            .logs
            .join(format!("run-{}.log", RUNS.fetch_add(1, Ordering::Relaxed)));
        let mut command = Command::new(JBC);
        command.arg(self.command).args(&self.args);
        command.arg("--data-dir").arg(&self.folder);
        if let Some(network) = &self.network {
            command.arg("--network").arg(network);
        }
        if self.command == "node" {
            command.args(["--port", &self.port.to_string()]);
        }
        if self.peers.is_empty() {
            command.arg("--no-peers");
        }
        for port in &self.peers {
            command.args(["--peer", &url(*port)]);
        }
        let child = command
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Node {
            child,
            port: self.port,
            folder: self.folder.clone(),
            log,
        }
    }

    /// Starts it where it cannot run: waits for its end, and says how it ended and what it said.
    #[track_caller]
    pub(crate) fn fail(&self) -> (Option<i32>, String) {
        let mut node = self.spawn();
        let status = node.ended();
        (status.code(), node.log())
    }
}

/// Where a node of this machine listens.
pub(crate) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A child process, killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    log: PathBuf,
}

/// A tip as `/status` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) index: u64,
    pub(crate) hash: String,
}

impl Node {
    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the process ends", || self.child.try_wait().unwrap())
    }

    /// Ends it as a person would, and waits.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert!(status.success(), "SIGTERM ended it with {status}");
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn try_get(&self, path: &str) -> io::Result<Answer> {
        ask(self.port, "GET", path, &[])
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        send(self.port, "POST", path, &[JSON], body.as_bytes()).unwrap()
    }

    /// A steering request with the folder's token.
    #[track_caller]
    pub(crate) fn steer(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token());
        send(
            self.port,
            method,
            path,
            &[JSON, ("authorization", &bearer)],
            body.to_string().as_bytes(),
        )
        .unwrap()
    }

    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.folder.join("token")).unwrap()
    }

    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        self.get("/status").json()
    }

    #[track_caller]
    pub(crate) fn tip(&self) -> Tip {
        let status = self.status();
        Tip {
            index: status["tip"]["index"].as_u64().unwrap(),
            hash: status["tip"]["hash"].as_str().unwrap().to_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn height(&self) -> u64 {
        self.tip().index
    }

    #[track_caller]
    pub(crate) fn reaches(&self, height: u64) -> Tip {
        until(&format!("height {height} on port {}", self.port), || {
            Some(self.tip()).filter(|tip| tip.index >= height)
        })
    }

    /// The whole best chain.
    #[track_caller]
    pub(crate) fn chain(&self) -> Vec<Block<Unchecked>> {
        Block::list_from_json(&self.get("/blockchain.json").body).unwrap()
    }

    /// Posts a block and waits until it went through validation.
    #[track_caller]
    pub(crate) fn takes(&self, block: &Block<Unchecked>) {
        let answer = self.post("/mined", &block.to_json());
        assert_eq!(
            (answer.status, answer.json()),
            (202, json!({ "received": true }))
        );
        let id = validate_id(block);
        until_true("the block's validation", || {
            let runs = self.get("/jobs/history").json();
            runs["runs"]
                .as_array()
                .unwrap()
                .iter()
                .any(|run| run["job_id"] == id.as_str())
        });
    }

    /// The job of this id, as `/jobs` lists it.
    #[track_caller]
    pub(crate) fn job(&self, id: &str) -> Option<Value> {
        let jobs = self.get("/jobs").json();
        jobs["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|job| job["id"] == id)
            .cloned()
    }

    /// Pauses mining, and waits until no block is on its way any more.
    #[track_caller]
    pub(crate) fn rest(&self) {
        // Between two ranges there is, for a moment, no job of this name.
        until_true("mining takes a pause", || {
            self.steer("POST", "/jobs/pause", &json!({ "id": "mining" }))
                .status
                == 200
        });
        until_true("nothing is under way", || {
            let jobs = self.get("/jobs").json();
            let jobs = jobs["jobs"].as_array().unwrap();
            let resting = |job: &Value| {
                job["id"] == "mining" && job["paused"] == true && job["runs"] == json!([])
            };
            let validating = |job: &Value| job["name"] == "validate";
            jobs.iter().any(resting) && !jobs.iter().any(validating)
        });
    }

    /// Ends the pause.
    #[track_caller]
    pub(crate) fn go_on(&self) {
        assert_eq!(
            self.steer("POST", "/jobs/resume", &json!({ "id": "mining" }))
                .status,
            200
        );
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only where it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let last: Vec<_> = log.lines().rev().take(30).collect();
            eprintln!("--- the last lines of the node on port {}:", self.port);
            last.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Waits until all have the same tip while nobody mines. Where two tips are worth the same, nobody gives way, so the
/// first miner goes on for a block, as often as it takes.
#[track_caller]
pub(crate) fn agreed(miners: &[&Node]) -> Tip {
    until("all miners agree", || {
        for node in miners {
            node.rest();
        }
        let tips: Vec<_> = miners.iter().map(|node| node.tip()).collect();
        if tips.windows(2).all(|pair| pair[0] == pair[1]) {
            return tips.first().cloned();
        }
        let best = tips.iter().map(|tip| tip.index).max()?;
        if tips
            .iter()
            .filter(|tip| tip.index == best)
            .any(|tip| tip.hash != tips[0].hash)
        {
            miners[0].go_on();
            miners[0].reaches(best + 1);
        }
        None
    })
}
