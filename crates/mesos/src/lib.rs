//! The Mesos messages that describe a container and its networks.
//!
//! Every task carries a [`ContainerInfo`]; it is the one network description
//! for both engines. The types here are the shapes that the rest of the project
//! works with; they read and write Mesos' JSON (snake_case keys, enum literals
//! in upper case). [`wire`] holds the protobuf form with Mesos' field numbers.
//!
//! This crate knows nothing of Marathon, stores or engines, and does no IO.
//!
//! ```
//! let info: mesos::NetworkInfo = serde_json::from_str(
//!     r#"{"name": "dcos", "ip_addresses": [{"protocol": "IPv4"}]}"#).unwrap();
//! assert_eq!(info.name.as_deref(), Some("dcos"));
//! ```

mod container;
mod docker;
mod image;
mod json;
mod network;
mod plan;
pub mod wire;

pub use container::{ContainerInfo, ContainerType, MesosInfo, Volume, VolumeMode};
pub use docker::{DockerInfo, DockerNetwork, DockerPortMapping, Parameter};
pub use image::{Image, ImageKind};
pub use network::{IpAddress, IpProtocol, Label, Labels, NetworkInfo, PortMapping};
pub use plan::{NetworkPlan, RuleError, networks_of};
