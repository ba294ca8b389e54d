//! Flags → a validated [`Config`]. The only place with defaults.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use jbc_chain::{Guards, Hash, Network};
use jbc_jobs::peer_url::PeerUrl;
use jbc_pow::Kernel;
use structopt::StructOpt;

/// The ports of the tutorial's four nodes, whom a node without `--peer` looks for.
pub const TUTORIAL_PORTS: [u16; 4] = [5000, 5001, 5002, 5003];
/// Longest tag, in bytes: a sentence.
const TAG_MAX_BYTES: usize = 1_024;
/// Most nonces of a range: above, it would take days, and the nonces would run out.
const ROUNDS_MAX: u64 = 1 << 40;
/// Most mining threads: far above any machine that runs this.
const THREADS_MAX: usize = 1_024;

/// `jbc node`
#[derive(Clone, Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc node --port 5001 --mine                    joins whoever runs on the tutorial's ports, and mines
    jbc node --port 5002 --peer http://10.0.0.7:5000 --host 0.0.0.0 --url http://10.0.0.8:5002
                                                   joins another machine's node and lets it call back
    jbc node --mine --network classic              speaks with a node of the Python tutorial
    jbc node --mine --tag 'Ada was here'           writes that into its blocks

While it runs: curl http://127.0.0.1:5001/status, /jobs, /events; jbc-sched --list-jobs shows and steers its jobs.
Ctrl-C or SIGTERM ends it in order; nothing acknowledged is lost by kill -9 either.")]
pub struct NodeFlags {
    /// Port to serve on
    #[structopt(short, long, default_value = "5000")]
    pub port: u16,
    /// Mine
    #[structopt(short, long)]
    pub mine: bool,
    /// Address to serve on. Beyond 127.0.0.1 anybody who reaches it can read the chain and post blocks
    #[structopt(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// How others reach this node, if not as http://HOST:PORT
    #[structopt(long, value_name = "URL")]
    pub url: Option<String>,
    #[structopt(flatten)]
    /// What `jbc mine` takes too
    pub common: CommonFlags,
}

/// `jbc mine`
#[derive(Clone, Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc mine                                       mines on the chain of whoever runs on the tutorial's ports
    jbc mine --peer http://127.0.0.1:5001 --threads 2

It serves nobody: what it finds it pushes to its peers, and a peer that is behind it brings up.")]
pub struct MineFlags {
    #[structopt(flatten)]
    /// What `jbc node` takes too
    pub common: CommonFlags,
}

/// What `jbc node` and `jbc mine` share.
#[derive(Clone, Debug, StructOpt)]
pub struct CommonFlags {
    /// Mining threads [default: all cores but one, at least one]
    #[structopt(short, long)]
    pub threads: Option<usize>,
    /// The search loop: one that `jbc bench pow` shows [default: the fastest that this machine can run]
    #[structopt(long, value_name = "NAME")]
    pub kernel: Option<Kernel>,
    /// A peer, http://host:port; may be given again. Replaces the default peers: the tutorial's four ports on localhost
    #[structopt(long = "peer", value_name = "URL", number_of_values = 1)]
    pub peers: Vec<String>,
    /// Start without any peer
    #[structopt(long, conflicts_with = "peer")]
    pub no_peers: bool,
    /// Folder for chain, data.txt, token and block files [default: chaindata/PORT]
    #[structopt(long, value_name = "DIR", parse(from_os_str))]
    pub data_dir: Option<PathBuf>,
    /// dev, classic6, classic, or a file made by `jbc genesis`
    #[structopt(long, value_name = "NAME|FILE", default_value = "dev")]
    pub network: String,
    /// A block that the chain must have; may be given again. Branches without it are refused, whatever their work
    #[structopt(long = "checkpoint", value_name = "INDEX:HASH", number_of_values = 1)]
    pub checkpoints: Vec<String>,
    /// The most blocks that a branch with more work may take off: keeps a healed partition apart if it was longer [default:
    /// any number]
    #[structopt(long, value_name = "BLOCKS")]
    pub finality: Option<u64>,
    /// Hashes of a mining range, 100000 in the tutorial [default: measured, a tenth of a second]
    #[structopt(long, value_name = "N")]
    pub rounds: Option<u64>,
    /// What to write into mined blocks; goes into data.txt [default: Mined by node on port PORT]
    #[structopt(long, value_name = "TEXT")]
    pub tag: Option<String>,
    /// Keep the chain in the database alone: no 000001.json, 000002.json, … to watch
    #[structopt(long)]
    pub no_files: bool,
    /// Log as text for people, or as one JSON object a line
    #[structopt(long, value_name = "FORMAT", default_value = "text", possible_values = &["text", "json"])]
    pub log: String,
}

