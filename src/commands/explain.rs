//! `jbc explain`: one block so that anyone can check it by hand. Nothing that is printed as checked is the node's word: hashes,
//! targets, roots and retargeting are computed here, and where the block says something else, that is said and the command
//! fails.
//!
//! - `shell.rs`: the line for a shell, and text that shows its control characters.
//! - `retarget.rs`: where the target comes from, with numbers.
//! - `tree.rs`: the Merkle tree of the entries.

mod retarget;
mod shell;
mod tree;

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use jbc_chain::{Block, Hash, Network, Rules, Target, Unchecked, merkle_root};
use structopt::StructOpt;

use super::chain::pinned;
use super::terminal::{Colour, Style, one_line, printable, tell, thousands, utc};
use crate::client::{NodeChoice, NodeClient};

/// Explain a block so that it can be checked by hand
#[derive(Debug, StructOpt)]
#[structopt(after_help = "EXAMPLES:
    jbc explain 0                                        the first block of the node on port 5000
    jbc explain 1234 --url http://127.0.0.1:5001
    jbc explain 0000009de228…                            (all 64 digits) also a block of a side branch

The line that begins with printf can be pasted into any shell, whatever the block's data is.

EXIT CODE: 0 all of it fits together, 1 it does not, or there is no such block")]
pub struct ExplainArgs {
    /// Its hash, 64 hex digits, or its height
    #[structopt(value_name = "HASH|INDEX", parse(try_from_str = name))]
    pub block: Name,
    #[structopt(flatten)]
    /// The node
    pub choice: NodeChoice,
    /// dev, classic6, classic, or a file made by `jbc genesis` [default: what the node says, which is printed]
    #[structopt(long, value_name = "NAME|FILE")]
    pub network: Option<String>,
}

/// What a block is asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Its hash.
    Hash(Hash),
    /// Its height on the best chain.
    Index(u64),
}

fn name(text: &str) -> Result<Name, String> {
    match (text.parse(), text.parse()) {
        (Ok(hash), _) => Ok(Name::Hash(hash)),
        (_, Ok(index)) => Ok(Name::Index(index)),
        _ => Err("neither a hash of 64 lowercase hex digits nor a height".to_owned()),
    }
}

/// Runs `jbc explain`.
///
/// # Errors
/// No such block, or one that does not fit together.
pub async fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let node = args.choice.node()?;
    let (network, pin) = pinned::network_of(&node, args.network.as_deref()).await?;
    let subject = Subject::ask(&node, network, args.block).await?;
    let (style, mut page) = (Style::of_stdout(), Page::default());
    page.row(
        "network",
        &printable(&format!(
            "{} ({})",
            subject.network.describe(),
            pin.as_str()
        )),
    );
    subject.explain(&mut page);
    let mut text = page.text;
    for fault in &page.faults {
        let wrong = printable(&format!("WRONG: {fault}"));
        let _ = writeln!(text, "{}", style.paint(Colour::Red, &wrong));
    }
    tell(&text)?;
    match page.faults.len() {
        0 => Ok(ExitCode::SUCCESS),
        faults => bail!(
            "{}: this block does not hold: {faults} wrong, as said above",
            node.url()
        ),
    }
}

/// A block with what is needed to explain it.
#[derive(Debug)]
struct Subject {
    network: Network,
    asked: Name,
    block: Block<Unchecked>,
    /// Its parent and that one's, of a `v2` block.
    parent: Option<Block<Unchecked>>,
    grandparent: Option<Block<Unchecked>>,
}

impl Subject {
    async fn ask(node: &NodeClient, network: Network, asked: Name) -> anyhow::Result<Self> {
        let name = match asked {
            Name::Hash(hash) => hash.to_string(),
            Name::Index(index) => index.to_string(),
        };
        let block = node.block(&name).await?;
        let (mut parent, mut grandparent) = (None, None);
        if let (true, Some(hash)) = (block.is_v2(), block.prev_hash()) {
            let found = node.block(&hash.to_string()).await?;
            if let Some(hash) = found.prev_hash() {
                grandparent = Some(node.block(&hash.to_string()).await?);
            }
            parent = Some(found);
        }
        Ok(Self {
            network,
            asked,
            block,
            parent,
            grandparent,
        })
    }

    fn explain(&self, page: &mut Page) {
        self.fields(page);
        let hash = self.preimage(page);
        self.work(page, &hash);
        if let Rules::V2(rules) = &self.network.rules {
            retarget::explain(self, rules, page);
            let stated = self.block.header().map(|header| header.merkle_root);
            tree::explain(self.block.entries(), stated, page);
        } else {
            page.row(
                "retarget",
                "none: in a classic network the target is constant",
            );
        }
        self.rules(page);
    }

