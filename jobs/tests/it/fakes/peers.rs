//! Peers out of a script. Every call is answered at once, and counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jbc_chain::{Block, Unchecked};
use jbc_jobs::ledger::Ledger;
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::{Answer, HeaderClaim, PeerError, PeerStatus, Peers};
use jbc_jobs::task::Origin;

use super::{MemoryStore, NOW, claim_of, status};

type Reply<T> = Result<T, PeerError>;

/// What stands at a URL. The defaults know nothing.
pub(crate) trait Site: Send + Sync {
    fn status(&self) -> Reply<PeerStatus>;

    fn headers(&self, _from: u64, _count: u64) -> Reply<Vec<HeaderClaim>> {
        Ok(Vec::new())
    }

    fn blocks(&self, _from: u64, _count: u64) -> Reply<Vec<Block<Unchecked>>> {
        Ok(Vec::new())
    }

    fn whole_chain(&self) -> Reply<Vec<Block<Unchecked>>> {
        Ok(Vec::new())
    }

    fn peers(&self) -> Reply<Vec<PeerUrl>> {
        Ok(Vec::new())
    }

    fn push(&self, _block: &Block<Unchecked>) -> Reply<()> {
        Ok(())
    }

    fn offer(&self, _entry: &[u8]) -> Reply<()> {
        Ok(())
    }
}

/// An honest jbc node: it serves a ledger.
pub(crate) struct Serving(pub(crate) Arc<Ledger<MemoryStore>>);

impl Site for Serving {
    fn status(&self) -> Reply<PeerStatus> {
        Ok(status("another node", claim_of(&self.0)))
    }

    fn headers(&self, from: u64, count: u64) -> Reply<Vec<HeaderClaim>> {
        let chain = self.0.chain();
        let entries =
            (from..from.saturating_add(count)).map_while(|index| chain.find_by_index(index));
        let header = |entry: &jbc_chain::Entry| HeaderClaim {
            index: entry.height(),
            hash: *entry.hash(),
        };
        Ok(entries.map(header).collect())
    }

    fn blocks(&self, from: u64, count: u64) -> Reply<Vec<Block<Unchecked>>> {
        Ok(self.0.blocks(from, count, usize::MAX).unwrap())
    }

    fn offer(&self, entry: &[u8]) -> Reply<()> {
        let admitted = self.0.admit_entry(entry, NOW);
        admitted.map(drop).map_err(|error| PeerError::Nonsense {
            reason: error.to_string(),
        })
    }

    fn push(&self, block: &Block<Unchecked>) -> Reply<()> {
        let origin = Origin::Posted {
            address: [127, 0, 0, 1].into(),
            peer: None,
        };
        let blocks = std::slice::from_ref(block);
        self.0.admit(blocks, &origin, NOW).unwrap();
        Ok(())
    }
}

/// All peers there are. A URL where none stands is out of reach.
#[derive(Default)]
pub(crate) struct ScriptedPeers {
    sites: HashMap<PeerUrl, Box<dyn Site>>,
    calls: Mutex<Vec<(&'static str, PeerUrl)>>,
}

impl ScriptedPeers {
    pub(crate) fn of(url: &PeerUrl, site: impl Site + 'static) -> Self {
        Self::default().and(url, site)
    }

    pub(crate) fn and(mut self, url: &PeerUrl, site: impl Site + 'static) -> Self {
        self.sites.insert(url.clone(), Box::new(site));
        self
    }

    /// How many calls of this kind were made.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.0 == kind).count()
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        kind: &'static str,
        peer: &PeerUrl,
        ask: impl FnOnce(&dyn Site) -> Reply<T>,
    ) -> Answer<'a, T> {
        self.calls.lock().unwrap().push((kind, peer.clone()));
        let reply = match self.sites.get(peer) {
            Some(site) => ask(&**site),
            None => Err(PeerError::Unreachable {
                reason: "nobody listens there".to_owned(),
            }),
        };
        Box::pin(std::future::ready(reply))
    }
}

impl Peers for ScriptedPeers {
    fn status<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, PeerStatus> {
        self.call("status", peer, |site| site.status())
    }

    fn headers<'a>(
        &'a self,
        peer: &'a PeerUrl,
        from: u64,
        count: u64,
    ) -> Answer<'a, Vec<HeaderClaim>> {
        self.call("headers", peer, |site| site.headers(from, count))
    }

    fn blocks<'a>(
        &'a self,
        peer: &'a PeerUrl,
        from: u64,
        count: u64,
    ) -> Answer<'a, Vec<Block<Unchecked>>> {
        self.call("blocks", peer, |site| site.blocks(from, count))
    }

    fn whole_chain<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, Vec<Block<Unchecked>>> {
        self.call("whole_chain", peer, |site| site.whole_chain())
    }

    fn push<'a>(&'a self, peer: &'a PeerUrl, block: &'a Block<Unchecked>) -> Answer<'a, ()> {
        self.call("push", peer, |site| site.push(block))
    }

    fn peers<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, Vec<PeerUrl>> {
        self.call("peers", peer, |site| site.peers())
    }

    fn offer<'a>(&'a self, peer: &'a PeerUrl, entry: &'a [u8]) -> Answer<'a, ()> {
        self.call("offer", peer, |site| site.offer(entry))
    }

    fn announce<'a>(&'a self, peer: &'a PeerUrl) -> Answer<'a, ()> {
        self.call("announce", peer, |_| Ok(()))
    }
}
