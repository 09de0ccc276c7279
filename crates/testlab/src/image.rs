//! A container image out of the machine's static busybox.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::tool;

/// Debian's busybox-static puts it here.
const BUSYBOX: &str = "/bin/busybox";

/// Writes a tar with busybox, a link for each of its applets, users and `/tmp`.
pub(crate) fn write_busybox_tar(tar: &Path) -> Result<()> {
    let root = tempfile::tempdir().context("making a directory for the image")?;
    let root = root.path();
    for dir in ["bin", "etc", "dev", "proc", "sys", "tmp", "root", "var/tmp"] {
        fs::create_dir_all(root.join(dir))?;
    }
    for dir in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(dir), fs::Permissions::from_mode(0o1777))?;
    }
    fs::copy(BUSYBOX, root.join("bin/busybox"))
        .with_context(|| format!("{BUSYBOX} is missing; install busybox-static"))?;
    for applet in tool::output(Command::new(BUSYBOX).arg("--list"))?.lines() {
        if applet != "busybox" {
            symlink("busybox", root.join("bin").join(applet))?;
        }
    }
    let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
    fs::write(root.join("etc/passwd"), users)?;
    fs::write(root.join("etc/group"), "root:x:0:\nnogroup:x:65534:\n")?;
    tool::output(
        Command::new("tar")
            .arg("-C")
            .arg(root)
            .arg("-cf")
            .arg(tar)
            .arg("."),
    )
    .map(drop)
}
