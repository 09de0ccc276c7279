//! An archive from anywhere, made a plain tar file whose hash is known.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha512};
use tempfile::NamedTempFile;

use super::decompress::Plain;
use super::error::AppcError;
use super::limits::Limits;
use super::space;
use crate::hex::hex;

/// How often free space is looked at, in bytes.
const LOOK: u64 = 64 << 20;

/// A plain archive, not kept yet: it is deleted with this value.
#[derive(Debug)]
pub(super) struct Ingested {
    /// The file.
    pub(super) file: NamedTempFile,
    /// Its hash.
    pub(super) id: String,
}

/// Decompresses `archive` into a file in `dir`.
///
/// # Errors
/// When it is none, is cut off, or is larger than the limits allow.
pub(super) fn ingest(archive: File, dir: &Path, limits: &Limits) -> Result<Ingested, AppcError> {
    let fetched = archive
        .metadata()
        .map_err(AppcError::io("look at an archive"))?
        .len();
    if fetched > limits.fetched {
        return Err(too_large(fetched, limits.fetched));
    }
    let mut file = super::store::temporary(dir)?;
    let mut plain = Plain::new(archive)?;
    let mut hash = Sha512::new();
    let (mut total, mut looked) = (0_u64, 0);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let length = plain.read(&mut buffer).map_err(|error| {
            AppcError::Archive(format!(
                "it is cut off or broken after {total} bytes: {error}"
            ))
        })?;
        let part = buffer.get(..length).unwrap_or_default();
        if part.is_empty() {
            break;
        }
        total += part.len() as u64;
        within(total, fetched, limits)?;
        if total >= looked {
            space::require(&file, LOOK, 1)?;
            looked = total + LOOK;
        }
        hash.update(part);
        file.write_all(part)
            .map_err(AppcError::io("write an archive"))?;
    }
    // What is renamed to its hash later must have it after a power cut, too.
    file.as_file()
        .sync_all()
        .map_err(AppcError::io("write an archive"))?;
    let id = hex(&hash.finalize());
    Ok(Ingested { file, id })
}

/// Refuses archives that grow and grow, soon enough.
fn within(total: u64, fetched: u64, limits: &Limits) -> Result<(), AppcError> {
    if total > limits.unpacked {
        return Err(too_large(total, limits.unpacked));
    }
    if total > limits.harmless && total > fetched.saturating_mul(limits.ratio) {
        return Err(AppcError::Archive(format!(
            "it grows to more than {} times its {fetched} bytes, as only a decompression bomb does",
            limits.ratio
        )));
    }
    Ok(())
}

fn too_large(size: u64, limit: u64) -> AppcError {
    AppcError::Archive(format!("it has {size} bytes or more; {limit} are allowed"))
}
