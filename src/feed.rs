//! News for whoever watches: each piece once, as a JSON line, to any number of readers, none of whom can hold us up.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jbc_jobs::listener::News;
use serde::Serialize;
use tokio::sync::broadcast;

/// Pieces of news kept for a slow reader before it starts to miss some.
const BACKLOG: usize = 1_024;

/// The feed.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: broadcast::Sender<Arc<str>>,
}

/// News of a job, as `/events` tells it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "job")]
pub struct JobNews<'a> {
    /// The event, `JOB_EXECUTED`, …
    pub code: &'static str,
    /// The job.
    pub job_id: &'a str,
    /// Its kind.
    pub name: &'a str,
    /// The run, where the event is of one.
    pub run_id: Option<String>,
    /// How long it ran, in microseconds.
    pub elapsed_us: Option<u64>,
}

#[derive(Serialize)]
struct Stamped<'a, T> {
    at_ms: u64,
    #[serde(flatten)]
    news: &'a T,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BACKLOG),
        }
    }
}

impl Feed {
    /// Whether anybody listens: news that nobody hears need not be written down.
    pub fn has_readers(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Readers now.
    pub fn readers(&self) -> usize {
        self.sender.receiver_count()
    }

    /// A new reader; it hears what comes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<str>> {
        self.sender.subscribe()
    }

    /// Tells everybody.
    pub fn tell(&self, news: &impl Serialize) {
        if self.has_readers() {
            let at_ms = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64);
            let line = serde_json::to_string(&Stamped { at_ms, news })
                .expect("news are plain maps of plain values");
            // An error means that the last reader has just left.
            let _ = self.sender.send(line.into());
        }
    }
}

/// A piece of news in a sentence, for the log. `None`: too common to be worth a line.
pub fn sentence(news: &News) -> Option<String> {
    Some(match news {
        News::Tip {
            sync_target: Some(_),
            ..
        } => return None, // one of many batches: a bar shows them
        News::Tip {
            index,
            hash,
            data,
            depth,
            origin,
            peer,
            ..
        } => {
            let how = match (*origin, peer) {
                ("mined", _) => "mined here".to_owned(),
                (_, Some(peer)) => format!("from {peer}"),
                (origin, None) => (*origin).to_owned(),
            };
            let reorganised = match depth {
                0 => String::new(),
                depth => format!(", after taking {depth} off"),
            };
            format!(
                "block {index} {} {how}{reorganised}: {data:?}",
                hash.short()
            )
        }
        News::Side {
            hash,
            origin: "mined",
        } => format!("block {} mined here came too late", hash.short()),
        News::Side { hash, .. } => format!("block {} is on a side branch", hash.short()),
        News::Refused {
            rule,
            field,
            reason,
            ..
        } => format!("refused a block by rule `{rule}`: field `{field}`: {reason}"),
        News::Orphan { hash, parent } => format!(
            "block {} waits for its parent {}",
            hash.short(),
            parent.short()
        ),
        News::Early {
            hash,
            wait_ms,
            held,
        } => {
            let what = if *held { "held" } else { "not taken" };
            let hash = hash.short();
            format!("block {hash} is {wait_ms} ms ahead of what our clock allows: {what}")
        }
        News::RangeCancelled { .. } | News::Entry { .. } => return None,
        News::Peer { url, state, detail } if detail.is_empty() => format!("peer {url}: {state}"),
        News::Peer { url, state, detail } => format!("peer {url}: {state} ({detail})"),
        News::Disk { full: true } => {
            "the disk is full: mining and accepting wait until there is room".to_owned()
        }
        News::Disk { full: false } => "the disk has room again".to_owned(),
        News::Audit { checked, faults: 0 } => {
            format!("audit: {checked} blocks hashed again, all sound")
        }
        News::Audit { checked, faults } => {
            format!("audit: {faults} of {checked} blocks are DAMAGED")
        }
    })
}
