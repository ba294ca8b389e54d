//! `jbc chain export`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use jbc_chain::{Network, UnixMicros};
use structopt::StructOpt;

use super::follower::{Follower, Parting};
use super::lines::{Item, Lines};
use super::pinned;
use super::remote::{self, MAX_TURNS, Part, Step};
use crate::client::{NodeChoice, NodeClient};
use crate::commands::terminal::{now, tell, thousands};
use crate::progress;

/// `jbc chain export`
#[derive(Debug, StructOpt)]
pub struct ExportArgs {
    /// Headers alone, which are enough for `jbc verify`; of v2 networks
    #[structopt(long)]
    pub headers: bool,
    /// Where to write. A file that is there is continued
    #[structopt(long, value_name = "FILE", parse(from_os_str))]
    pub out: PathBuf,
    #[structopt(flatten)]
    /// The node
    pub choice: NodeChoice,
    /// dev, classic6, classic, or a file made by `jbc genesis` [default: what the node says, which is printed]
    #[structopt(long, value_name = "NAME|FILE")]
    pub network: Option<String>,
}

pub(super) async fn run(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let node = args.choice.node()?;
    let (network, pin) = pinned::network_of(&node, args.network.as_deref()).await?;
    let part = match args.headers {
        true if !network.rules.is_v2() => bail!(
            "--headers: {} is a classic network, whose headers alone prove nothing; export it whole",
            network.describe()
        ),
        true => Part::Headers,
        false => Part::Blocks,
    };
    tell(&pin.line(&network))?;
    let exported = export(&node, network, part, &args.out, now()).await?;
    tell(&exported.sentence(part, &args.out))?;
    Ok(ExitCode::SUCCESS)
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exported {
    /// Lines in the file now.
    lines: u64,
    /// Lines that were there and stayed.
    kept: u64,
}

impl Exported {
    fn sentence(&self, part: Part, path: &Path) -> String {
        let what = match part {
            Part::Blocks => "blocks",
            Part::Headers => "headers",
        };
        let kept = match self.kept {
            0 => String::new(),
            kept => format!(", {} of them were there already", thousands(kept)),
        };
        let (lines, path) = (thousands(self.lines), path.display());
        format!("{lines} {what} in {path}{kept}; every rule holds\n")
    }
}

async fn export(
    node: &NodeClient,
    network: Network,
    part: Part,
    path: &Path,
    now: UnixMicros,
) -> anyhow::Result<Exported> {
    let mut follower = Follower::new(network, now);
    let named = || path.display().to_string();
    let mut file = Export::open(path, part, &mut follower)?;
    let found = file.lines();
    // Only for the bar.
    let blocks = node
        .status()
        .await
        .map_or(0, |status| status.tip.index.saturating_add(1));
    let bar = progress::bar(blocks, "exporting");
    let followed = continue_by(node, part, &mut follower, &mut file, &bar).await;
    bar.finish_and_clear();
    let followed = match followed {
        Ok(Followed::ToTip { kept }) => Ok(Exported {
            lines: follower.taken(),
            kept: kept.min(found),
        }),
        Ok(Followed::Left(reason)) => {
            // Not even its torn line is cut.
            file.write_out().with_context(named)?;
            bail!("{}: is left as it is: {reason}", path.display())
        }
        Err(error) => Err(error),
    };
    // What is good of it stays, whatever broke it off.
    let written = file.finish().with_context(named);
    let exported = followed?;
    written?;
    Ok(exported)
}

/// How following the node ended.
enum Followed {
    /// The file has the node's chain, and so many of its lines were never cut.
    ToTip { kept: u64 },
    /// The file's chain is not to be given up for the node's, for this reason.
    Left(String),
}

/// Continues the file with the node's chain. Where that leaves the file's, it is first read and checked to its end without a
/// change of the file, and only a branch that holds more work takes the place of lines.
async fn continue_by(
    node: &NodeClient,
    part: Part,
    follower: &mut Follower,
    file: &mut Export,
    bar: &ProgressBar,
) -> anyhow::Result<Followed> {
    let mut kept = file.lines();
    for _ in 0..MAX_TURNS {
        let (mut ours, mut left) = (follower.last(), false);
        remote::follow(node, part, follower, |step| {
            match step {
                Step::Took(item) if !left => {
                    file.push(item)?;
                    ours = item.hash();
                }
                Step::Took(_) => {}
                Step::Rewound(_) => left = true,
            }
            bar.set_position(file.lines());
            Ok(())
        })
        .await?;
        if !left || follower.last() == ours {
            return Ok(Followed::ToTip { kept });
        }
        let parting = follower.parting(&ours).context("it was taken before")?;
        if let Some(reason) = parting.reason_to_stay(node) {
            return Ok(Followed::Left(reason));
        }
        let stays = parting.fork.saturating_add(1);
        file.cut(stays)?;
        kept = kept.min(stays);
        // Its blocks are asked for again, to be written: they may be more than fit into memory.
        follower.rewind(stays);
    }
    bail!("{}: its chain does not hold still", node.url())
}

impl Parting {
    /// Why the chain that was followed before is not to be left for the one that is followed now.
    fn reason_to_stay(&self, node: &NodeClient) -> Option<String> {
        let url = node.url();
        if self.fork == self.new.height {
            return Some(format!(
                "the node {url} is behind it: its chain ends with block {}, the file's with block {}",
                thousands(self.new.height),
                thousands(self.old.height),
            ));
        }
        (self.new.work <= self.old.work).then(|| {
            format!(
                "the node {url} has another chain from block {} on, which holds no more work: {}, the file's {}",
                thousands(self.fork.saturating_add(1)),
                thousands(self.new.work),
                thousands(self.old.work),
            )
        })
    }
}

/// The file that is being written.
struct Export {
    path: PathBuf,
    writer: BufWriter<File>,
    /// Where each line ends.
    ends: Vec<u64>,
    /// How long the file was found, and is until something is written.
    found_bytes: u64,
}

impl Export {
    /// Opens the file and reads what is there, which must be the start of an export of this network: a file that is
    /// something else stays as it is. Behind the last whole line may be a torn one.
    fn open(path: &Path, part: Part, follower: &mut Follower) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(named)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("{}: another export writes it", path.display()),
            Err(TryLockError::Error(error)) => return Err(error).with_context(named),
        }
        let found_bytes = file.metadata().with_context(named)?.len();
        let ends = read(&file, part, follower).with_context(|| {
            format!(
                "{}: is no {} of {}, and is left as it is",
                path.display(),
                match part {
                    Part::Blocks => "export",
                    Part::Headers => "export of the headers",
                },
                follower.network().describe()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            writer: BufWriter::new(file),
            ends,
            found_bytes,
        })
    }

    fn lines(&self) -> u64 {
        self.ends.len() as u64
    }

    fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Cuts a torn line, before the first write.
    fn clean(&mut self) -> io::Result<()> {
        if self.found_bytes == self.end() {
            return Ok(());
        }
        self.found_bytes = self.end();
        self.cut_to_end()
    }

    fn push(&mut self, item: &Item) -> anyhow::Result<()> {
        let line = item.to_json() + "\n";
        self.append(line.as_bytes())
            .with_context(|| self.path.display().to_string())
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.clean()?;
        if self.writer.buffer().is_empty() {
            self.writer.seek(SeekFrom::Start(self.end()))?;
        }
        self.writer.write_all(line)?;
        self.ends.push(self.end() + line.len() as u64);
        self.found_bytes = self.end();
        Ok(())
    }

    /// Takes lines off the end, until so many are left.
    fn cut(&mut self, lines: u64) -> anyhow::Result<()> {
        self.ends
            .truncate(usize::try_from(lines).unwrap_or(usize::MAX));
        self.found_bytes = self.end();
        self.cut_to_end()
            .with_context(|| self.path.display().to_string())
    }

    fn cut_to_end(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        let end = self.end();
        self.writer.get_ref().set_len(end)?;
        self.writer.seek(SeekFrom::Start(end)).map(|_| ())
    }

    fn finish(mut self) -> io::Result<()> {
        self.clean()?;
        self.write_out()
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()
    }
}

