//! What containers printed.

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use model::TaskId;

use super::DockerEngine;
use super::connection::Client;
use super::failure::{detail, status};
use crate::tail::{Tail, last_lines};
use crate::{EngineError, LogStream, kept_logs};

/// How much more is asked for when too little of it was of the wanted stream.
const MORE: usize = 8;

impl DockerEngine {
    pub(super) async fn printed(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Bytes, EngineError> {
        let client = self.connection.client().await?;
        if self.ours(&client, task).await?.is_some() {
            match print(&client, task, stream, tail).await {
                // Removed since we looked.
                Err(error) if status(&error) == Some(404) => {}
                printed => {
                    let action = format!("tell the logs of {task}");
                    return printed.map_err(|error| self.connection.failed(&action, &error));
                }
            }
        }
        kept_logs::read("docker", &self.options.logs, task, stream, tail).await
    }

    /// Copies the end of both streams to files. A removal must not fail for logs that
    /// cannot be read (there are log drivers that only write), so that is only told.
    pub(super) async fn keep_logs(&self, client: &Client, task: &TaskId) {
        let (mut out, mut err) = (Tail::new(kept_logs::LIMIT), Tail::new(kept_logs::LIMIT));
        let mut pieces = pieces(client, task, None);
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => {
                    let tail = match stream_of(&piece) {
                        LogStream::Stdout => &mut out,
                        LogStream::Stderr => &mut err,
                    };
                    tail.push(&piece.into_bytes());
                }
                Err(error) => {
                    tracing::warn!(%task, "logs end early: {}", detail(&error));
                    break;
                }
            }
        }
        for (stream, tail) in [(LogStream::Stdout, out), (LogStream::Stderr, err)] {
            let kept = kept_logs::write(&self.options.logs, task, stream, &tail.into_lines()).await;
            if let Err(error) = kept {
                let dir = self.options.logs.display();
                tracing::warn!(%task, ?stream, "logs are not kept in {dir}: {error}");
            }
        }
    }
}

/// Docker counts the lines of both streams together, so the last ten of one may be
/// further back than the last ten of all.
async fn print(
    client: &Client,
    task: &TaskId,
    stream: LogStream,
    tail: Option<usize>,
) -> Result<Bytes, Error> {
    let mut asked = tail;
    loop {
        let mut entries = 0;
        let mut own = BytesMut::new();
        let mut pieces = pieces(client, task, asked);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            entries += 1;
            if stream_of(&piece) == stream {
                own.extend_from_slice(&piece.into_bytes());
            }
        }
        let (Some(wanted), Some(limit)) = (tail, asked) else {
            return Ok(own.freeze());
        };
        let found = own.iter().filter(|byte| **byte == b'\n').count();
        if found >= wanted || entries < limit {
            return Ok(last_lines(&own.freeze(), wanted));
        }
        asked = Some(limit.saturating_mul(MORE));
    }
}

fn pieces(
    client: &Client,
    task: &TaskId,
    tail: Option<usize>,
) -> BoxStream<'static, Result<LogOutput, Error>> {
    let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let options = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .tail(&tail)
        .build();
    client.docker.logs(task.as_str(), Some(options)).boxed()
}

/// A terminal has one stream.
fn stream_of(piece: &LogOutput) -> LogStream {
    match piece {
        LogOutput::StdErr { .. } => LogStream::Stderr,
        _ => LogStream::Stdout,
    }
}
