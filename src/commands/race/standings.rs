//! The best chain as it grows, and who found which block.

use std::time::Duration;

use jbc_chain::{Block, Hash, Unchecked};

use super::fleet::Fleet;
use crate::client::Status;
use crate::commands::terminal::duration;

/// Blocks below the tip that are fetched again with it: a deeper reorganisation is met by fetching all.
const OVERLAP_BLOCKS: u64 = 6;

/// Blocks of the chain that a scoreboard has room for.
const TRACK_BLOCKS: usize = 24;

/// The best chain of the race, above the first block.
#[derive(Debug)]
pub(super) struct Standings {
    tags: Vec<String>,
    blocks: Vec<Seen>,             // index 1 first
    heights: Vec<(u64, Duration)>, // when the chain first had this height, since the start
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    hash: Hash,
    winner: Option<usize>,
}

/// A block that is new on the best chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    index: u64,
    hash: Hash,
    winner: Option<usize>,
    /// It took the place of another.
    replaced: bool,
    at: Duration,
}

/// Blocks that do not stand on what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap;

impl Standings {
    pub(super) fn new(tags: Vec<String>) -> Self {
        Self {
            tags,
            blocks: Vec::new(),
            heights: Vec::new(),
        }
    }

    /// The best chain's last index.
    pub(super) fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Blocks on the best chain that this racer found.
    pub(super) fn won(&self, racer: usize) -> u64 {
        self.blocks
            .iter()
            .filter(|block| block.winner == Some(racer))
            .count() as u64
    }

    /// The last blocks of the best chain, oldest first: full where this racer found one, a dot where another did.
    pub(super) fn track(&self, racer: usize) -> String {
        let older = self.blocks.len().saturating_sub(TRACK_BLOCKS);
        let mark = |block: &Seen| {
            if block.winner == Some(racer) {
                '█'
            } else {
                '·'
            }
        };
        self.blocks[older..].iter().map(mark).collect()
    }

    /// The mean time between two heights, as seen here: the blocks' own timestamps are their templates'.
    pub(super) fn mean_interval(&self) -> Option<Duration> {
        let (first, last) = (self.heights.first()?, self.heights.last()?);
        let steps = u32::try_from(last.0 - first.0)
            .ok()
            .filter(|steps| *steps > 0)?;
        Some((last.1 - first.1) / steps)
    }

    /// Fetches what is new from the node with the most work, `at` this time since the start.
    pub(super) async fn catch_up(
        &mut self,
        fleet: &Fleet,
        statuses: &[Status],
        at: Duration,
    ) -> anyhow::Result<Vec<News>> {
        let leader = fleet
            .racers()
            .iter()
            .zip(statuses)
            .max_by_key(|(_, status)| status.tip.work);
        let Some((racer, status)) = leader else {
            return Ok(Vec::new());
        };
        // On a tie the chain that is shown stays.
        let known = statuses
            .iter()
            .any(|other| other.tip.work == status.tip.work && Some(other.tip.hash) == self.tip());
        if known || status.tip.index == 0 {
            return Ok(Vec::new());
        }
        let from = (self.height() + 1).saturating_sub(OVERLAP_BLOCKS).max(1);
        if let Ok(news) = self.splice(from, &racer.client.blocks(from, u64::MAX).await?, at) {
            return Ok(news);
        }
        let all = racer.client.blocks(1, u64::MAX).await?;
        // A chain longer than one answer is caught up with by the next looks.
        Ok(self.splice(1, &all, at).unwrap_or_default())
    }

    fn tip(&self) -> Option<Hash> {
        self.blocks.last().map(|block| block.hash)
    }

    /// Puts a piece of the best chain, `from` an index to its end, in place of what is known there.
    fn splice(
        &mut self,
        from: u64,
        blocks: &[Block<Unchecked>],
        at: Duration,
    ) -> Result<Vec<News>, Gap> {
        let below = usize::try_from(from - 1).map_err(|_| Gap)?; // blocks below the piece
        let base = below
            .checked_sub(1)
            .and_then(|position| self.blocks.get(position));
        let Some(first) = blocks.first() else {
            return Err(Gap);
        };
        if below > 0 && base.map(|block| block.hash).as_ref() != first.prev_hash() {
            return Err(Gap);
        }
        let mut known = below;
        while let (Some(ours), Some(theirs)) = (self.blocks.get(known), blocks.get(known - below)) {
            if ours.hash != *theirs.hash() {
                break;
            }
            known += 1;
        }
        let height_before = self.height();
        self.blocks.truncate(known);
        let mut news = Vec::new();
        for block in &blocks[known - below..] {
            let winner = self.tags.iter().position(|tag| *tag == block.data());
            let (index, hash) = (block.index(), *block.hash());
            self.blocks.push(Seen { hash, winner });
            news.push(News {
                index,
                hash,
                winner,
                replaced: index <= height_before,
                at,
            });
        }
        if self.height() > self.heights.last().map_or(0, |(height, _)| *height) {
            self.heights.push((self.height(), at));
        }
        Ok(news)
    }
}

