//! How often one address may post: a bucket of tokens that fills with time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Addresses remembered at most; when full, those with a full bucket are forgotten first.
const ADDRESSES_MAX: usize = 4_096;

/// A rate with a burst, for each address of its own.
#[derive(Debug)]
pub struct RateLimit {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl RateLimit {
    /// So many requests a second in the long run, and so many at once.
    pub fn new(per_second: f64, burst: f64) -> Self {
        Self {
            per_second,
            burst,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token for this address, if there is one. Loopback is exempt (RELIABILITY.md): there it is our own nodes.
    pub fn allows(&self, address: IpAddr, now: Instant) -> bool {
        if address.is_loopback() {
            return true;
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            buckets.retain(|_, (tokens, since)| self.filled(*tokens, *since, now) < self.burst);
            if buckets.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let (tokens, since) = buckets.entry(address).or_insert((self.burst, now));
        let filled = self.filled(*tokens, *since, now);
        let allowed = filled >= 1.0;
        (*tokens, *since) = (if allowed { filled - 1.0 } else { filled }, now);
        allowed
    }

    fn filled(&self, tokens: f64, since: Instant, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(since).as_secs_f64();
        (tokens + elapsed * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::RateLimit;

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let limit = RateLimit::new(10.0, 3.0);
        let (address, now) = ("10.0.0.1".parse().unwrap(), Instant::now());
        let at_once = (0..5).filter(|_| limit.allows(address, now)).count();
        assert_eq!(at_once, 3);
        let later = now + Duration::from_millis(200);
        assert_eq!((0..5).filter(|_| limit.allows(address, later)).count(), 2);
    }

    #[test]
    fn one_address_does_not_use_up_another_and_loopback_has_no_limit() {
        let limit = RateLimit::new(1.0, 1.0);
        let now = Instant::now();
        assert!(limit.allows("10.0.0.1".parse().unwrap(), now));
        assert!(!limit.allows("10.0.0.1".parse().unwrap(), now));
        assert!(limit.allows("10.0.0.2".parse().unwrap(), now));
        assert!((0..1_000).all(|_| limit.allows("127.0.0.1".parse().unwrap(), now)));
    }

    #[test]
    fn many_addresses_cannot_fill_the_memory() {
        let limit = RateLimit::new(1.0, 1.0);
        let now = Instant::now();
        let allowed = (0..10_000_u32)
            .filter(|n| limit.allows(std::net::Ipv4Addr::from(0x0a00_0000 + n).into(), now));
        assert_eq!(allowed.count(), super::ADDRESSES_MAX);
    }
}
