//! A preimage as a line for a shell.

use std::fmt::Write as _;

/// The line that prints the SHA-256 of these bytes in sh, dash, bash, ksh and zsh, and does nothing else.
///
/// The bytes are a format of `printf` in single quotes. All but plain letters, digits and some punctuation are written as
/// three octal digits behind a backslash, `%` as `%%`: so there is no quote that could end the text, nothing for a shell to
/// expand, also none of `!` where that recalls an earlier line, and no line end. A first `-` would be taken for a flag.
pub(super) fn line(bytes: &[u8]) -> String {
    let mut format = String::with_capacity(bytes.len());
    for (position, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => format.push_str("%%"),
            b'-' if position == 0 => format.push_str("\\055"),
            b' ' | b'-' | b'.' | b',' | b':' | b'/' | b'_' | b'+' | b'=' | b'@' => {
                format.push(char::from(byte));
            }
            _ if byte.is_ascii_alphanumeric() => format.push(char::from(byte)),
            _ => {
                let _ = write!(format, "\\{byte:03o}");
            }
        }
    }
    format!("printf '{format}' | sha256sum")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use sha2::{Digest, Sha256};

    use super::*;
    use jbc_chain::Hash;

    /// Runs the line by a shell in an empty folder; what it prints, and what it left in the folder.
    fn run(shell: &str, line: &str) -> (String, usize) {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(shell)
            .args(["-c", line])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{shell}: {output:?}\n{line}");
        let left = std::fs::read_dir(&folder).unwrap().count();
        (String::from_utf8(output.stdout).unwrap(), left)
    }

    fn check(bytes: &[u8]) {
        let line = line(bytes);
        assert!(
            line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{line}"
        );
        let hash = Hash::from_bytes(Sha256::digest(bytes).into());
        for shell in ["sh", "bash"] {
            assert_eq!(
                run(shell, &line),
                (format!("{hash}  -\n"), 0),
                "{shell}: {line}"
            );
        }
    }

    #[test]
    fn hostile_data_does_nothing_but_be_hashed() {
        for data in [
            "I block #1",
            "'; touch pwned; '",
            "'\"'\"'; touch pwned #",
            "$(touch pwned) ${HOME} $HOME `touch pwned`",
            "%s %n %d %% %",
            "100%",
            "\\ \\n \\000 \\x41 \\c \\",
            "line\nbreak\r\n\ttab",
            "\0 \0\0 1\0",
            "!! !$ !-1",
            "| touch pwned & touch pwned; touch pwned > pwned < pwned",
            "* ? [a-z] ~ {a,b} ^ #",
            "-v PATH",
            "--help",
            "",
            "\u{202e}\u{feff} ü ñ 漢 🦀",
            "\u{1b}[2J\u{7}\u{8}",
            "0123\\",
            "\\1234567",
        ] {
            check(data.as_bytes());
            check(format!("1{}{data}15088953861225518", "ab".repeat(32)).as_bytes());
        }
        check(&[0xff, 0xfe, 0x80, 0xc3, b'\'', 0x28]);
        check(&(0..=255).collect::<Vec<u8>>());
        check(&[b'\''; 16 * 1024]);
    }

    #[test]
    fn whatever_the_bytes_are_the_line_prints_their_hash() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64; // xorshift64, Marsaglia 2003
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..60 {
            let length = random() % 200;
            // Half of them from what means something to a shell.
            let special = b"'\"\\$`%!\n\0-#;&|<>(){}[]*?~^ 0127";
            let bytes: Vec<u8> = (0..length)
                .map(|_| match random() % 2 {
                    0 => special[random() as usize % special.len()],
                    _ => random() as u8,
                })
                .collect();
            check(&bytes);
        }
    }
}
