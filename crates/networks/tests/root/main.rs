//! Networks made by the reference plugins and by hostile ones, on a host that is a
//! network namespace; needs root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crash;
mod docker;
mod fabric;
mod firewalld;
mod host;
mod join;
mod neighbours;
mod peers;
mod ports;
mod refused;
mod rules;
