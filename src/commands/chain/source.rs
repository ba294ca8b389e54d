//! Where blocks come from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use jbc_chain::{Block, ParseError, Unchecked};

use super::elements::Elements;
use crate::client::{ClientError, NodeClient, Pieces};

/// Bytes read from a file at once.
const PIECE_BYTES: usize = 64 << 10;
/// The longest block file that is read, in bytes: above what the rules allow, far below what hurts.
const BLOCK_FILE_BYTES: u64 = 2 * jbc_chain::MAX_V2_BLOCK_BYTES as u64;

/// Where to read a chain from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file with an array of blocks, with one a line, or with one alone.
    File(PathBuf),
    /// The same from stdin.
    Stdin,
    /// A folder of files with one block each.
    Folder(PathBuf),
    /// A node.
    Node(NodeClient),
}

impl FromStr for Source {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = Path::new(text);
        Ok(match text {
            "-" => Self::Stdin,
            _ if text.contains("://") => Self::Node(NodeClient::new(text)?),
            _ if path.is_dir() => Self::Folder(path.to_owned()),
            _ => Self::File(path.to_owned()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("stdin"),
            Self::Node(node) => f.write_str(node.url()),
        }
    }
}

/// One block of a text that should hold nothing else.
#[derive(Debug)]
pub(super) enum Item {
    /// A block, as yet unchecked.
    Block(Block<Unchecked>),
    /// Something else in a block's place.
    Torn(ParseError),
}

/// A text of blocks as it comes: from a file, from stdin, or as a node's `/blockchain.json`.
#[derive(Debug)]
pub(super) struct BlockStream {
    bytes: Bytes,
    elements: Elements,
}

enum Bytes {
    Reader(Box<dyn Read>),
    Node(Box<Pieces>),
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reader(_) => "Reader",
            Self::Node(_) => "Node",
        })
    }
}

impl BlockStream {
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Ok(Self::new(Bytes::Reader(Box::new(file))))
    }

    pub(super) fn of_stdin() -> Self {
        Self::new(Bytes::Reader(Box::new(io::stdin())))
    }

    pub(super) async fn of_node(node: &NodeClient) -> Result<Self, ClientError> {
        Ok(Self::new(Bytes::Node(Box::new(node.whole_chain().await?))))
    }

    fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            elements: Elements::default(),
        }
    }

    /// Whether the text is one block or several and no array. Known once a block has come.
    pub(super) fn is_bare(&self) -> bool {
        self.elements.is_bare()
    }

    /// The next block; `None` at a good end.
    ///
    /// # Errors
    /// What could not be read, and text that is no list of blocks.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Item>> {
        loop {
            if let Some(element) = self.elements.next()? {
                return Ok(Some(match Block::from_json(&element) {
                    Ok(block) => Item::Block(block),
                    Err(error) => Item::Torn(error),
                }));
            }
            let piece = self.piece().await?;
            if piece.is_empty() {
                self.elements.end()?;
                return Ok(None);
            }
            self.elements.push(&piece);
        }
    }

    /// The next bytes; none at the end.
    async fn piece(&mut self) -> anyhow::Result<Vec<u8>> {
        match &mut self.bytes {
            Bytes::Node(pieces) => loop {
                match pieces.next().await? {
                    Some(piece) if piece.is_empty() => {}
                    piece => return Ok(piece.unwrap_or_default()),
                }
            },
            // The command has nothing else to do meanwhile, so a read may block.
            Bytes::Reader(reader) => {
                let mut piece = vec![0; PIECE_BYTES];
                let count = reader.read(&mut piece)?;
                piece.truncate(count);
                Ok(piece)
            }
        }
    }
}

/// The block in a file of its own; in words, what is wrong with the file otherwise.
pub(super) fn read_block_file(path: &Path) -> Result<Block<Unchecked>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(path)?
            .take(BLOCK_FILE_BYTES)
            .read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| error.to_string())?;
    Block::from_json(&text).map_err(|error| error.to_string())
}
