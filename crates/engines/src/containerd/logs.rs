//! Kept logs: containerd's shim appends a task's output to plain files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;

use crate::tail::last_lines;

/// The most that is returned of a log: its end.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The last `tail` lines of a file, or all of it, but no more than its last 16 MiB.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(path: &Path, tail: Option<usize>) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(LIMIT);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    // What is written meanwhile belongs to the next call.
    file.take(length - begin).read_to_end(&mut bytes)?;
    let bytes = Bytes::from(bytes);
    Ok(match tail {
        Some(lines) => last_lines(&bytes, lines),
        None => bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        assert_eq!(read(&path, None).unwrap(), "a\nb\nc\n");
        assert_eq!(read(&path, Some(2)).unwrap(), "b\nc\n");
        assert!(read(&dir.path().join("none"), None).is_err());
    }
}
