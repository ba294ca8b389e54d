//! The crate pow-buster, which searches decimal nonces behind a text too. It lays the digits out as it likes best.

use anyhow::{Context, ensure};
use jbc::commands::bench::pow::{Layout, cpu_time};
use jbc_pow::hash_of;
use pow_buster::DecimalSolver;
use pow_buster::message::DecimalMessage;
use pow_buster::solver::{SOLVE_TYPE_LT, Solver};

use crate::contestants::HASHES;

/// Its solver for one text, and a hit that was found beforehand.
pub(crate) struct Buster {
    prefix: Vec<u8>,
    /// The smallest first word of a hash among the first preimages that it tries, and whose it is.
    planted: (u32, u64),
}

impl Buster {
    /// `None` if it has no layout for such a text.
    ///
    /// # Errors
    /// If it names a hit that is none.
    pub(crate) fn new(layout: &Layout) -> anyhow::Result<Option<Self>> {
        let prefix = layout.prefixes[0].clone().into_bytes();
        if DecimalMessage::new(&prefix, 0).is_none() {
            return Ok(None);
        }
        let mut planted = None;
        let mut below = u32::MAX;
        // Each hit asks for less than itself, until there is none left.
        while let (Some(nonce), _) = search(&prefix, below)? {
            let word = first_word(&prefix, nonce);
            ensure!(word < below, "pow-buster names {nonce}, which is no hit");
            planted = Some((word, nonce));
            below = word;
        }
        let planted = planted.context("pow-buster finds nothing where everything is a hit")?;
        Ok(Some(Self { prefix, planted }))
    }

    /// Searches to the planted hit, then again as far as a run goes for what is less, which there is not. Both count.
    pub(crate) fn run(&self) -> anyhow::Result<f64> {
        let (word, nonce) = self.planted;
        let began = cpu_time();
        let (found, to_hit) = search(&self.prefix, word + 1)?;
        let (none, whole) = search(&self.prefix, word)?;
        let elapsed = cpu_time().saturating_sub(began);
        ensure!(
            found == Some(nonce) && none.is_none() && whole >= HASHES,
            "pow-buster missed its planted hit, or found another: {found:?}, {none:?}, {whole} tried"
        );
        Ok((to_hit + whole) as f64 / elapsed.as_secs_f64())
    }
}

/// The first nonce that it finds whose hash begins with a word less than this, and how many preimages it tried.
fn search(prefix: &[u8], below: u32) -> anyhow::Result<(Option<u64>, u64)> {
    let message = DecimalMessage::new(prefix, 0).context("pow-buster refuses the text")?;
    let mut solver = DecimalSolver::from(message);
    solver.set_limit(HASHES);
    let found = solver.solve_nonce_only::<SOLVE_TYPE_LT>(u64::from(below) << 32, u64::MAX);
    Ok((found, solver.get_attempted_nonces()))
}

fn first_word(prefix: &[u8], nonce: u64) -> u32 {
    let [a, b, c, d, ..] = hash_of(prefix, nonce);
    u32::from_be_bytes([a, b, c, d])
}
