//! One conversation with a plugin.

use std::path::PathBuf;
use std::sync::Arc;

use sealane_cni::{Answer, Failure, Request, code};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Attachments, Limits, namespace};

pub(super) struct Conversation {
    pub(super) attachments: Arc<dyn Attachments>,
    pub(super) limits: Limits,
    pub(super) user: u32,
}

impl Conversation {
    /// Hears the request and answers it, whatever it is.
    pub(super) async fn hold(self, mut stream: UnixStream) {
        let limit = self.limits.time;
        let answer = match self.hear(&mut stream).await {
            Ok((request, caller)) => self.judge(request, caller).await,
            Err(failure) => {
                tracing::debug!(%failure, "a CNI request is refused");
                Answer::Failed(failure)
            }
        };
        let Ok(text) = serde_json::to_vec(&answer) else {
            tracing::error!(?answer, "a CNI answer cannot be written");
            return;
        };
        let tell = async {
            stream.write_all(&text).await?;
            stream.shutdown().await
        };
        // A plugin that was killed meanwhile is no concern: its runtime will say DEL.
        match timeout(limit, tell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a CNI plugin did not wait"),
            Err(_) => tracing::debug!("a CNI plugin does not take its answer"),
        }
    }

    /// The request, and who sent it.
    async fn hear(&self, stream: &mut UnixStream) -> Result<(Request, Option<i32>), Failure> {
        let io = |error: std::io::Error| Failure::new(code::IO, format!("no request: {error}"));
        let caller = stream.peer_cred().map_err(io)?;
        if caller.uid() != self.user {
            let msg = "only root may change this node's networks; run the plugin as root";
            return Err(Failure::new(code::IO, msg));
        }
        let mut text = Vec::new();
        let mut limited = stream.take(self.limits.bytes + 1);
        match timeout(self.limits.time, limited.read_to_end(&mut text)).await {
            Ok(read) => read.map_err(io)?,
            Err(_) => {
                let limit = self.limits.time.as_secs();
                let msg = format!("the request did not end within {limit} s");
                return Err(Failure::new(code::IO, msg));
            }
        };
        if text.len() as u64 > self.limits.bytes {
            let msg = format!("the request has more than {} bytes", self.limits.bytes);
            return Err(Failure::new(code::DECODING, msg));
        }
        let request: Request = serde_json::from_slice(&text).map_err(|error| {
            let msg = "the daemon does not understand the request; install sealane and \
                       sealane-cni of the same version";
            Failure::new(code::DECODING, msg).because(error.to_string())
        })?;
        request.validate()?;
        Ok((request, caller.pid()))
    }

    /// Does what is asked for on a task of its own, which goes on when this one ends,
    /// and whose panic is an answer.
    async fn judge(&self, request: Request, caller: Option<i32>) -> Answer {
        let attachments = Arc::clone(&self.attachments);
        let work = tokio::spawn(async move { answer(&*attachments, request, caller).await });
        match work.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => {
                // Runtimes ask for the status every few seconds.
                if failure.code == code::NOT_AVAILABLE {
                    tracing::debug!(details = %failure.details, "CNI: {failure}");
                } else {
                    tracing::info!(code = failure.code, details = %failure.details, "CNI: {failure}");
                }
                Answer::Failed(failure)
            }
            Err(error) => {
                tracing::error!(%error, "a CNI request ended by a fault of the daemon");
                let msg = "a fault of the daemon, which its log describes";
                Answer::Failed(Failure::new(code::INTERNAL, msg))
            }
        }
    }
}

async fn answer(
    attachments: &dyn Attachments,
    request: Request,
    caller: Option<i32>,
) -> Result<Answer, Failure> {
    match request {
        Request::Add(mut add) => {
            add.netns = seen_from_here(add.netns, caller).await;
            return attachments.add(add).await.map(Answer::Added);
        }
        Request::Del(del) => attachments.del(del.attachment).await?,
        Request::Check(check) => attachments.check(check).await?,
        Request::Gc(collect) => attachments.collect(collect).await?,
        Request::Status(status) => attachments.status(status.network).await?,
    }
    Ok(Answer::Done)
}

/// Files are looked at on a thread that may wait for them.
async fn seen_from_here(path: PathBuf, caller: Option<i32>) -> PathBuf {
    let named = path.clone();
    let looked = tokio::task::spawn_blocking(move || namespace::seen_from_here(&named, caller));
    looked.await.unwrap_or(path)
}
