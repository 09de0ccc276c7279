//! The node's reconcilers: tasks, health, VIPs and names.
//!
//! The agent makes this node do what the store says, and writes to the store what
//! this node sees. Six reconcilers run side by side; each reads the whole state,
//! is woken by changes and by a timer, does the same thing however often it runs,
//! and reports when it last ran and with what result:
//!
//! - *tasks*: one worker for each task of this node starts, watches, checks and ends
//!   its container; containers without a task are removed;
//! - *services*: the service table into the datapath and the names into DNS;
//! - *networks*: forwarding rules, and what failed attachments left;
//! - *places*: which network each container's namespace stands in;
//! - *neighbours*: whom the DNS server answers;
//! - *node*: this node's own record, kept alive by a lease.
//!
//! The agent never decides what should run, and never talks to the API.

mod absent;
mod health;
mod hints;
mod housekeeping;
mod leftovers;
mod neighbours;
mod node;
mod options;
mod places;
mod placing;
mod report;
#[cfg(test)]
mod scripted;
mod services;
mod tasks;
mod worker;

pub use node::NodeOptions;
pub use options::{Agent, AgentError, AgentOptions, Engines, View};
pub use report::{Report, Reports};
