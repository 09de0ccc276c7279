//! The plugin behind a real Docker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot do is its failure"
)]

mod lab;
mod lives;
mod networks;
