//! One file's way to its proof.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use indicatif::ProgressBar;
use jbc_chain::{Hash, Header, MerklePath, Network, leaf_hash};
use jbc_jobs::task::EntryState;
use tokio::sync::Semaphore;

use super::proof_path;
use crate::client::{ClientError, HEADERS_AT_ONCE, NodeClient};
use crate::commands::proof::{Proof, entry_of_file, write_proof};

/// Longest wait before a node that did not answer is asked again, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 30_000;

/// What all files of a run have in common.
#[derive(Debug)]
pub(super) struct Stamping {
    pub(super) node: NodeClient,
    pub(super) network: Network,
    pub(super) confirmations: u64,
    pub(super) overwrite: bool,
    /// When to give up.
    pub(super) deadline: Instant,
    /// Time between two questions.
    pub(super) pause: Duration,
    /// Who may ask or read a file now.
    pub(super) turns: Semaphore,
}

/// A file whose proof is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamped {
    pub(super) index: u64,
    pub(super) confirmations: u64,
}

impl Stamping {
    /// Stamps one file.
    ///
    /// # Errors
    /// Why its proof was not written.
    pub(super) async fn stamp(&self, file: &Path, bar: &ProgressBar) -> anyhow::Result<Stamped> {
        let path = proof_path(file);
        if !self.overwrite && path.exists() {
            bail!(
                "{} is there already (--overwrite replaces it)",
                path.display()
            );
        }
        let entry = self.read(file).await?;
        let proof = self.prove(&entry, bar).await?;
        // What is written was checked by the reader's own means.
        let text = proof.to_json();
        Proof::from_json(text.as_bytes())?.check(&entry, &self.network)?;
        // Much time may have passed: of a file that was changed there is nothing to verify any more.
        if self.read(file).await? != entry {
            bail!(
                "{}: it was changed after its hash was handed over, and is not stamped as it is now",
                file.display()
            );
        }
        // It may have come meanwhile.
        if !self.overwrite && path.exists() {
            bail!(
                "{} is there already (--overwrite replaces it)",
                path.display()
            );
        }
        write_proof(&path, &text).with_context(|| path.display().to_string())?;
        Ok(Stamped {
            index: proof.block().index,
            confirmations: proof.headers.len() as u64,
        })
    }

    /// The entry of a file as it is now.
    async fn read(&self, file: &Path) -> anyhow::Result<String> {
        let _turn = self.turns.acquire().await?;
        let file = file.to_owned();
        Ok(tokio::task::spawn_blocking(move || entry_of_file(&file)).await??)
    }

    /// Hands the entry over and waits until it is deep enough.
    async fn prove(&self, entry: &str, bar: &ProgressBar) -> anyhow::Result<Proof> {
        let leaf = leaf_hash(entry.as_bytes());
        let mut known = None;
        loop {
            let state = match known {
                Some(state) => state,
                // Where it was handed over before: to another node behind the same address, or one that lost its disk.
                None => self.patient(|| self.node.post_entry(entry)).await?,
            };
            match state {
                EntryState::Pending => bar.set_position(0),
                EntryState::Confirmed { confirmations, .. } => bar.set_position(confirmations),
            }
            if let EntryState::Confirmed {
                index,
                hash,
                confirmations,
            } = state
                && confirmations >= self.confirmations
                && let Some(proof) = self.proof(entry, leaf, index, hash).await?
            {
                return Ok(proof);
            }
            let waits_for = match state {
                EntryState::Confirmed { index, .. } => format!("in block {index}, not deep enough"),
                EntryState::Pending => "in no block yet".to_owned(),
            };
            self.pause(self.pause).await.map_err(|_| {
                anyhow!("the time is up: it is {waits_for} (the same command goes on waiting)")
            })?;
            known = self.patient(|| self.node.entry(&leaf)).await?;
        }
    }

    /// The proof, if the entry is where it was said to be: a reorganisation may have come in between.
    async fn proof(
        &self,
        entry: &str,
        leaf: Hash,
        index: u64,
        hash: Hash,
    ) -> anyhow::Result<Option<Proof>> {
        let name = hash.to_string();
        let block = self.patient(|| self.node.block(&name)).await?;
        if *block.hash() != hash || block.index() != index {
            bail!("{}: answers another block than {hash}", self.node.url());
        }
        let entries = block.entries();
        let position = entries.iter().position(|found| found == entry.as_bytes());
        let path = position.and_then(|position| MerklePath::new(entries, position));
        let Some(path) = path else {
            bail!("{}: block {index} does not hold the entry", self.node.url());
        };
        let Some(headers) = self.headers(index, hash).await? else {
            return Ok(None);
        };
        let proof = Proof {
            network: self.network.fingerprint(),
            leaf,
            path,
            headers,
        };
        proof
            .check(entry, &self.network)
            .with_context(|| format!("{}: not a proof", self.node.url()))?;
        Ok(Some(proof))
    }

    /// The headers from this block on, as many as confirmations are asked for; none if it is no longer on the best chain
    /// with so many.
    async fn headers(&self, index: u64, hash: Hash) -> anyhow::Result<Option<Vec<Header>>> {
        let mut headers: Vec<Header> = Vec::new();
        while (headers.len() as u64) < self.confirmations {
            let from = index.saturating_add(headers.len() as u64);
            let count = (self.confirmations - headers.len() as u64).min(HEADERS_AT_ONCE);
            let page = self.patient(|| self.node.headers(from, count)).await?;
            let links = |header: &Header| match headers.last() {
                None => header.hash == hash,
                Some(last) => header.prev_hash == Some(last.hash),
            };
            match page.first() {
                Some(first) if links(first) => {
                    headers.extend(page.into_iter().take(usize::try_from(count)?));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(headers))
    }

    /// Asks again as long as there is time, where the node was away or had no room.
    async fn patient<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> anyhow::Result<T> {
        let mut pause = self.pause;
        loop {
            let answer = {
                let _turn = self.turns.acquire().await?;
                ask().await
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) if error.may_pass_later() => error,
                Err(error) => return Err(error.into()),
            };
            let asked = error.retry_after_s().map(Duration::from_secs);
            let wait = asked.unwrap_or(pause).max(self.pause);
            self.pause(wait)
                .await
                .map_err(|_| anyhow!(error).context("the time is up"))?;
            pause = (pause * 2).min(Duration::from_millis(LONGEST_PAUSE_MS));
        }
    }

    /// Waits; an error when there is no time left.
    async fn pause(&self, pause: Duration) -> Result<(), TimeIsUp> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(TimeIsUp);
        }
        tokio::time::sleep(pause.min(left)).await;
        Ok(())
    }
}

/// There is no time left.
struct TimeIsUp;
