//! The node's reconcilers: tasks, health, VIPs and names.
//!
//! The agent makes this node do what the store says, and writes to the store what
//! this node sees. Seventeen reconcilers run side by side; each reads the whole state,
//! is woken by changes and by a timer, does the same thing however often it runs,
//! and reports when it last ran and with what result:
//!
//! - *tasks*: one worker for each task of this node starts, watches, checks and ends
//!   its container; containers without a task are removed;
//! - *externals*: records of labelled containers that somebody else started with Docker;
//! - *services*: the service table into the datapath and its names into DNS;
//! - *names*: names of tasks and nodes into DNS;
//! - *networks*: forwarding rules, and what failed attachments left;
//! - *blocks*: this node's share of each virtual network, and what stands on it;
//! - *engine networks*: virtual networks as networks of Docker's;
//! - *places*: which network each container's namespace stands in;
//! - *neighbours*: whom the DNS server answers;
//! - *probes*: backends that the datapath avoids, asked whether that is right;
//! - *sweeps*: sockets that lead to backends which are gone;
//! - *exempt*: whose connects are left alone;
//! - *groups*: which containers may talk to each other;
//! - *owners*: which tasks may bind which ports of the host;
//! - *isolation*: namespaces of tasks that share the host's address by ports;
//! - *events* and *trace*: what the datapath tells, and who watches;
//! - *node*: this node's own record, kept alive by a lease.
//!
//! The agent never decides what should run, and never talks to the API.

mod absent;
mod attendants;
mod blocks;
mod cgroups;
mod counts;
#[cfg(test)]
mod engine_lab;
mod engine_networks;
mod exempt;
mod explaining;
mod externals;
mod groups;
mod health;
mod hearing;
mod hints;
mod housekeeping;
mod isolation;
#[cfg(test)]
mod kernel_lab;
mod leftovers;
mod names;
mod neighbours;
mod networking;
mod node;
mod options;
mod owners;
mod places;
mod placing;
mod probing;
mod report;
#[cfg(test)]
mod scripted;
mod services;
mod sweeping;
mod tasks;
mod trace;
mod worker;

pub use blocks::{PluginFiles, Troubles as NetworkTroubles};
pub use counts::{Counted, Counts, ServiceCounts, SweepCounts};
pub use explaining::{ClientName, ExplainError};
#[doc(hidden)]
pub use externals::external;
pub use groups::{End, GroupWhy, Guard, WhyError};
pub use node::NodeOptions;
pub use options::{Agent, AgentError, AgentOptions, Engines, View};
pub use owners::{Denial, Denials};
pub use report::{Report, Reports};
pub use services::{Obstacle, Omission, Omissions};
pub use trace::{Trace, TraceWatch, TraceWish, Traced, TracedClient, TracedDecision};
