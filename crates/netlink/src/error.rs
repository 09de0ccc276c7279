//! Why the kernel could not be asked or did not do it.

use std::io;
use std::path::PathBuf;

use ipnet::IpNet;

/// A failure of the kernel's network interfaces.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// A namespace is already mounted where a new one was wanted.
    #[error("{0} already holds a network namespace; delete it first")]
    Exists(PathBuf),
    /// There is no namespace at the path or for the process.
    #[error("{0} is no network namespace; it ended with its container or with the last boot")]
    Missing(String),
    /// A step of making, entering or deleting a namespace failed.
    #[error("could not {action} for network namespace {namespace}; this needs root")]
    Namespace {
        /// Path or process of the namespace.
        namespace: String,
        /// The step, as a verb and its object.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The work that was to run inside a namespace panicked.
    #[error("work inside network namespace {0} panicked")]
    Panicked(String),
    /// No netlink socket was to be had.
    #[error("could not open a netlink socket")]
    Socket(#[source] io::Error),
    /// The kernel refused a route.
    #[error("could not {action} the unreachable route to {net}")]
    Route {
        /// `add` or `remove`.
        action: &'static str,
        /// The destination.
        net: IpNet,
        /// What the kernel said.
        #[source]
        source: rtnetlink::Error,
    },
    /// The kernel refused a change of a [`crate::Batch`].
    #[error("could not {step}")]
    Refused {
        /// The change, as a verb and its object.
        step: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel did not answer a question.
    #[error("could not look at the {what} of a network namespace")]
    Look {
        /// `link`, `links`, `addresses`, `routes`, `rules`, `filters` or `queues`.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A dump of links, addresses or routes failed.
    #[error("could not list {what} of this network namespace")]
    List {
        /// `links`, `addresses` or `routes`.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: rtnetlink::Error,
    },
    /// The kernel's tracked flows could not be read or forgotten.
    #[error("could not {action} tracked flows; this needs root and connection tracking")]
    Flows {
        /// `list` or `delete`.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a route for `::1`.
    #[error("could not let answers to ::1 in by {interface}")]
    Localhost {
        /// The interface.
        interface: String,
        /// What the kernel said.
        #[source]
        source: rtnetlink::Error,
    },
}

impl NetlinkError {
    /// What the kernel said to a change or a step, as a number.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. }
            | Self::Look { source, .. }
            | Self::Namespace { source, .. }
            | Self::Socket(source) => source.raw_os_error(),
            _ => None,
        }
    }
}
