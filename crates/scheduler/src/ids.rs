//! Names of jobs and of runs.

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::micros;

/// The name of a job, readable and chosen by who adds it: `mining`, `sync`, `validate:0f3a…`.
///
/// At most one job of an id exists at a time; [`ConflictPolicy`](crate::ConflictPolicy) says what a second add does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "String")]
pub struct JobId(Arc<str>);

impl JobId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for JobId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for JobId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<&JobId> for JobId {
    fn from(id: &JobId) -> Self {
        id.clone()
    }
}

impl Borrow<str> for JobId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for JobId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for JobId {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The scheduler's randomness, from one seed: jitter, and the ids of runs.
///
/// Makes the ids of runs: UUID version 7 (RFC 9562, section 5.7), in the order of their making also within a
/// millisecond. A generator of its own because asking the kernel for random bytes costs more than starting a run.
pub(crate) struct RunIds {
    random: u64,
    /// When the last was made, in parts of a millisecond.
    last: u64,
}

/// Parts of a millisecond that the 12 bits after the version tell apart (RFC 9562, section 6.2, method 3).
const PARTS: u64 = 1 << 12;

impl RunIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: seed,
            last: 0,
        }
    }

    /// A seed that differs from process to process.
    pub(crate) fn seed() -> u64 {
        RandomState::new().build_hasher().finish()
    }

    pub(crate) fn next(&mut self, unix_us: u64) -> Uuid {
        let parts = (unix_us / 1_000 * PARTS) + (unix_us % 1_000 * PARTS / 1_000);
        // Of the same moment, or by a clock that went back: the next part.
        self.last = parts.max(self.last + 1);
        let mut tail = [0; 10];
        tail[..2].copy_from_slice(&((self.last % PARTS) as u16).to_be_bytes());
        tail[2..].copy_from_slice(&self.random().to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(self.last / PARTS, &tail).into_uuid()
    }

    /// A random part of a span, in microseconds.
    pub(crate) fn random_to(&mut self, span: Duration) -> u64 {
        match micros(span) {
            0 => 0,
            span_us => self.random() % span_us.saturating_add(1),
        }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): ids need to be distinct, not secret.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_version_7_and_sort_in_the_order_of_their_making() {
        let mut ids = RunIds::new(1);
        let made: Vec<Uuid> = (0..20_000)
            .map(|n| ids.next(1_700_000_000_000 + n / 9_000))
            .collect();
        assert!(made.iter().all(|id| id.get_version_num() == 7));
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_job_id_is_a_plain_string_in_json() {
        let id = JobId::from("validate:0f3a");
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"validate:0f3a\"");
        assert_eq!(serde_json::from_str::<JobId>(&json).unwrap(), id);
    }
}
