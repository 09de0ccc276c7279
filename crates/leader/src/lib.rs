//! The leader: makes plans true in the store.
//!
//! [`Leader::run`] is woken by every change of the store and by the end of
//! delays. It asks [`schedule::plan`] what to do, writes the answer in one
//! transaction that expects every record it read to be unchanged, and begins
//! again until nothing is left to do. It also claims addresses for named VIPs.
//! Nothing is decided here and nothing is remembered between two rounds.
//!
//! It never talks to engines or nodes: those watch the same store.

mod claims;
mod commit;
mod run;
mod view;

pub use run::{Leader, LeaderOptions, LeaderReport};
