//! Whom we know and trust how far. Pure: `now` is an argument, and chance is the caller's too.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use jbc_chain::{Hash, UnixMicros};
use serde::{Deserialize, Serialize};

use crate::peer_url::PeerUrl;
use crate::ports::{PeerStatus, TipClaim};

/// Peers remembered at most.
pub const PEERS_MAX: usize = 64;
/// Peers learned on one address at most, loopback aside: one machine is not to fill the table.
pub const PEERS_PER_ADDRESS_MAX: usize = 4;
/// Misbehaviour at which a peer is banned (RELIABILITY.md, "banned at 100").
pub const BAN_SCORE: u32 = 100;
/// What a block that breaks a rule costs its sender: five of them ban.
pub const BAD_BLOCK_SCORE: u32 = 20;
/// How long a ban lasts, in microseconds: an hour, as an orphan's life.
pub const BAN_MICROS: i64 = 3_600_000_000;
/// First wait after a failed call, in microseconds (RELIABILITY.md, "backoff 1 s → 5 min with jitter").
pub const BACKOFF_FIRST_MICROS: i64 = 1_000_000;
/// Longest wait after failed calls, in microseconds.
pub const BACKOFF_LAST_MICROS: i64 = 300_000_000;
/// Longest wait after failed calls to a peer that the operator named, in microseconds: with every poll it is asked again, so
/// that a partition heals within seconds (RELIABILITY.md, "one tip within 15 s").
pub const BACKOFF_CONFIGURED_MICROS: i64 = 4_000_000;
/// How often a tutorial node is asked for its whole chain, in microseconds: it has no cheaper answer, and stops mining for it.
pub const TUTORIAL_POLL_MICROS: i64 = 30_000_000;
/// Addresses whose misbehaviour is remembered at most.
const SCORED_ADDRESSES_MAX: usize = 4_096;

/// What kind of node a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerKind {
    /// Not heard from yet.
    Unknown,
    /// A jbc node.
    Jbc,
    /// A node of the Python tutorial.
    Tutorial,
    /// This node itself.
    Myself,
    /// A node of another network.
    Foreign,
}

/// One peer, as `/peers` lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Where it listens.
    pub url: PeerUrl,
    /// What kind of node it is.
    pub kind: PeerKind,
    /// Given by the operator: never forgotten for a learned one.
    pub configured: bool,
    /// Whether the last call was answered.
    pub reachable: bool,
    /// Misbehaviour; 100 bans.
    pub score: u32,
    /// The tip it last claimed.
    pub tip: Option<TipClaim>,
    /// Calls that failed in a row.
    pub failures: u32,
    /// When it last answered, Unix milliseconds.
    pub last_seen_ms: Option<i64>,
    /// Not called before this instant.
    #[serde(skip, default = "long_ago")]
    not_before: UnixMicros,
    /// Banned until this instant: till then its answers count for nothing.
    #[serde(skip, default = "long_ago")]
    banned_until: UnixMicros,
    /// Whether it knows us: announced since it last came into reach.
    #[serde(skip)]
    met: bool,
    /// A tip it claimed and could not prove: not fetched again.
    #[serde(skip)]
    bad_tip: Option<Hash>,
}

impl Peer {
    fn turn_foreign(&mut self, now: UnixMicros) {
        self.kind = PeerKind::Foreign;
        self.not_before = UnixMicros(now.0.saturating_add(BACKOFF_LAST_MICROS));
    }
}

fn long_ago() -> UnixMicros {
    UnixMicros(i64::MIN)
}

/// All peers, and the scores of addresses that only post.
#[derive(Debug, Default)]
pub struct PeerTable {
    peers: BTreeMap<PeerUrl, Peer>,
    addresses: HashMap<IpAddr, (u32, UnixMicros)>,
}

impl PeerTable {
    /// A table with the operator's peers.
    pub fn new(configured: impl IntoIterator<Item = PeerUrl>) -> Self {
        let mut table = Self::default();
        for url in configured {
            table.insert(url, true);
        }
        table
    }

    fn insert(&mut self, url: PeerUrl, configured: bool) {
        self.peers.entry(url.clone()).or_insert(Peer {
            url,
            kind: PeerKind::Unknown,
            configured,
            reachable: false,
            score: 0,
            tip: None,
            failures: 0,
            last_seen_ms: None,
            not_before: long_ago(),
            banned_until: long_ago(),
            met: false,
            bad_tip: None,
        });
    }

