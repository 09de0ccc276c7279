//! From a reference to the manifest for this machine.

use std::collections::HashMap;

use super::super::DEPTH;
use super::super::manifest::{self, Manifest};
use super::PullError;
use super::blob::Blob;
use crate::registry::{Document, RegistryError, Repository};

/// Kinds of configurations that belong to images that run.
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// Kinds of layers that containerd unpacks; an ending says how it is compressed.
const LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];
const COMPRESSED: [&str; 5] = ["", "+gzip", ".gzip", "+zstd", ".zstd"];
/// More layers than any file system stacks.
const MOST_LAYERS: usize = 127;

/// An image as its registry has it.
#[derive(Debug)]
pub(super) struct Found {
    /// Indexes, each leading to the next and the last to the manifest.
    indexes: Vec<Document>,
    document: Document,
    manifest: Manifest,
    /// Where it is from: a label for containerd's clients.
    origin: (String, String),
}

/// Follows indexes to the manifest for this machine.
///
/// # Errors
/// When one of them is missing or of no kind that runs, or none is for this machine.
pub(super) async fn find(repository: &Repository) -> Result<Found, PullError> {
    let name = repository.name();
    let mut reference = name.reference().to_owned();
    let mut indexes = Vec::new();
    while indexes.len() < DEPTH {
        let document = repository.document(&reference).await?;
        let read = manifest::document(&document.bytes)
            .map_err(|problem| odd(repository, format!("sent {}: {problem}", document.digest)))?;
        match read {
            manifest::Document::Index(descriptor) => {
                // What a digest leads to cannot lead back; a tag's place can.
                if !manifest::is_digest(&descriptor.digest) {
                    let text = "sent an index that leads to something without a sha256 digest";
                    return Err(odd(repository, text.to_owned()));
                }
                indexes.push(document);
                reference = descriptor.digest;
            }
            manifest::Document::Manifest(manifest) => {
                let key = format!("containerd.io/distribution.source.{}", name.registry());
                let found = Found {
                    indexes,
                    document,
                    manifest,
                    origin: (key, name.repository().to_owned()),
                };
                return found.judged(repository);
            }
        }
    }
    Err(odd(
        repository,
        format!("nests indexes more than {DEPTH} deep"),
    ))
}

impl Found {
    fn judged(self, repository: &Repository) -> Result<Self, PullError> {
        let Manifest { config, layers } = &self.manifest;
        let kind = |kind: &str| {
            let shown = kind.escape_debug().take(100).collect();
            PullError::Registry(RegistryError::MediaType(shown))
        };
        if !CONFIGS.contains(&config.media_type.as_str()) {
            return Err(kind(&config.media_type));
        }
        if layers.len() > MOST_LAYERS {
            let text = format!(
                "sent a manifest with {} layers; {MOST_LAYERS} are possible",
                layers.len()
            );
            return Err(odd(repository, text));
        }
        for layer in layers {
            let ending = LAYERS
                .iter()
                .find_map(|known| layer.media_type.strip_prefix(known));
            if !ending.is_some_and(|ending| COMPRESSED.contains(&ending)) {
                return Err(kind(&layer.media_type));
            }
        }
        Ok(self)
    }

    /// Configuration and layers, each once.
    ///
    /// # Errors
    /// When a digest or a size is none.
    pub(super) fn blobs(&self) -> Result<Vec<Blob>, PullError> {
        let mut blobs: Vec<Blob> = Vec::new();
        for descriptor in std::iter::once(&self.manifest.config).chain(&self.manifest.layers) {
            let blob = Blob::new(descriptor, &self.origin)?;
            if blobs.iter().all(|known| known.digest != blob.digest) {
                blobs.push(blob);
            }
        }
        Ok(blobs)
    }

    /// What the image's name leads to.
    pub(super) fn top(&self) -> &Document {
        self.indexes.first().unwrap_or(&self.document)
    }

    /// The documents, the manifest first, with labels that keep from containerd's
    /// garbage collection what they refer to.
    pub(super) fn documents(&self) -> impl Iterator<Item = (&Document, HashMap<String, String>)> {
        let mut below: Option<&str> = None;
        let upwards = std::iter::once(&self.document).chain(self.indexes.iter().rev());
        upwards.map(move |document| {
            let mut labels = HashMap::from([self.origin.clone()]);
            match below.replace(&document.digest) {
                Some(digest) => {
                    labels.insert(
                        "containerd.io/gc.ref.content.m.0".to_owned(),
                        digest.to_owned(),
                    );
                }
                None => labels.extend(self.references()),
            }
            (document, labels)
        })
    }

    fn references(&self) -> impl Iterator<Item = (String, String)> {
        let Manifest { config, layers } = &self.manifest;
        let key = |end: String| format!("containerd.io/gc.ref.content.{end}");
        let layers = layers.iter().enumerate();
        let layers =
            layers.map(move |(number, it)| (key(format!("l.{number}")), it.digest.clone()));
        layers.chain([(key("config".to_owned()), config.digest.clone())])
    }
}

fn odd(repository: &Repository, problem: String) -> PullError {
    let registry = repository.name().registry().to_owned();
    RegistryError::Odd { registry, problem }.into()
}
