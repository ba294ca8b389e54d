//! The small files of a data folder: the token that steers the node, and the note by which tools find it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jbc_jobs::peer_url::PeerUrl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::replace_file;

/// File name of the token.
pub const TOKEN_FILE: &str = "token";
/// File name of the note.
pub const NODE_FILE: &str = "node.json";
/// Readable and writable by the owner alone.
const OWNER_ONLY: u32 = 0o600;

/// `node.json`: says that a node runs on this folder, and where. Gone when it has stopped; after a kill it stays, so a
/// reader asks the node itself and compares the id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeFile {
    /// Its process.
    pub pid: u32,
    /// Where it serves, if it does.
    pub url: Option<PeerUrl>,
    /// This run of it.
    pub node_id: String,
}

/// Takes `node.json` away when dropped.
#[derive(Debug)]
pub(super) struct NodeFileGuard(PathBuf);

impl NodeFile {
    pub(super) fn write(&self, folder: &Path) -> io::Result<NodeFileGuard> {
        let path = folder.join(NODE_FILE);
        replace_file(&path, serde_json::to_string(self)?.as_bytes())?;
        Ok(NodeFileGuard(path))
    }
}

impl Drop for NodeFileGuard {
    fn drop(&mut self) {
        // Left behind it does no harm: its node id answers nowhere.
        let _ = fs::remove_file(&self.0);
    }
}

/// The folder's token; made on first use, of 122 random bits and readable by its owner only.
pub(super) fn token(folder: &Path) -> io::Result<String> {
    let path = folder.join(TOKEN_FILE);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let token = Uuid::new_v4().simple().to_string();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(OWNER_ONLY)
        .open(&path)?;
    file.write_all(token.as_bytes())?;
    Ok(token)
}
