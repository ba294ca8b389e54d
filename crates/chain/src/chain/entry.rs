//! What a chain keeps of a block: its header's facts, without `data`.

use std::fmt;

use crate::bits::Bits;
use crate::block::Block;
use crate::hash::Hash;
use crate::target::Work;
use crate::time::UnixMicros;

/// The position of a block in first-seen order, 0 for the first block: it never changes, so a store
/// uses it as its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryId(u32);

impl EntryId {
    /// The first block.
    pub const GENESIS: Self = Self(0);

    /// The position as a number.
    pub fn as_u64(self) -> u64 {
        u64::from(self.0)
    }

    /// The id of this position, if a chain can be that long: about 4 billion blocks.
    pub fn from_u64(position: u64) -> Option<Self> {
        u32::try_from(position).ok().map(Self)
    }

    pub(super) fn from_len(len: usize) -> Self {
        Self(u32::try_from(len).expect("4 billion entries would take 400 GB of memory first"))
    }

    pub(super) fn position(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One block of a [`Chain`](super::Chain), on the best branch or beside it; 104 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) hash: Hash,
    pub(super) work: Work,
    pub(super) instant: UnixMicros,
    pub(super) nonce: u64,
    pub(super) height: u32, // fits, since there are no more heights than ids
    pub(super) id: EntryId,
    pub(super) parent: EntryId,    // the first block's is itself
    pub(super) bits: Option<Bits>, // of a v2 block
    pub(super) ten_digits: bool,
    pub(super) has_child: bool,
}

impl Entry {
    /// The block's hash.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The block before it; `None` for the first.
    pub fn parent(&self) -> Option<EntryId> {
        (self.id != EntryId::GENESIS).then_some(self.parent)
    }

    /// Its `index`.
    pub fn height(&self) -> u64 {
        u64::from(self.height)
    }

    /// The work of its branch up to and with it.
    pub fn work(&self) -> Work {
        self.work
    }

    /// When its timestamp says it was made.
    pub fn instant(&self) -> UnixMicros {
        self.instant
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// What its hash must not exceed, as a `v2` block states it.
    pub fn bits(&self) -> Option<Bits> {
        self.bits
    }

    /// Its position in first-seen order.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Whether `block`, of the same hash and parent, is this very block. Its `data` is not kept, but
    /// when both ends of the text between them are the same, so is the text that the hash is of.
    pub(super) fn is_of<S>(&self, block: &Block<S>) -> bool {
        block.index() == self.height()
            && block.timestamp().instant() == self.instant
            && block.timestamp().is_ten_digits() == self.ten_digits
            && block.nonce() == self.nonce
    }
}
