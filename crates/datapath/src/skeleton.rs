//! The compiled objects and their generated skeletons.

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

/// The same sources with a difference in every program; see `bpf/build.h`.
#[cfg(feature = "builds")]
pub(crate) mod other {
    include!(concat!(env!("OUT_DIR"), "/other/datapath.skel.rs"));
}
