//! `jbc chain show`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jbc_chain::{Block, Unchecked};

use super::ShowArgs;
use super::forks::Forks;
use super::source::{BlockStream, Item, Source, read_block_file};
use crate::client::{BLOCKS_AT_ONCE, NodeClient};
use crate::commands::terminal::{Colour, Style, one_line, print, rounded, utc};
use crate::store::block_files;

/// Characters of a block's data that its line shows.
const DATA_CHARS: usize = 60;

/// Which blocks to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    /// The last so many.
    Last { count: u64 },
    /// So many from an index on.
    From { index: u64, count: u64 },
}

impl Window {
    /// The first index shown of a chain with this many blocks, and how many there are at most.
    fn of_chain(self, blocks: u64) -> (u64, u64) {
        match self {
            Self::Last { count } => (blocks.saturating_sub(count), count),
            Self::From { index, count } => (index, count),
        }
    }
}

pub(super) async fn run(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let window = match args.from {
        Some(index) => Window::From {
            index,
            count: args.count,
        },
        None => Window::Last { count: args.count },
    };
    let mut printer = Printer {
        json: args.output == "json",
        style: Style::of_stdout(),
        printed: 0,
    };
    let torn = match &args.source {
        _ if args.forks && printer.json => {
            bail!("--forks: goes with --output lines; GET /forks has the branches as JSON")
        }
        Source::Node(node) if args.forks => {
            let forks = Forks::of(node).await?;
            show_node(node, window, &mut printer, Some(&forks)).await?
        }
        _ if args.forks => bail!(
            "--forks: {} is no node, which alone knows branches",
            args.source
        ),
        Source::Folder(folder) => show_folder(folder, window, &mut printer)?,
        Source::Node(node) => show_node(node, window, &mut printer, None).await?,
        Source::File(path) => {
            show_stream(BlockStream::of_file(path)?, window, &mut printer).await?
        }
        Source::Stdin => show_stream(BlockStream::of_stdin(), window, &mut printer).await?,
    };
    printer.end()?;
    match torn.as_slice() {
        [] => Ok(ExitCode::SUCCESS),
        torn => bail!("{}: {}", args.source, torn.join("; ")),
    }
}

/// Shows a text of blocks; answers with what in it is no block.
async fn show_stream(
    mut stream: BlockStream,
    window: Window,
    printer: &mut Printer,
) -> anyhow::Result<Vec<String>> {
    let mut shown = BTreeMap::new();
    let mut position: u64 = 0;
    let mut torn = Vec::new();
    loop {
        match stream.next().await {
            Ok(Some(Item::Block(block))) => keep(&mut shown, block, window),
            Ok(Some(Item::Torn(error))) => {
                torn.push(format!("block {position} by position: {error}"))
            }
            Ok(None) => break,
            Err(error) if position == 0 => return Err(error),
            Err(error) => {
                torn.push(format!("block {position} by position: {error}"));
                break;
            }
        }
        position += 1;
    }
    printer.blocks(shown.values())?;
    Ok(torn)
}

/// Keeps a block if the window shows it, in order of the indices whatever the text's order is.
fn keep(shown: &mut BTreeMap<u64, Block<Unchecked>>, block: Block<Unchecked>, window: Window) {
    match window {
        Window::From { index, count }
            if !(index..index.saturating_add(count)).contains(&block.index()) => {}
        Window::From { .. } => {
            shown.insert(block.index(), block);
        }
        Window::Last { count } => {
            shown.insert(block.index(), block);
            if shown.len() as u64 > count {
                shown.pop_first();
            }
        }
    }
}

/// Shows a folder's files; answers with those that hold no block.
fn show_folder(
    folder: &Path,
    window: Window,
    printer: &mut Printer,
) -> anyhow::Result<Vec<String>> {
    let files = block_files(folder).with_context(|| folder.display().to_string())?;
    if files.is_empty() {
        bail!(
            "{}: no block files (000000.json, 000001.json, …) here",
            folder.display()
        );
    }
    let mut torn = Vec::new();
    for path in chosen(files, window) {
        match read_block_file(&path) {
            Ok(block) => printer.blocks([&block])?,
            Err(reason) => {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                torn.push(format!("{name}: torn: {reason}"));
            }
        }
    }
    Ok(torn)
}

/// The files in a window, where indices may be missing.
fn chosen(files: Vec<(u64, PathBuf)>, window: Window) -> impl Iterator<Item = PathBuf> {
    let blocks = files.last().map_or(0, |(index, _)| index.saturating_add(1));
    let (from, count) = window.of_chain(blocks);
    let shown = from..from.saturating_add(count);
    files
        .into_iter()
        .filter(move |(index, _)| shown.contains(index))
        .map(|(_, path)| path)
}

