//! Progress bars that share the terminal with the log: a line of the log is written above the bar, never through it.

use std::io::{self, IsTerminal, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

/// All bars of this process: there is one terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A bar of `length` blocks on a terminal; nothing elsewhere. Of a length of 0 it only counts.
pub fn bar(length: u64, what: impl Into<String>) -> ProgressBar {
    bar_of(length, what, "blocks")
}

/// The same of something else than blocks: of `files`.
pub fn bar_of(length: u64, what: impl Into<String>, unit: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (template, bar) = match length {
        0 => (
            format!("{{msg}}: {{human_pos}} {unit}"),
            ProgressBar::no_length(),
        ),
        _ => (
            format!("{{msg}} {{wide_bar}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left"),
            ProgressBar::new(length),
        ),
    };
    let style =
        ProgressStyle::with_template(&template).expect("the templates above are well-formed");
    BARS.add(bar.with_style(style).with_message(what.into()))
}

/// Writes to the terminal while the bars are out of the way.
pub fn without_bars<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// The bar of a chain that is being fetched, if one is.
#[derive(Debug, Default)]
pub struct SyncBar(Mutex<Option<ProgressBar>>);

impl SyncBar {
    /// The chain has come to `index` of the `target` that a peer claims; `None` when nothing more is being fetched.
    pub fn show(&self, index: u64, target: Option<u64>) {
        let mut bar = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match target {
            Some(target) => {
                let bar = bar.get_or_insert_with(|| self::bar(target, "fetching the chain"));
                bar.set_length(target);
                bar.set_position(index);
            }
            None => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

/// Writes the log to stderr above the bars.
#[derive(Clone, Copy, Debug)]
pub struct AboveBars;

impl MakeWriter<'_> for AboveBars {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        Self
    }
}

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
