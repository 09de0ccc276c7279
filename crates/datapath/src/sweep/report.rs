//! What a sweep did.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use model::Protocol;

use crate::DatapathError;

/// What a [`crate::Sweep`] did.
#[derive(Debug, Default)]
pub struct SweepReport {
    /// How many sockets were ended.
    pub ended: usize,
    /// How many network namespaces were swept.
    pub namespaces: usize,
    /// How many more hold, or held, sockets that are concerned. Most have vanished, and
    /// their sockets with them; others are those to which no process and no name leads.
    pub unreachable: usize,
    /// How many UDP sockets nobody could look at, on kernels without iterators that end
    /// sockets: those without a berth. Unconnected ones, which need no sweep, are among
    /// them.
    pub hidden: u64,
    /// How long it took.
    pub took: Duration,
    /// What did not work. The next sweep tries again.
    pub failures: Vec<SweepError>,
}

/// Why a sweep could not do something.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// No thread to enter namespaces with.
    #[error("no thread could be started for a sweep")]
    Thread {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A defect of this program.
    #[error("a sweep panicked; its message is in the log")]
    Panicked,
    /// A namespace was not entered.
    #[error("network namespace '{path}' could not be {action}")]
    Namespace {
        /// Where it was found.
        path: PathBuf,
        /// What was tried, such as `entered`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A namespace's cookie is not known.
    #[error(transparent)]
    Cookie(#[from] DatapathError),
    /// A program did not see all sockets of a namespace.
    #[error("the program that ends {protocol} sockets could not be {action}")]
    Iterator {
        /// Whose sockets.
        protocol: Protocol,
        /// What was tried, such as `run`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel's socket diagnosis did not do its part.
    #[error("{protocol} sockets could not be {action}; the kernel needs CONFIG_INET_DIAG_DESTROY")]
    Diagnosis {
        /// Whose sockets.
        protocol: Protocol,
        /// What was tried, such as `ended`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// What is known of a socket could not be read.
    #[error("map '{map}' could not be read for a sweep")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
}

impl SweepReport {
    /// How long to wait before the next sweep, so that sweeping takes at most a
    /// twentieth of a core, and much less while it achieves nothing: a socket whose
    /// backend has closed it already is found by no sweep, and counts as open until its
    /// owner closes it too.
    #[must_use]
    pub fn rest(&self) -> Duration {
        self.took.saturating_mul(match self.ended {
            0 => 200,
            _ => 20,
        })
    }

    pub(super) fn failed(error: SweepError) -> Self {
        Self {
            failures: vec![error],
            ..Self::default()
        }
    }
}
