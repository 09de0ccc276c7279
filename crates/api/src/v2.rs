//! Marathon's API.

pub(crate) mod app;
pub(crate) mod apps;
pub(crate) mod deployments;
pub(crate) mod queue;
pub(crate) mod system;
pub(crate) mod tasks;
mod update;
mod versions;
