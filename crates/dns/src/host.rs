//! What tells that this host's own programs were told to ask us: known to those who
//! change the host's files, and to those who only look.

use std::path::{Path, PathBuf};

/// How files begin that were written for this.
pub const HEADING: &str = "# Written by `sealane dns enable`";

/// Where systemd-resolved is told, as seen from the root directory.
pub const RESOLVED_DROP_IN: &str = "etc/systemd/resolved.conf.d/sealane.conf";

/// Where a resolv.conf is kept that was replaced by one which names this server.
#[must_use]
pub fn kept(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".before-sealane");
    PathBuf::from(name)
}