/// What a node needs to know, checked.
#[derive(Debug)]
pub struct Config {
    /// Where to serve; none for a miner that serves nobody.
    pub serve: Option<(IpAddr, u16)>,
    /// How others reach us, if they do.
    pub own_url: Option<PeerUrl>,
    /// Mining threads; 0 does not mine.
    pub threads: usize,
    /// The search loop.
    pub kernel: Kernel,
    /// Nonces of a range, if not measured.
    pub rounds: Option<u64>,
    /// The operator's peers.
    pub peers: Vec<PeerUrl>,
    /// The data folder.
    pub folder: PathBuf,
    /// The network.
    pub network: Network,
    /// What to mine, if said.
    pub tag: Option<String>,
    /// What to mine where nothing is said and no `data.txt` is there.
    pub default_tag: String,
    /// What the operator holds fast.
    pub guards: Guards,
    /// Whether to write block files.
    pub files: bool,
}

impl Config {
    /// Where tools on this machine reach the node, if it serves.
    pub fn local_url(&self) -> Option<PeerUrl> {
        let (host, port) = self.serve?;
        let host = match host {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            host => host,
        };
        PeerUrl::parse(&format!("http://{}", SocketAddr::new(host, port))).ok()
    }
}

/// A flag that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--{flag}: {reason}")]
pub struct ConfigError {
    /// The flag.
    pub flag: &'static str,
    /// Why.
    pub reason: String,
}

/// A flag, without its dashes, that cannot be used for this reason.
pub(crate) fn wrong(flag: &'static str, reason: impl ToString) -> ConfigError {
    ConfigError {
        flag,
        reason: reason.to_string(),
    }
}

impl NodeFlags {
    /// Checks the flags.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag.
    pub fn into_config(self) -> Result<Config, ConfigError> {
        let url = self
            .url
            .as_deref()
            .map(PeerUrl::parse)
            .transpose()
            .map_err(|error| wrong("url", error.reason))?;
        if self.port == 0 {
            return Err(wrong(
                "port",
                "0 would be another port each time, and peers could not find it",
            ));
        }
        let listen = format!("http://{}", SocketAddr::new(self.host, self.port));
        // An unspecified address (0.0.0.0) is nowhere to be called: such a node announces itself only by --url.
        let own_url = url.or_else(|| PeerUrl::parse(&listen).ok());
        let tag = format!("Mined by node on port {}", self.port);
        let folder = Path::new("chaindata").join(self.port.to_string());
        let config = self.common.into_config(self.mine, folder, tag)?;
        Ok(Config {
            serve: Some((self.host, self.port)),
            own_url,
            ..config
        })
    }
}

impl MineFlags {
    /// Checks the flags.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag.
    pub fn into_config(self) -> Result<Config, ConfigError> {
        self.common.into_config(
            true,
            Path::new("chaindata").join("mine"),
            "Mined by jbc mine".to_owned(),
        )
    }
}

impl CommonFlags {
    fn into_config(
        self,
        mine: bool,
        folder: PathBuf,
        default_tag: String,
    ) -> Result<Config, ConfigError> {
        let peers = if self.peers.is_empty() && !self.no_peers {
            tutorial_peers()
        } else {
            self.peers
        };
        let peers: Result<Vec<_>, _> = peers.iter().map(|peer| PeerUrl::parse(peer)).collect();
        let peers = peers.map_err(|error| wrong("peer", error.reason))?;
        if let Some(rounds) = self
            .rounds
            .filter(|rounds| !(1..=ROUNDS_MAX).contains(rounds))
        {
            return Err(wrong(
                "rounds",
                format!("{rounds} is not between 1 and {ROUNDS_MAX}"),
            ));
        }
        let threads = match self.threads {
            Some(threads) if !(1..=THREADS_MAX).contains(&threads) => {
                return Err(wrong(
                    "threads",
                    format!("{threads} is not between 1 and {THREADS_MAX}"),
                ));
            }
            Some(threads) => threads,
            None => default_threads(),
        };
        if let Some(tag) = &self.tag {
            check_tag(tag)?;
        }
        Ok(Config {
            serve: None,
            own_url: None,
            threads: if mine { threads } else { 0 },
            kernel: self.kernel.unwrap_or_else(Kernel::best),
            rounds: self.rounds,
            peers,
            folder: self.data_dir.unwrap_or(folder),
            network: network(&self.network)?,
            tag: self.tag,
            default_tag,
            guards: Guards {
                checkpoints: checkpoints(&self.checkpoints)?,
                finality_blocks: self.finality,
            },
            files: !self.no_files,
        })
    }
}

