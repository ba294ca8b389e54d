//! What a test plays on: a network that no other test has, and a folder that goes when it is over.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use jbc_chain::{Bits, Network, Target, Timestamp, V2Rules};
use tempfile::TempDir;

use crate::branch::{Branch, yesterday};
use crate::process::Plan;

/// Hashes a block where nodes mine: some blocks a second, so that they race and a test is short.
pub(crate) const RACING: f64 = 300_000.0;
/// Hashes a block where the test mines: nothing, and yet a hash begins with zeros.
pub(crate) const EASY: f64 = 2_000.0;

pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) network: Network,
    file: PathBuf,
}

impl Stage {
    /// A new network of this many hashes a block.
    pub(crate) fn new(hashes: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (target, since) = (
            Target::from_expected_hashes(hashes),
            Timestamp::from_instant(yesterday()),
        );
        static NETWORKS: AtomicU16 = AtomicU16::new(0);
        let data = format!(
            "First block of network {}.",
            NETWORKS.fetch_add(1, Ordering::Relaxed)
        );
        Self::of(folder, Network::custom("e2e", target, data, since).unwrap())
    }

    /// A new network of the v2 kind whose first blocks take this many hashes, and that expects one each half a second.
    pub(crate) fn v2(hashes: f64) -> Self {
        static NETWORKS: AtomicU16 = AtomicU16::new(0);
        let name = format!("v2 e2e {}", NETWORKS.fetch_add(1, Ordering::Relaxed));
        let bits = Bits::from_target(&Target::from_expected_hashes(hashes));
        let rules = V2Rules {
            interval_ms: 500,
            limit: bits,
            window_blocks: 30,
        };
        let since = Timestamp::from_instant_in_millis(yesterday());
        let network = Network::custom_v2(&name, &rules, bits, since).unwrap();
        Self::of(tempfile::tempdir().unwrap(), network)
    }

    fn of(folder: TempDir, network: Network) -> Self {
        let file = folder.path().join("network.json");
        fs::write(&file, network.to_json()).unwrap();
        Self {
            folder,
            network,
            file,
        }
    }

    /// A path in the stage's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A node of this name on a port of its own, without peers.
    pub(crate) fn node(&self, name: &str) -> Plan {
        Plan::new(
            "node",
            free_port(),
            self.path(name),
            &self.file,
            self.folder.path(),
        )
    }

    /// A `jbc mine` of this name.
    pub(crate) fn miner(&self, name: &str) -> Plan {
        Plan::new("mine", 0, self.path(name), &self.file, self.folder.path())
    }

    /// So many blocks upon the network's first one, known to nobody yet.
    pub(crate) fn branch(&self, count: usize) -> Branch {
        Branch::of(&self.network, count)
    }

    /// A folder of the tutorial's block files.
    pub(crate) fn block_files(&self, name: &str, branch: &Branch) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        for block in &branch.blocks {
            fs::write(block_file(&folder, block.index()), block.to_json()).unwrap();
        }
        folder
    }
}

/// The tutorial's name of a block's file.
pub(crate) fn block_file(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("{index:06}.json"))
}

/// A port that nobody listens on. Below the ports that the system hands out by itself (from 32768 on), and each only
/// once: so it stays free until its node starts, and while its node is down.
pub(crate) fn free_port() -> u16 {
    static OFFSET: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    let start = u16::try_from(process::id() % u32::from(COUNT)).expect("below COUNT");
    loop {
        let offset = OFFSET.fetch_add(1, Ordering::Relaxed);
        assert!(offset < COUNT, "no port is free");
        let port = FIRST + (start + offset) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
