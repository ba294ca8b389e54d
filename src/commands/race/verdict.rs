//! The end of a race: mining paused, tips equal, chains compared and verified.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jbc_chain::{Accepted, Block, Chain, Network, Unchecked};
use sha2::{Digest, Sha256};

use super::fleet::{Fleet, Racer};
use super::plan::Plan;
use crate::client::{Status, Steer};
use crate::commands::terminal::{Colour, Style, now, rate, table, thousands};

/// Time for all tips to become equal once nobody mines, in milliseconds: the nodes' poll of tips comes every 10 s.
const AGREEMENT_MS: u64 = 15_000;
/// Tips of equal work that differ for this long are a tie, in milliseconds: only a further block ends it, for the first
/// seen stays.
const TIE_MS: u64 = 2_000;
/// How often a tie is broken before the race gives up.
const MAX_TIES: u32 = 5;
/// A tie-breaking block may take this many intervals: it is one miner's work alone, with all machine to itself.
const TIE_PATIENCE_INTERVALS: u32 = 100;
/// But at least this long, in milliseconds.
const TIE_PATIENCE_MIN_MS: u64 = 30_000;
/// Time between two looks, in milliseconds.
const LOOK_MS: u64 = 50;
/// Looks in a row that have to find all nodes calm: a pause lets the range that runs go on, and between a found nonce and
/// the job that validates its block lies a moment in which neither is there.
const CALM_LOOKS: u32 = 3;
/// The largest chain that is compared, in bytes: some 200,000 blocks.
const MAX_CHAIN_BYTES: usize = 64 << 20;

/// How a race ended.
#[derive(Debug)]
pub(super) struct Verdict {
    tags: Vec<String>,
    /// Blocks above the first.
    blocks: u64,
    /// Of `/blockchain.json`, the same from every node.
    sha256: String,
    /// By racer: its blocks on the chain.
    won: Vec<u64>,
    /// What the nodes say after the race.
    last: Vec<Status>,
}

/// Ends the race, and sees that all nodes have one valid chain.
pub(super) async fn reach(
    fleet: &mut Fleet,
    plan: &Plan,
    interval: Duration,
) -> anyhow::Result<Verdict> {
    let last = agree(fleet, interval).await?;
    let mut first: Option<(&Racer, String, Vec<u8>)> = None;
    for racer in fleet.racers() {
        let text = whole_chain(racer)
            .await
            .with_context(|| format!("the chain of {}", racer.tag))?;
        let sha256 = digest(&text);
        match &first {
            None => first = Some((racer, sha256, text)),
            Some((_, equal, _)) if *equal == sha256 => {}
            Some((other, theirs, _)) => bail!(
                "the chains of {} and {} differ: sha256 {theirs} and {sha256}",
                other.tag,
                racer.tag
            ),
        }
    }
    let Some((_, sha256, text)) = first else {
        bail!("nobody raced")
    };
    let chain = verify(&text, &plan.network)?;
    let tags = fleet.tags();
    let blocks_of = |tag: &String| {
        chain
            .iter()
            .filter(|block| block.data() == tag.as_str())
            .count() as u64
    };
    Ok(Verdict {
        blocks: chain.len() as u64 - 1,
        sha256,
        won: tags.iter().map(blocks_of).collect(),
        last,
        tags,
    })
}

/// Pauses mining until all tips are equal; breaks ties by letting one node mine on.
async fn agree(fleet: &mut Fleet, interval: Duration) -> anyhow::Result<Vec<Status>> {
    for _ in 0..=MAX_TIES {
        for racer in fleet.racers() {
            racer.steer_mining(Steer::Pause).await?;
        }
        match wait_for_agreement(fleet).await? {
            Agreement::Equal(statuses) => return Ok(statuses),
            Agreement::Tie(statuses) => break_tie(fleet, &statuses, interval).await?,
        }
    }
    bail!("the tips were still tied after {MAX_TIES} more blocks")
}

enum Agreement {
    Equal(Vec<Status>),
    Tie(Vec<Status>),
}