    /// Takes up a peer that another one named, or that named itself. Names that a name server could lead elsewhere are
    /// not learned, and loopback is learned from loopback only.
    pub fn learn(&mut self, url: &PeerUrl, teacher_is_loopback: bool) -> bool {
        if self.peers.contains_key(url)
            || !url.is_fixed()
            || (url.is_loopback() && !teacher_is_loopback)
        {
            return false;
        }
        let known = self.peers.keys();
        let neighbours = known.filter(|peer| peer.address() == url.address());
        if !url.is_loopback() && neighbours.count() >= PEERS_PER_ADDRESS_MAX {
            return false;
        }
        if self.peers.len() >= PEERS_MAX && !self.drop_the_worst() {
            return false;
        }
        self.insert(url.clone(), false);
        true
    }

    /// Makes room: a learned peer out of reach goes, the one that failed most often first.
    fn drop_the_worst(&mut self) -> bool {
        let worst = self
            .peers
            .values()
            .filter(|peer| !peer.configured && !peer.reachable && peer.failures > 0);
        let worst = worst
            .max_by_key(|peer| peer.failures)
            .map(|peer| peer.url.clone());
        worst.is_some_and(|url| self.peers.remove(&url).is_some())
    }

    /// Forgets a peer.
    pub fn remove(&mut self, url: &PeerUrl) -> bool {
        self.peers.remove(url).is_some()
    }

    /// The peer at a URL.
    pub fn get(&self, url: &PeerUrl) -> Option<&Peer> {
        self.peers.get(url)
    }

