//! Brings the scheduler's events to the pure listener, one at a time, and carries its commands out.
//!
//! Events come from many threads, and carrying a command out makes new events. So each is put into an inbox, and
//! whoever finds nobody at work empties it: the listener sees one event after the other, commands are carried out in the
//! order in which they were decided, nobody waits, and a command's own events cannot deadlock.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jbc_jobs::executor::Jobs;
use jbc_jobs::listener::{Command, End, Input, Listener, News};
use jbc_jobs::peer_url::PeerUrl;
use jbc_jobs::ports::Clock;
use jbc_jobs::task::{Outcome, Task};
use jbc_scheduler::{AddError, Event, EventCode, EventMask, JobId, Scheduler, Trigger};
use tokio::sync::{oneshot, watch};

use crate::feed::{Feed, JobNews, sentence};
use crate::node::SystemClock;
use crate::peers::HttpPeers;
use crate::progress::SyncBar;
use crate::store::BlockStore;

/// The node's jobs.
pub type NodeJobs = Jobs<BlockStore, HttpPeers, SystemClock>;

/// Blocks taken off from which on a reorganisation is worth a warning (RELIABILITY.md, "a warning from 6 blocks on").
const DEEP_BLOCKS: u64 = 6;

/// Requests that wait for the end of a job at once: as many as there are connections.
const WAITING_MAX: usize = 256;

/// Memory that posted blocks may take while they wait for validation, in bytes: some v2 blocks at their dearest, any number of
/// usual ones. RELIABILITY.md, "memory stays under 150 MB".
const POSTED_BYTES_MAX: usize = 48 << 20;

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

/// Somebody who waits for what a job answers.
type Waiter = oneshot::Sender<Option<Arc<Outcome>>>;

/// The way from events to commands.
pub struct Dispatch {
    listener: Mutex<Listener>,
    inbox: Mutex<VecDeque<Note>>,
    busy: AtomicBool,
    scheduler: OnceLock<Scheduler<NodeJobs>>,
    feed: Feed,
    sync_bar: SyncBar,
    /// Memory that posted blocks take while their jobs wait or run, by job.
    posted: Mutex<HashMap<JobId, usize>>,
    /// Who waits for the end of a job, by its id.
    waiting: Mutex<HashMap<JobId, Vec<Waiter>>>,
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
            posted: Mutex::default(),
            waiting: Mutex::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// What [`ear`](Self::ear) is to hear.
    pub const EVENTS: EventMask = EventMask(
        EventMask::JOB_EXECUTED.0
            | EventMask::JOB_ERROR.0
            | EventMask::JOB_CANCELLED.0
            | EventMask::JOB_REMOVED.0
            | EventMask::JOB_MISSED.0
            | EventMask::JOB_DEAD.0,
    );

    /// A listener for a scheduler to be built. It does not keep the dispatcher alive, which holds the scheduler.
    pub fn ear(
        dispatch: &Arc<Self>,
    ) -> impl Fn(&Event<NodeJobs>, &Scheduler<NodeJobs>) + Send + Sync + use<> {
        let dispatch = Arc::downgrade(dispatch);
        move |event, _| {
            if let Some(dispatch) = dispatch.upgrade() {
                dispatch.hear(event);
            }
        }
    }

    /// Starts what has to run from the start. What was heard before waited for this.
    pub fn start(&self, scheduler: &Scheduler<NodeJobs>) {
        if self.scheduler.get().is_some() {
            return; // started before
        }
        self.inbox().push_front(Note::Started);
        if self.scheduler.set(scheduler.clone()).is_ok() {
            self.empty_inbox();
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

    /// Makes room for a posted block of so many bytes until its job has ended; `false` when those that wait take too much.
    pub fn make_room(&self, id: &JobId, bytes: usize) -> bool {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: usize = posted.values().sum();
        let fits = posted.contains_key(id) || taken + bytes <= POSTED_BYTES_MAX;
        if fits {
            posted.entry(id.clone()).or_insert(bytes);
        }
        fits
    }

    /// Gives back what [`make_room`](Self::make_room) took, where there is no job after all.
    pub fn give_room_back(&self, id: &JobId) {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        posted.remove(id);
    }

    /// Will say what the job of this id answers when it has ended: nothing if it failed or left the scheduler without running.
    /// To be asked before the job is added; `None` when too many wait already.
    pub fn outcome_of(&self, id: &JobId) -> Option<oneshot::Receiver<Option<Arc<Outcome>>>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for waiters in waiting.values_mut() {
            waiters.retain(|waiter| !waiter.is_closed()); // they lost their patience
        }
        waiting.retain(|_, waiters| !waiters.is_empty());
        if waiting.values().map(Vec::len).sum::<usize>() >= WAITING_MAX {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.entry(id.clone()).or_default().push(sender);
        Some(receiver)
    }

    fn tell_waiting(&self, event: &Event<NodeJobs>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for waiter in waiting.remove(&event.job_id).into_iter().flatten() {
            // An error means that it lost its patience.
            let _ = waiter.send(event.output.clone());
        }
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
        self.tell_waiting(event);
        self.give_room_back(&event.job_id);
        let task = Arc::clone(&event.task);
        let end = match (event.code, &event.output, &event.error) {
            (EventCode::JobExecuted, Some(output), _) => Ended::Done(Arc::clone(output)),
            (EventCode::JobCancelled, output, _) => Ended::Cancelled(output.clone()),
            (EventCode::JobError, _, error) => {
                let reason = error
                    .clone()
                    .unwrap_or_else(|| "failed without a word".to_owned());
                let (job, attempt) = (&event.job_id, event.failures);
                match event.retry_at {
                    Some(_) => {
                        tracing::warn!(%job, run = ?event.run_id, attempt, %reason, "a job failed and is tried again")
                    }
                    None => {
                        tracing::error!(%job, run = ?event.run_id, attempt, %reason, "a job failed")
                    }
                }
                Ended::Failed(reason)
            }
            // Its last failure has been told before, as such.
            (EventCode::JobDead, ..) => {
                let job = &event.job_id;
                return tracing::error!(%job, "a job has failed for good: jbc-sched --list-dead shows why, --requeue ID tries again");
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
        self.empty_inbox();
    }

    fn empty_inbox(&self) {
        if self.scheduler.get().is_none() {
            return; // nobody could carry out what follows
        }
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
        let Some(scheduler) = self.scheduler.get() else {
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
                let id = JobId::from(id);
                // What the operator has paused runs not, and removing it would end the pause.
                if scheduler.get_job(&id).is_none_or(|job| !job.paused) {
                    // It may have ended by itself in the meantime.
                    let _ = scheduler.remove_job(&id);
                }
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

#[cfg(test)]
mod tests;
