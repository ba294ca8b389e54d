//! Jobs and runs as text.

use std::time::Duration;

use jbc_chain::UnixMicros;
use jbc_scheduler::{
    JobId, JobInfo, JobState, RunInfo, RunOutcome, RunRecord, Stored, format_jobs,
};

use jbc_jobs::task::is_mining_id;

use crate::client::{Status, Steer};
use crate::commands::terminal::{Colour, Style, duration, instant_of_ms, one_line, table, utc};
use crate::dead::DeadInfo;

/// Longest text of a cell, in characters.
const CELL_CHARS: usize = 60;
/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// How to write. Without `now` nothing is said that changes while nothing happens: for comparing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) wide: bool,
    pub(super) style: Style,
    pub(super) now: Option<UnixMicros>,
}

impl Layout {
    /// The line above a node's jobs.
    pub(super) fn head(&self, url: &str, status: &Status) -> String {
        format!(
            "{}  {}, tip {} {}…\n",
            self.style.paint(Colour::Bold, url),
            one_line(&status.network.name, CELL_CHARS),
            status.tip.index,
            status.tip.hash.short(),
        )
    }

    /// The jobs of a node.
    pub(super) fn jobs(&self, jobs: &[JobInfo]) -> String {
        if !self.wide {
            return lines(&format_jobs(jobs));
        }
        if jobs.is_empty() {
            return "No scheduled jobs\n".to_owned();
        }
        let titles = [
            "ID",
            "NAME",
            "STATE",
            "LANE",
            "PRIORITY",
            "TRIGGER",
            "NEXT RUN (UTC)",
            "RUN",
        ]
        .map(str::to_owned);
        let rows: Vec<_> = std::iter::once(titles)
            .chain(jobs.iter().map(|job| self.job(job)))
            .collect();
        table(
            &rows,
            [false, false, false, false, true, false, false, false],
            |row, column, cell| match (row.checked_sub(1), column) {
                (None, _) => self.style.paint(Colour::Bold, cell),
                (Some(job), 2) => self.style.paint(colour_of_state(jobs[job].state), cell),
                _ => cell.to_owned(),
            },
        )
    }

    fn job(&self, job: &JobInfo) -> [String; 8] {
        let cell = |text: &str| one_line(text, CELL_CHARS);
        let state = match (job.state, job.paused) {
            (JobState::Running, true) => "running, then paused".to_owned(),
            (state, _) => state.to_string(),
        };
        let next = job
            .next_run_time
            .map_or_else(|| NOTHING.to_owned(), |ms| utc(instant_of_ms(ms)));
        let runs: Vec<String> = job.runs.iter().map(|run| self.run(run)).collect();
        let runs = if runs.is_empty() {
            NOTHING.to_owned()
        } else {
            runs.join("; ")
        };
        let lane = job.lane.to_string();
        [
            cell(job.id.as_str()),
            cell(&job.name),
            state,
            lane,
            job.priority.to_string(),
            cell(&job.trigger),
            next,
            runs,
        ]
    }

