//! A task's volumes as bind mounts.

use std::path::{Component, Path};

use mesos::{Volume, VolumeMode};

use super::spec::Bind;
use crate::EngineError;

/// Turns volumes into bind mounts. A relative container path is below the sandbox.
///
/// # Errors
/// [`EngineError::Unsupported`] for a volume that Mesos would refuse as well: one
/// without an existing host path, one whose path leaves its place, and, on the
/// host's file system, one whose mount point the host does not have.
pub(super) fn binds(
    volumes: &[Volume],
    sandbox: &str,
    on_host: bool,
) -> Result<Vec<Bind>, EngineError> {
    volumes
        .iter()
        .map(|volume| bind(volume, sandbox, on_host))
        .collect()
}

fn bind(volume: &Volume, sandbox: &str, on_host: bool) -> Result<Bind, EngineError> {
    let path = &volume.container_path;
    let refuse = |why: String| {
        Err(EngineError::Unsupported(format!(
            "volume '{path}' cannot be mounted: {why}"
        )))
    };
    if path.is_empty()
        || Path::new(path)
            .components()
            .any(|part| part == Component::ParentDir)
    {
        return refuse("its container path must be a path without '..'".to_owned());
    }
    let Some(source) = volume
        .host_path
        .as_deref()
        .filter(|source| source.starts_with('/'))
    else {
        return refuse(
            "it needs an absolute host path; persistent and external volumes are not supported"
                .to_owned(),
        );
    };
    if !Path::new(source).exists() {
        return refuse(format!("the host has no '{source}'; make it first"));
    }
    let is_relative = !path.starts_with('/');
    if on_host && !is_relative && !Path::new(path).exists() {
        return refuse(format!(
            "without an image the task sees the host's file system, which has no '{path}'; \
             make it, or give a relative path, which is below the task's sandbox"
        ));
    }
    let destination = if is_relative {
        format!("{sandbox}/{path}")
    } else {
        path.clone()
    };
    Ok(Bind {
        source: source.to_owned(),
        destination,
        read_only: volume.mode == VolumeMode::Ro,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(host: Option<&str>, container: &str) -> Volume {
        Volume {
            mode: VolumeMode::Ro,
            container_path: container.to_owned(),
            host_path: host.map(str::to_owned),
        }
    }

    #[test]
    fn absolute_and_relative_paths() {
        let given = [volume(Some("/etc"), "/data"), volume(Some("/usr"), "data")];
        let binds = binds(&given, "/box", false).unwrap();
        assert_eq!(
            (binds[0].source.as_str(), binds[0].destination.as_str()),
            ("/etc", "/data")
        );
        assert_eq!(binds[1].destination, "/box/data");
        assert!(binds[0].read_only);
    }

    #[test]
    fn what_cannot_be_mounted_is_named() {
        for (volume, on_host, why) in [
            (volume(None, "/data"), false, "absolute host path"),
            (
                volume(Some("relative"), "/data"),
                false,
                "absolute host path",
            ),
            (
                volume(Some("/no/such"), "/data"),
                false,
                "the host has no '/no/such'",
            ),
            (volume(Some("/etc"), "/a/../../b"), false, "without '..'"),
            (volume(Some("/etc"), ""), false, "without '..'"),
            (
                volume(Some("/etc"), "/no/such/point"),
                true,
                "without an image",
            ),
        ] {
            let error = binds(&[volume], "/box", on_host).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
