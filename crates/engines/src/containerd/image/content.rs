//! Writing into containerd's content store.
//!
//! What is written half stays under its name, and the next attempt goes on from there,
//! also one of the next daemon. containerd compares the digest at the end.

use std::collections::HashMap;

use bytes::Bytes;
use containerd_client::services::v1::{
    self, AbortRequest, UpdateRequest, WriteAction, WriteContentRequest, WriteContentResponse,
};
use containerd_client::tonic::{Code, Status, Streaming};
use futures::channel::mpsc;
use prost_types::FieldMask;

use super::super::client::{Absent, Client, ENGINE, PATIENCE};
use super::pull::PullError;
use crate::EngineError;

/// Bytes that go to containerd at once.
pub(super) const PART: usize = 1024 * 1024;

/// Something that is being written. Giving it up keeps what is written.
pub(super) struct Writer {
    client: Client,
    name: String,
    digest: String,
    size: u64,
    requests: mpsc::Sender<WriteContentRequest>,
    answers: Streaming<WriteContentResponse>,
    /// Bytes that containerd has.
    pub(super) offset: u64,
}

impl Writer {
    /// Begins to write, or goes on with it; `None` when containerd has all of it.
    ///
    /// # Errors
    /// [`PullError::Busy`] when somebody else writes the same.
    pub(super) async fn open(
        client: &Client,
        digest: &str,
        size: u64,
    ) -> Result<Option<Self>, PullError> {
        let name = format!("sealane-{digest}");
        let first = WriteContentRequest {
            action: WriteAction::Stat.into(),
            r#ref: name.clone(),
            total: signed(size),
            expected: digest.to_owned(),
            ..WriteContentRequest::default()
        };
        // One request is on its way at a time, so there is always room.
        let (mut requests, stream) = mpsc::channel(1);
        requests.try_send(first).map_err(|_| gone())?;
        let mut content = client.content().await?;
        let answers = match tokio::time::timeout(PATIENCE, content.write(stream)).await {
            Ok(Ok(answers)) => answers.into_inner(),
            Ok(Err(status)) => return opened_badly(client, &status),
            Err(_) => return Err(refused(client, &silent())),
        };
        let mut writer = Self {
            client: client.clone(),
            name,
            digest: digest.to_owned(),
            size,
            requests,
            answers,
            offset: 0,
        };
        match writer.answer().await {
            Ok(answer) => {
                writer.offset = u64::try_from(answer.offset).unwrap_or(0);
                Ok(Some(writer))
            }
            Err(status) => opened_badly(client, &status),
        }
    }

    /// Writes on.
    pub(super) async fn write(&mut self, data: Bytes) -> Result<(), PullError> {
        let length = data.len() as u64;
        let request = WriteContentRequest {
            action: WriteAction::Write.into(),
            offset: signed(self.offset),
            data: data.into(),
            ..WriteContentRequest::default()
        };
        self.send(request)
            .await
            .map_err(|status| self.refused(&status))?;
        self.offset += length;
        Ok(())
    }

    /// Ends the writing; `labels` say what it refers to.
    ///
    /// # Errors
    /// [`PullError::Digest`] when it is not what it should be. It is forgotten then.
    pub(super) async fn commit(mut self, labels: HashMap<String, String>) -> Result<(), PullError> {
        let request = WriteContentRequest {
            action: WriteAction::Commit.into(),
            offset: signed(self.offset),
            total: signed(self.size),
            expected: self.digest.clone(),
            labels,
            ..WriteContentRequest::default()
        };
        match self.send(request).await {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::AlreadyExists => Ok(()),
            Err(status) if status.code() == Code::FailedPrecondition => {
                let found = found_digest(status.message());
                self.forget().await?;
                Err(PullError::Digest(found))
            }
            Err(status) => Err(self.refused(&status)),
        }
    }

    /// Gives up what is written so far.
    pub(super) async fn forget(self) -> Result<(), PullError> {
        let Self {
            client,
            name,
            requests,
            answers,
            ..
        } = self;
        // containerd holds the name as long as the stream is open.
        drop((requests, answers));
        let mut content = client.content().await?;
        let request = AbortRequest { r#ref: name };
        let answer = client
            .ask("forget a download", content.abort(request))
            .await;
        Ok(answer.absent().map(drop)?)
    }

    async fn send(&mut self, request: WriteContentRequest) -> Result<WriteContentResponse, Status> {
        if self.requests.try_send(request).is_err() {
            // The reason is in the answer.
            return Err(self
                .answer()
                .await
                .err()
                .unwrap_or_else(|| Status::unavailable("it hung up")));
        }
        self.answer().await
    }

    async fn answer(&mut self) -> Result<WriteContentResponse, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message());
        match answer.await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => Err(Status::unavailable("it hung up")),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(silent()),
        }
    }

    fn refused(&self, status: &Status) -> PullError {
        refused(&self.client, status)
    }
}

/// Labels on content that containerd has already.
pub(super) async fn label(
    client: &Client,
    digest: &str,
    labels: HashMap<String, String>,
) -> Result<(), EngineError> {
    if labels.is_empty() {
        return Ok(());
    }
    let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
    let request = UpdateRequest {
        info: Some(v1::Info {
            digest: digest.to_owned(),
            labels,
            ..v1::Info::default()
        }),
        update_mask: Some(FieldMask { paths }),
    };
    let mut content = client.content().await?;
    client
        .ask(&format!("label {digest}"), content.update(request))
        .await?;
    Ok(())
}

fn opened_badly(client: &Client, status: &Status) -> Result<Option<Writer>, PullError> {
    match status.code() {
        Code::AlreadyExists => Ok(None),
        // Its own kind of unavailable: the name is held by another writer.
        Code::Unavailable if status.message().contains("locked") => Err(PullError::Busy),
        _ => Err(refused(client, status)),
    }
}

fn refused(client: &Client, status: &Status) -> PullError {
    EngineError::from(client.refused("store a part of an image", status)).into()
}

fn silent() -> Status {
    Status::deadline_exceeded("it does not answer")
}

fn gone() -> EngineError {
    EngineError::Failed {
        engine: ENGINE,
        action: "store a part of an image".to_owned(),
        detail: "it hung up".to_owned(),
    }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The digest in "unexpected commit digest sha256:…, expected …".
fn found_digest(message: &str) -> String {
    let words = message.split([' ', ',']);
    let mut digests = words.filter(|word| word.starts_with("sha256:"));
    digests.next().unwrap_or("another one").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_that_containerd_found() {
        let said = "unexpected commit digest sha256:aa, expected sha256:bb: failed precondition";
        assert_eq!(found_digest(said), "sha256:aa");
        assert_eq!(found_digest("unexpected commit size 1"), "another one");
    }
}
