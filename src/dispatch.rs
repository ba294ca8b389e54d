//! Brings the scheduler's events to the pure listener, one at a time, and carries its commands out.
//!
//! Events come from many threads, and carrying a command out makes new events. So each is put into an inbox, and
//! whoever finds nobody at work empties it: the listener sees one event after the other, commands are carried out in the
//! order in which they were decided, nobody waits, and a command's own events cannot deadlock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jbc_jobs::executor::Jobs;
use jbc_jobs::listener::{Command, End, Input, Listener, News};
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::Clock;
use jbc_jobs::task::{Outcome, Task};
use jbc_scheduler::{AddError, Event, EventCode, EventMask, ListenerId, Scheduler, Trigger};
use tokio::sync::watch;

use crate::feed::{Feed, JobNews, sentence};
use crate::node::SystemClock;
use crate::peers::HttpPeers;
use crate::progress::SyncBar;
use crate::store::BlockStore;

/// The node's jobs.
pub type NodeJobs = Jobs<BlockStore, HttpPeers, SystemClock>;

/// Blocks taken off from which on a reorganisation is worth a warning (RELIABILITY.md, "a warning from 6 blocks on").
const DEEP_BLOCKS: u64 = 6;

/// What waits for the listener: an [`Input`] that owns what it speaks of.
#[derive(Debug)]
enum Note {
    Started,
    Ended {
        task: Arc<Task>,
        end: Ended,
        elapsed: Duration,
        kept: bool,
    },
    Gone {
        task: Arc<Task>,
        refused: bool,
    },
    PeerOffered {
        url: PeerUrl,
        from_loopback: bool,
    },
    PeerRemoved {
        url: PeerUrl,
    },
}

#[derive(Debug)]
enum Ended {
    Done(Arc<Outcome>),
    Cancelled(Option<Arc<Outcome>>),
    Failed(String),
}

/// Says that somebody empties the inbox, until dropped: also when the listener panics, or the node would stand still.
struct AtWork<'a>(&'a AtomicBool);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The way from events to commands.
pub struct Dispatch {
    listener: Mutex<Listener>,
    inbox: Mutex<VecDeque<Note>>,
    busy: AtomicBool,
    scheduler: OnceLock<(Scheduler<NodeJobs>, ListenerId)>,
    feed: Feed,
    sync_bar: SyncBar,
    failure: watch::Sender<Option<String>>,
}

