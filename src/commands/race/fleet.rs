//! The nodes of a race: processes in a temporary folder, and none of them outlives it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jbc_scheduler::JobInfo;
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::RaceArgs;
use super::plan::Plan;
use jbc_jobs::task::is_mining_id;

use crate::client::{ClientError, NodeClient, Status, Steer};
use crate::commands::terminal::{complain, printable};

/// Time in which every node has to answer, in milliseconds.
const START_MS: u64 = 10_000;
/// Time that nodes get to end after SIGTERM, in milliseconds; they promise 2 s.
const STOP_MS: u64 = 3_000;
/// Time between two looks at something that takes a moment, in milliseconds.
const CHECK_MS: u64 = 25;
/// Looks for the jobs of all mining threads: one may be between two ranges.
const JOB_LOOKS: u32 = 40;
/// How much of a log is shown, in bytes and lines.
const TAIL_BYTES: u64 = 4 << 10;
const TAIL_LINES: usize = 8;
/// Readable by the owner alone: the folder holds tokens.
const OWNER_ONLY: u32 = 0o700;

/// A node of the race.
#[derive(Debug)]
pub(super) struct Racer {
    /// What it writes into its blocks: `racer 1`.
    pub(super) tag: String,
    pub(super) port: u16,
    pub(super) client: NodeClient,
    folder: PathBuf,
    log: PathBuf,
    child: Child,
}

/// All nodes of the race. Dropped, also by a panic, it kills them and then removes their folder.
#[derive(Debug)]
pub(super) struct Fleet {
    racers: Vec<Racer>,
    folder: Folder,
}

/// A folder of its own, removed in the end unless it is to be kept.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What can not be removed from a temporary folder the system will.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for racer in &mut self.racers {
            // An error says that it has ended.
            let _ = racer.child.kill();
            let _ = racer.child.wait();
        }
    }
}

