//! The leader over a real store: what it writes, and that it comes to rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what these functions do wrong is a test's failure"
)]

mod bench;
mod claims;
mod poison;
mod rounds;
