//! What the commands' output has in common: colour and redrawing where a terminal is, and values as people read them.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use jbc_chain::{Timestamp, UnixMicros};

/// Rows of a terminal that does not say how many it has.
const DEFAULT_ROWS: usize = 24;

/// How stdout is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether colours are used and text is redrawn in place.
    pub(crate) live: bool,
}

impl Style {
    /// Plain text: no colour, nothing redrawn.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { live: false };

    /// Live on a terminal, unless `NO_COLOR` (no-color.org) is set to something; plain elsewhere.
    pub(crate) fn of_stdout() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            live: io::stdout().is_terminal() && !no_color,
        }
    }

    /// `text` in a colour, where there are colours.
    pub(crate) fn paint(self, colour: Colour, text: &str) -> String {
        if self.live {
            format!("\x1b[{}m{text}\x1b[0m", colour as u8)
        } else {
            text.to_owned()
        }
    }
}

/// A colour, by its number in ANSI's "select graphic rendition".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    Magenta = 35,
    Cyan = 36,
}

/// A block of lines on stdout that is drawn anew in place of itself.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    lines: usize,
}

impl Canvas {
    /// Draws `text` over what was drawn before. More lines than the terminal has rows are cut, since what has scrolled
    /// away can not be drawn over.
    pub(crate) fn draw(&mut self, text: &str) -> io::Result<()> {
        let rows = rustix::termios::tcgetwinsize(io::stdout())
            .map_or(DEFAULT_ROWS, |size| usize::from(size.ws_row));
        let mut out = io::stdout().lock();
        out.write_all(self.frame(text, rows.max(2) - 1).as_bytes())?;
        out.flush()
    }

    /// One write for a whole frame does not flicker. Lines are cut at the right edge (no automatic wrap): a wrapped line
    /// would take two rows and be counted as one.
    fn frame(&mut self, text: &str, rows: usize) -> String {
        let mut frame = String::from("\x1b[?7l");
        if self.lines > 0 {
            let _ = write!(frame, "\x1b[{}A", self.lines); // cursor up
        }
        self.lines = 0;
        for line in text.lines().take(rows) {
            let _ = write!(frame, "\r{line}\x1b[K\n"); // clear to the end of the line
            self.lines += 1;
        }
        frame.push_str("\x1b[J\x1b[?7h"); // clear below; wrap again
        frame
    }
}