impl Fleet {
    /// No nodes yet, and a folder for them.
    pub(super) fn new(keep: bool) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("jbc-race-{}", Uuid::now_v7()));
        DirBuilder::new()
            .mode(OWNER_ONLY)
            .create(&path)
            .with_context(|| path.display().to_string())?;
        Ok(Self {
            racers: Vec::new(),
            folder: Folder { path, keep },
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder.path
    }

    pub(super) fn racers(&self) -> &[Racer] {
        &self.racers
    }

    pub(super) fn tags(&self) -> Vec<String> {
        self.racers.iter().map(|racer| racer.tag.clone()).collect()
    }

    /// Starts the nodes, and waits until all of them answer.
    pub(super) async fn start(&mut self, args: &RaceArgs, plan: &Plan) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("where this program is")?;
        let network = self.folder.path.join("network.json");
        fs::write(&network, plan.network.to_json())
            .with_context(|| network.display().to_string())?;
        let ports = free_ports(args.peers, args.base_port)?;
        for (position, port) in ports.iter().enumerate() {
            let tag = format!("racer {}", position + 1);
            let folder = self.folder.path.join(port.to_string());
            let log = self.folder.path.join(format!("{port}.log"));
            let mut command = Command::new(&program);
            command.args([
                "node",
                "--mine",
                "--no-files",
                "--log",
                "json",
                "--host",
                "127.0.0.1",
            ]);
            command.args([
                "--port",
                &port.to_string(),
                "--threads",
                &args.threads.to_string(),
                "--tag",
                &tag,
            ]);
            command
                .arg("--data-dir")
                .arg(&folder)
                .arg("--network")
                .arg(&network);
            for other in ports.iter().filter(|other| *other != port) {
                command.args(["--peer", &format!("http://127.0.0.1:{other}")]);
            }
            if ports.len() == 1 {
                command.arg("--no-peers"); // or it would look for the tutorial's
            }
            let child =
                spawn(command, &log).with_context(|| format!("starting {}", program.display()))?;
            self.racers.push(Racer {
                tag,
                port: *port,
                client: NodeClient::on_port(*port)?,
                folder,
                log,
                child,
            });
        }
        self.wait_until_up(&plan.network.fingerprint()).await
    }

    async fn wait_until_up(&mut self, network_id: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_millis(START_MS);
        for position in 0..self.racers.len() {
            loop {
                self.check_alive()?;
                let racer = &self.racers[position];
                match racer.client.status().await {
                    Ok(status) if status.network.id == network_id => break,
                    Ok(_) => bail!("a node of another network has taken port {}", racer.port),
                    Err(error) if Instant::now() > deadline => {
                        racer.show_log_tail();
                        bail!("{} does not answer: {error}", racer.tag);
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(CHECK_MS)).await,
                }
            }
        }
        Ok(())
    }

    /// A node that has ended ends the race.
    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        for racer in &mut self.racers {
            if let Some(status) = racer.child.try_wait()? {
                racer.show_log_tail();
                bail!(
                    "{} on port {} has ended ({status}): {}",
                    racer.tag,
                    racer.port,
                    racer.last_words()
                );
            }
        }
        Ok(())
    }

    /// What all nodes say of themselves, asked at the same time.
    pub(super) async fn statuses(&self) -> Result<Vec<Status>, ClientError> {
        let mut asked = JoinSet::new();
        for (position, racer) in self.racers.iter().enumerate() {
            let client = racer.client.clone();
            asked.spawn(async move { (position, client.status().await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(position, _)| *position);
        answers.into_iter().map(|(_, status)| status).collect()
    }

    /// Whether no node mines or validates at the moment.
    pub(super) async fn is_calm(&self) -> Result<bool, ClientError> {
        for racer in &self.racers {
            let jobs = racer.client.jobs().await?;
            let works = |job: &JobInfo| match is_mining_id(job.id.as_str()) {
                true => !job.runs.is_empty(),
                false => job.name == "validate",
            };
            if jobs.iter().any(works) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Shows the ends of all logs, before an error that they may explain.
    pub(super) fn show_log_tails(&self) {
        self.racers.iter().for_each(Racer::show_log_tail);
    }

    /// Asks all nodes to end; kills those that do not. Afterwards there is none.
    pub(super) async fn stop(&mut self) {
        for racer in &self.racers {
            // Not waited for yet, so the id is still this process's own. An error says that it has ended.
            let _ = kill_process(Pid::from_child(&racer.child), Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_millis(STOP_MS);
        while self.racers.iter_mut().any(Racer::is_running) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(CHECK_MS)).await;
        }
        for racer in &mut self.racers {
            if racer.is_running() {
                eprintln!(
                    "jbc: {} did not end within {} s and is killed",
                    racer.tag,
                    STOP_MS / 1_000
                );
                let _ = racer.child.kill();
                let _ = racer.child.wait();
            }
        }
        self.racers.clear();
    }
}

impl Racer {
    /// The last line of its log.
    fn last_words(&self) -> String {
        let tail = log_tail(&self.log).unwrap_or_default();
        tail.lines().last().unwrap_or_default().to_owned()
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Pauses or resumes all of its mining jobs.
    pub(super) async fn steer_mining(&self, action: Steer) -> anyhow::Result<()> {
        let path = self.folder.join("token");
        let token = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let threads = self.client.status().await?.mining.threads;
        for id in self.mining_jobs(threads).await? {
            self.client.steer(action, &id, token.trim()).await?;
        }
        Ok(())
    }

    async fn mining_jobs(&self, threads: u64) -> anyhow::Result<Vec<String>> {
        for _ in 0..JOB_LOOKS {
            let jobs = self.client.jobs().await?;
            let ids: Vec<String> = jobs
                .iter()
                .map(|job| job.id.to_string())
                .filter(|id| is_mining_id(id))
                .collect();
            if ids.len() as u64 == threads {
                return Ok(ids);
            }
            tokio::time::sleep(Duration::from_millis(CHECK_MS)).await;
        }
        bail!(
            "{} has not one mining job for each of its {threads} threads",
            self.tag
        )
    }

    /// On stderr, line by line: an error's own message is one line.
    fn show_log_tail(&self) {
        complain(&format!("jbc: the log of {} ends with:", self.tag));
        match log_tail(&self.log) {
            Ok(tail) => tail.lines().for_each(|line| complain(&printable(line))),
            Err(error) => complain(&format!("{}: {error}", self.log.display())),
        }
    }
}

/// The last lines of a file that may be long.
fn log_tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
}

/// Starts a process that writes to `log` alone.
fn spawn(mut command: Command, log: &Path) -> io::Result<Child> {
    let log = File::create(log)?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// This many ports that are free now: from `base` on, or whichever the system gives. All are held until all are found, so
/// that none is given twice; after that a stranger may still take one, and its node says so and ends.
fn free_ports(count: usize, base: Option<u16>) -> anyhow::Result<Vec<u16>> {
    let mut held = Vec::new();
    for position in 0..count {
        let port = match base {
            None => 0,
            Some(base) => u16::try_from(usize::from(base) + position).with_context(|| {
                format!("--base-port {base}: {count} ports do not fit below 65536")
            })?,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("port {port}"))?;
        held.push(listener);
    }
    let ports: io::Result<Vec<u16>> = held
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect();
    Ok(ports?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::canned::{Canned, job_json};

    /// A fleet of one process that is no node.
    fn fleet_of(program: &str, args: &[&str]) -> (Fleet, PathBuf) {
        let mut fleet = Fleet::new(false).unwrap();
        let folder = fleet.folder().to_owned();
        let log = folder.join("1.log");
        let mut command = Command::new(program);
        command.args(args);
        let child = spawn(command, &log).unwrap();
        let client = NodeClient::on_port(1).unwrap();
        fleet.racers.push(Racer {
            tag: "racer 1".to_owned(),
            port: 1,
            client,
            folder: folder.clone(),
            log,
            child,
        });
        (fleet, folder)
    }

    fn exists(pid: Pid) -> bool {
        rustix::process::test_kill_process(pid).is_ok()
    }

    #[test]
    fn a_dropped_fleet_leaves_no_process_and_no_folder() {
        let (fleet, folder) = fleet_of("sleep", &["1000"]);
        let pid = Pid::from_child(&fleet.racers[0].child);
        assert!(exists(pid) && folder.exists());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _fleet = fleet;
            panic!("a race that panics");
        }));
        assert!(panicked.is_err() && !exists(pid) && !folder.exists());
    }

    #[tokio::test]
    async fn a_node_that_ends_when_asked_is_not_killed_and_a_kept_folder_stays() {
        let (mut fleet, folder) = fleet_of(
            "sh",
            &[
                "-c",
                "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done",
            ],
        );
        let log = folder.join("1.log");
        let deadline = Instant::now() + Duration::from_secs(10);
        while log_tail(&log).unwrap() != "up" {
            assert!(Instant::now() < deadline, "the trap was not set in time");
            tokio::task::yield_now().await;
        }
        fleet.folder.keep = true;
        fleet.stop().await;
        drop(fleet);
        assert_eq!(log_tail(&log).unwrap(), "up\nbye");
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_node_that_ends_by_itself_fails_the_race_with_its_last_words() {
        let (mut fleet, _) = fleet_of("sh", &["-c", "echo cannot open the store; exit 3"]);
        fleet.racers[0].child.wait().unwrap();
        let error = fleet.check_alive().unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.ends_with("cannot open the store"),
            "{error}"
        );
        assert!(fleet.wait_until_up("x").await.is_err());
    }

    #[tokio::test]
    async fn nodes_are_calm_when_nothing_mines_or_validates() {
        let paused = job_json("mining", "paused");
        let (runs, none) = (paused.find("[{").unwrap(), "\"runs\":[]");
        let end = paused.find("}]").unwrap() + 2;
        let idle = format!(
            "{}{none}{}",
            &paused[..runs - "\"runs\":".len()],
            &paused[end..]
        );
        let validate = idle
            .replace("\"mining\"", "\"validate:1\"")
            .replace("\"mine\"", "\"validate\"");
        for (jobs, calm) in [
            (paused.clone(), false),
            (idle.clone(), true),
            (format!("{idle},{validate}"), false),
            (
                format!("{idle},{}", paused.replace("\"mining\"", "\"poll\"")),
                true,
            ),
        ] {
            let server = Canned::serve(vec![("GET /jobs ", format!("{{\"jobs\":[{jobs}]}}"))]);
            let (mut fleet, _) = fleet_of("sleep", &["1000"]);
            fleet.racers[0].client = NodeClient::new(&server.url).unwrap();
            assert_eq!(fleet.is_calm().await.unwrap(), calm, "{jobs}");
        }
    }

    #[test]
    fn free_ports_are_distinct_and_a_taken_one_is_named() {
        let ports = free_ports(8, None).unwrap();
        assert!(
            ports
                .iter()
                .all(|port| ports.iter().filter(|other| *other == port).count() == 1)
        );
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        let held = TcpListener::bind(taken).unwrap();
        let port = held.local_addr().unwrap().port();
        assert!(
            free_ports(1, Some(port))
                .unwrap_err()
                .to_string()
                .contains(&port.to_string())
        );
        assert!(free_ports(2, Some(u16::MAX)).is_err());
    }

    #[test]
    fn the_end_of_a_long_log_is_its_last_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<String> = (0..10_000).map(|line| format!("line {line}")).collect();
        fs::write(file.path(), lines.join("\n")).unwrap();
        let tail = log_tail(file.path()).unwrap();
        assert_eq!(
            (tail.lines().count(), tail.lines().last()),
            (TAIL_LINES, Some("line 9999"))
        );
    }
}
