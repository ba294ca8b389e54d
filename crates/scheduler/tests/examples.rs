//! Every example ends by itself, without an error, and shows what it promises.
//!
//! `cargo test` builds the examples before it runs any test. `cargo test --test examples` does not, and runs those that
//! were built last.

#[cfg(test)]
mod running {
    use std::io::Read;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    /// How long an example may take. Only one that hangs takes that long.
    const DEADLINE: Duration = Duration::from_secs(30);

    /// Runs an example; what it shows must hold these words, in this order.
    fn check(name: &str, expected: &[&str]) {
        let this = std::env::current_exe().unwrap();
        // From `deps`, where tests are, to its neighbour.
        let folder = this.ancestors().nth(2).unwrap().join("examples");
        let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let mut child = Command::new(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; `cargo build --examples` makes it",
                    path.display()
                )
            });
        let mut out = child.stdout.take().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            // What it said before it broke off is enough for the message of a failure.
            let _ = out.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        let shown = shown.recv_timeout(DEADLINE);
        if shown.is_err() {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let shown = shown.unwrap_or_else(|_| panic!("the example {name} does not end"));
        assert!(status.success(), "{name} ended with {status}:\n{shown}");
        let mut rest = shown.as_str();
        for words in expected {
            let at = rest.find(words);
            let at = at.unwrap_or_else(|| panic!("{name} does not say {words:?} here:\n{rest}"));
            rest = &rest[at + words.len()..];
        }
    }

    #[test]
    fn cancel_stops_a_running_job() {
        check(
            "cancel",
            &["JOB_SUBMITTED count", "JOB_CANCELLED count", "ignored: []"],
        );
    }

    #[test]
    fn cron_fires_each_second_and_refuses_what_never_comes() {
        check(
            "cron",
            &[
                "Europe/Berlin",
                "and[cron[0 18 * * FriL]",
                "or[cron[",
                "JOB_EXECUTED tick",
                "JOB_EXECUTED tick",
                "no such time will come",
            ],
        );
    }

    #[test]
    fn kinds_runs_calls_and_refuses_mistakes() {
        check("kinds", &["hello, Ada", "no kind \\\"great\\\""]);
    }

    #[test]
    fn retry_fails_to_death_and_succeeds_when_it_is_requeued() {
        check(
            "retry",
            &[
                "JOB_ERROR letter",
                "it is tried again",
                "failures: 3",
                "JOB_DEAD letter",
                "dead: letter failed 3 times",
                "JOB_EXECUTED letter",
                "dead jobs: 0",
                "attempt 3: error",
                "attempt 1: executed",
            ],
        );
    }

    #[cfg(feature = "redb")]
    #[test]
    fn persistence_brings_everything_back_after_a_restart() {
        check(
            "persistence",
            &[
                "stored: 4",
                "recurring: say",
                "JOB_",
                "JOB_",
                "pending: say",
                "recurring: say",
                "stored: 2",
            ],
        );
    }

    #[test]
    fn no_example_is_forgotten_here() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let files = std::fs::read_dir(folder).unwrap();
        let mut found: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let run = [
            "cancel.rs",
            "cron.rs",
            "kinds.rs",
            "persistence.rs",
            "retry.rs",
        ];
        assert_eq!(found, run);
    }
}
