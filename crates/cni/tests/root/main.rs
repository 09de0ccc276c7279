//! The reference plugins through our runtime, in real namespaces, with what they do
//! tried by connections or read from the kernel; needs root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod addresses;
mod chained;
mod faults;
mod filters;
mod lab;
mod links;
mod ports;
mod versions;
