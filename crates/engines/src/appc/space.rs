//! Free space: an image never takes the last of it.

use std::os::fd::AsFd;

use nix::sys::statvfs::fstatvfs;

use super::error::AppcError;

/// Left for everybody else: a twentieth of the file system, but no more than this.
const RESERVE: u64 = 1 << 30;

/// Refuses what would not leave others enough room.
///
/// # Errors
/// [`AppcError::Node`] when there is too little.
pub(super) fn require(place: &impl AsFd, bytes: u64, entries: usize) -> Result<(), AppcError> {
    let Ok(state) = fstatvfs(place) else {
        return Ok(());
    };
    let block = state.fragment_size();
    let free = state.blocks_available().saturating_mul(block);
    let reserve = (state.blocks().saturating_mul(block) / 20).min(RESERVE);
    if free < bytes.saturating_add(reserve) {
        return Err(AppcError::Node(format!(
            "the disk is too full: it takes {} MiB, {} MiB are free, and {} MiB stay free for others",
            bytes >> 20,
            free >> 20,
            reserve >> 20
        )));
    }
    // Some file systems have no limit and say 0.
    if state.files() > 0 && state.files_available() < entries as u64 {
        return Err(AppcError::Node(format!(
            "the disk has room for {} more files, and it takes {entries}",
            state.files_available()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        let place = tempfile::tempfile().unwrap();
        require(&place, 0, 0).unwrap();
        let error = require(&place, 1 << 60, 1).unwrap_err().to_string();
        assert!(error.contains("the disk is too full"), "{error}");
    }
}
