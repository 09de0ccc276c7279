//! Container engines: Docker and containerd behind one trait.
//!
//! An engine turns a [`model::Task`] into a running container with its
//! addresses, and tells what became of it. It reads the network from the task's
//! `ContainerInfo` under Mesos' rules and from nowhere else. It keeps no state of
//! its own: containers carry their task's id and their owner as labels, so that a
//! restarted daemon finds them again. It never decides what should run. Docker also
//! tells what it sees of containers that somebody else started ([`Discovery`]), and is told
//! of virtual networks ([`VirtualNetworks`]).
//!
//! ```no_run
//! use engines::{Container, DockerEngine, DockerOptions, Engine, EngineError, EngineOptions};
//!
//! async fn run(task: &model::Task, common: EngineOptions) -> Result<Container, EngineError> {
//!     let socket = "/run/docker.sock".into();
//!     DockerEngine::new(DockerOptions { socket, common }).start(task).await
//! }
//! ```

mod appc;
mod containerd;
mod discovery;
mod docker;
mod engine;
mod error;
mod fetch;
mod hex;
mod images;
mod kept_logs;
mod progress;
mod registry;
mod tail;
mod turns;
mod untranslated;
mod virtual_networks;

#[doc(hidden)]
pub use appc::appc_manifest;
pub use containerd::{ContainerdEngine, ContainerdOptions};
pub use discovery::{Attached, Condition, Discovery, ExposedPort, News, Sighting};
#[doc(hidden)]
pub use docker::sighted;
pub use docker::{DockerEngine, DockerOptions};
pub use engine::{
    Container, Engine, EngineEvent, EngineInfo, EngineOptions, ExecOutcome, LogStream, Phase,
};
pub use error::EngineError;
pub use images::ImageOptions;
pub use untranslated::untranslated_parents;
pub use virtual_networks::{Ensured, VirtualNetwork, VirtualNetworks};
