//! The datapath in a real kernel, as root: every test has a cgroup, a bpf filesystem
//! and client processes of its own, and leaves none of them behind.

#![allow(unsafe_code)] // connect(AF_UNSPEC), which no safe wrapper offers.
#![allow(clippy::unwrap_used)] // The lint spares only what stands inside a test function.

mod accounting;
mod affinity;
mod apis;
mod asks;
mod behaviours;
mod calls;
mod changes;
mod client;
mod counts;
mod daemon;
mod datagrams;
mod dials;
mod distribution;
mod dual;
mod exempt;
mod explain;
mod faults;
mod groups;
mod handover;
mod ipv6;
mod lab;
mod languages;
mod learning;
mod lifecycle;
mod locality;
mod members;
mod messages;
mod missing;
mod mtu;
mod neighbours;
mod orders;
mod owners;
mod places;
mod reach;
mod rings;
mod routes;
mod servers;
mod slow_start;
mod stacks;
mod swaps;
mod sweep;
mod tcp;
mod trace;
mod transparency;
mod udp;
mod upgrades;
mod variants;
