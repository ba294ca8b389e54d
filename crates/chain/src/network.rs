//! A network: a name, rules, and the first block that all its chains begin with.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bits::Bits;
use crate::block::{Block, Checked, Unchecked};
use crate::error::NetworkError;
use crate::hash::Hash;
use crate::rules::{Rules, V2Rules, alone};
use crate::target::Target;
use crate::template::{TemplateParts, V2Parts};
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
        Self::of_tutorial("classic", 5, "First block data", "1508895381", 631_412)
    }

    /// The network of the tutorial's last version: 6 zeros, with a block 0 mined for it in 2026.
    pub fn classic6() -> Self {
        Self::of_tutorial(
            "classic6",
            6,
            "First block.",
            "20261121075953083153",
            13_470_275,
        )
    }

    /// The default: `v2`, a block each 5 seconds, its first block mined in 2026. FORMATS.md: "limit 1e0fffff (about a million
    /// hashes), genesis about 20 million".
    pub fn dev() -> Self {
        let (name, rules, bits) = ("dev", Self::dev_rules(), Self::dev_bits());
        let timestamp = Timestamp::parse_millis("1795262400000").expect("these are 13 digits");
        let genesis = Self::v2_genesis(name, &rules, bits, timestamp).block(2_724_599);
        Self::with_v2_genesis(genesis).expect("tests make every built-in network")
    }

    /// The rules of [`dev`](Self::dev).
    pub fn dev_rules() -> V2Rules {
        V2Rules {
            interval_ms: 5_000,
            limit: Bits::new(0x1e0f_ffff).expect("this is canonical"),
            window_blocks: 30,
        }
    }

    fn dev_bits() -> Bits {
        Bits::from_target(&Target::from_expected_hashes(20_000_000.0))
    }

    /// All built-in networks, the default first.
    pub fn built_in() -> Vec<Self> {
        vec![Self::dev(), Self::classic6(), Self::classic()]
    }

    /// A built-in network by its name: `dev`, `classic` or `classic6`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "dev" => Some(Self::dev()),
            "classic" => Some(Self::classic()),
            "classic6" => Some(Self::classic6()),
            _ => None,
        }
    }

    fn of_tutorial(name: &str, zeros: u32, data: &str, timestamp: &str, nonce: u64) -> Self {
        let target = Target::from_zeros(zeros).expect("a built-in number of zeros is at most 64");
        let timestamp = timestamp
            .parse()
            .expect("a built-in timestamp is a real date");
        let genesis = TemplateParts::genesis(data, timestamp).block(nonce);
        Self::with_genesis(name, target, genesis).expect("tests make every built-in network")
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
        Self::with_genesis(name, target, mined(&parts, target)?)
    }

    /// Makes a `v2` network, and mines its first block of the target `bits` as [`custom`](Self::custom) does.
    ///
    /// # Errors
    /// As [`with_v2_genesis`](Self::with_v2_genesis), and [`NetworkError::NoNonce`].
    pub fn custom_v2(
        name: &str,
        rules: &V2Rules,
        bits: Bits,
        timestamp: Timestamp,
    ) -> Result<Self, NetworkError> {
        let parts = Self::v2_genesis(name, rules, bits, timestamp);
        Self::with_v2_genesis(mined(&parts, bits.target())?)
    }

    /// The first block of a `v2` network but for its nonce. Its first entry is the network's rules and its name.
    pub fn v2_genesis(
        name: &str,
        rules: &V2Rules,
        bits: Bits,
        timestamp: Timestamp,
    ) -> TemplateParts {
        let parameters = V2Parameters::new(name, rules).to_json();
        TemplateParts {
            index: 0,
            prev_hash: None,
            timestamp,
            v2: Some(V2Parts::fixed(&parameters, bits, Vec::new())),
            data: parameters,
        }
    }

    /// The `v2` network of this first block, whose first entry says its rules and its name.
    ///
    /// # Errors
    /// [`NetworkError::Rules`] where that entry says none; [`NetworkError::Name`]; [`NetworkError::Genesis`] when the block
    /// breaks them.
    pub fn with_v2_genesis(genesis: Block<Unchecked>) -> Result<Self, NetworkError> {
        let parameters = V2Parameters::of(&genesis)?;
        let rules = Rules::V2(parameters.rules());
        Self::checked(parameters.name, rules, genesis)
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
        Self::checked(name.into(), Rules::Classic { target }, genesis)
    }

    /// Reads a network file: `{"name": "my class", "rules": "classic", "zeros": 5, "genesis": {…}}`,
    /// with `"target": "<64 hex digits>"` in place of `zeros` for finer steps; or `{"name": "my class", "rules": "v2",
    /// "genesis": {…}}`, where the first block says the rest.
    ///
    /// # Errors
    /// A [`NetworkError`] for text that is no such file (unknown keys too), and for a first block that
    /// breaks the rules.
    pub fn from_json(text: &[u8]) -> Result<Self, NetworkError> {
        let file: NetworkFile =
            serde_json::from_slice(text).map_err(|source| NetworkError::Malformed { source })?;
        if let RulesName::V2 = file.rules {
            return Self::v2_from_file(file);
        }
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
        Self::with_genesis(file.name, target, file.genesis)
    }

    fn v2_from_file(file: NetworkFile) -> Result<Self, NetworkError> {
        let fields = [
            ("zeros", file.zeros.is_some()),
            ("target", file.target.is_some()),
        ];
        if let Some((field, _)) = fields.into_iter().find(|(_, there)| *there) {
            let reason = "a v2 network's difficulty stands in its blocks";
            return Err(NetworkError::Difficulty { field, reason });
        }
        let network = Self::with_v2_genesis(file.genesis)?;
        if network.name != file.name {
            return Err(NetworkError::Rules {
                reason: format!(
                    "they are of the network `{}`, not of `{}`",
                    network.name, file.name
                ),
            });
        }
        Ok(network)
    }

    /// The network's file, ending in a line feed: `zeros` where they say it all, else `target`.
    pub fn to_json(&self) -> String {
        let (rules, target) = match self.rules {
            Rules::Classic { target } => (RulesName::Classic, Some(target)),
            Rules::V2(_) => (RulesName::V2, None),
        };
        let zeros = target.and_then(|target| target.zeros());
        let file = NetworkFile {
            name: self.name.clone(),
            rules,
            zeros,
            target: target.filter(|_| zeros.is_none()),
            genesis: self.genesis.clone().into_unchecked(),
        };
        let mut text =
            serde_json::to_string_pretty(&file).expect("strings and a number become JSON");
        text.push('\n');
        text
    }

    /// A short id of rules and first block, 16 hex digits: equal exactly for the same network. The
    /// name of a classic network does not count; that of a `v2` network stands in its first block.
    pub fn fingerprint(&self) -> String {
        let mut sha = Sha256::new();
        match self.rules {
            Rules::Classic { target } => {
                sha.update(b"jbc/network/1\nclassic\n");
                sha.update(target.to_be_bytes());
            }
            Rules::V2(_) => sha.update(b"jbc/network/1\nv2\n"), // the first block has its rules
        }
        sha.update(self.genesis.content_digest());
        hex::encode(&sha.finalize()[..8])
    }

    /// The network for people: `classic, 5 zeros, genesis 000002f9c703`; `dev, a block each 5 s, genesis 000000d6a1b2`.
    pub fn describe(&self) -> String {
        let difficulty = match self.rules {
            Rules::V2(rules) => format!("a block each {} s", rules.interval_ms as f64 / 1_000.0),
            Rules::Classic { target } => match target.zeros() {
                Some(1) => "1 zero".to_owned(),
                Some(zeros) => format!("{zeros} zeros"),
                None => format!("target {}…", Hash::from_bytes(target.to_be_bytes()).short()),
            },
        };
        format!(
            "{}, {difficulty}, genesis {}",
            self.name,
            self.genesis.hash().short()
        )
    }

    fn checked(
        name: String,
        rules: Rules,
        genesis: Block<Unchecked>,
    ) -> Result<Self, NetworkError> {
        let chars = name.chars().count();
        if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(NetworkError::Name);
        }
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

