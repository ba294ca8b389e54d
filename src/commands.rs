//! One file per command of `jbc` and `jbc-sched`.

pub mod bench;
pub mod chain;
pub mod explain;
pub mod genesis;
pub mod mine;
pub mod node;
mod proof;
pub mod race;
pub mod sched;
pub mod stamp;
mod terminal;
pub mod verify;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use structopt::StructOpt;

use crate::config::ConfigError;
use crate::progress::AboveBars;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Threads that serve and wait for the network: enough that one that reads a long answer does not hold up the rest.
const SERVING_THREADS: usize = 4;

/// What a wrong command line exits with, as Unix tools do (clap 2 would say 1).
const USAGE: u8 = 2;

/// The command line, or the exit code of one that cannot be used or only asks for help.
///
/// # Errors
/// 0 after help or version were printed, 2 after a wrong flag was named.
pub(crate) fn arguments<T: StructOpt>() -> Result<T, ExitCode> {
    T::from_iter_safe(std::env::args_os()).map_err(|error| {
        if error.use_stderr() {
            eprintln!("{}", error.message);
            return ExitCode::from(USAGE);
        }
        // A reader who has seen enough of the help may close the pipe.
        let _ = writeln!(io::stdout(), "{}", error.message);
        ExitCode::SUCCESS
    })
}

/// Runs a command to its exit code on a runtime of its own. What fails is said in one line, as Unix tools do.
pub(crate) fn run_to_exit(
    name: &str,
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SERVING_THREADS)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name}: the runtime did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(command);
    // Threads that wait for a disk or a peer must not hold up the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&format!("{name}: {}", in_one_line(&error)));
            if error.is::<ConfigError>() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// An error with its causes, each said once: many of ours name their cause themselves. The words of a stranger's file or
/// node in it can not draw on the terminal.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    terminal::printable(&line)
}

/// Ends with the name of the signal that asks this process to stop.
///
/// # Panics
/// When the system refuses a signal handler, which it does only for signals that cannot be caught.
pub async fn stop_signal() -> &'static str {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be caught");
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "Ctrl-C",
    }
}

/// What is said unless `RUST_LOG` says otherwise.
const LOG_FILTER: &str = "warn,jbc=info,jbc_jobs=info,jbc_scheduler=info";

/// Starts the log on stderr: text for people, or one JSON object a line. `RUST_LOG` refines what is said.
pub fn start_log(format: &str) {
    let wanted = std::env::var_os("RUST_LOG").unwrap_or_default();
    let (filter, fault) = log_filter(&wanted.to_string_lossy());
    let log = tracing_subscriber::fmt::layer().with_writer(AboveBars);
    let log = if format == "json" {
        log.json().flatten_event(true).boxed()
    } else {
        let clock = ChronoUtc::new("%H:%M:%S%.3f".to_owned());
        let ansi = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let log = log.with_timer(clock).with_target(false).with_ansi(ansi);
        log.boxed()
    };
    let started = tracing_subscriber::registry().with(filter).with(log);
    if let Err(error) = started.try_init() {
        eprintln!("jbc: the log did not start: {error}");
    }
    if let Some(fault) = fault {
        tracing::warn!(%fault, "RUST_LOG is left aside: it must be a list of LEVEL and TARGET=LEVEL");
    }
}

/// The filter that was asked for; the default, and why, if it cannot be read.
fn log_filter(wanted: &str) -> (Targets, Option<String>) {
    let default = || LOG_FILTER.parse().expect("the tests read it");
    if wanted.is_empty() {
        return (default(), None);
    }
    let directives = wanted.split(',').map(str::trim);
    let directives: Vec<&str> = directives.filter(|part| !part.is_empty()).collect();
    // What else there is would be taken for a target that nobody has, and so for silence.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-:=".contains(c);
    if directives.is_empty() || !directives.iter().all(|part| part.chars().all(is_plain)) {
        return (default(), Some(format!("{wanted:?}")));
    }
    match directives.join(",").parse() {
        Ok(filter) => (filter, None),
        Err(error) => (default(), Some(format!("{wanted:?}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use tracing::Level;

    #[test]
    fn the_log_says_what_rust_log_asks_for_and_the_usual_if_that_makes_no_sense() {
        for (wanted, debug, fault) in [
            ("", false, false),
            ("info,", false, false),
            ("warn, jbc=debug", true, false),
            ("jbc[push]=debug", false, true),
            (" ", false, true),
            ("jbc=debug", true, false),
            ("jbc=loud", false, true),
        ] {
            let (filter, error) = super::log_filter(wanted);
            assert!(filter.would_enable("jbc", &Level::ERROR), "{wanted}");
            assert_eq!(filter.would_enable("jbc", &Level::DEBUG), debug, "{wanted}");
            assert_eq!(error.is_some(), fault, "{wanted}: {error:?}");
        }
    }

    #[test]
    fn an_error_says_each_of_its_causes_once() {
        let io = || std::io::Error::other("no such thing");
        let named = anyhow::anyhow!(io()).context("cannot open x: no such thing");
        assert_eq!(super::in_one_line(&named), "cannot open x: no such thing");
        let unnamed = Err::<(), _>(io()).context("cannot open x").unwrap_err();
        assert_eq!(super::in_one_line(&unnamed), "cannot open x: no such thing");
        let hostile = anyhow::anyhow!("field `\r\u{1b}[2Kproven`").context("not\nproven");
        assert_eq!(
            super::in_one_line(&hostile),
            "not\\nproven: field `\\r\\u{1b}[2Kproven`"
        );
    }
}
