//! What the CNI plugin of Sealane's virtual networks does, and what it and the node's
//! daemon say to each other.
//!
//! A plugin is started anew for each ADD and DEL, so it does as little as it can: it
//! reads its environment and standard input into one [`Request`], hands that to the
//! daemon over a unix socket, and prints the [`Answer`] in the version of CNI that the
//! configuration asks for. Addresses, links and host ports are the daemon's work, which
//! knows what else is on the node.
//!
//! It never touches the kernel, keeps no state, starts no thread and no runtime.
//! Linking the daemon's own work into the plugin was refused: two processes would then
//! decide about the same addresses, with files and locks between them.
//!
//! ```
//! use sealane_cni::{Invocation, Request};
//! let environment = [
//!     ("CNI_COMMAND", "DEL"),
//!     ("CNI_CONTAINERID", "web.1"),
//!     ("CNI_IFNAME", "eth0"),
//! ];
//! let environment = environment.map(|(key, value)| (key.into(), value.into()));
//! let stdin = br#"{"cniVersion": "1.1.0", "name": "dcos", "type": "sealane"}"#;
//! let invocation = Invocation::read(environment, stdin)?;
//! assert!(matches!(invocation.request, Some(Request::Del(_))));
//! # Ok::<(), sealane_cni::Refused>(())
//! ```

mod client;
mod config;
mod environment;
mod failure;
mod invocation;
mod message;
mod outcome;
mod ports;
mod version;
mod wanted;

pub use client::exchange;
pub use config::DEFAULT_SOCKET;
pub use environment::Verb;
pub use failure::{Failure, code};
pub use invocation::{Invocation, Refused};
pub use message::{
    Add, Answer, Assigned, Attachment, Bandwidth, Check, Collect, Del, MAX_BYTES, PortMapping,
    Protocol, Request, Status,
};
pub use outcome::Outcome;
pub use version::Version;
