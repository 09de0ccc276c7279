//! The JSON that answers are made of.
//!
//! Only fields that Marathon documents, since some of its clients stop at others.

mod app;
mod deployment;
mod queue;
mod task;

pub(crate) use app::{Board, Embed, failure};
pub(crate) use deployment::deployment;
pub(crate) use queue::queue_item;
pub(crate) use task::{ServicePorts, shown_state, task};