/// A closed stdout (`jbc chain show … | head`) is no failure: whoever closed it has seen enough.
pub(crate) fn quiet_if_closed(result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match result {
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes a text to stdout, if there is still somebody who reads it: for commands that do some work or whose exit code says
/// something, whoever has closed the pipe (`jbc stamp … | head -1`) has not called that off.
pub(crate) fn tell(text: &str) -> io::Result<()> {
    match print(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Writes a line to stderr. That nobody can read it is nothing to fail for, or to panic as `eprintln!` does.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a text to stdout.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Columns, each as wide as its widest cell; two spaces between them. Cells are text without colours; `paint` colours
/// the padded cell of a row and column.
pub(crate) fn table<const N: usize>(
    rows: &[[String; N]],
    right_aligned: [bool; N],
    paint: impl Fn(usize, usize, &str) -> String,
) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (y, row) in rows.iter().enumerate() {
        for (x, cell) in row.iter().enumerate() {
            let width = widths[x];
            let padded = match (right_aligned[x], x + 1 == N) {
                (true, _) => format!("{cell:>width$}"),
                (false, false) => format!("{cell:<width$}"),
                (false, true) => cell.clone(),
            };
            text.push_str(if x > 0 { "  " } else { "" });
            text.push_str(&paint(y, x, &padded));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// Text from outside on one line: whatever does not print (control characters, line ends, what turns the direction of
/// writing) is escaped, so that a block's data can not draw on the terminal. At most `max_chars` long.
pub(crate) fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for character in text.chars() {
        let escaped = match character {
            '\\' => "\\\\".to_owned(),
            _ => printable_char(character),
        };
        length += escaped.chars().count();
        if length > max_chars {
            // Make room for the ellipsis.
            while line.chars().count() >= max_chars {
                line.pop();
            }
            line.push('…');
            break;
        }
        line.push_str(&escaped);
    }
    line
}

/// A message with words from outside in it, on one line: as [`one_line`], but a backslash stays one, since the words may have
/// been escaped already.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(printable_char).collect()
}

/// A character as it is, or escaped where it does not print.
fn printable_char(character: char) -> String {
    match character {
        '"' | '\'' | '\\' => character.to_string(),
        _ => character.escape_debug().collect(),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A large amount in three digits or so: `3.1 M`.
pub(crate) fn rounded(amount: f64) -> String {
    const UNITS: [&str; 6] = ["", " k", " M", " G", " T", " P"];
    let mut amount = amount.max(0.0);
    let mut unit = 0;
    // From 999.5 on, three digits would round up to the next unit's 1.
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1_000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && amount < 99.95);
    format!("{amount:.digits$}{}", UNITS[unit])
}

/// A hash rate: `4.8 MH/s`.
pub(crate) fn rate(hashes_per_second: f64) -> String {
    let text = rounded(hashes_per_second);
    if text.contains(' ') {
        format!("{text}H/s")
    } else {
        format!("{text} H/s")
    }
}

/// How long: `0.08 s`, `12.3 s`, `4 min 05 s`, `3 h 12 min`, `2 d 04 h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let whole = duration.as_secs();
    match whole {
        0 => format!("{seconds:.2} s"),
        1..60 => format!("{seconds:.1} s"),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {:02} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// An instant to the second: `2026-11-21 08:13:20`, UTC.
pub(crate) fn utc(instant: UnixMicros) -> String {
    let digits = Timestamp::from_instant(instant).to_string(); // YYYYMMDDhhmmssffffff
    let part = |from: usize, to: usize| &digits[from..to];
    format!(
        "{}-{}-{} {}:{}:{}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    )
}

/// Unix milliseconds, as the API has them, as an instant.
pub(crate) fn instant_of_ms(unix_ms: u64) -> UnixMicros {
    UnixMicros(
        i64::try_from(unix_ms)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000),
    )
}

/// Now, by the wall clock.
pub(crate) fn now() -> UnixMicros {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMicros(since_epoch.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_grouped_for_people() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567]
                .map(thousands)
                .each_ref()
                .map(|s| &**s)
        );
        for (amount, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.6, "1.0 k"),
            (3_140_000.0, "3.1 M"),
            (99_960.0, "100 k"),
            (999_600.0, "1.0 M"),
            (2e18, "2000 P"),
        ] {
            assert_eq!(rounded(amount), text);
        }
        assert_eq!([rate(12.0), rate(4.8e6)], ["12 H/s", "4.8 MH/s"]);
    }

    #[test]
    fn times_are_told_in_fitting_units() {
        for (ms, text) in [
            (80, "0.08 s"),
            (12_345, "12.3 s"),
            (245_000, "4 min 05 s"),
            (11_520_000, "3 h 12 min"),
            (187_200_000, "2 d 04 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
        assert_eq!(utc(instant_of_ms(1_508_895_381_000)), "2017-10-25 01:36:21");
        assert_eq!(utc(instant_of_ms(u64::MAX)), "9999-12-31 23:59:59");
    }

    #[test]
    fn text_from_outside_cannot_draw_on_the_terminal() {
        assert_eq!(one_line("I \"block\" #1", 40), "I \"block\" #1");
        assert_eq!(
            one_line("\x1b[2Jgone\r\n\u{202e}", 40),
            "\\u{1b}[2Jgone\\r\\n\\u{202e}"
        );
        assert_eq!(one_line("straße", 6), "straße");
        assert_eq!(one_line("straßen", 6), "straß…");
        assert_eq!(one_line("ab\x1b", 4), "ab…");
        assert_eq!(one_line("", 4), "");
        assert_eq!(one_line("a\\b", 9), "a\\\\b");
        assert_eq!(
            printable("key `\r\x1b[2K\u{202e}\n`: \"straße\", '\\u{1b}'"),
            "key `\\r\\u{1b}[2K\\u{202e}\\n`: \"straße\", '\\u{1b}'"
        );
    }

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_spaces() {
        let rows = [["ID", "N", "WHAT"], ["mining/1", "12", "a"], ["x", "3", ""]]
            .map(|row| row.map(str::to_owned));
        let text = table(&rows, [false, true, false], |_, _, cell| cell.to_owned());
        assert_eq!(text, "ID         N  WHAT\nmining/1  12  a\nx          3\n");
    }

    #[test]
    fn a_frame_is_drawn_over_the_frame_before() {
        let mut canvas = Canvas::default();
        assert_eq!(
            canvas.frame("a\nb\nc\n", 2),
            "\x1b[?7l\ra\x1b[K\n\rb\x1b[K\n\x1b[J\x1b[?7h"
        );
        assert!(canvas.frame("d\n", 2).starts_with("\x1b[?7l\x1b[2A\rd"));
        assert!(canvas.frame("", 2).starts_with("\x1b[?7l\x1b[1A\x1b[J"));
    }

    #[test]
    fn a_closed_stdout_is_a_quiet_end_and_other_errors_stay() {
        let closed = || anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(quiet_if_closed(Err(closed())).is_ok());
        assert!(quiet_if_closed(Err(closed().context("while printing"))).is_ok());
        assert!(quiet_if_closed(Err(io::Error::from(io::ErrorKind::NotFound).into())).is_err());
    }
}
