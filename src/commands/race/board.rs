//! The scoreboard as text: a pure function of what is known.

use std::time::Duration;

use jbc_chain::Hash;

use crate::commands::terminal::{Colour, Style, duration, rate, table};

/// What the tips are coloured with: the one that most nodes have first.
const TIP_COLOURS: [Colour; 5] = [
    Colour::Green,
    Colour::Yellow,
    Colour::Magenta,
    Colour::Cyan,
    Colour::Blue,
];
/// The column of the tips.
const TIP_COLUMN: usize = 2;

/// The column of the last blocks.
const TRACK_COLUMN: usize = 7;

/// All there is to show.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) elapsed: Duration,
    pub(super) height: u64,
    pub(super) goal: u64,
    /// The mean so far.
    pub(super) interval: Option<Duration>,
    pub(super) asked: Duration,
    pub(super) rows: Vec<Row>,
}

/// What there is to show of one node.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) tip: (u64, Hash),
    /// Its blocks on the best chain.
    pub(super) won: u64,
    /// Nonces a second.
    pub(super) hash_rate: f64,
    pub(super) side_blocks: u64,
    pub(super) reorganisations: u64,
    /// Which of the last blocks it found.
    pub(super) track: String,
}

impl Board {
    /// A line about the race and one for each node. Nodes that agree have their tips in one colour.
    pub(super) fn text(&self, style: Style) -> String {
        let titles = [
            "RACER",
            "PORT",
            "TIP",
            "WON",
            "HASH RATE",
            "SIDE BLOCKS",
            "REORGS",
            "LAST BLOCKS",
        ]
        .map(str::to_owned);
        let rows: Vec<_> = std::iter::once(titles)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let colours = self.tip_colours();
        let right = [false, true, false, true, true, true, true, false];
        let table = table(&rows, right, |row, column, cell| {
            match (row.checked_sub(1), column) {
                (None, _) => style.paint(Colour::Dim, cell),
                (Some(racer), TIP_COLUMN | TRACK_COLUMN) => style.paint(colours[racer], cell),
                _ => cell.to_owned(),
            }
        });
        format!("{}\n{table}", style.paint(Colour::Bold, &self.head()))
    }

    fn head(&self) -> String {
        let mean = self.interval.map_or_else(
            || "no mean yet".to_owned(),
            |mean| format!("mean {} a block", duration(mean)),
        );
        let (elapsed, asked) = (duration(self.elapsed), duration(self.asked));
        format!(
            "{elapsed}, block {} of {}, {mean} (asked: {asked})",
            self.height.min(self.goal),
            self.goal
        )
    }

    fn tip_colours(&self) -> Vec<Colour> {
        let mut tips: Vec<(usize, Hash)> = Vec::new();
        for row in &self.rows {
            match tips.iter_mut().find(|(_, hash)| *hash == row.tip.1) {
                Some((count, _)) => *count += 1,
                None => tips.push((1, row.tip.1)),
            }
        }
        tips.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let place = |hash: Hash| tips.iter().position(|(_, tip)| *tip == hash).unwrap_or(0);
        self.rows
            .iter()
            .map(|row| TIP_COLOURS[place(row.tip.1).min(TIP_COLOURS.len() - 1)])
            .collect()
    }
}

impl Row {
    fn cells(&self) -> [String; 8] {
        [
            self.name.clone(),
            self.port.to_string(),
            format!("{} {}", self.tip.0, self.tip.1.short()),
            self.won.to_string(),
            rate(self.hash_rate),
            self.side_blocks.to_string(),
            self.reorganisations.to_string(),
            self.track.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, tip: u8, won: u64) -> Row {
        Row {
            name: name.to_owned(),
            port: 40_001,
            tip: (12, Hash::from_bytes([tip; 32])),
            won,
            hash_rate: 1_234_567.0,
            side_blocks: 1,
            reorganisations: 2,
            track: "··█·".to_owned(),
        }
    }

    fn board(rows: Vec<Row>) -> Board {
        Board {
            elapsed: Duration::from_millis(25_300),
            height: 12,
            goal: 20,
            interval: Some(Duration::from_millis(2_100)),
            asked: Duration::from_secs(2),
            rows,
        }
    }

    #[test]
    fn a_plain_board_is_a_head_and_aligned_columns() {
        let text =
            board(vec![row("racer 1", 0xab, 4), row("racer 10", 0xab, 11)]).text(Style::PLAIN);
        let expected = "\
25.3 s, block 12 of 20, mean 2.1 s a block (asked: 2.0 s)
RACER      PORT  TIP              WON  HASH RATE  SIDE BLOCKS  REORGS  LAST BLOCKS
racer 1   40001  12 abababababab    4   1.2 MH/s            1       2  ··█·
racer 10  40001  12 abababababab   11   1.2 MH/s            1       2  ··█·
";
        assert_eq!(text, expected);
    }

    #[test]
    fn nodes_that_agree_have_tips_of_one_colour_and_the_majoritys_is_green() {
        let board = board(vec![
            row("1", 7, 0),
            row("2", 9, 0),
            row("3", 9, 0),
            row("4", 7, 0),
            row("5", 9, 0),
        ]);
        let (green, yellow) = (Colour::Green, Colour::Yellow);
        assert_eq!(board.tip_colours(), [yellow, green, green, yellow, green]);
        let text = board.text(Style { live: true });
        assert!(
            text.contains("\x1b[32m12 090909090909\x1b[0m")
                && text.contains("\x1b[33m12 070707070707\x1b[0m"),
            "{text:?}"
        );
    }

    #[test]
    fn before_two_blocks_there_is_no_mean_and_beyond_the_goal_the_goal_is_shown() {
        let mut board = board(Vec::new());
        (board.interval, board.height) = (None, 23);
        assert_eq!(
            board.head(),
            "25.3 s, block 20 of 20, no mean yet (asked: 2.0 s)"
        );
    }
}
