//! Protobuf form of the messages, with the field numbers of Mesos' `mesos.proto`.
//!
//! The structures mirror the file's messages field by field, reduced to the fields
//! that the shapes of this crate have; other fields are skipped when read. They are
//! written by hand instead of generated: there are fourteen of them, Mesos' numbers
//! never change, and the build needs no `protoc` this way.
//!
//! A field that Mesos calls `required` is an [`Option`] here, so that a message
//! without it is an error when converted and not a silent zero. As proto2 has it, an
//! enum number that is not known counts as unset.
//!
//! ```
//! use mesos::wire::{self, Message};
//! let network = mesos::NetworkInfo::named("dcos");
//! let bytes = wire::NetworkInfo::from(&network).encode_to_vec();
//! assert_eq!(bytes, b"\x32\x04dcos");
//! let read = wire::NetworkInfo::decode(bytes.as_slice()).unwrap();
//! assert_eq!(mesos::NetworkInfo::try_from(read).unwrap(), network);
//! ```

mod container;
mod docker;
mod image;
mod network;

pub use container::{ContainerInfo, ContainerType, MesosInfo, Volume, VolumeMode};
pub use docker::{DockerInfo, DockerNetwork, DockerPortMapping, Parameter};
pub use image::{AppcImage, DockerImage, Image, ImageKind};
pub use network::{IpAddress, IpProtocol, Label, Labels, NetworkInfo, PortMapping};
pub use prost::Message;

/// A message that lacks a field which Mesos requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message {message} lacks its required field '{field}', or has an unknown value there")]
pub struct Missing {
    /// The message's name in `mesos.proto`.
    pub message: &'static str,
    /// The field's name there.
    pub field: &'static str,
}

impl Missing {
    fn of(message: &'static str, field: &'static str) -> impl Fn() -> Self {
        move || Self { message, field }
    }
}

/// Converts a repeated field, stopping at the first bad entry.
fn each<W, D: TryFrom<W, Error = Missing>>(entries: Vec<W>) -> Result<Vec<D>, Missing> {
    entries.into_iter().map(D::try_from).collect()
}

#[cfg(test)]
mod tests;
