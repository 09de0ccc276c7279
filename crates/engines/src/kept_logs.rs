//! Logs of tasks whose containers are gone.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::TaskId;
use tokio::fs;

use crate::tail::last_lines;
use crate::{EngineError, LogStream};

/// How much of each stream is kept, in bytes.
pub(crate) const LIMIT: usize = 1024 * 1024;

fn file(logs: &Path, task: &TaskId, stream: LogStream) -> PathBuf {
    let name = match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    };
    logs.join(task.as_str()).join(name)
}

/// Writes `<logs>/<task>/<stream>`, replacing what is there.
pub(crate) async fn write(
    logs: &Path,
    task: &TaskId,
    stream: LogStream,
    output: &[u8],
) -> io::Result<()> {
    fs::create_dir_all(logs.join(task.as_str())).await?;
    fs::write(file(logs, task, stream), output).await
}

/// Reads what [`write`] wrote, the last `tail` lines of it if given.
///
/// # Errors
/// [`EngineError::NoContainer`] when nothing was kept.
pub(crate) async fn read(
    engine: &'static str,
    logs: &Path,
    task: &TaskId,
    stream: LogStream,
    tail: Option<usize>,
) -> Result<Bytes, EngineError> {
    let path = file(logs, task, stream);
    match fs::read(&path).await {
        Ok(kept) => {
            let kept = Bytes::from(kept);
            Ok(tail.map_or_else(|| kept.clone(), |lines| last_lines(&kept, lines)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(EngineError::NoContainer(task.clone()))
        }
        Err(error) => Err(EngineError::Failed {
            engine,
            action: format!("read the kept log {}", path.display()),
            detail: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let task: TaskId = "web.1".parse().unwrap();
        let read = async |tail| read("docker", dir.path(), &task, LogStream::Stderr, tail).await;
        assert!(matches!(read(None).await, Err(EngineError::NoContainer(_))));
        write(dir.path(), &task, LogStream::Stderr, b"a\nb\n")
            .await
            .unwrap();
        assert_eq!(&read(None).await.unwrap()[..], b"a\nb\n");
        assert_eq!(&read(Some(1)).await.unwrap()[..], b"b\n");
    }
}
