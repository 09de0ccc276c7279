//! AppC images: found, fetched, verified and put together.
//!
//! An image is an archive with a manifest and files, and perhaps with dependencies whose
//! files lie below its own (AppC specification 0.8). It is made by strangers: every
//! archive is decompressed within limits, hashed, listed and judged as a whole before it
//! is kept ([`store`]); which file is seen where is settled before anything is written
//! ([`tree`]); and writing cannot leave its directory ([`render`]).
//!
//! Running it is not this module's business, nor is where it is written to.

mod assembled;
mod decompress;
mod error;
mod ingest;
mod limits;
mod listing;
mod manifest;
mod names;
mod render;
mod resolve;
mod space;
mod store;
mod tree;

pub(crate) use error::AppcError;
pub(crate) use limits::Limits;
#[cfg(test)]
pub(crate) use manifest::MountPoint;
pub(crate) use manifest::{App, Manifest, Port};
pub(crate) use names::Wanted;
pub(crate) use resolve::Appc;

/// Whether bytes are a manifest that is accepted, with its name; for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn appc_manifest(json: &[u8]) -> Option<String> {
    manifest::read(json).ok().map(|manifest| manifest.name)
}

#[cfg(test)]
mod tests;
