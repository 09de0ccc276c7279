//! The whole of one host: real engines, a real daemon, real clients.
//!
//! Needs root. Each test has a host of its own (network namespace and cgroup).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what these functions do wrong is a test's failure"
)]

mod apps;
mod changes;
mod clients;
mod definitions;
mod discovery;
mod environment;
mod faults;
mod health;
mod install;
mod lab;
mod networks;
mod observing;
mod state;
mod survival;
