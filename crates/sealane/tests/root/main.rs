//! The whole of one host: real engines, a real daemon, real clients.
//!
//! Needs root. Each test has a host of its own (network namespace and cgroup).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what these functions do wrong is a test's failure"
)]

mod apps;
mod definitions;
mod faults;
mod lab;
mod survival;
