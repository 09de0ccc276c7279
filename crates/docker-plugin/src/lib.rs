//! Docker's network and address drivers for Sealane's virtual networks.
//!
//! Docker asks programs that listen in `/run/docker/plugins` to be drivers. This one
//! gives its containers addresses of the node's block of a virtual network, the same
//! that native containers get, and makes their links: `docker network create -d sealane
//! --ipam-driver sealane --opt network=dcos --ipam-opt network=dcos --subnet 9.0.0.0/8 dcos`.
//!
//! It never calls Docker: a call from within a request would wait for itself. It keeps
//! no addresses of its own: leases and links are [`networks::Fabric`]'s, host ports
//! [`networks::HostPorts`]'s. What Docker asks twice is answered twice the same.
//!
//! ```no_run
//! use docker_plugin::{Options, Plugin};
//! # async fn run(fabric: networks::Fabric, ports: networks::HostPorts) -> Result<(), docker_plugin::PluginError> {
//! let plugin = Plugin::open(Options {
//!     name: "sealane".to_owned(),
//!     state: "/var/lib/sealane".into(),
//!     run: "/run/sealane".into(),
//!     fabric,
//!     ports,
//! })?;
//! let listener = plugin.listen("/run/docker/plugins".as_ref())?;
//! plugin.serve(listener, std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod book;
mod connectivity;
mod driver;
mod error;
mod messages;
mod plugin;
mod pools;
mod routes;

pub use error::PluginError;
pub use plugin::{Listener, Options, Plugin};