impl Dispatch {
    /// A dispatcher for this listener; idle until [`Dispatch::start`].
    pub fn new(listener: Listener, feed: Feed) -> Self {
        Self {
            listener: Mutex::new(listener),
            inbox: Mutex::default(),
            busy: AtomicBool::new(false),
            scheduler: OnceLock::new(),
            feed,
            sync_bar: SyncBar::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// Listens to the scheduler and starts what has to run from the start.
    pub fn start(self: &Arc<Self>, scheduler: &Scheduler<NodeJobs>) {
        let dispatch = Arc::clone(self);
        let mask = EventMask::JOB_EXECUTED
            | EventMask::JOB_ERROR
            | EventMask::JOB_CANCELLED
            | EventMask::JOB_REMOVED
            | EventMask::JOB_MISSED;
        let id = scheduler.add_listener(mask, move |event, _| dispatch.hear(event));
        if self.scheduler.set((scheduler.clone(), id)).is_err() {
            scheduler.remove_listener(id); // started before
            return;
        }
        self.take(Note::Started);
    }

    /// Listens no more. Scheduler and dispatcher hold each other until then, and with them the database.
    pub fn stop(&self) {
        if let Some((scheduler, id)) = self.scheduler.get() {
            scheduler.remove_listener(*id);
        }
    }

    /// What the listener knows, for reading.
    pub fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody announced a peer.
    pub fn offer_peer(&self, url: PeerUrl, from_loopback: bool) {
        self.take(Note::PeerOffered { url, from_loopback });
    }

    /// The operator takes a peer off the list.
    pub fn remove_peer(&self, url: PeerUrl) {
        self.take(Note::PeerRemoved { url });
    }

    /// Turns into `Some(reason)` when the node can not go on.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    fn hear(&self, event: &Event<NodeJobs>) {
        if self.feed.has_readers() {
            self.feed.tell(&JobNews {
                code: event.code.as_str(),
                job_id: event.job_id.as_str(),
                name: &event.name,
                run_id: event.run_id.map(|id| id.to_string()),
                elapsed_us: event.elapsed.map(|elapsed| elapsed.as_micros() as u64),
            });
        }
        let task = Arc::clone(&event.task);
        let end = match (event.code, &event.output, &event.error) {
            (EventCode::JobExecuted, Some(output), _) => Ended::Done(Arc::clone(output)),
            (EventCode::JobCancelled, output, _) => Ended::Cancelled(output.clone()),
            (EventCode::JobError, _, error) => {
                let reason = error
                    .clone()
                    .unwrap_or_else(|| "failed without a word".to_owned());
                tracing::error!(job = %event.job_id, run = ?event.run_id, %reason, "a job failed");
                Ended::Failed(reason)
            }
            _ => {
                return self.take(Note::Gone {
                    task,
                    refused: false,
                });
            }
        };
        self.take(Note::Ended {
            task,
            end,
            elapsed: event.elapsed.unwrap_or_default(),
            kept: event.kept,
        });
    }

    fn take(&self, note: Note) {
        self.inbox().push_back(note);
        while !self.inbox().is_empty() && !self.busy.swap(true, Ordering::AcqRel) {
            let _at_work = AtWork(&self.busy);
            while let Some(note) = { self.inbox().pop_front() } {
                self.follow(&note);
            }
        }
    }

    fn inbox(&self) -> MutexGuard<'_, VecDeque<Note>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, note: &Note) {
        let input = match note {
            Note::Started => Input::Started,
            Note::Ended {
                task,
                end,
                elapsed,
                kept,
            } => {
                let end = match end {
                    Ended::Done(output) => End::Done(output),
                    Ended::Cancelled(output) => End::Cancelled(output.as_deref()),
                    Ended::Failed(reason) => End::Failed(reason),
                };
                Input::Ended {
                    task,
                    end,
                    elapsed: *elapsed,
                    kept: *kept,
                }
            }
            Note::Gone { task, refused } => Input::Gone {
                task,
                refused: *refused,
            },
            Note::PeerOffered { url, from_loopback } => Input::PeerOffered {
                url: url.clone(),
                from_loopback: *from_loopback,
            },
            Note::PeerRemoved { url } => Input::PeerRemoved { url: url.clone() },
        };
        let commands = self.listener().on(&input, SystemClock.now());
        for command in commands {
            self.carry_out(command);
        }
    }

    fn carry_out(&self, command: Command) {
        let Some((scheduler, _)) = self.scheduler.get() else {
            return;
        };
        match command {
            Command::Add { task, delay } => {
                let trigger = if delay.is_zero() {
                    Trigger::Now
                } else {
                    Trigger::After(delay)
                };
                let spec = task.into_spec(trigger);
                let task = Arc::clone(&spec.task);
                match scheduler.add_job(spec) {
                    Ok(_) | Err(AddError::ShuttingDown) => {}
                    Err(error) => {
                        tracing::warn!(job = %task.id(), %error, "a job was not let in");
                        self.inbox().push_back(Note::Gone {
                            task,
                            refused: true,
                        });
                    }
                }
            }
            Command::Remove { id } => {
                // It may have ended by itself in the meantime.
                let _ = scheduler.remove_job(&id.into());
            }
            Command::Publish(news) => self.publish(&news),
            Command::Fail { reason } => {
                self.failure.send_replace(Some(reason));
            }
        }
    }

    fn publish(&self, news: &News) {
        if let News::Tip {
            index, sync_target, ..
        } = news
        {
            self.sync_bar.show(*index, *sync_target);
        }
        if let Some(sentence) = sentence(news) {
            match news {
                News::Refused { .. } => tracing::debug!("{sentence}"),
                News::Tip {
                    depth: DEEP_BLOCKS..,
                    ..
                } => tracing::warn!("a deep reorganisation: {sentence}"),
                News::Disk { full: true } | News::Audit { faults: 1.., .. } => {
                    tracing::warn!("{sentence}")
                }
                _ => tracing::info!("{sentence}"),
            }
        }
        self.feed.tell(news);
    }
}
