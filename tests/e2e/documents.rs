//! What the documents show is so.

use std::fs;
use std::process::Command;

/// Each shell line in docs/protocol.md that hashes a block, and the hash in the comment below it.
#[test]
fn the_shell_lines_in_the_protocol_give_the_hashes_below_them() {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let hashed = lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("printf "));
    let mut count = 0;
    for pair in hashed {
        let output = Command::new("sh").args(["-c", pair[0]]).output().unwrap();
        let hash = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            hash.split(' ').next(),
            pair[1].strip_prefix("# "),
            "{}",
            pair[0]
        );
        count += 1;
    }
    assert_eq!(count, 2, "one of each kind");
}