/// Reads the lines of a file and checks them by every rule; answers where each ends.
fn read(file: &File, part: Part, follower: &mut Follower) -> anyhow::Result<Vec<u64>> {
    let bytes = file.metadata()?.len();
    let bar = progress::bar(0, "checking what is there");
    let mut lines = Lines::new(BufReader::new(file));
    let mut ends = Vec::new();
    let mut end = 0;
    while let Some(line) = lines.next()? {
        let number = line.number;
        if !line.is_complete {
            // Of a line that was not written to its end anything may be there, but before a whole line nothing says that
            // the file is ours.
            let first = match part {
                Part::Blocks => Item::Block(follower.network().genesis.clone().into_unchecked()),
                Part::Headers => first_header(follower.network())?,
            };
            if number == 1 && !first.to_json().as_bytes().starts_with(&line.text) {
                bail!("line 1: is not the start of that network's first block");
            }
            break;
        }
        let item = Item::from_json(&line.text).with_context(|| format!("line {number}"))?;
        match (part, &item) {
            (Part::Blocks, Item::Block(_)) | (Part::Headers, Item::Header(_)) => {}
            (Part::Blocks, Item::Header(_)) => {
                bail!("line {number}: a header without its entries (--headers goes on with those)")
            }
            (Part::Headers, Item::Block(_)) => {
                bail!("line {number}: a whole block, where --headers writes headers")
            }
        }
        if item.to_json().as_bytes() != line.text {
            bail!("line {number}: is not spelled as an export spells it");
        }
        follower
            .take(&item)
            .with_context(|| format!("line {number}"))?;
        end += line.text.len() as u64 + 1;
        ends.push(end);
        bar.set_position(number);
    }
    bar.finish_and_clear();
    debug_assert!(end <= bytes);
    Ok(ends)
}

fn first_header(network: &Network) -> anyhow::Result<Item> {
    let header = network.genesis.header();
    header
        .map(Item::Header)
        .context("a classic network has no headers that stand alone")
}

#[cfg(test)]
mod tests;
