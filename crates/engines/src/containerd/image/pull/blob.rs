//! One blob, from a registry into containerd's store.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;

use super::super::super::client::Client;
use super::super::content::{PART, Writer};
use super::super::manifest::{Descriptor, is_digest};
use super::PullError;
use crate::fetch::{Answer, FetchError};
use crate::registry::{RegistryError, Repository};

/// A configuration or a layer.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) digest: String,
    pub(super) size: u64,
    /// A label that says where it is from.
    origin: (String, String),
}

impl Blob {
    /// # Errors
    /// When digest or size is none.
    pub(super) fn new(
        descriptor: &Descriptor,
        origin: &(String, String),
    ) -> Result<Self, PullError> {
        let size = u64::try_from(descriptor.size);
        match size {
            Ok(size) if is_digest(&descriptor.digest) => Ok(Self {
                digest: descriptor.digest.clone(),
                size,
                origin: origin.clone(),
            }),
            _ => Err(PullError::Registry(RegistryError::Reference(
                descriptor.digest.escape_debug().take(100).collect(),
            ))),
        }
    }

    /// Fetches it, from where an earlier attempt ended, unless containerd has it.
    /// `done` hears how many bytes there are.
    pub(super) async fn fetch(
        &self,
        client: &Client,
        repository: &Repository,
        mut done: impl FnMut(u64),
    ) -> Result<(), PullError> {
        let Some(mut writer) = Writer::open(client, &self.digest, self.size).await? else {
            done(self.size);
            return Ok(());
        };
        let begun = writer.offset;
        done(begun);
        if writer.offset < self.size {
            let answer = repository.blob(&self.digest, writer.offset).await?;
            self.copy(answer, repository, &mut writer, &mut done)
                .await?;
        }
        let labels = HashMap::from([self.origin.clone()]);
        match writer.commit(labels).await {
            // What an earlier attempt left may be at fault; it is gone now.
            Err(PullError::Digest(_)) if begun > 0 => Err(PullError::Busy),
            Err(PullError::Digest(found)) => Err(RegistryError::Digest {
                registry: repository.name().registry().to_owned(),
                what: "a layer or configuration",
                wanted: self.digest.clone(),
                found,
            }
            .into()),
            ended => ended,
        }
    }

    async fn copy(
        &self,
        mut answer: Answer,
        repository: &Repository,
        writer: &mut Writer,
        done: &mut impl FnMut(u64),
    ) -> Result<(), PullError> {
        // A registry that knows no ranges begins anew.
        let partial = answer.status() == StatusCode::PARTIAL_CONTENT;
        let mut skip = if partial { 0 } else { writer.offset };
        let mut buffer = BytesMut::with_capacity(PART);
        while let Some(part) = answer.part().await? {
            let part = without(part, &mut skip);
            if writer.offset + (buffer.len() + part.len()) as u64 > self.size {
                return Err(PullError::Registry(RegistryError::Odd {
                    registry: repository.name().registry().to_owned(),
                    problem: format!("sent more than the {} bytes of {}", self.size, self.digest),
                }));
            }
            buffer.extend_from_slice(&part);
            if buffer.len() >= PART {
                writer.write(buffer.split().freeze()).await?;
                done(writer.offset);
            }
        }
        if !buffer.is_empty() {
            writer.write(buffer.freeze()).await?;
            done(writer.offset);
        }
        if writer.offset < self.size {
            let detail = format!("{} of {} bytes came", writer.offset, self.size);
            let host = repository.name().registry().to_owned();
            return Err(FetchError::Broken { host, detail }.into());
        }
        Ok(())
    }
}

/// What is left of a part once `skip` bytes are taken off.
fn without(mut part: Bytes, skip: &mut u64) -> Bytes {
    let length = usize::try_from(*skip).unwrap_or(usize::MAX).min(part.len());
    *skip -= length as u64;
    part.split_off(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_skipped() {
        let mut skip = 5;
        let parts = ["abc", "def", "gh"].map(|part| without(Bytes::from(part), &mut skip));
        assert_eq!(parts, ["", "f", "gh"]);
        assert_eq!(skip, 0);
    }
}