async fn wait_for_agreement(fleet: &mut Fleet) -> anyhow::Result<Agreement> {
    let deadline = Instant::now() + Duration::from_millis(AGREEMENT_MS);
    let (mut tied_since, mut calm_looks) = (None, 0);
    loop {
        fleet.check_alive()?;
        // First whether somebody still works on a block, then the tips: the other way round a block could come between.
        let calm = fleet.is_calm().await?;
        let statuses = fleet.statuses().await?;
        calm_looks = if calm { calm_looks + 1 } else { 0 };
        let all_same = |same: fn(&Status, &Status) -> bool| {
            statuses.windows(2).all(|pair| same(&pair[0], &pair[1]))
        };
        let equal = all_same(|one, two| one.tip.hash == two.tip.hash);
        if equal && calm_looks >= CALM_LOOKS {
            return Ok(Agreement::Equal(statuses));
        }
        if !equal && all_same(|one, two| one.tip.work == two.tip.work) {
            let since = *tied_since.get_or_insert_with(Instant::now);
            if since.elapsed() > Duration::from_millis(TIE_MS) {
                return Ok(Agreement::Tie(statuses));
            }
        } else {
            tied_since = None;
        }
        if Instant::now() > deadline {
            let tips: Vec<String> = statuses
                .iter()
                .map(|status| format!("{} {}", status.tip.index, status.tip.hash.short()))
                .collect();
            bail!(
                "no agreement {} s after mining was paused; the tips: {}",
                AGREEMENT_MS / 1_000,
                tips.join(", ")
            );
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

/// Lets one node mine until somebody's chain has more work than all had.
async fn break_tie(fleet: &mut Fleet, tied: &[Status], interval: Duration) -> anyhow::Result<()> {
    let Some(before) = tied.iter().map(|status| status.tip.work).max() else {
        return Ok(());
    };
    let Some(miner) = fleet.racers().first() else {
        return Ok(());
    };
    miner.steer_mining(Steer::Resume).await?;
    let patience =
        (interval * TIE_PATIENCE_INTERVALS).max(Duration::from_millis(TIE_PATIENCE_MIN_MS));
    let deadline = Instant::now() + patience;
    while !fleet
        .statuses()
        .await?
        .iter()
        .any(|status| status.tip.work > before)
    {
        fleet.check_alive()?;
        if Instant::now() > deadline {
            bail!(
                "the tips are tied, and no further block came within {} s",
                patience.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    Ok(())
}

/// A node's whole chain, as the text it serves.
async fn whole_chain(racer: &Racer) -> anyhow::Result<Vec<u8>> {
    let (mut pieces, mut text) = (racer.client.whole_chain().await?, Vec::new());
    while let Some(piece) = pieces.next().await? {
        if text.len() + piece.len() > MAX_CHAIN_BYTES {
            bail!("larger than {MAX_CHAIN_BYTES} bytes");
        }
        text.extend(piece);
    }
    Ok(text)
}

fn digest(text: &[u8]) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Checks a whole chain by all rules, from the network's first block on.
fn verify(text: &[u8], network: &Network) -> anyhow::Result<Vec<Block<Unchecked>>> {
    let blocks = Block::list_from_json(text)?;
    if blocks.first().map(Block::content_digest) != Some(network.genesis.content_digest()) {
        bail!("the chain does not begin with the network's first block");
    }
    let mut chain = Chain::new(network);
    for block in &blocks[1..] {
        let accepted = block.clone().check(&network.rules)?;
        match chain
            .accept(&accepted, now())
            .with_context(|| format!("block {}", block.index()))?
        {
            Accepted::Extended => {}
            other => bail!(
                "block {} is not the next of one chain: {other:?}",
                block.index()
            ),
        }
    }
    Ok(blocks)
}

impl Verdict {
    /// The final table and the proof. `mining` is what the nodes said last while they were mining, since a node that is
    /// paused has no rate.
    pub(super) fn text(&self, mining: &[Status], style: Style) -> String {
        let titles = [
            "RACER",
            "WON",
            "SHARE",
            "HASH RATE",
            "OF ALL",
            "LOST",
            "SIDE BLOCKS",
            "REORGS",
            "WASTED",
        ]
        .map(str::to_owned);
        let rates: Vec<f64> = mining.iter().map(mean_rate).collect();
        let all: f64 = rates.iter().sum();
        let mut rows = vec![titles];
        for (((tag, won), last), hash_rate) in
            self.tags.iter().zip(&self.won).zip(&self.last).zip(&rates)
        {
            rows.push([
                tag.clone(),
                won.to_string(),
                percent(*won as f64, self.blocks as f64),
                rate(*hash_rate),
                percent(*hash_rate, all),
                last.mining.found.saturating_sub(*won).to_string(),
                last.chain.side_blocks.to_string(),
                last.chain.reorganisations.to_string(),
                percent(last.mining.wasted as f64, last.mining.searched as f64),
            ]);
        }
        let table = table(
            &rows,
            [false, true, true, true, true, true, true, true, true],
            |row, _, cell| {
                if row == 0 {
                    style.paint(Colour::Dim, cell)
                } else {
                    cell.to_owned()
                }
            },
        );
        let mut text = format!("\n{table}\n");
        let proof = format!(
            "all {} chains are equal: {} blocks, sha256 {}",
            self.tags.len(),
            thousands(self.blocks),
            self.sha256
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", style.paint(Colour::Green, &proof));
        text += "(verified by every rule from the first block on; the digest is of each node's /blockchain.json)\n";
        text
    }
}

/// Nonces a second over a node's whole life.
fn mean_rate(status: &Status) -> f64 {
    status.mining.searched as f64 / Duration::from_millis(status.uptime_ms.max(1)).as_secs_f64()
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.1} %", 100.0 * part / whole)
    } else {
        "-".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::canned::status_json;
    use jbc_chain::{Target, TemplateParts};

    fn network() -> Network {
        Network::custom(
            "race",
            Target::MAX,
            "First block.",
            "1508895381".parse().unwrap(),
        )
        .unwrap()
    }

    fn chain_json(network: &Network, indices: &[u64]) -> String {
        let mut blocks = vec![network.genesis.to_json()];
        let mut parent = *network.genesis.hash();
        for index in indices {
            let timestamp = (1_508_895_381 + index).to_string().parse().unwrap();
            let block = TemplateParts {
                index: *index,
                prev_hash: Some(parent),
                data: String::new(),
                timestamp,
                v2: None,
            }
            .block(0);
            parent = *block.hash();
            blocks.push(block.to_json());
        }
        format!("[{}]", blocks.join(", "))
    }

    #[test]
    fn only_a_chain_from_the_networks_first_block_on_is_verified() {
        let network = network();
        assert_eq!(
            verify(chain_json(&network, &[1, 2, 3]).as_bytes(), &network)
                .unwrap()
                .len(),
            4
        );
        assert!(
            verify(chain_json(&network, &[1, 3]).as_bytes(), &network).is_err(),
            "a block is missing"
        );
        assert!(
            verify(chain_json(&Network::classic(), &[1]).as_bytes(), &network).is_err(),
            "of another network"
        );
        assert!(verify(b"[]", &network).is_err() && verify(b"", &network).is_err());
    }

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        assert_eq!(
            digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn the_final_table_says_who_won_with_what_and_what_was_lost() {
        let status = |found: u64, searched: u64, uptime_ms: u64| {
            let mut status: Status = serde_json::from_str(&status_json("x", "http://x")).unwrap();
            (
                status.mining.found,
                status.mining.searched,
                status.mining.wasted,
            ) = (found, searched, searched / 20);
            status.uptime_ms = uptime_ms;
            status
        };
        let last = vec![status(16, 3_000_000, 2_000), status(5, 1_000_000, 2_000)];
        let verdict = Verdict {
            tags: vec!["racer 1".to_owned(), "racer 2".to_owned()],
            blocks: 20,
            sha256: "ba78".to_owned(),
            won: vec![15, 5],
            last: last.clone(),
        };
        let expected = "
RACER    WON   SHARE  HASH RATE  OF ALL  LOST  SIDE BLOCKS  REORGS  WASTED
racer 1   15  75.0 %   1.5 MH/s  75.0 %     1            1       2   5.0 %
racer 2    5  25.0 %   500 kH/s  25.0 %     0            1       2   5.0 %

all 2 chains are equal: 20 blocks, sha256 ba78
";
        let text = verdict.text(&last, Style::PLAIN);
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(percent(1.0, 0.0), "-");
    }
}
