//! What was measured, for programs and for people.

use serde::Serialize;

use super::cancelling::CancelFigures;
use super::listening::ListenerFigures;
use super::mining::MiningFigures;
use super::start::StartFigures;
use super::throughput::ThroughputFigures;
use super::timers::TimerFigures;
use crate::commands::terminal::{Colour, Style, rate, rounded, table, thousands};

/// All figures of a run. As JSON one flat object; names end in their unit, a name that ends in `ratio` or `efficiency` has
/// none. `…_quartiles` says between what half of the rounds or samples lie.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) start: StartFigures,
    #[serde(flatten)]
    pub(super) throughput: ThroughputFigures,
    #[serde(flatten)]
    pub(super) listener: ListenerFigures,
    #[serde(flatten)]
    pub(super) cancel: CancelFigures,
    #[serde(flatten)]
    pub(super) mining: MiningFigures,
    #[serde(flatten)]
    pub(super) timers: TimerFigures,
    /// Worker threads of the scheduler that take everything, and of those that take prompt jobs only.
    pub(super) bulk_workers_count: usize,
    pub(super) prompt_workers_count: usize,
    /// Processors that this process may use.
    pub(super) cores_count: usize,
    /// Whether the sizes were those of `--quick`.
    pub(super) quick: bool,
    /// How long the whole run took.
    pub(super) run_s: f64,
}

/// What is asked of a figure: issue 3 of the scheduler's, issue 4 of the kernels'.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(limit) => figure <= limit,
            Self::AtLeast(limit) => figure >= limit,
        }
    }

    /// `≤ 1.3`, and whether that is so.
    pub(super) fn text(self, figure: f64, unit: &str) -> String {
        let (sign, limit) = match self {
            Self::AtMost(limit) => ("≤", limit),
            Self::AtLeast(limit) => ("≥", limit),
        };
        let verdict = if self.is_met(figure) { "met" } else { "missed" };
        format!("{sign} {limit}{unit}  {verdict}")
    }
}

/// The column of the aims, which is coloured.
const AIM_COLUMN: usize = 5;

type Row = [String; 6];

/// A row: a figure, both sides of it, and their ratio with its quartiles.
fn compared(
    what: &str,
    sides: [String; 2],
    ratio: f64,
    spread: Option<[f64; 2]>,
    aim: Option<Aim>,
) -> Row {
    let [scheduler, bare] = sides;
    let spread = spread.map(|[low, high]| format!("{low:.3} to {high:.3}"));
    [
        what.to_owned(),
        scheduler,
        bare,
        format!("{ratio:.3}"),
        spread.unwrap_or_default(),
        aim.map(|aim| aim.text(ratio, "")).unwrap_or_default(),
    ]
}

/// A row: a time that has nothing to be compared with.
fn alone(what: &str, figure_us: f64, spread_us: Option<[f64; 2]>, aim: Option<Aim>) -> Row {
    let spread = spread_us.map(|[low, high]| format!("{low:.2} to {high:.2} µs"));
    [
        what.to_owned(),
        us(figure_us),
        String::new(),
        String::new(),
        spread.unwrap_or_default(),
        aim.map(|aim| aim.text(figure_us, " µs"))
            .unwrap_or_default(),
    ]
}

/// A row: a share of one, which a bare loop has by itself.
fn share(what: &str, share: f64, spread: [f64; 2], aim: Aim) -> Row {
    let [low, high] = spread;
    [
        what.to_owned(),
        String::new(),
        String::new(),
        format!("{share:.4}"),
        format!("{low:.4} to {high:.4}"),
        aim.text(share, ""),
    ]
}

fn us(us: f64) -> String {
    format!("{us:.2} µs")
}

fn jobs(per_s: f64) -> String {
    format!("{}/s", rounded(per_s))
}

impl Report {
    /// The figures as a table, with the aims of issue 3 and whether they are met.
    pub(super) fn text(&self, style: Style) -> String {
        let titles = [
            "",
            "SCHEDULER",
            "BARE",
            "RATIO",
            "HALF OF ALL LIE IN",
            "AIM",
        ];
        let mut rows = vec![titles.map(str::to_owned)];
        rows.extend(self.start_rows());
        rows.extend(self.running_rows());
        rows.extend(self.hashing_rows());
        rows.extend(self.timer_rows());
        let right = [false, true, true, true, true, false];
        let table = table(&rows, right, |row, column, cell| match (row, column) {
            (0, _) => style.paint(Colour::Dim, cell),
            (_, AIM_COLUMN) if cell.contains("missed") => style.paint(Colour::Red, cell),
            (_, AIM_COLUMN) => style.paint(Colour::Green, cell),
            _ => cell.to_owned(),
        });
        format!("{table}{}\n", style.paint(Colour::Dim, &self.footnote()))
    }

