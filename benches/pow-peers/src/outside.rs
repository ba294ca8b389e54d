//! Programs that measure themselves: they are run, and what they print is read.

use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Bytes of a message that `openssl speed` hashes: fits one block with its padding, as a nonce's last block does.
const OPENSSL_BYTES: &str = "16";

/// How long hashcat may take, in seconds: seven when its kernel is cached, but minutes to compile it on a busy machine.
const HASHCAT_LIMIT_S: &str = "200";

/// A program that may be installed. The environment variables JOHN and HASHCAT name those that are not on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    OpenSsl,
    John,
    Hashcat,
}

impl Program {
    pub(crate) const ALL: [Self; 3] = [Self::OpenSsl, Self::John, Self::Hashcat];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl speed, 16 bytes",
            Self::John => "john, raw-sha256",
            Self::Hashcat => "hashcat, -m 1400",
        }
    }

    /// Why it cannot take part, if it cannot.
    ///
    /// # Errors
    /// If it does not start, fails, or says what is not understood.
    pub(crate) fn is_usable(self) -> Result<(), String> {
        self.run().map(|_| ()).map_err(|error| format!("{error:#}"))
    }

    /// Lets it measure itself; answers hashes a second of one core.
    ///
    /// # Errors
    /// As [`is_usable`](Self::is_usable).
    pub(crate) fn run(self) -> anyhow::Result<f64> {
        let john = std::env::var("JOHN").unwrap_or_else(|_| "john".to_owned());
        let hashcat = std::env::var("HASHCAT").unwrap_or_else(|_| "hashcat".to_owned());
        match self {
            Self::OpenSsl => {
                let speed = [
                    "speed",
                    "-mr",
                    "-seconds",
                    "1",
                    "-bytes",
                    OPENSSL_BYTES,
                    "sha256",
                ];
                openssl_rate(&output("openssl", &speed)?)
            }
            Self::John => john_rate(&output(&john, &["--test=1", "--format=raw-sha256"])?),
            // It takes all processors it sees, so it gets to see one. It goes by the clock on the wall: a machine that is
            // busy otherwise makes it look worse than it is.
            Self::Hashcat => hashcat_rate(&output(
                "taskset",
                &[
                    "-c",
                    "0",
                    "timeout",
                    HASHCAT_LIMIT_S,
                    &hashcat,
                    "-b",
                    "-m",
                    "1400",
                    "-D",
                    "1",
                    "--force",
                    "--machine-readable",
                    "--quiet",
                ],
            )?),
        }
    }
}

/// What a program prints to either stream.
fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        // john takes as many threads as OpenMP gives it.
        .env("OMP_NUM_THREADS", "1")
        .output()
        .context("not installed")?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let last = text.lines().last().unwrap_or("no word").to_owned();
    ensure!(output.status.success(), "{last}");
    Ok(text)
}

/// `+R:4321018:sha256:0.990000`: hashes, and the CPU seconds that they took.
fn openssl_rate(text: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("+R:"));
    let parts: Vec<&str> = line
        .context("openssl tells no result")?
        .split(':')
        .collect();
    let [hashes, _, seconds] = parts[..] else {
        bail!("openssl's result has another form: {parts:?}")
    };
    positive(hashes.parse::<f64>()? / seconds.parse::<f64>()?)
}

/// `Raw:  12345K c/s real, 12345K c/s virtual`: the second is by CPU time.
fn john_rate(text: &str) -> anyhow::Result<f64> {
    let line = text.lines().find(|line| line.contains("c/s virtual"));
    let line = line.with_context(|| text.lines().last().unwrap_or("no word").to_owned())?;
    let figures = line.split("c/s real,").nth(1);
    let figure = figures.and_then(|text| text.split_whitespace().next());
    let figure = figure.context("john's result has another form")?;
    let (digits, unit) = match figure.strip_suffix('K') {
        Some(digits) => (digits, 1e3),
        None => match figure.strip_suffix('M') {
            Some(digits) => (digits, 1e6),
            None => (figure, 1.0),
        },
    };
    positive(digits.parse::<f64>()? * unit)
}

/// `1:1400:2793:0:10.31:98765432`: the device, the kind of hash, clocks, milliseconds, hashes a second.
fn hashcat_rate(text: &str) -> anyhow::Result<f64> {
    let line = text.lines().find(|line| line.starts_with("1:1400:"));
    let rate = line.and_then(|line| line.rsplit(':').next());
    positive(rate.context("hashcat tells no result")?.trim().parse()?)
}

fn positive(rate: f64) -> anyhow::Result<f64> {
    ensure!(rate.is_finite() && rate > 0.0, "a rate of {rate}");
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_print_is_read() {
        let openssl =
            "+DT:sha256:1:16\n+R:4000000:sha256:0.500000\n+H:16\n+F:6:sha256:69834634.34\n";
        assert_eq!(openssl_rate(openssl).unwrap(), 8e6);
        let john = "Benchmarking: Raw-SHA256 [SHA256 512/512 AVX512BW 16x]... DONE\nRaw:\t26214K c/s real, 26476K c/s virtual\n";
        assert_eq!(john_rate(john).unwrap(), 26_476_000.0);
        let hashcat = "# version: v6.2.6\n1:1400:2793:0:10.31:98765432\n";
        assert_eq!(hashcat_rate(hashcat).unwrap(), 98_765_432.0);
    }

    #[test]
    fn what_is_no_result_is_an_error_that_says_so() {
        let john = john_rate("Unknown ciphertext format name requested\n").unwrap_err();
        assert_eq!(john.to_string(), "Unknown ciphertext format name requested");
        for text in ["", "+R:1:sha256:0.0\n", "+R:1\n", "1:1400:\n"] {
            assert!(
                openssl_rate(text).is_err() && hashcat_rate(text).is_err(),
                "{text:?}"
            );
        }
    }
}
