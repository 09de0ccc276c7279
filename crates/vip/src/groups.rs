//! Groups: which containers may talk to each other.
//!
//! Two interfaces on virtual networks may talk when they share a group, and one without
//! any is in the group [`DEFAULT`]. Groups are names in `NetworkInfo.groups`; apps say
//! them by the label [`GROUPS`] of a network. The [`GroupTable`] is what a node's datapath
//! enforces: like the service table it is derived and never stored.

mod label;
mod table;
mod verdict;

pub use label::{GROUPS, GroupFlaw, check_groups, groups_of, join};
pub use table::{GroupInput, GroupTable, Holder};
pub use verdict::{Side, Verdict};

/// The group of an interface that has none of its own.
pub const DEFAULT: &str = "default";

/// So many groups an interface may be in; the datapath compares them packet by packet.
pub const MOST: usize = 16;

/// Longest name of a group.
pub const LONGEST: usize = 128;
