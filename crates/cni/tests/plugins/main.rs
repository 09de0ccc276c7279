//! The runtime against plugins of all kinds, good and hostile: shell scripts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod lab;
mod mesos;
mod processes;
mod records;
