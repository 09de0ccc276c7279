//! Headers that say more of the entry behind them: GNU's long names, POSIX' records.

use std::io::Read;

use tar::{EntryType, PaxExtensions};

use super::super::error::AppcError;

/// Room for one path and a few attributes.
const LONGEST: u64 = 64 * 1024;

/// What was said of the next entry.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
}

impl Extended {
    /// Takes a header that says more of the next entry; false for any other.
    ///
    /// # Errors
    /// When it is too long, or describes what an image must not have.
    pub(super) fn take(
        &mut self,
        kind: EntryType,
        size: u64,
        data: &mut impl Read,
    ) -> Result<bool, AppcError> {
        match kind {
            EntryType::GNULongName => self.path = Some(text(size, data)?),
            EntryType::GNULongLink => self.link = Some(text(size, data)?),
            EntryType::XHeader => self.records(&bytes(size, data)?)?,
            // It would hold for all entries; the writers that exist put comments there.
            EntryType::XGlobalHeader => drop(bytes(size, data)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn records(&mut self, bytes: &[u8]) -> Result<(), AppcError> {
        let broken = |detail: String| AppcError::Archive(format!("an extended header {detail}"));
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(|error| broken(format!("is broken: {error}")))?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                key @ (b"size" | b"uid" | b"gid") => {
                    let text = std::str::from_utf8(value).ok();
                    let number = text.and_then(|text| text.parse().ok()).ok_or_else(|| {
                        let key = String::from_utf8_lossy(key);
                        broken(format!("has a {key} that is no number"))
                    })?;
                    match key {
                        b"size" => self.size = Some(number),
                        b"uid" => self.uid = Some(number),
                        _ => self.gid = Some(number),
                    }
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(broken(
                        "tells of a sparse file, which images must not have".into(),
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn bytes(size: u64, data: &mut impl Read) -> Result<Vec<u8>, AppcError> {
    if size > LONGEST {
        let text = format!("a header of {size} bytes tells of one entry; {LONGEST} are allowed");
        return Err(AppcError::Archive(text));
    }
    let mut bytes = Vec::new();
    data.take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(AppcError::io("read an archive"))?;
    Ok(bytes)
}

/// GNU's long names end with a zero byte.
fn text(size: u64, data: &mut impl Read) -> Result<Vec<u8>, AppcError> {
    let mut text = bytes(size, data)?;
    while text.last() == Some(&0) {
        text.pop();
    }
    Ok(text)
}
