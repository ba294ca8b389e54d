//! What was measured of the kernels, for programs and for people.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::super::report::Aim;
use crate::commands::terminal::{Colour, Style, rate, table, thousands};

/// What issue 4 asks of a kernel in a layout: the ratio to compress256 that it has at least.
const AIMS: [(&str, &str, f64); 7] = [
    ("avx512", "classic", 3.5),
    ("avx512", "classic-shared", 4.2),
    ("avx512", "classic-two-blocks", 2.0),
    ("avx512", "v2", 5.2),
    ("avx512", "v2-100-roots", 5.2),
    ("sha-ni", "classic", 1.5),
    ("avx2", "classic", 1.35),
];

/// A kernel in a layout. Anyone can recompute the hits: SHA-256 of a prefix, then a nonce in decimal.
#[derive(Clone, Debug, Serialize)]
pub(in crate::commands::bench) struct Entry {
    /// By its name for `--kernel`.
    pub(super) kernel: &'static str,
    pub(super) layout: &'static str,
    /// The texts before the nonce.
    pub(super) prefixes: Vec<String>,
    /// The nonces that are searched: so many from the first on, behind each prefix.
    pub(super) first_nonce: u64,
    pub(super) nonces: u64,
    /// CPU time of a run, median over the runs.
    pub(super) cpu_s: f64,
    /// Preimages tried ÷ `cpu_s`: a nonce counts behind each prefix.
    pub(super) nonces_per_cpu_s: f64,
    /// Median over the runs of the rate ÷ the rate of compress256 on one patched block just before.
    pub(super) ratio_to_compress256: f64,
    /// All (prefix number, nonce) whose hash begins with 20 zero bits.
    pub(super) hits: Vec<(usize, u64)>,
    /// Preimages that a run tries: `nonces` behind each prefix.
    pub(super) hashes: u64,
    /// Between what half of the ratios lie.
    pub(super) ratio_quartiles: [f64; 2],
    /// The rate of compress256 on one patched block, median over all its runs.
    pub(super) compress256_per_cpu_s: f64,
    /// Runs of which these are medians.
    pub(super) runs: usize,
}

/// All entries of a run. As JSON a list of them.
#[derive(Clone, Debug)]
pub(in crate::commands::bench) struct PowReport {
    entries: Vec<Entry>,
    quick: bool,
    elapsed: Duration,
}

impl Serialize for PowReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

/// The column of the aims, which is coloured.
const AIM_COLUMN: usize = 7;

impl PowReport {
    pub(super) fn new(entries: Vec<Entry>, quick: bool, elapsed: Duration) -> Self {
        Self {
            entries,
            quick,
            elapsed,
        }
    }

    /// The figures as a table, with the aims of issue 4 and whether they are met.
    pub(in crate::commands::bench) fn text(&self, style: Style) -> String {
        let titles = [
            "LAYOUT",
            "PREFIXES",
            "KERNEL",
            "PER CPU SECOND",
            "RATIO",
            "HALF OF ALL LIE IN",
            "HITS",
            "AIM",
        ];
        let mut rows = vec![titles.map(str::to_owned)];
        rows.extend(self.entries.iter().map(row));
        let right = [false, true, false, true, true, true, true, false];
        let table = table(&rows, right, |row, column, cell| match (row, column) {
            (0, _) => style.paint(Colour::Dim, cell),
            (_, AIM_COLUMN) if cell.contains("missed") => style.paint(Colour::Red, cell),
            (_, AIM_COLUMN) => style.paint(Colour::Green, cell),
            _ => cell.to_owned(),
        });
        format!("{table}{}\n", style.paint(Colour::Dim, &self.footnote()))
    }

    fn footnote(&self) -> String {
        let quick = if self.quick {
            " Sizes of --quick: the figures mean nothing."
        } else {
            ""
        };
        let first = self.entries.first();
        let base = first.map_or(f64::NAN, |entry| entry.compress256_per_cpu_s);
        format!(
            "ratio: to compress256 on one patched block, {} per CPU second; runs: {} of {} preimages, each with a planted hit; {:.0} s.{quick}",
            rate(base),
            first.map_or(0, |entry| entry.runs),
            thousands(first.map_or(0, |entry| entry.hashes)),
            self.elapsed.as_secs_f64()
        )
    }
}

fn row(entry: &Entry) -> [String; 8] {
    let [low, high] = entry.ratio_quartiles;
    let ratio = entry.ratio_to_compress256;
    let aim = AIMS
        .iter()
        .find(|(kernel, layout, _)| (*kernel, *layout) == (entry.kernel, entry.layout));
    [
        entry.layout.to_owned(),
        entry.prefixes.len().to_string(),
        entry.kernel.to_owned(),
        rate(entry.nonces_per_cpu_s),
        format!("{ratio:.3}"),
        format!("{low:.3} to {high:.3}"),
        entry.hits.len().to_string(),
        aim.map(|(_, _, least)| Aim::AtLeast(*least).text(ratio, ""))
            .unwrap_or_default(),
    ]
}
