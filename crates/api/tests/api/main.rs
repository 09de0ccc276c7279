//! The API over a real store, with a leader and a node that do as they are told.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

mod apps;
mod bench;
mod changes;
mod contention;
mod deployments;
mod errors;
mod groups;
mod lists;
mod networks;
mod system;
mod tasks;
mod trace;
mod views;
mod vip_labels;
mod vips;
