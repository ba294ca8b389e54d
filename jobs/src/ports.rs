//! The small traits through which jobs reach the world. The service provides them; a simulator can.

use std::future::Future;
use std::pin::Pin;

use jbc_chain::{Block, Checked, EntryId, Hash, Unchecked, UnixMicros, Work};
use serde::{Deserialize, Serialize};

use crate::peer_url::PeerUrl;
use crate::pool::{PoolChange, PoolKey};

/// A boxed future, as the IO ports answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, PeerError>> + Send + 'a>>;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk has no room. Acknowledging pauses, and goes on by itself when there is room again.
    #[error("the disk is full: {free_bytes} bytes free, {needed_bytes} needed")]
    Full {
        /// Bytes free for us now.
        free_bytes: u64,
        /// Bytes we insist on before we write.
        needed_bytes: u64,
    },
    /// The disk refused a write or a read. Fatal: no retry can know what is on disk.
    #[error("the store failed while {action}: {reason}")]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The disk's or the database's own words.
        reason: String,
    },
}

/// Durable blocks, in first-seen order.
pub trait Store: Send + Sync + 'static {
    /// Appends blocks under their positions, notes under which of them each entry of theirs but the first stands, and changes the pool, all
    /// of it or nothing. When this returns `Ok`, it survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Full`] before anything is written; [`StoreError::Failed`] when the write's fate is unknown.
    fn append(
        &self,
        blocks: &[(EntryId, &Block<Checked>)],
        pool: &PoolChange,
    ) -> Result<(), StoreError>;

    /// The entries that wait for a block, in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when they cannot be read.
    fn pool(&self) -> Result<Vec<(PoolKey, Vec<u8>)>, StoreError>;

    /// The positions of the blocks, on whichever branch, that have the entry of this name behind their miner's
    /// own.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when they cannot be read.
    fn blocks_with(&self, leaf: &Hash) -> Result<Vec<EntryId>, StoreError>;

    /// The stored block at a position.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when it cannot be read or is not a block.
    fn load(&self, id: EntryId) -> Result<Option<Block<Unchecked>>, StoreError>;

    /// Whether there is room to append.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is none.
    fn room(&self) -> Result<(), StoreError>;

    /// What this node writes into the blocks it mines.
    fn miner_data(&self) -> String;

    /// Writes the tutorial's file of a best-chain block.
    ///
    /// # Errors
    /// [`StoreError`] as for any write.
    fn write_file(&self, block: &Block<Unchecked>) -> Result<(), StoreError>;

    /// Removes the files above this height.
    ///
    /// # Errors
    /// [`StoreError`] as for any write.
    fn remove_files_above(&self, height: u64) -> Result<(), StoreError>;

    /// The tip up to which the files were written, if any.
    fn files_tip(&self) -> Option<Hash>;

    /// Remembers the tip up to which the files are written.
    ///
    /// # Errors
    /// [`StoreError`] as for any write.
    fn set_files_tip(&self, tip: &Hash) -> Result<(), StoreError>;
}

/// The wall clock.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMicros;
}

/// What went wrong with a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No connection, or it broke, or took too long.
    #[error("no answer: {reason}")]
    Unreachable {
        /// The network's own words.
        reason: String,
    },
    /// It answered something no honest peer answers.
    #[error("a wrong answer: {reason}")]
    Nonsense {
        /// What was wrong, and where.
        reason: String,
    },
}

/// What a peer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerStatus {
    /// A jbc node.
    Jbc(Box<JbcStatus>),
    /// A node of the Python tutorial: it knows no `/status`.
    Tutorial,
}

/// The part of a jbc node's `/status` that its peers act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JbcStatus {
    /// This run of that node; how a node recognises itself.
    pub node_id: String,
    /// Its network.
    pub network: NetworkClaim,
    /// Its tip.
    pub tip: TipClaim,
}

/// A network as a peer names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkClaim {
    /// Fingerprint of rules and first block: equal for nodes that can talk.
    pub id: String,
    /// In words, for the refusal.
    pub description: String,
}

/// A tip as a peer claims it. Nothing is believed before the blocks are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TipClaim {
    /// Height.
    pub index: u64,
    /// Hash.
    pub hash: Hash,
    /// Cumulative work.
    pub work: Work,
}

/// A header as `/headers` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderClaim {
    /// Height.
    pub index: u64,
    /// Hash.
    pub hash: Hash,
}

/// Calls to peers. Every call has a timeout and a cap on the reply's size.
pub trait Peers: Send + Sync + 'static {
    /// `GET /status`; a 404 means a tutorial node.
    fn status<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, PeerStatus>;
    /// `GET /headers?from=&count=`.
    fn headers<'a>(
        &'a self,
        peer: &'a PeerUrl,
        from: u64,
        count: u64,
    ) -> Answer<'a, Vec<HeaderClaim>>;
    /// `GET /blocks?from=&count=`.
    fn blocks<'a>(
        &'a self,
        peer: &'a PeerUrl,
        from: u64,
        count: u64,
    ) -> Answer<'a, Vec<Block<Unchecked>>>;
    /// `GET /blockchain.json`, as the tutorial's nodes answer it.
    fn whole_chain<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, Vec<Block<Unchecked>>>;
    /// `POST /mined`.
    fn push<'a>(&'a self, peer: &'a PeerUrl, block: &'a Block<Unchecked>) -> Answer<'a, ()>;
    /// `POST /entries`.
    fn offer<'a>(&'a self, peer: &'a PeerUrl, entry: &'a [u8]) -> Answer<'a, ()>;
    /// `GET /peers`.
    fn peers<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, Vec<PeerUrl>>;
    /// `POST /peers` with our own URL. A node that serves nobody does nothing.
    fn announce<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, ()>;
}
