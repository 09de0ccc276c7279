//! Marathon app definitions: every accepted form in, one form out.
//!
//! A body goes through three forms: JSON, a definition as its author wrote it
//! (old and new fields, all optional), and the canonical [`App`]. [`parse_app`] and
//! [`parse_update`] go the whole way. Which forms are accepted, what is defaulted
//! and what is refused follow Marathon 1.5 and newer, and so do the texts and paths
//! of a [`Rejection`], which clients know. Then [`assign_service_ports`] and
//! [`stamp`] add what depends on the other apps and on the time.
//!
//! The [`App`] serialises to what `GET` answers, and that is accepted again.
//!
//! Different from Marathon: a label that is meant for VIPs and cannot be what it says
//! is refused here instead of being ignored for ever, an unsupported or contradicting old form is
//! answered with 422 instead of 500, and a `GET` answer can be `PUT` as it is.
//!
//! This crate does no IO, has no clock and knows nothing about where tasks run.
//!
//! ```
//! use marathon::{Config, parse_app};
//!
//! let body = br#"{"id": "cart", "container": {"docker": {
//!     "image": "cart:7", "network": "BRIDGE", "portMappings": [{"containerPort": 80}]}}}"#;
//! let app = parse_app(body, &Config::default()).unwrap();
//! assert_eq!(app.id.as_str(), "/cart");
//! let mappings = app.container.unwrap().port_mappings.unwrap();
//! assert_eq!((mappings[0].container_port, mappings[0].host_port), (80, Some(0)));
//!
//! let refusal = parse_app(br#"{"id": "cart", "cpus": -1}"#, &Config::default()).unwrap_err();
//! assert_eq!(refusal.to_string(), "Invalid JSON: /cpus error.min");
//! ```

mod app;
mod config;
mod defaults;
mod definition;
mod migrate;
mod names;
mod parse;
mod read;
mod rejection;
mod service_ports;
mod update;
mod validate;
mod version;

pub use app::{
    App, AppcContainer, CommandCheck, Container, DockerContainer, DockerParameter, EngineType,
    HealthCheck, HealthProtocol, KillSelection, Network, NetworkMode, PortDefinition, PortMapping,
    PortProtocol, UpgradeStrategy, VersionInfo,
};
pub use config::{Config, ConfigError};
pub use parse::{parse_app, parse_app_with_id, parse_apps};
pub use rejection::{Details, PathErrors, Rejection};
pub use service_ports::assign_service_ports;
pub use update::{Update, parse_update, parse_updates};
pub use version::{only_scales, stamp, stamp_restart};
