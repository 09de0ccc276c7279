//! An OCI image layout out of the machine's static busybox (image-spec, "Image
//! Layout").

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{image, tool};

/// Writes a tar with an image of one layer that is called `name` and wants to be run
/// as `run` (JSON) says.
pub(super) fn write_busybox(tar: &Path, name: &str, run: &str) -> Result<()> {
    let root = tempfile::tempdir().context("making a directory for the image")?;
    let root = root.path();
    let blobs = root.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let layer = root.join("layer");
    image::write_busybox_tar(&layer)?;
    let (layer, layer_size) = add(&blobs, &layer)?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let (config, config_size) = add_text(
        root,
        &format!(
            r#"{{"architecture": "{architecture}", "os": "linux", "config": {run},
                "rootfs": {{"type": "layers", "diff_ids": ["sha256:{layer}"]}}}}"#
        ),
    )?;
    let vendor = "application/vnd.oci.image";
    let (manifest, manifest_size) = add_text(
        root,
        &format!(
            r#"{{"schemaVersion": 2, "mediaType": "{vendor}.manifest.v1+json",
                "config": {{"mediaType": "{vendor}.config.v1+json",
                    "digest": "sha256:{config}", "size": {config_size}}},
                "layers": [{{"mediaType": "{vendor}.layer.v1.tar",
                    "digest": "sha256:{layer}", "size": {layer_size}}}]}}"#
        ),
    )?;
    let index = format!(
        r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "{vendor}.manifest.v1+json",
            "digest": "sha256:{manifest}", "size": {manifest_size},
            "annotations": {{"io.containerd.image.name": "{name}"}}}}]}}"#
    );
    fs::write(root.join("index.json"), index)?;
    fs::write(
        root.join("oci-layout"),
        r#"{"imageLayoutVersion": "1.0.0"}"#,
    )?;
    let mut command = Command::new("tar");
    command.arg("-C").arg(root).arg("-cf").arg(tar);
    tool::output(command.args(["oci-layout", "index.json", "blobs"])).map(drop)
}

fn add_text(root: &Path, text: &str) -> Result<(String, u64)> {
    let path = root.join("text");
    fs::write(&path, text)?;
    add(&root.join("blobs/sha256"), &path)
}

/// Moves a file to where its hash says and returns the hash and the file's size.
fn add(blobs: &Path, file: &Path) -> Result<(String, u64)> {
    let said = tool::output(Command::new("sha256sum").arg(file))?;
    let hash = said.split(' ').next().unwrap_or_default().to_owned();
    let size = fs::metadata(file)?.len();
    fs::rename(file, blobs.join(&hash))?;
    Ok((hash, size))
}
