//! Archives as they are fetched, made plain tar.
//!
//! gzip is read here. xz and bzip2 are left to the tools of these names, each in a
//! process that is bound in memory and ends with the reading.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Child, ChildStdout, Command, Stdio};

use flate2::read::MultiGzDecoder;

use super::error::AppcError;

/// xz's dictionary decides how much memory it takes; its own largest preset needs 65 MiB.
const XZ_MEMORY: &str = "--memlimit-decompress=256MiB";

/// A form of archive, by how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Gzip,
    Bzip2,
    Xz,
}

/// An archive's plain bytes.
pub(super) enum Plain {
    File(File),
    Gzip(Box<MultiGzDecoder<File>>),
    Tool(Tool),
}

/// A process that decompresses; it is ended with this value.
pub(super) struct Tool {
    name: &'static str,
    child: Child,
    output: Option<ChildStdout>,
}

impl Plain {
    /// Looks at how the archive begins.
    ///
    /// # Errors
    /// When it is none, or its tool is missing.
    pub(super) fn new(mut archive: File) -> Result<Self, AppcError> {
        let reading = || AppcError::io("read an archive");
        let mut head = Vec::new();
        archive
            .by_ref()
            .take(512)
            .read_to_end(&mut head)
            .map_err(reading())?;
        archive.rewind().map_err(reading())?;
        let form = form(&head).ok_or_else(|| {
            AppcError::Archive(
                "it is neither a tar file nor one compressed with gzip, bzip2 or xz".to_owned(),
            )
        })?;
        match form {
            Form::Plain => Ok(Self::File(archive)),
            Form::Gzip => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(archive)))),
            Form::Bzip2 => Tool::start("bzip2", &[], archive).map(Self::Tool),
            Form::Xz => Tool::start("xz", &[XZ_MEMORY], archive).map(Self::Tool),
        }
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Gzip(gzip) => gzip.read(buffer),
            Self::Tool(tool) => tool.read(buffer),
        }
    }
}

impl Tool {
    fn start(name: &'static str, further: &[&str], archive: File) -> Result<Self, AppcError> {
        let mut command = Command::new(name);
        command
            .args(["--decompress", "--stdout"])
            .args(further)
            .stdin(archive)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let package = if name == "xz" { "xz-utils" } else { name };
            AppcError::Node(format!(
                "its archive is compressed with {name}, which could not be run: {error}; install {package}"
            ))
        })?;
        let output = child.stdout.take();
        Ok(Self {
            name,
            child,
            output,
        })
    }

    /// The tool's verdict, once it has said all: an archive that is cut off or broken is
    /// known only then.
    fn end(&mut self) -> io::Result<usize> {
        let mut said = String::new();
        if let Some(errors) = self.child.stderr.take() {
            let _ = errors.take(1024).read_to_string(&mut said);
        }
        if self.child.wait()?.success() {
            return Ok(0);
        }
        let said = said.trim().escape_debug();
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {said}", self.name),
        ))
    }
}

impl Read for Tool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.output.as_mut().map(|output| output.read(buffer)) {
            Some(Ok(0)) => {
                self.output = None;
                self.end()
            }
            Some(read) => read,
            None => Ok(0),
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn form(head: &[u8]) -> Option<Form> {
    if head.starts_with(&[0x1f, 0x8b]) {
        Some(Form::Gzip)
    } else if head.starts_with(b"BZh") {
        Some(Form::Bzip2)
    } else if head.starts_with(b"\xfd7zXZ\0") {
        Some(Form::Xz)
    } else if head.get(257..262) == Some(b"ustar".as_slice()) {
        Some(Form::Plain)
    } else {
        None
    }
}