/// Shows a node's best chain, page by page; of a tutorial node, which has no pages, from the whole of it.
async fn show_node(
    node: &NodeClient,
    window: Window,
    printer: &mut Printer,
    forks: Option<&Forks>,
) -> anyhow::Result<Vec<String>> {
    let status = match node.status().await {
        Err(error) if error.is_not_found() && forks.is_none() => {
            return show_stream(BlockStream::of_node(node).await?, window, printer).await;
        }
        status => status?,
    };
    let (mut from, mut left) = window.of_chain(status.tip.index.saturating_add(1));
    while left > 0 {
        let blocks = node.blocks(from, left.min(BLOCKS_AT_ONCE)).await?;
        if blocks.is_empty() {
            break;
        }
        from += blocks.len() as u64;
        left = left.saturating_sub(blocks.len() as u64);
        let Some(forks) = forks else {
            printer.blocks(&blocks)?;
            continue;
        };
        for block in &blocks {
            printer.blocks([block])?;
            let style = printer.style;
            let lines = forks.lines_under(node, block, |block| line(block, style));
            print(&lines.await?)?;
        }
    }
    if let Some(forks) = forks {
        print(&forks.note(window.of_chain(status.tip.index.saturating_add(1)).0))?;
    }
    Ok(Vec::new())
}

/// Prints blocks as they come.
struct Printer {
    json: bool,
    style: Style,
    printed: u64,
}

impl Printer {
    fn blocks<'a>(
        &mut self,
        blocks: impl IntoIterator<Item = &'a Block<Unchecked>>,
    ) -> std::io::Result<()> {
        let mut text = String::new();
        for block in blocks {
            if self.json {
                text.push_str(if self.printed == 0 { "[\n" } else { ",\n" });
                text.push_str(&block.to_json());
            } else {
                text.push_str(&line(block, self.style));
            }
            self.printed += 1;
        }
        print(&text)
    }

    fn end(&self) -> std::io::Result<()> {
        match (self.json, self.printed) {
            (false, _) => Ok(()),
            (true, 0) => print("[]\n"),
            (true, _) => print("\n]\n"),
        }
    }
}

fn line(block: &Block<Unchecked>, style: Style) -> String {
    let hash = style.paint(Colour::Cyan, &block.hash().short());
    let time = style.paint(Colour::Dim, &utc(block.timestamp().instant()));
    let data = one_line(&block.data(), DATA_CHARS);
    let (index, nonce) = (block.index(), block.nonce());
    let line = match block.bits() {
        None => format!("{index:>8}  {hash}  {time}  {nonce:>12}  {data}"),
        Some(bits) => {
            let work = rounded(bits.target().work().to_string().parse().unwrap_or(0.0));
            format!("{index:>8}  {hash}  {time}  {nonce:>20}  {work:>6}  {data}")
        }
    };
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(index: u64, data: &str) -> Block<Unchecked> {
        let parts = jbc_chain::TemplateParts {
            index,
            prev_hash: Some(*jbc_chain::Network::classic().genesis.hash()),
            data: data.to_owned(),
            timestamp: "1508895386".parse().unwrap(),
            v2: None,
        };
        parts.block(1_225_518)
    }

    #[test]
    fn a_line_shows_a_block_and_escapes_what_does_not_print() {
        assert_eq!(
            line(&block(1, "I block #1\u{1b}[2J"), Style::PLAIN),
            format!(
                "       1  {}  2017-10-25 01:36:26       1225518  I block #1\\u{{1b}}[2J\n",
                block(1, "I block #1\u{1b}[2J").hash().short()
            )
        );
        assert!(line(&block(1, ""), Style::PLAIN).ends_with("1225518\n"));
    }

    #[test]
    fn a_line_of_a_v2_block_shows_how_many_hashes_it_takes() {
        let block = jbc_chain::Network::dev().genesis.into_unchecked();
        assert_eq!(
            line(&block, Style::PLAIN),
            "       0  0000009de228  2026-11-21 12:00:00               2724599  20.0 M  \
             {\"interval_ms\":5000,\"limit\":\"1e0fffff\",\"name\":\"dev\",\"window…\n"
        );
    }

    #[test]
    fn the_last_blocks_are_kept_in_order_whatever_order_they_come_in() {
        let mut shown = BTreeMap::new();
        for index in [3, 9, 1, 4, 8, 2] {
            keep(&mut shown, block(index, ""), Window::Last { count: 3 });
        }
        assert_eq!(shown.into_keys().collect::<Vec<_>>(), [4, 8, 9]);
    }

    #[test]
    fn a_window_from_an_index_keeps_that_many_at_most() {
        let mut shown = BTreeMap::new();
        for index in 0..10 {
            keep(
                &mut shown,
                block(index, ""),
                Window::From { index: 4, count: 3 },
            );
        }
        assert_eq!(shown.into_keys().collect::<Vec<_>>(), [4, 5, 6]);
        assert_eq!(Window::From { index: 4, count: 3 }.of_chain(5), (4, 3));
        assert_eq!(Window::Last { count: 20 }.of_chain(5), (0, 20));
        assert_eq!(Window::Last { count: 2 }.of_chain(5), (3, 2));
    }

    #[test]
    fn of_a_folder_with_holes_the_files_in_the_window_are_chosen() {
        let files = [0, 1, 4, 5]
            .map(|index| (index, PathBuf::from(index.to_string())))
            .to_vec();
        let chosen: Vec<_> = chosen(files, Window::Last { count: 3 }).collect();
        assert_eq!(chosen, [PathBuf::from("4"), PathBuf::from("5")]);
    }
}
