//! What the door allows, with unit, source and reason beside each number.

use std::net::SocketAddr;

/// The limits of the door. "Table" below is "At the door" in RELIABILITY.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once (table). When all are taken, the one that has kept us waiting longest for its request,
    /// or the rest of it, makes room; when all are being answered, the newcomer gets a 503.
    pub max_connections: usize,
    /// Connections open at once from one IPv4 address or one IPv6 /64 (table); the next gets a 429.
    pub max_connections_per_address: usize,
    /// Whether loopback is free of `max_connections_per_address` (table: yes; several nodes and tools share it).
    pub exempt_loopback: bool,
    /// Milliseconds from the accept, or from a later request's first byte, to the end of its head (table: 5 s).
    pub header_timeout_ms: u64,
    /// Milliseconds from the end of the head to the end of the body, in total (table: 10 s); then 408.
    pub body_timeout_ms: u64,
    /// Milliseconds from the end of an answer to the end of the next request's head (table: 15 s).
    pub idle_timeout_ms: u64,
    /// Milliseconds a write may wait for the peer to read anything at all (the table's "slow readers cut"). A stream
    /// that has nothing to write is not waiting, however long it lives. The kernel reports room only when a good part
    /// of the socket's buffer is free, so that reading one byte now and then does not help a slow reader.
    pub write_timeout_ms: u64,
    /// Milliseconds for which we go on reading from a peer that was refused before its request had ended. To close at
    /// once would make the kernel send a reset, which fails the peer's writes and can overtake the answer that says
    /// why. One second is a few round trips.
    pub linger_ms: u64,
    /// Milliseconds that answers under way get after shutdown began. A stop has 2 s in all (RELIABILITY.md, Faults).
    pub shutdown_grace_ms: u64,
    /// Bytes of a request's head, request line and empty line included; beyond it 431. Ours are under 1 KiB; 16 KiB
    /// is what a browser with a shelf of cookies for localhost may send.
    pub max_head_bytes: usize,
    /// Header lines of a request; beyond it 431. A browser sends about 20.
    pub max_headers: usize,
    /// Bytes of a request's body; beyond it 413, unread. 16 KiB is a classic block (table); v2's node sets its own.
    pub max_body_bytes: u64,
    /// The names that a request's `Host` may have.
    pub hosts: HostPolicy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            max_connections_per_address: 8,
            exempt_loopback: true,
            header_timeout_ms: 5_000,
            body_timeout_ms: 10_000,
            idle_timeout_ms: 15_000,
            write_timeout_ms: 15_000,
            linger_ms: 1_000,
            shutdown_grace_ms: 1_000,
            max_head_bytes: 16 * 1024,
            max_headers: 64,
            max_body_bytes: 16 * 1024,
            hosts: HostPolicy::LoopbackNames,
        }
    }
}

/// Which names a request may call us by, in `Host` and in an absolute request target. A page of another site whose
/// name was made to resolve to 127.0.0.1 (DNS rebinding) still sends its own name here, and is refused by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPolicy {
    /// `localhost` and loopback addresses, any port: for a node that listens on loopback only.
    LoopbackNames,
    /// Any name: for a node that listens to the network, which cannot know what others call it.
    Any,
}

impl HostPolicy {
    /// The policy for a listener bound to `address`.
    #[must_use]
    pub fn for_listener(address: SocketAddr) -> Self {
        if address.ip().to_canonical().is_loopback() {
            Self::LoopbackNames
        } else {
            Self::Any
        }
    }
}