/// The block of the first nonce that meets the target.
fn mined(parts: &TemplateParts, target: Target) -> Result<Block<Unchecked>, NetworkError> {
    let hash_of = parts.hashes();
    let nonce = (0..=u64::MAX)
        .find(|&nonce| target.is_met_by(&hash_of(nonce)))
        .ok_or(NetworkError::NoNonce { target })?;
    Ok(parts.block(nonce))
}

/// The first entry of a `v2` network's first block: its rules and its name. Canonical JSON (RFC 8785): keys in alphabetical
/// order and no white space, which this order of fields and serde_json give.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct V2Parameters {
    interval_ms: u64,
    limit: Bits,
    name: String,
    window_blocks: u64,
}

impl V2Parameters {
    fn new(name: &str, rules: &V2Rules) -> Self {
        Self {
            interval_ms: rules.interval_ms,
            limit: rules.limit,
            name: name.to_owned(),
            window_blocks: rules.window_blocks,
        }
    }

    fn of(genesis: &Block<Unchecked>) -> Result<Self, NetworkError> {
        let fault = |reason: String| NetworkError::Rules { reason };
        let first = genesis.entries().first().ok_or_else(|| {
            fault("missing: a v2 network's first block has them in its first entry".to_owned())
        })?;
        let parameters: Self =
            serde_json::from_slice(first).map_err(|error| fault(error.to_string()))?;
        if parameters.to_json().as_bytes() != first {
            return Err(fault(
                "the network's rules are not in their canonical form".to_owned(),
            ));
        }
        match parameters.rules().fault() {
            Some((field, reason)) => Err(fault(format!("`{field}` {reason}"))),
            None => Ok(parameters),
        }
    }

    fn rules(&self) -> V2Rules {
        V2Rules {
            interval_ms: self.interval_ms,
            limit: self.limit,
            window_blocks: self.window_blocks,
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers become JSON")
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
    V2,
}
