//! Archives made by hand, byte by byte if need be.

use std::io::Write;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// An archive in the making.
pub(in crate::appc) struct Archive(Builder<Vec<u8>>);

impl Archive {
    /// One with a manifest of that name.
    pub(in crate::appc) fn named(name: &str) -> Self {
        Self::with(name, json!({}))
    }

    /// One whose manifest says more.
    pub(in crate::appc) fn with(name: &str, more: Value) -> Self {
        let mut manifest = json!({"acKind": "ImageManifest", "acVersion": "0.8.11", "name": name});
        manifest
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Self::empty().file("manifest", manifest.to_string().as_bytes())
    }

    /// One without a manifest.
    pub(in crate::appc) fn empty() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(in crate::appc) fn file(self, path: &str, data: &[u8]) -> Self {
        self.entry(path.as_bytes(), EntryType::Regular, b"", data)
    }

    pub(in crate::appc) fn directory(self, path: &str) -> Self {
        self.entry(path.as_bytes(), EntryType::Directory, b"", b"")
    }

    pub(in crate::appc) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path.as_bytes(), EntryType::Symlink, target.as_bytes(), b"")
    }

    pub(in crate::appc) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(path.as_bytes(), EntryType::Link, target.as_bytes(), b"")
    }

    /// Anything at all; names are not looked at.
    pub(in crate::appc) fn entry(
        self,
        name: &[u8],
        kind: EntryType,
        link: &[u8],
        data: &[u8],
    ) -> Self {
        self.header(header(name, kind, link, data.len() as u64), data)
    }

    pub(in crate::appc) fn header(mut self, mut header: Header, data: &[u8]) -> Self {
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    pub(in crate::appc) fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    pub(in crate::appc) fn gzip(self) -> Vec<u8> {
        gzip(&self.tar())
    }
}

/// A header that belongs to whoever runs the test.
pub(in crate::appc) fn header(name: &[u8], kind: EntryType, link: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(nix::unistd::getuid().as_raw().into());
    header.set_gid(nix::unistd::getgid().as_raw().into());
    header.set_mtime(1_000_000_000);
    header.set_size(size);
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name);
    old.linkname[..link.len()].copy_from_slice(link);
    header
}

pub(in crate::appc) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a tool makes of it.
pub(in crate::appc) fn compressed(tool: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(tool)
        .args(["--compress", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}