/// Blocks pinned by flags: `INDEX:HASH`, each height once.
///
/// # Errors
/// [`ConfigError`] that names `--checkpoint`.
pub(crate) fn checkpoints(flags: &[String]) -> Result<BTreeMap<u64, Hash>, ConfigError> {
    let mut checkpoints = BTreeMap::new();
    for flag in flags {
        let fault = |reason: String| wrong("checkpoint", format!("`{flag}`: {reason}"));
        let (index, hash) = flag
            .split_once(':')
            .ok_or_else(|| fault("must be a height, a colon and a hash".to_owned()))?;
        let index = index
            .parse()
            .map_err(|_| fault("the height is no number".to_owned()))?;
        let hash = hash
            .parse()
            .map_err(|error: jbc_chain::ValueError| fault(error.to_string()))?;
        if checkpoints.insert(index, hash).is_some() {
            return Err(fault("this height was given before".to_owned()));
        }
    }
    Ok(checkpoints)
}

/// A tag goes through a text file whose last line end is dropped, and into a block.
fn check_tag(tag: &str) -> Result<(), ConfigError> {
    if tag.len() > TAG_MAX_BYTES {
        return Err(wrong(
            "tag",
            format!("{} bytes; {TAG_MAX_BYTES} are enough", tag.len()),
        ));
    }
    if tag.ends_with(['\n', '\r']) {
        return Err(wrong(
            "tag",
            "ends with a line end, which data.txt would not keep",
        ));
    }
    Ok(())
}

fn tutorial_peers() -> Vec<String> {
    TUTORIAL_PORTS
        .iter()
        .map(|port| format!("http://127.0.0.1:{port}"))
        .collect()
}

/// All cores but one, so that the machine stays usable and the server quick; at least one.
fn default_threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, |cores| NonZeroUsize::get(cores).saturating_sub(1).max(1))
}

/// The network of this name, or of this file.
///
/// # Errors
/// Neither a built-in name nor a file that holds a network.
pub fn network(name: &str) -> Result<Network, ConfigError> {
    if let Some(network) = Network::named(name) {
        return Ok(network);
    }
    let text = fs::read(name).map_err(|error| {
        wrong("network", format!("`{name}` is no built-in network (dev, classic6, classic) and no file to be read: {error}"))
    })?;
    Network::from_json(&text).map_err(|error| wrong("network", format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{NodeFlags, TUTORIAL_PORTS};
    use structopt::StructOpt;

    fn parse(line: &str) -> Result<super::Config, String> {
        let flags =
            NodeFlags::from_iter_safe(std::iter::once("node").chain(line.split_whitespace()));
        flags
            .map_err(|error| error.message)?
            .into_config()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_flags_a_node_serves_the_tutorials_port_and_looks_for_its_nodes() {
        let config = parse("").unwrap();
        assert_eq!(config.serve, Some(("127.0.0.1".parse().unwrap(), 5000)));
        assert_eq!(config.folder, std::path::Path::new("chaindata/5000"));
        assert_eq!(config.peers.len(), TUTORIAL_PORTS.len());
        assert_eq!((config.threads, config.network.name.as_str()), (0, "dev"));
    }

    #[test]
    fn a_peer_replaces_the_default_peers() {
        let config =
            parse("--peer http://10.0.0.1:5000 --peer http://10.0.0.2:5000 -m -t 3").unwrap();
        assert_eq!((config.peers.len(), config.threads), (2, 3));
        assert!(parse("--no-peers").unwrap().peers.is_empty());
    }

    #[test]
    fn a_wrong_flag_is_named_with_the_reason() {
        for (line, needle) in [
            ("--threads 0", "--threads: 0 is not between"),
            ("--rounds 0", "--rounds: 0 is not between"),
            ("--rounds 99999999999999999", "--rounds: "),
            ("--peer ftp://x", "--peer: "),
            (
                "--network nowhere",
                "--network: `nowhere` is no built-in network",
            ),
            ("--checkpoint 5", "--checkpoint: `5`: must be"),
            ("--checkpoint x:00", "--checkpoint: `x:00`: the height"),
            (
                "--checkpoint 5:00",
                "--checkpoint: `5:00`: must be exactly 64",
            ),
            ("--port 0", "--port: 0"),
            ("--port 70000", "--port"),
            ("--url http://169.254.169.254", "--url: "),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(needle), "{line}: {error}");
        }
    }
}
