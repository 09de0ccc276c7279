//! The datapath in a real kernel, as root: every test has a cgroup, a bpf filesystem
//! and client processes of its own, and leaves none of them behind.

#![allow(unsafe_code)] // connect(AF_UNSPEC), which no safe wrapper offers.
#![allow(clippy::unwrap_used)] // The lint spares only what stands inside a test function.

mod accounting;
mod client;
mod lab;
mod lifecycle;
mod orders;
mod places;
mod servers;
mod swaps;
mod tcp;
mod udp;
