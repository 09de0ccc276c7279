//! Isolated ports on the real kernel, as root. Every host is a namespace of its own, so
//! that the machine's interfaces never get a filter.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod containers;
mod egress;
mod icmp;
mod killed;
mod lab;
mod leftovers;
mod life;
mod outside;
mod ports;
mod reach;
mod refused;
