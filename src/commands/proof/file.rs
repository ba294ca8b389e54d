//! A file as an entry, and the file beside it that proves it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
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

/// Writes a proof under another name and renames it: a reader sees a whole one or none. It is on the disk then, with its
/// name: whoever stamped it may never look for it before it is needed.
///
/// # Errors
/// The system's.
pub(in crate::commands) fn write_proof(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_proof_takes_the_place_of_another_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jbcproof");
        for text in ["one\n", "two\n"] {
            super::write_proof(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

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
