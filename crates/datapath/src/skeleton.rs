//! The compiled object and its generated skeleton.

#![allow(
    clippy::all,
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub
)]

include!(concat!(env!("OUT_DIR"), "/datapath.skel.rs"));