    /// All peers in the order of their URLs.
    pub fn list(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// A call was answered. Says whether this peer should get to know us now.
    pub fn answered(
        &mut self,
        url: &PeerUrl,
        status: &PeerStatus,
        ours: &Ours<'_>,
        now: UnixMicros,
    ) -> bool {
        let Some(peer) = self.peers.get_mut(url) else {
            return false;
        };
        if now < peer.banned_until {
            return false;
        }
        if peer.score >= BAN_SCORE {
            peer.score = 0; // the ban is over
        }
        (peer.failures, peer.reachable, peer.last_seen_ms) = (0, true, Some(now.0 / 1_000));
        peer.not_before = long_ago();
        match status {
            PeerStatus::Tutorial => {
                peer.kind = PeerKind::Tutorial;
                peer.not_before = UnixMicros(now.0.saturating_add(TUTORIAL_POLL_MICROS));
                false
            }
            PeerStatus::Jbc(status) if status.node_id == ours.node_id => {
                peer.kind = PeerKind::Myself;
                false
            }
            PeerStatus::Jbc(status) if status.network.id != ours.network => {
                peer.turn_foreign(now);
                false
            }
            PeerStatus::Jbc(status) => {
                peer.kind = PeerKind::Jbc;
                peer.tip = Some(status.tip.clone());
                !std::mem::replace(&mut peer.met, true)
            }
        }
    }

    /// A peer turned out to be of another network.
    pub fn turned_foreign(&mut self, url: &PeerUrl, now: UnixMicros) {
        if let Some(peer) = self.peers.get_mut(url) {
            peer.turn_foreign(now);
        }
    }

    /// A call failed: wait twice as long as last time, plus up to a quarter more by `chance` (0..=255), so that peers
    /// that failed together do not come back together.
    pub fn failed(&mut self, url: &PeerUrl, now: UnixMicros, chance: u8) {
        let Some(peer) = self.peers.get_mut(url) else {
            return;
        };
        let doubled = BACKOFF_FIRST_MICROS.saturating_mul(1 << peer.failures.min(20));
        let longest = if peer.configured {
            BACKOFF_CONFIGURED_MICROS
        } else {
            BACKOFF_LAST_MICROS
        };
        let wait = doubled.min(longest);
        let jitter = wait / 4 * i64::from(chance) / 255;
        peer.failures = peer.failures.saturating_add(1);
        (peer.reachable, peer.met) = (false, false);
        peer.not_before = UnixMicros(now.0.saturating_add(wait + jitter));
    }

    /// A peer gave blocks that are not what it claimed: scored, and that tip is not fetched from it again.
    pub fn lied(&mut self, url: &PeerUrl, claim: Option<Hash>, now: UnixMicros) {
        self.misbehaved(Some(url), None, BAD_BLOCK_SCORE, now);
        self.doubt(url, claim);
    }

    /// A tip that a peer claims and does not give: not fetched from it again.
    pub fn doubt(&mut self, url: &PeerUrl, claim: Option<Hash>) {
        if let Some(peer) = self.peers.get_mut(url) {
            peer.bad_tip = claim.or(peer.bad_tip);
        }
    }

    /// Puts misbehaviour on the record. Loopback is never banned (it is ourselves, or the tutorial's own nodes).
    pub fn misbehaved(
        &mut self,
        url: Option<&PeerUrl>,
        address: Option<IpAddr>,
        points: u32,
        now: UnixMicros,
    ) {
        if let Some(peer) = url.and_then(|url| self.peers.get_mut(url)) {
            peer.score = peer.score.saturating_add(points);
            if peer.score >= BAN_SCORE && !peer.url.is_loopback() {
                (peer.reachable, peer.met, peer.score) = (false, false, BAN_SCORE);
                peer.banned_until = UnixMicros(now.0.saturating_add(BAN_MICROS));
            }
        }
        if let Some(address) = address.filter(|address| !address.is_loopback()) {
            if self.addresses.len() >= SCORED_ADDRESSES_MAX {
                self.addresses
                    .retain(|_, (_, since)| now.0.saturating_sub(since.0) < BAN_MICROS);
            }
            if self.addresses.len() < SCORED_ADDRESSES_MAX {
                let entry = self.addresses.entry(address).or_insert((0, now));
                let expired = now.0.saturating_sub(entry.1.0) >= BAN_MICROS;
                let before = if expired { 0 } else { entry.0 };
                *entry = (before.saturating_add(points), now);
            }
        }
    }

    /// Whether posts from this address are refused.
    pub fn is_banned(&self, address: IpAddr, now: UnixMicros) -> bool {
        let entry = self.addresses.get(&address);
        entry.is_some_and(|(score, since)| {
            *score >= BAN_SCORE && now.0.saturating_sub(since.0) < BAN_MICROS
        })
    }

    /// Peers to be asked now.
    pub fn due(&self, now: UnixMicros) -> Vec<PeerUrl> {
        let due = self.peers.values().filter(|peer| {
            peer.kind != PeerKind::Myself && peer.not_before.max(peer.banned_until) <= now
        });
        due.map(|peer| peer.url.clone()).collect()
    }

    /// A sync found nothing more at this peer than we have: what it claimed is settled.
    pub fn caught_up(&mut self, url: &PeerUrl) {
        if let Some(peer) = self.peers.get_mut(url) {
            peer.tip = None;
        }
    }

    /// The peers in reach to whom a block goes: at most `count`, another choice for each block.
    pub fn to_push(&self, block: &Hash, except: &[PeerUrl], count: usize) -> Vec<PeerUrl> {
        let usable = |peer: &&Peer| {
            peer.reachable && matches!(peer.kind, PeerKind::Jbc | PeerKind::Tutorial)
        };
        let has_it = |peer: &&Peer| {
            except.contains(&peer.url) || peer.tip.as_ref().is_some_and(|tip| tip.hash == *block)
        };
        let mut chosen: Vec<_> = self
            .peers
            .values()
            .filter(usable)
            .filter(|peer| !has_it(peer))
            .collect();
        chosen.sort_by_cached_key(|peer| mix(block, peer.url.as_str()));
        chosen
            .into_iter()
            .take(count)
            .map(|peer| peer.url.clone())
            .collect()
    }

    /// The peer from which to sync: the one that claims most work, if more than ours and not a claim it failed to prove.
    pub fn best_to_sync(&self, ours: &jbc_chain::Work) -> Option<&PeerUrl> {
        let claims = self
            .peers
            .values()
            .filter(|peer| peer.reachable && peer.kind == PeerKind::Jbc);
        let claims = claims.filter_map(|peer| Some((peer, peer.tip.as_ref()?)));
        let honest =
            claims.filter(|(peer, tip)| tip.work > *ours && peer.bad_tip != Some(tip.hash));
        honest
            .max_by(|(_, a), (_, b)| a.work.cmp(&b.work))
            .map(|(peer, _)| &peer.url)
    }
}

/// What we compare a peer's status with.
#[derive(Debug)]
pub struct Ours<'a> {
    /// This run's node id.
    pub node_id: &'a str,
    /// Our network's fingerprint.
    pub network: &'a str,
}

/// Spreads choices: 64-bit FNV-1a over the block's hash and the peer's name.
fn mix(block: &Hash, peer: &str) -> u64 {
    let bytes = block.as_bytes().iter().chain(peer.as_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
