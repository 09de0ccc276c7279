//! The node's reconcilers: tasks, health, VIPs and names.
//!
//! The agent makes this node do what the store says, and writes to the store what
//! this node sees. Twelve reconcilers run side by side; each reads the whole state,
//! is woken by changes and by a timer, does the same thing however often it runs,
//! and reports when it last ran and with what result:
//!
//! - *tasks*: one worker for each task of this node starts, watches, checks and ends
//!   its container; containers without a task are removed;
//! - *externals*: records of labelled containers that somebody else started with Docker;
//! - *services*: the service table into the datapath and the names into DNS;
//! - *networks*: forwarding rules, and what failed attachments left;
//! - *places*: which network each container's namespace stands in;
//! - *neighbours*: whom the DNS server answers;
//! - *probes*: backends that the datapath avoids, asked whether that is right;
//! - *sweeps*: sockets that lead to backends which are gone;
//! - *exempt*: whose connects are left alone;
//! - *events* and *trace*: what the datapath tells, and who watches;
//! - *node*: this node's own record, kept alive by a lease.
//!
//! The agent never decides what should run, and never talks to the API.

mod absent;
mod attendants;
mod cgroups;
mod counts;
mod exempt;
mod explaining;
mod externals;
mod health;
mod hearing;
mod hints;
mod housekeeping;
#[cfg(test)]
mod kernel_lab;
mod leftovers;
mod neighbours;
mod node;
mod options;
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

pub use counts::{Counted, Counts, ServiceCounts, SweepCounts};
pub use explaining::{ClientName, ExplainError};
#[doc(hidden)]
pub use externals::external;
pub use node::NodeOptions;
pub use options::{Agent, AgentError, AgentOptions, Engines, View};
pub use report::{Report, Reports};
pub use services::{Obstacle, Omission, Omissions};
pub use trace::{Trace, TraceWatch, TraceWish, Traced, TracedClient, TracedDecision};