    fn start_rows(&self) -> [Row; 4] {
        let start = &self.start;
        [
            compared(
                "add → start of the body, median",
                [us(start.start_p50_us), us(start.start_bare_p50_us)],
                start.start_p50_ratio,
                Some(start.start_p50_ratio_quartiles),
                Some(Aim::AtMost(1.3)),
            ),
            compared(
                "add → start of the body, 99th percentile",
                [us(start.start_p99_us), us(start.start_bare_p99_us)],
                start.start_p99_ratio,
                Some(start.start_p99_ratio_quartiles),
                Some(Aim::AtMost(1.5)),
            ),
            compared(
                "  the same with all events heard, median",
                [
                    us(start.start_all_events_p50_us),
                    us(start.start_bare_p50_us),
                ],
                start.start_all_events_p50_ratio,
                Some(start.start_all_events_p50_ratio_quartiles),
                None,
            ),
            compared(
                "  the same with all events heard, 99th percentile",
                [
                    us(start.start_all_events_p99_us),
                    us(start.start_bare_p99_us),
                ],
                start.start_all_events_p99_ratio,
                None,
                None,
            ),
        ]
    }

    fn running_rows(&self) -> [Row; 4] {
        let (throughput, listener) = (&self.throughput, &self.listener);
        let what = format!(
            "{} jobs at once, all events heard",
            thousands(throughput.throughput_jobs_count)
        );
        [
            compared(
                &what,
                [
                    jobs(throughput.jobs_per_s),
                    jobs(throughput.bare_jobs_per_s),
                ],
                throughput.jobs_per_s_ratio,
                Some(throughput.jobs_per_s_ratio_quartiles),
                Some(Aim::AtLeast(0.5)),
            ),
            alone(
                "end of the body → its listener, median",
                listener.listener_p50_us,
                Some(listener.listener_quartiles_us),
                Some(Aim::AtMost(1.0)),
            ),
            alone(
                "  the same after a body of 2 ms",
                listener.listener_long_p50_us,
                None,
                None,
            ),
            alone(
                "  the same while others wait in line",
                listener.listener_crowd_p50_us,
                None,
                None,
            ),
        ]
    }

    fn hashing_rows(&self) -> [Row; 6] {
        let (cancel, mining) = (&self.cancel, &self.mining);
        [
            alone(
                "cancel → listener, a hashing job, 99th percentile",
                cancel.cancel_p99_us,
                None,
                Some(Aim::AtMost(300.0)),
            ),
            alone(
                "  the same, median",
                cancel.cancel_p50_us,
                Some(cancel.cancel_quartiles_us),
                None,
            ),
            compared(
                "  its hash rate, beside a search nobody can cancel",
                [
                    rate(cancel.cancel_hashes_per_s),
                    rate(cancel.cancel_bare_hashes_per_s),
                ],
                cancel.cancel_hash_rate_ratio,
                Some(cancel.cancel_hash_rate_ratio_quartiles),
                Some(Aim::AtLeast(0.99)),
            ),
            share(
                "mining range by range, time in the kernel",
                mining.mining_efficiency,
                mining.mining_efficiency_quartiles,
                Aim::AtLeast(0.995),
            ),
            compared(
                "  its hash rate, beside a bare loop",
                [
                    rate(mining.mining_hashes_per_s),
                    rate(mining.mining_bare_hashes_per_s),
                ],
                mining.mining_rate_ratio,
                Some(mining.mining_rate_ratio_quartiles),
                None,
            ),
            alone(
                "  what a range loses outside of its search",
                mining.mining_hand_over_us,
                Some(mining.mining_hand_over_quartiles_us),
                None,
            ),
        ]
    }

    fn timer_rows(&self) -> Vec<Row> {
        let costs = self.timers.by_pending.iter().map(|(pending, us)| {
            let what = format!("add and remove a timer, {} pending", thousands(pending));
            alone(&what, *us, None, None)
        });
        let mut rows: Vec<Row> = costs.collect();
        if let Some(bytes) = self.timers.timer_memory_bytes {
            let mut row = [const { String::new() }; 6];
            row[0] = "  memory of a pending timer".to_owned();
            row[1] = format!("{bytes:.0} bytes");
            rows.push(row);
        }
        rows
    }

    fn footnote(&self) -> String {
        let quick = if self.quick {
            " Sizes of --quick: the figures mean nothing."
        } else {
            ""
        };
        format!(
            "bare: a mutex, a condition variable and as many threads ({} + {}), measured in turn; {} cores, {:.0} s.{quick}",
            self.bulk_workers_count, self.prompt_workers_count, self.cores_count, self.run_s
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_up_to_its_limit() {
        assert!(Aim::AtMost(1.3).is_met(1.3) && !Aim::AtMost(1.3).is_met(1.301));
        assert!(Aim::AtLeast(0.5).is_met(0.5) && !Aim::AtLeast(0.5).is_met(0.499));
        assert!(!Aim::AtMost(1.0).is_met(f64::NAN) && !Aim::AtLeast(1.0).is_met(f64::NAN));
        assert_eq!(Aim::AtMost(300.0).text(299.0, " µs"), "≤ 300 µs  met");
    }
}
