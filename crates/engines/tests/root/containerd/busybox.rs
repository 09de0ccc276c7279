//! The machine's static busybox, as entries of an archive.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

/// What images of these tests run.
const APPLETS: [&str; 9] = [
    "sh", "echo", "id", "sleep", "pwd", "cat", "touch", "ls", "env",
];

/// Adds `bin/busybox`, links to it and two users below `top`.
pub(super) fn add(tar: &mut Builder<Vec<u8>>, top: &str) {
    let bytes = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let path = |rest: &str| format!("{top}{rest}");
    entry(
        tar,
        &path("bin/busybox"),
        EntryType::Regular,
        "",
        0o755,
        &bytes,
    );
    for applet in APPLETS {
        entry(
            tar,
            &path(&format!("bin/{applet}")),
            EntryType::Symlink,
            "busybox",
            0o777,
            b"",
        );
    }
    let users = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n";
    entry(
        tar,
        &path("etc/passwd"),
        EntryType::Regular,
        "",
        0o644,
        users,
    );
    entry(
        tar,
        &path("etc/group"),
        EntryType::Regular,
        "",
        0o644,
        b"root:x:0:\ntape:x:26:\n",
    );
    entry(tar, &path("tmp"), EntryType::Directory, "", 0o777, b"");
}

/// Adds one entry, whatever its name.
pub(super) fn entry(
    tar: &mut Builder<Vec<u8>>,
    path: &str,
    kind: EntryType,
    link: &str,
    mode: u32,
    data: &[u8],
) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(data.len() as u64);
    // Not by the methods that look at what they are given.
    let old = header.as_old_mut();
    let bytes = Path::new(path).as_os_str().as_bytes();
    old.name[..bytes.len()].copy_from_slice(bytes);
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    tar.append(&header, data).unwrap();
}
