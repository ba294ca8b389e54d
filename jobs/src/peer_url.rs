//! Where a peer listens: an http origin and nothing else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Longest peer URL taken, in bytes: an origin with the longest legal DNS name fits.
pub const PEER_URL_MAX_BYTES: usize = 300;

/// The origin of a peer, `http://host:port`, in canonical spelling and without a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerUrl(String);

/// Why a text is no peer URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `url`: {reason}")]
pub struct PeerUrlError {
    /// What is wrong with it, in words.
    pub reason: String,
}

impl PeerUrl {
    /// Reads an origin. A missing port is the scheme's own, as on the web.
    ///
    /// # Errors
    /// Anything that is not a plain http origin, or points where no peer can be: link-local (also the clouds'
    /// metadata address), unspecified, multicast or broadcast addresses (RELIABILITY.md, "peers that lead elsewhere").
    pub fn parse(text: &str) -> Result<Self, PeerUrlError> {
        let refuse = |reason: &str| PeerUrlError {
            reason: reason.to_owned(),
        };
        if text.len() > PEER_URL_MAX_BYTES {
            return Err(refuse("longer than 300 bytes"));
        }
        let url = Url::parse(text).map_err(|error| refuse(&format!("not a URL: {error}")))?;
        if url.scheme() != "http" {
            return Err(refuse(
                "only http is spoken here (for https put a tunnel in front)",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("a peer needs no user name or password"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("give the origin only, without a path"));
        }
        let host = url.host().ok_or_else(|| refuse("has no host"))?;
        if let Some(address) = ip_of(&host)
            && !can_be_a_peer(address)
        {
            return Err(refuse(
                "link-local, unspecified, multicast and broadcast addresses are refused",
            ));
        }
        let port = url
            .port_or_known_default()
            .ok_or_else(|| refuse("has no port"))?;
        if port == 0 {
            return Err(refuse("port 0 cannot be called"));
        }
        // One spelling a place, so that a node is not two peers.
        let host = if host == Host::Domain("localhost") {
            "127.0.0.1".to_owned()
        } else {
            host.to_string()
        };
        Ok(Self(format!("{}://{host}:{port}", url.scheme())))
    }

    /// The canonical text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address it names, if it names one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.with_host(|host| ip_of(host).map(canonical))
    }

    /// Whether it names this very machine.
    pub fn is_loopback(&self) -> bool {
        self.address().is_some_and(|address| address.is_loopback())
    }

    /// Whether this URL, as our own, leads `peer` to us: a loopback address leads another machine to itself.
    pub fn means_us_to(&self, peer: &Self) -> bool {
        !self.is_loopback() || peer.is_loopback()
    }

    /// Whether the host is an address, so that no name server can lead it elsewhere later.
    pub fn is_fixed(&self) -> bool {
        self.address().is_some()
    }

    fn with_host<T>(&self, look: impl FnOnce(&Host<&str>) -> T) -> T {
        let url = Url::parse(&self.0).expect("only ever built from a parsed URL");
        look(&url.host().expect("parse() refuses a URL without a host"))
    }
}

fn ip_of(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
    }
}

/// An IPv4 address in IPv6 clothes counts as the IPv4 address: `::ffff:169.254.169.254` is no way around.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether a peer can stand at this address at all (loopback can; who may teach us a loopback peer is the table's rule).
pub fn can_be_a_peer(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(ip) => {
            !(ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip == ALIBABA_METADATA)
        }
        IpAddr::V6(ip) => {
            !(ip.is_unicast_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip == AWS_METADATA_V6)
        }
    }
}

/// Cloud metadata services outside the link-local ranges (their vendors' documentation).
const ALIBABA_METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const AWS_METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PeerUrl {
    type Error = PeerUrlError;
    fn try_from(text: String) -> Result<Self, PeerUrlError> {
        Self::parse(&text)
    }
}

impl From<PeerUrl> for String {
    fn from(url: PeerUrl) -> Self {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::PeerUrl;

    #[test]
    fn an_origin_is_taken_in_canonical_spelling() {
        for (given, canonical) in [
            ("http://localhost:5000/", "http://127.0.0.1:5000"),
            ("HTTP://LocalHost:5000", "http://127.0.0.1:5000"),
            ("http://127.1:5001", "http://127.0.0.1:5001"),
            ("http://example.org", "http://example.org:80"),
            ("http://[::1]:5000", "http://[::1]:5000"),
        ] {
            assert_eq!(PeerUrl::parse(given).unwrap().as_str(), canonical);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for text in [
            "ftp://localhost:5000",
            "https://localhost:5000",
            "file:///etc/passwd",
            "http://user:secret@localhost:5000",
            "http://localhost:5000/admin",
            "http://localhost:5000?x=1",
            "http://169.254.169.254",
            "http://[::ffff:169.254.169.254]",
            "http://0.0.0.0:80",
            "http://[fe80::1]:5000",
            "http://2852039166", // 169.254.169.254 as one number
            "http://100.100.100.200",
            "http://localhost:0",
            "localhost:5000",
            "",
        ] {
            assert!(PeerUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_known_in_all_its_spellings() {
        for text in [
            "http://localhost:1",
            "http://127.9.9.9:1",
            "http://[::1]:1",
            "http://[::ffff:127.0.0.1]:1",
        ] {
            assert!(PeerUrl::parse(text).unwrap().is_loopback(), "{text}");
        }
        assert!(!PeerUrl::parse("http://10.0.0.1:1").unwrap().is_loopback());
        assert!(!PeerUrl::parse("http://example.org").unwrap().is_fixed());
    }
}
