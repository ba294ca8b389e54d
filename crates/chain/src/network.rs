//! A network: a name, rules, and the first block that all its chains begin with.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::block::{Block, Checked, Unchecked};
use crate::error::NetworkError;
use crate::hash::Hash;
use crate::rules::{Rules, alone};
use crate::target::Target;
use crate::template::TemplateParts;
use crate::time::Timestamp;

/// A network, named by its first block and its rules. Nodes of different networks refuse each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What people call it. Not part of what tells networks apart.
    pub name: String,
    /// What its blocks must keep.
    pub rules: Rules,
    /// The block at height 0.
    pub genesis: Block<Checked>,
}

/// The longest name of a network, in characters: it stands in one line of a table.
const MAX_NAME_CHARS: usize = 64;

impl Network {
    /// The articles' network: their block 0, and 5 zeros.
    pub fn classic() -> Self {
        Self::built_in("classic", 5, "First block data", "1508895381", 631_412)
    }

    /// The network of the tutorial's last version: 6 zeros, with a block 0 mined for it in 2026.
    pub fn classic6() -> Self {
        Self::built_in(
            "classic6",
            6,
            "First block.",
            "20261121075953083153",
            13_470_275,
        )
    }

    /// A built-in network by its name: `classic` or `classic6`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "classic" => Some(Self::classic()),
            "classic6" => Some(Self::classic6()),
            _ => None,
        }
    }

    fn built_in(name: &str, zeros: u32, data: &str, timestamp: &str, nonce: u64) -> Self {
        let target = Target::from_zeros(zeros).expect("a built-in number of zeros is at most 64");
        let timestamp = timestamp
            .parse()
            .expect("a built-in timestamp is a real date");
        let genesis = TemplateParts::genesis(data, timestamp).block(nonce);
        Self::checked(name.to_owned(), target, genesis).expect("tests make every built-in network")
    }

    /// Makes a classic network of its own, and mines its first block: nonces from 0 upward in a plain
    /// loop, so it takes as long as [`Target::work`] hashes take, a million or so a second. To be able
    /// to stop it, search with other means and use [`with_genesis`](Self::with_genesis).
    ///
    /// # Errors
    /// [`NetworkError::Name`]; [`NetworkError::Genesis`] when the block breaks a rule, as `data` can
    /// that is too long; [`NetworkError::NoNonce`] when no nonce does.
    pub fn custom(
        name: impl Into<String>,
        target: Target,
        genesis_data: impl Into<String>,
        timestamp: Timestamp,
    ) -> Result<Self, NetworkError> {
        let parts = TemplateParts::genesis(genesis_data, timestamp);
        let hash_of = parts.hashes();
        let nonce = (0..=u64::MAX)
            .find(|&nonce| target.is_met_by(&hash_of(nonce)))
            .ok_or(NetworkError::NoNonce { target })?;
        Self::checked(name.into(), target, parts.block(nonce))
    }

    /// A classic network of a first block mined elsewhere.
    ///
    /// # Errors
    /// As [`custom`](Self::custom).
    pub fn with_genesis(
        name: impl Into<String>,
        target: Target,
        genesis: Block<Unchecked>,
    ) -> Result<Self, NetworkError> {
        Self::checked(name.into(), target, genesis)
    }

    /// Reads a network file: `{"name": "my class", "rules": "classic", "zeros": 5, "genesis": {…}}`,
    /// with `"target": "<64 hex digits>"` in place of `zeros` for finer steps.
    ///
    /// # Errors
    /// A [`NetworkError`] for text that is no such file (unknown keys too), and for a first block that
    /// breaks the rules.
    pub fn from_json(text: &[u8]) -> Result<Self, NetworkError> {
        let file: NetworkFile =
            serde_json::from_slice(text).map_err(|source| NetworkError::Malformed { source })?;
        let RulesName::Classic = file.rules;
        let target = match (file.zeros, file.target) {
            (Some(zeros), None) => Target::from_zeros(zeros).ok_or(NetworkError::Difficulty {
                field: "zeros",
                reason: "must be at most 64, the length of a hash",
            })?,
            (None, Some(target)) => target,
            (None, None) => {
                return Err(NetworkError::Difficulty {
                    field: "zeros",
                    reason: "missing; either this or `target` must be there",
                });
            }
            (Some(_), Some(_)) => {
                return Err(NetworkError::Difficulty {
                    field: "target",
                    reason: "`zeros` is there too; only one of them may be",
                });
            }
        };
        Self::checked(file.name, target, file.genesis)
    }

    /// The network's file, ending in a line feed: `zeros` where they say it all, else `target`.
    pub fn to_json(&self) -> String {
        let target = self.rules.target();
        let zeros = target.zeros();
        let file = NetworkFile {
            name: self.name.clone(),
            rules: RulesName::Classic,
            zeros,
            target: zeros.is_none().then_some(target),
            genesis: self.genesis.clone().into_unchecked(),
        };
        let mut text =
            serde_json::to_string_pretty(&file).expect("strings and a number become JSON");
        text.push('\n');
        text
    }

    /// A short id of rules and first block, 16 hex digits: equal exactly for the same network. The
    /// name does not count.
    pub fn fingerprint(&self) -> String {
        let mut sha = Sha256::new();
        sha.update(b"jbc/network/1\nclassic\n");
        sha.update(self.rules.target().to_be_bytes());
        sha.update(self.genesis.content_digest());
        hex::encode(&sha.finalize()[..8])
    }

    /// The network for people: `classic, 5 zeros, genesis 000002f9c703`.
    pub fn describe(&self) -> String {
        let target = self.rules.target();
        let difficulty = match target.zeros() {
            Some(1) => "1 zero".to_owned(),
            Some(zeros) => format!("{zeros} zeros"),
            None => format!("target {}…", Hash::from_bytes(target.to_be_bytes()).short()),
        };
        format!(
            "{}, {difficulty}, genesis {}",
            self.name,
            self.genesis.hash().short()
        )
    }

    fn checked(
        name: String,
        target: Target,
        genesis: Block<Unchecked>,
    ) -> Result<Self, NetworkError> {
        let chars = name.chars().count();
        if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(NetworkError::Name);
        }
        let rules = Rules::Classic { target };
        let genesis = alone::check_first_index(&genesis)
            .and_then(|()| genesis.check(&rules))
            .map_err(|source| NetworkError::Genesis { source })?;
        Ok(Self {
            name,
            rules,
            genesis,
        })
    }
}

/// The form of a network file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    name: String,
    rules: RulesName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zeros: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    genesis: Block<Unchecked>,
}

/// The rule sets there are.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RulesName {
    Classic,
}
