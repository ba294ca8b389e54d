//! Jobs that call one peer.

use jbc_chain::UnixMicros;

use crate::listener::{Command, add};
use crate::peer_url::PeerUrl;
use crate::task::{AnnounceTask, SyncTask, Task, UploadTask};

/// A peer's words about its network that are passed on, in characters.
const WORDS_MAX_CHARS: usize = 200;

pub(super) fn announce(peer: &PeerUrl) -> Command {
    add(Task::Announce(AnnounceTask { peer: peer.clone() }))
}

pub(super) fn upload(peer: &PeerUrl) -> Command {
    add(Task::Upload(UploadTask { peer: peer.clone() }))
}

pub(super) fn sync(peer: &PeerUrl, next: Option<u64>) -> Command {
    add(Task::Sync(SyncTask {
        peer: peer.clone(),
        next,
    }))
}

/// A byte that differs from peer to peer and from moment to moment; spreading retries needs no better chance.
pub(super) fn chance(peer: &PeerUrl, now: UnixMicros) -> u8 {
    let seed = peer.as_str().bytes().fold(now.0 as u64, |sum, byte| {
        sum.rotate_left(5) ^ u64::from(byte)
    });
    (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// A stranger's words as a log can bear them.
pub(super) fn shortened(words: &str) -> String {
    words
        .chars()
        .filter(|sign| !sign.is_control())
        .take(WORDS_MAX_CHARS)
        .collect()
}