    fn fields(&self, page: &mut Page) {
        let block = &self.block;
        page.row("block", &thousands(block.index()));
        match block.prev_hash() {
            Some(hash) => page.row("prev_hash", &hash.to_string()),
            None => page.row("prev_hash", "none: a first block"),
        }
        match block.header() {
            Some(header) => {
                page.row("merkle_root", &header.merkle_root.to_string());
                page.row("bits", &header.bits.to_string());
            }
            None => page.row("data", &one_line(&block.data(), usize::MAX)),
        }
        let time = utc(block.timestamp().instant());
        page.row(
            "timestamp",
            &format!("{}, that is {time} UTC", block.timestamp()),
        );
        page.row("nonce", &block.nonce().to_string());
        let misplaced = match self.asked {
            Name::Hash(hash) => hash != *block.hash(),
            Name::Index(index) => index != block.index(),
        };
        if misplaced {
            page.fault("the node answered another block than the one that was asked for");
        }
        if block.index() == 0 && block.content_digest() != self.network.genesis.content_digest() {
            page.fault("it is not the first block of this network");
        }
    }

    /// The preimage and its hash, which is computed.
    fn preimage(&self, page: &mut Page) -> Hash {
        let (text, hash) = (self.block.preimage(), self.block.computed_hash());
        let bytes = thousands(text.len());
        if self.block.is_v2() {
            page.row(
                "preimage",
                &format!("{bytes} bytes: seven lines, no line end behind the last"),
            );
            text.lines().for_each(|line| page.line(line));
        } else {
            let shown = one_line(&text, usize::MAX);
            let escaped = if shown == text {
                ""
            } else {
                ", with escapes for what does not print"
            };
            page.row("preimage", &format!("{bytes} bytes on one line{escaped}"));
            page.line(&shown);
        }
        page.row("check", "paste this line into a shell; it prints the hash");
        page.line(&shell::line(text.as_bytes()));
        page.row("hash", &hash.to_string());
        if hash != *self.block.hash() {
            page.fault(&format!(
                "the block claims the hash {}, but its preimage has {hash}",
                self.block.hash()
            ));
        }
        hash
    }

    fn work(&self, page: &mut Page, hash: &Hash) {
        let target = match (&self.network.rules, self.block.bits()) {
            (Rules::V2(_), Some(bits)) => bits.target(),
            (rules, _) => rules.easiest_target(),
        };
        page.row("target", &target.to_string());
        let tries = thousands(target.work());
        if target.is_met_by(hash) {
            page.row(
                "work",
                &format!(
                    "the hash is {} times below the target, which one hash in {tries} meets",
                    times_below(hash, &target)
                ),
            );
        } else {
            page.row(
                "work",
                &format!("NOT DONE: one hash in {tries} meets the target, and this one does not"),
            );
            page.fault("the hash is above the target");
        }
    }

    /// What else the rules say of a block alone, in their own words.
    fn rules(&self, page: &mut Page) {
        let checked = self.block.clone().check(&self.network.rules);
        // What was said already is not said again.
        let said =
            |rule: &str| matches!(rule, "work" | "hash" | "merkle-root" | "entries" | "limit");
        match checked {
            Err(rejected) if !said(rejected.rule) || page.faults.is_empty() => {
                page.fault(&rejected.to_string());
            }
            _ => {}
        }
    }
}

/// How many times the hash goes into the target: `3.2`.
fn times_below(hash: &Hash, target: &Target) -> String {
    let (hash, target) = (as_f64(hash.as_bytes()), as_f64(&target.to_be_bytes()));
    match target / hash {
        times if !times.is_finite() => "infinitely many".to_owned(),
        times if times < 10.0 => format!("{times:.2}"),
        times => thousands(format!("{times:.0}")),
    }
}

fn as_f64(bytes: &[u8; 32]) -> f64 {
    bytes
        .iter()
        .fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
}

/// What is printed, and what was found wrong.
#[derive(Debug, Default)]
struct Page {
    text: String,
    faults: Vec<String>,
}

impl Page {
    /// A row of a name and its value.
    fn row(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "{name:<12} {value}");
    }

    /// A line that belongs to the row above.
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "  {line}");
    }

    fn fault(&mut self, fault: &str) {
        self.faults.push(fault.to_owned());
    }
}

/// The root of the tree over entries as they came, of which there may be none.
fn root_of(entries: &[Vec<u8>]) -> Option<Hash> {
    (!entries.is_empty()).then(|| merkle_root(entries))
}

#[cfg(test)]
mod tests;
