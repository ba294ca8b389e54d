//! A file as an entry.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use jbc_chain::Hash;
use sha2::{Digest, Sha256};

/// Bytes read at once.
const PIECE_BYTES: usize = 256 << 10;

/// The entry that stands for a file: `sha256:` and the 64 hex digits of its content's SHA-256. Read piece by piece, so a
/// file may be larger than memory.
///
/// # Errors
/// The system's.
pub(in crate::commands) fn entry_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut sha, mut piece) = (Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => sha.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let digest = Hash::from_bytes(sha.finalize().into());
    Ok(format!("sha256:{digest}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_empty_file_is_the_sha256_that_everybody_knows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(
            super::entry_of_file(file.path()).unwrap(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(super::entry_of_file(std::path::Path::new("/")).is_err());
    }
}
