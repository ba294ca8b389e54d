//! Proofs: files that say in which block an entry is, as `jbc stamp` writes and `jbc verify` reads them.
//!
//! A proof is JSON on one line: `{"jbcproof":1,"network":"<fingerprint>","leaf":"<hex>","path":[{"left":"…"},{"right":"…"}],
//! "headers":[…]}`. The entry of a file is the text `sha256:` and the 64 hex digits of the file's SHA-256; `leaf` is its
//! RFC 6962 leaf hash, `path` leads from there to the Merkle root in the first of the headers, and the others follow it,
//! as many as there were when it was stamped.
//!
//! There is one spelling of a proof, and no field of it stays unchecked: change any byte, and it proves nothing. What it
//! proves it proves by the chain that the headers are on (`verify.rs`), since headers by themselves say only what work was
//! done, and not which network's miners did it.

mod file;

use jbc_chain::{Hash, Header, MerklePath, Network, Rules, leaf_hash};
use serde::{Deserialize, Serialize};

pub(super) use file::{entry_of_file, write_proof};

/// The form of proofs that this is.
const VERSION: u32 = 1;

/// The largest proof that is read, in bytes: ten thousand headers and a path.
pub(super) const MAX_PROOF_BYTES: u64 = 8 << 20;

/// Where an entry is on a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// The network's fingerprint.
    pub(super) network: String,
    /// The entry's leaf hash.
    pub(super) leaf: Hash,
    /// From there to the Merkle root in the first header.
    pub(super) path: MerklePath,
    /// The header of the entry's block, and those after it; never empty.
    pub(super) headers: Vec<Header>,
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProofError {
    #[error("the proof is not a proof: {source}")]
    Malformed { source: serde_json::Error },
    #[error("field `jbcproof`: the proof is of version {found}, and this program knows {VERSION}")]
    Version { found: u32 },
    #[error("field `headers`: the proof has no header")]
    NoHeader,
    #[error("the proof is not spelled as proofs are, from byte {position} on")]
    Spelling { position: usize },
    #[error("field `network`: the proof is of the network {theirs}, not of {ours}")]
    OtherNetwork { theirs: String, ours: String },
    #[error(
        "field `leaf`: the file is not the one that was stamped, or was changed: it is {entry}, which is not the proof's"
    )]
    OtherFile { entry: String },
    #[error("field `path`: it does not lead from the file to the block's Merkle root")]
    Path,
    #[error("field `headers[{position}]`: {reason}")]
    Header {
        position: usize,
        reason: &'static str,
    },
}

/// The form of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofFile {
    jbcproof: u32,
    network: String,
    leaf: Hash,
    path: MerklePath,
    headers: Vec<Header>,
}

impl Proof {
    /// Reads a proof in its one spelling.
    ///
    /// # Errors
    /// [`ProofError`]. What the proof says is not checked yet.
    pub(super) fn from_json(text: &[u8]) -> Result<Self, ProofError> {
        let file: ProofFile =
            serde_json::from_slice(text).map_err(|source| ProofError::Malformed { source })?;
        if file.jbcproof != VERSION {
            return Err(ProofError::Version {
                found: file.jbcproof,
            });
        }
        if file.headers.is_empty() {
            return Err(ProofError::NoHeader);
        }
        let proof = Self {
            network: file.network,
            leaf: file.leaf,
            path: file.path,
            headers: file.headers,
        };
        let canonical = proof.to_json();
        if canonical.as_bytes() != text {
            let pairs = canonical.as_bytes().iter().zip(text);
            let position = pairs.take_while(|(ours, theirs)| ours == theirs).count();
            return Err(ProofError::Spelling { position });
        }
        Ok(proof)
    }

    /// The one spelling of it: one line, and its end.
    pub(super) fn to_json(&self) -> String {
        let file = ProofFile {
            jbcproof: VERSION,
            network: self.network.clone(),
            leaf: self.leaf,
            path: self.path.clone(),
            headers: self.headers.clone(),
        };
        let mut text = serde_json::to_string(&file).expect("strings and numbers become JSON");
        text.push('\n');
        text
    }

    /// Checks all that needs no chain: the network, the entry, its path, and that each header holds its work and names the
    /// one before it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn check(&self, entry: &str, network: &Network) -> Result<(), ProofError> {
        if self.network != network.fingerprint() {
            return Err(ProofError::OtherNetwork {
                theirs: self.network.escape_debug().to_string(),
                ours: format!("{} ({})", network.describe(), network.fingerprint()),
            });
        }
        if self.leaf != leaf_hash(entry.as_bytes()) {
            return Err(ProofError::OtherFile {
                entry: entry.to_owned(),
            });
        }
        let first = self.headers.first().ok_or(ProofError::NoHeader)?;
        if !self.path.leads(entry.as_bytes(), &first.merkle_root) {
            return Err(ProofError::Path);
        }
        let mut before: Option<&Header> = None;
        for (position, header) in self.headers.iter().enumerate() {
            check_header(header, before, &network.rules)
                .map_err(|reason| ProofError::Header { position, reason })?;
            before = Some(header);
        }
        Ok(())
    }

    /// The header of the entry's block.
    pub(super) fn block(&self) -> &Header {
        &self.headers[0]
    }
}

fn check_header(
    header: &Header,
    before: Option<&Header>,
    rules: &Rules,
) -> Result<(), &'static str> {
    let Rules::V2(rules) = rules else {
        return Err("a classic network has no such blocks");
    };
    if header.computed_hash() != header.hash {
        return Err("its hash is not the hash of its text");
    }
    if header.bits > rules.limit || !header.bits.target().is_met_by(&header.hash) {
        return Err("its hash holds too little work");
    }
    let Some(before) = before else {
        return Ok(());
    };
    if before.index.checked_add(1) != Some(header.index) {
        return Err("its height is not one more than that of the header before it");
    }
    if header.prev_hash != Some(before.hash) {
        return Err("it does not name the header before it");
    }
    if header.timestamp.instant() <= before.timestamp.instant() {
        return Err("it is not later than the header before it");
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
