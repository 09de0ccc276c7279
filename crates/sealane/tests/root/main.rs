//! The whole of one host: real engines, a real daemon, real clients.
//!
//! Needs root. Each test has a host of its own (network namespace and cgroup).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what these functions do wrong is a test's failure"
)]

mod apps;
mod by_hand;
mod chains;
mod changes;
mod clients;
mod ctr;
mod definitions;
mod discovery;
mod environment;
mod faults;
mod groups;
mod health;
mod install;
mod isolated;
mod lab;
mod matrix;
mod names;
mod networks;
mod observing;
mod plugin;
mod podman;
mod sandboxes;
mod state;
mod survival;
mod virtual_networks;
