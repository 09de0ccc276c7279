//! Identifiers and records that every part of Sealane shares.
//!
//! A record is what the store holds: whole, owned by one writer, never patched.
//! What is wanted flows down ([`Task`], written by the leader), what is observed
//! flows up ([`TaskStatus`], written by the task's node). This crate does no IO
//! and decides nothing; it only names things.
//!
//! ```
//! use model::AppId;
//! let id: AppId = "/shop/cart".parse().unwrap();
//! assert_eq!(id.discovery_name(), "cart.shop");
//! ```

mod address;
mod app_id;
mod deployment;
mod external;
mod network;
mod node;
mod protocol;
mod status;
mod task;
mod task_id;
mod time;

pub use app_id::{AppId, AppIdError};
pub use deployment::{AffectedApp, Deployment, DeploymentAction, Kill, Launch, TaskFailure};
pub use external::{External, ExternalPort, ExternalState};
pub use network::{
    Block, Exhausted, MAX_NETWORK_NAME, Network, NetworkFlaw, Occupied, Overlap, RESERVED_NETWORKS,
    Subnet,
};
pub use node::{Node, NodeId, PortRange};
pub use protocol::Protocol;
pub use status::{HealthState, TaskState, TaskStatus};
pub use task::{Command, Goal, HealthCheck, HealthProbe, HealthTarget, Resources, Task, TaskPort};
pub use task_id::{TaskId, TaskIdError};
pub use time::Timestamp;
