//! The engines against real daemons, as root.
//!
//! One list of cases ([`suite::CASES`]) holds for every engine; what only one of them
//! does is tested in its own file. All cases of an engine share one daemon, since
//! starting one takes seconds: each engine is one test, and prints its cases.
//! `SEALANE_CASE=exec` runs only the cases whose names contain `exec`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test fails by panicking.

mod containerd;
mod docker;
mod suite;
