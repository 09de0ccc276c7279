//! Why an AppC image cannot be used.

use std::io;
use std::path::Path;

use crate::fetch::FetchError;

/// What is wrong with an image; completes "image … cannot be had:".
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppcError {
    /// What the task or a dependency asks for cannot be an image.
    #[error("{0}")]
    Wish(String),
    /// Nothing of that name was found.
    #[error("it was not found; tried {0}")]
    NotFound(String),
    /// The manifest breaks a rule.
    #[error("its manifest is not valid: {0}")]
    Manifest(String),
    /// One entry of the archive breaks a rule.
    #[error("its archive is refused: entry '{entry}' {problem}")]
    Entry {
        /// The entry's path, made printable.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The archive as a whole breaks a rule.
    #[error("its archive is refused: {0}")]
    Archive(String),
    /// The archive is not the one that was asked for.
    #[error(
        "its archive has the id sha512-{found}, not sha512-{wanted}; somebody changed it, or the id is wrong"
    )]
    Id {
        /// The hash asked for.
        wanted: String,
        /// The hash of what is there.
        found: String,
    },
    /// Its dependencies cannot be put together.
    #[error("its dependencies are refused: {0}")]
    Dependencies(String),
    /// The node lacks something.
    #[error("{0}")]
    Node(String),
    /// A file of this node.
    #[error("could not {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The network.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl AppcError {
    /// An entry's problem; the path comes from a stranger and is made printable.
    pub(super) fn entry(path: &Path, problem: impl Into<String>) -> Self {
        Self::Entry {
            entry: path.to_string_lossy().escape_debug().take(200).collect(),
            problem: problem.into(),
        }
    }

    /// A failure on this node; `action` completes "could not …".
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