impl News {
    /// The line of a new block, where there is no board.
    pub(super) fn line(&self, fleet: &Fleet, mean: Option<Duration>) -> String {
        let winner = self
            .winner
            .and_then(|racer| fleet.racers().get(racer))
            .map_or("somebody else", |racer| racer.tag.as_str());
        self.text(winner, mean)
    }

    fn text(&self, winner: &str, mean: Option<Duration>) -> String {
        let mean = mean
            .map(|mean| format!(", mean {}", duration(mean)))
            .unwrap_or_default();
        let replaced = if self.replaced {
            ", in place of another"
        } else {
            ""
        };
        format!(
            "block {} {}… by {winner} after {}{mean}{replaced}\n",
            self.index,
            self.hash.short(),
            duration(self.at)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jbc_chain::{Network, TemplateParts};

    /// `count` blocks on top of `parent`, by these racers in turn.
    fn blocks(parent: Option<&Block<Unchecked>>, racers: &[&str]) -> Vec<Block<Unchecked>> {
        let genesis = Network::classic().genesis.into_unchecked();
        let mut blocks = vec![parent.unwrap_or(&genesis).clone()];
        for racer in racers {
            let last = blocks.last().unwrap();
            let parts = TemplateParts {
                index: last.index().saturating_add(1),
                prev_hash: Some(*last.hash()),
                data: (*racer).to_owned(),
                timestamp: last.timestamp(),
                v2: None,
            };
            blocks.push(parts.block(0));
        }
        blocks.split_off(1)
    }

    fn standings() -> Standings {
        Standings::new(vec!["racer 1".to_owned(), "racer 2".to_owned()])
    }

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn blocks_count_for_who_found_them() {
        let mut standings = standings();
        let chain = blocks(None, &["racer 1", "racer 2", "racer 2", "a stranger"]);
        assert_eq!(standings.splice(1, &chain, second(4)).unwrap().len(), 4);
        assert_eq!(
            (standings.won(0), standings.won(1), standings.height()),
            (1, 2, 4)
        );
        assert_eq!(
            standings.splice(2, &chain[1..], second(5)),
            Ok(Vec::new()),
            "nothing new"
        );
    }

    #[test]
    fn a_reorganisation_takes_blocks_away_again() {
        let mut standings = standings();
        let old = blocks(None, &["racer 1", "racer 1", "racer 1"]);
        standings.splice(1, &old, second(1)).unwrap();
        let new = blocks(Some(&old[0]), &["racer 2", "racer 2", "racer 2"]);
        let news = standings.splice(2, &new, second(2)).unwrap();
        assert_eq!(
            (standings.won(0), standings.won(1), standings.height()),
            (1, 3, 4)
        );
        assert_eq!(
            news.iter().map(|block| block.replaced).collect::<Vec<_>>(),
            [true, true, false]
        );
        let line = news[0].text("racer 2", Some(second(2)));
        assert_eq!(
            line,
            format!(
                "block 2 {}… by racer 2 after 2.0 s, mean 2.0 s, in place of another\n",
                new[0].hash().short()
            )
        );
    }

    #[test]
    fn a_piece_that_does_not_fit_asks_for_the_whole() {
        let mut standings = standings();
        let ours = blocks(None, &["racer 1", "racer 1"]);
        standings.splice(1, &ours, second(1)).unwrap();
        let theirs = blocks(None, &["racer 2", "racer 2", "racer 2"]);
        assert_eq!(standings.splice(2, &theirs[1..], second(2)), Err(Gap));
        assert_eq!(standings.splice(9, &theirs, second(2)), Err(Gap));
        assert_eq!(standings.splice(1, &[], second(2)), Err(Gap));
        assert_eq!(standings.splice(1, &theirs, second(2)).unwrap().len(), 3);
        assert_eq!((standings.won(0), standings.won(1)), (0, 3));
    }

    #[test]
    fn the_mean_interval_is_from_height_to_height() {
        let mut standings = standings();
        assert_eq!(standings.mean_interval(), None);
        let chain = blocks(None, &["racer 1"; 5]);
        standings.splice(1, &chain[..1], second(10)).unwrap();
        assert_eq!(
            standings.mean_interval(),
            None,
            "the first block's time holds the start-up"
        );
        standings.splice(2, &chain[1..], second(18)).unwrap();
        assert_eq!(standings.mean_interval(), Some(second(2)));
    }
}
