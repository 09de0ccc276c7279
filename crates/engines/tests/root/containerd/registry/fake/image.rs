//! The fake registry's one image.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::Builder;

use super::super::super::busybox;
use super::{Fault, VENDOR};

/// The parts of an image.
pub(super) struct Image {
    pub(super) layer: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

/// As images refer to it.
pub(super) fn digest(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{digits}")
}

/// An image that says `pulled`; no two faults share a layer, which containerd would have.
pub(super) fn make(fault: Fault) -> Image {
    let mut tar = Builder::new(Vec::new());
    busybox::add(&mut tar, "");
    let unique = format!("{fault:?} {}", std::process::id());
    busybox::entry(
        &mut tar,
        "unique",
        tar::EntryType::Regular,
        "",
        0o644,
        unique.as_bytes(),
    );
    let tar = tar.into_inner().unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&tar).unwrap();
    let layer = encoder.finish().unwrap();
    let diff_id = match fault {
        Fault::DiffOther => digest(unique.as_bytes()),
        Fault::DiffName => "sealane-appc-x".to_owned(),
        _ => digest(&tar),
    };
    let config = json!({"os": "linux", "architecture": "any",
        "config": {"Cmd": ["/bin/sh", "-c", "echo pulled; sleep 1000"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    let config = config.to_string().into_bytes();
    let (config_kind, compression) = match fault {
        Fault::Artifact => (
            "application/vnd.cncf.helm.config.v1+json".to_owned(),
            "gzip",
        ),
        Fault::LayerKind => (format!("{VENDOR}.config.v1+json"), "rar"),
        _ => (format!("{VENDOR}.config.v1+json"), "gzip"),
    };
    let manifest = json!({"schemaVersion": 2, "mediaType": format!("{VENDOR}.manifest.v1+json"),
        "config": {"mediaType": config_kind, "digest": digest(&config), "size": config.len()},
        "layers": [{"mediaType": format!("{VENDOR}.layer.v1.tar+{compression}"),
            "digest": digest(&layer), "size": layer.len()}]});
    let manifest = manifest.to_string().into_bytes();
    Image {
        layer,
        config,
        manifest,
    }
}
