//! The documents of an image: index, manifest, configuration.
//!
//! Docker's and OCI's forms share the fields read here (OCI image-spec, "Image
//! Index", "Image Manifest", "Image Configuration").

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A reference to content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    /// Kind of content.
    #[serde(default)]
    pub(crate) media_type: String,
    /// `sha256:…`.
    pub(crate) digest: String,
    /// In bytes.
    pub(crate) size: i64,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// What a descriptor of an image leads to.
#[derive(Debug)]
pub(crate) enum Document {
    /// The manifest that fits this machine is elsewhere.
    Index(Descriptor),
    /// The manifest itself.
    Manifest(Manifest),
}

/// Parts of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Manifest {
    /// Its configuration.
    pub(crate) config: Descriptor,
    /// Its layers, the lowest first.
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// How an image wants to be run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RunConfig {
    /// Program and first arguments.
    #[serde(deserialize_with = "null_is_empty")]
    pub(crate) entrypoint: Vec<String>,
    /// Further arguments, replaceable.
    #[serde(deserialize_with = "null_is_empty")]
    pub(crate) cmd: Vec<String>,
    /// `NAME=value`.
    #[serde(deserialize_with = "null_is_empty")]
    pub(crate) env: Vec<String>,
    /// `user[:group]`.
    pub(crate) user: String,
    /// Working directory.
    pub(crate) working_dir: String,
    /// Signal that ends it politely.
    pub(crate) stop_signal: Option<String>,
    /// Absolute paths at which a volume must not be written to (AppC).
    #[serde(skip)]
    pub(crate) read_only: Vec<String>,
    /// Ports that it says it listens on, for people (AppC).
    #[serde(skip)]
    pub(crate) ports: Option<String>,
}

/// An image's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Config {
    /// How it wants to be run.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) config: RunConfig,
    /// Its layers, unpacked.
    pub(crate) rootfs: Rootfs,
}

/// Digests of the unpacked layers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Rootfs {
    /// The lowest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) diff_ids: Vec<String>,
}

/// Reads an index or a manifest; media types are not asked, because older tools
/// leave them out.
///
/// # Errors
/// Says what is wrong with it, such as having nothing for this machine.
pub(crate) fn document(json: &[u8]) -> Result<Document, String> {
    if let Ok(manifest) = serde_json::from_slice(json) {
        return Ok(Document::Manifest(manifest));
    }
    let index: Index = serde_json::from_slice(json)
        .map_err(|error| format!("neither index nor manifest: {error}"))?;
    let wanted = architecture();
    let fits = |descriptor: &&Descriptor| match &descriptor.platform {
        Some(platform) => platform.os == "linux" && platform.architecture == wanted,
        None => true,
    };
    // One that names this machine goes before one that names none.
    let mut fitting: Vec<_> = index.manifests.iter().filter(fits).collect();
    fitting.sort_by_key(|descriptor| descriptor.platform.is_none());
    match fitting.first() {
        Some(descriptor) => Ok(Document::Index((*descriptor).clone())),
        None => Err(format!("it has nothing for linux/{wanted}")),
    }
}

/// Whether a text is `sha256:` and a hash.
pub(crate) fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// Go's name of this machine's architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// Go writes absent lists as null.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn descriptor(digest: &str) -> serde_json::Value {
        json!({"mediaType": "m", "digest": digest, "size": 3})
    }

    #[test]
    fn an_index_leads_to_this_machines_manifest() {
        let mut own = descriptor("own");
        own["platform"] = json!({"os": "linux", "architecture": architecture()});
        let mut other = descriptor("other");
        other["platform"] = json!({"os": "plan9", "architecture": "amd64"});
        let read = |manifests: serde_json::Value| {
            document(json!({"manifests": manifests}).to_string().as_bytes())
        };
        let chosen = |manifests| match read(manifests).unwrap() {
            Document::Index(descriptor) => descriptor.digest,
            Document::Manifest(manifest) => panic!("{manifest:?}"),
        };
        assert_eq!(chosen(json!([other, descriptor("any"), own])), "own");
        assert_eq!(chosen(json!([other, descriptor("any")])), "any");
        assert!(
            read(json!([other]))
                .unwrap_err()
                .starts_with("it has nothing for linux/")
        );
        assert!(document(b"{}").is_err());
        assert!(document(b"\xff").is_err());
    }

    #[test]
    fn a_manifest_is_recognised() {
        let json = json!({"config": descriptor("c"), "layers": [descriptor("l")]}).to_string();
        let Document::Manifest(manifest) = document(json.as_bytes()).unwrap() else {
            panic!("{json}")
        };
        assert_eq!(
            (manifest.config.digest.as_str(), manifest.layers.len()),
            ("c", 1)
        );
    }

    #[test]
    fn configurations_with_nulls() {
        let json = json!({"config": {"Cmd": ["sh"], "Entrypoint": null, "StopSignal": "SIGINT"},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}});
        let config: Config = serde_json::from_value(json).unwrap();
        assert_eq!(config.config.cmd, ["sh"]);
        assert!(config.config.entrypoint.is_empty());
        let bare: Config =
            serde_json::from_value(json!({"config": null, "rootfs": {"diff_ids": null}})).unwrap();
        assert_eq!(bare.config, RunConfig::default());
    }
}