    /// What a run says of itself, and how long it has been going on.
    fn run(&self, run: &RunInfo) -> String {
        let Some(now) = self.now else {
            return "running".to_owned();
        };
        // Another machine's clock may be ahead of ours.
        let micros = now.0.saturating_sub(instant_of_ms(run.started_at).0);
        let time = duration(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        match &run.progress {
            Some(progress) => format!("{}, for {time}", one_line(progress, CELL_CHARS)),
            None => format!("for {time}"),
        }
    }

    /// The runs of a node that have ended.
    pub(super) fn history(&self, runs: &[RunRecord]) -> String {
        if runs.is_empty() {
            return "No run has ended yet\n".to_owned();
        }
        let titles = [
            "ENDED (UTC)",
            "JOB",
            "NAME",
            "LANE",
            "OUTCOME",
            "TOOK",
            "MESSAGE",
        ]
        .map(str::to_owned);
        let rows: Vec<_> = std::iter::once(titles)
            .chain(runs.iter().map(ended))
            .collect();
        table(
            &rows,
            [false, false, false, false, false, true, false],
            |row, column, cell| match (row.checked_sub(1), column) {
                (None, _) => self.style.paint(Colour::Bold, cell),
                (Some(run), 4) => self.style.paint(colour_of_outcome(runs[run].outcome), cell),
                _ => cell.to_owned(),
            },
        )
    }

    /// The jobs of a node that failed for good.
    pub(super) fn dead(&self, dead: &[DeadInfo]) -> String {
        if dead.is_empty() {
            return "No dead jobs\n".to_owned();
        }
        let titles = ["DIED (UTC)", "JOB", "NAME", "FAILURES", "ERROR"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(titles)
            .chain(dead.iter().map(died))
            .collect();
        table(
            &rows,
            [false, false, false, true, false],
            |row, _, cell| match row {
                0 => self.style.paint(Colour::Bold, cell),
                _ => cell.to_owned(),
            },
        )
    }

    /// The line above what a stopped node's job store holds.
    pub(super) fn stored_head(&self, folder: &str, words: &str) -> String {
        let folder = one_line(folder, usize::MAX);
        let words = one_line(words, usize::MAX);
        format!("{}  {words}\n", self.style.paint(Colour::Bold, &folder))
    }

    /// What a job store holds beside its jobs.
    pub(super) fn stored_rest(&self, stored: &Stored) -> String {
        let mut text = String::new();
        if !stored.paused.is_empty() {
            let ids: Vec<&str> = stored.paused.iter().map(JobId::as_str).collect();
            text += &format!(
                "Paused, once a node adds them: {}\n",
                one_line(&ids.join(", "), usize::MAX)
            );
        }
        if !stored.dead.is_empty() {
            text += &format!("Dead jobs: {} (--list-dead)\n", stored.dead.len());
        }
        for row in &stored.damaged {
            let line = format!("Cannot be read: {}: {}", row.key, row.reason);
            text += &(one_line(&line, usize::MAX) + "\n");
        }
        text
    }

    /// What became of a dead job that is to be forgotten.
    pub(super) fn forgotten(&self, url: &str, dead: &DeadInfo) -> String {
        let id = one_line(dead.id.as_str(), CELL_CHARS);
        format!("{url}: {id} is out of the dead list for good\n")
    }

    /// What steering did.
    pub(super) fn steered(&self, url: &str, action: Steer, job: &JobInfo) -> String {
        let done = match action {
            Steer::Pause => "paused",
            Steer::Resume => "resumed",
            Steer::Remove => "removed",
            Steer::Run => "told to run",
            Steer::Requeue => "out of the dead list, and runs again",
        };
        let id = job.id.as_str();
        let mut text = format!("{url}: {} is {done}\n", one_line(id, CELL_CHARS));
        if action == Steer::Remove {
            if is_mining_id(id) {
                text += "Mining arms itself again, since a node that was told to mine never stops by accident: the job is back \
                         with the next range. To stop mining, use --pause mining (and mining/1, … for each further thread).\n";
            }
        } else {
            // Without the line above the list.
            text.extend(
                lines(&format_jobs(std::slice::from_ref(job)))
                    .split_inclusive('\n')
                    .skip(1),
            );
        }
        text
    }
}

/// Ready-made lines in which names and triggers are a node's own words.
fn lines(text: &str) -> String {
    text.lines()
        .map(|line| one_line(line, usize::MAX) + "\n")
        .collect()
}

fn ended(run: &RunRecord) -> [String; 7] {
    let finished = format!(
        "{}.{:03}",
        utc(instant_of_ms(run.finished_at)),
        run.finished_at % 1_000
    );
    let took = run.elapsed_us.map_or_else(|| NOTHING.to_owned(), took);
    let message = run
        .message
        .as_deref()
        .map(|message| one_line(message, CELL_CHARS))
        .unwrap_or_default();
    let (job, name) = (
        one_line(run.job_id.as_str(), CELL_CHARS),
        one_line(&run.name, CELL_CHARS),
    );
    [
        finished,
        job,
        name,
        run.lane.to_string(),
        run.outcome.to_string(),
        took,
        message,
    ]
}

fn died(dead: &DeadInfo) -> [String; 5] {
    [
        utc(instant_of_ms(dead.died_at)),
        one_line(dead.id.as_str(), CELL_CHARS),
        one_line(&dead.name, CELL_CHARS),
        dead.failures.to_string(),
        // The one thing that the list is looked at for.
        one_line(&dead.error, usize::MAX),
    ]
}

/// How long a run took: jobs end within microseconds, or minutes.
fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1_000.0),
        _ => duration(Duration::from_micros(micros)),
    }
}

fn colour_of_state(state: JobState) -> Colour {
    match state {
        JobState::Running => Colour::Green,
        JobState::Pending => Colour::Cyan,
        JobState::Paused => Colour::Yellow,
        JobState::Scheduled => Colour::Dim,
    }
}

fn colour_of_outcome(outcome: RunOutcome) -> Colour {
    match outcome {
        RunOutcome::Executed => Colour::Green,
        RunOutcome::Cancelled => Colour::Dim,
        RunOutcome::Missed => Colour::Yellow,
        RunOutcome::Error => Colour::Red,
    }
}
