//! The kernel side of VIPs: eBPF programs, maps and their loader.
//!
//! `connect()` to a VIP becomes `connect()` to one of its backends, in the kernel, at
//! the moment of the call: no packet is touched, no process stands between client
//! and backend, and established connections cost nothing. Whatever the application
//! asks about its peer is answered with the VIP. Programs and maps are pinned, so
//! that they go on while the daemon restarts, and are adopted when it returns.
//!
//! The programs are in `bpf/`; `bpf/layout.h` says what the maps hold. On this side,
//! a [`vip::ServiceTable`] is compared with what is in the kernel, and each service
//! that differs is replaced in one step, so that a connect sees the whole old or the
//! whole new one.
//!
//! This crate never decides what a service's backends are or which address suits
//! whom: that is the table's. It changes no packets, routes or namespaces, and nothing
//! else in Sealane knows of BPF. Packets of containers on virtual networks it does look
//! at, to drop those between containers that share no group ([`vip::GroupTable`]).
//!
//! ```no_run
//! use datapath::{Capacities, Datapath, Options, ensure_bpffs, find_cgroup2};
//!
//! # fn main() -> Result<(), datapath::DatapathError> {
//! ensure_bpffs("/sys/fs/bpf".as_ref())?;
//! let options = Options {
//!     cgroup: find_cgroup2()?,
//!     pins: "/sys/fs/bpf/sealane".into(),
//!     capacities: Capacities::default(),
//! };
//! let mut datapath = Datapath::open(&options)?;
//! let applied = datapath.apply(&vip::ServiceTable::default())?;
//! assert!(applied.failures.is_empty() && datapath.check().is_empty());
//! # Ok(())
//! # }
//! ```

#![allow(unsafe_code)] // Maps as memory and the bpf() system call; each use says why it is sound.

mod abilities;
mod adopt;
mod alias;
mod apply;
mod book;
#[doc(hidden)]
pub mod builds;
mod check;
mod cost;
mod datapath;
mod doctor;
mod error;
mod events;
mod exempt;
mod explain;
#[doc(hidden)]
pub mod faults;
mod features;
mod foreign;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod grace;
mod grant;
mod groups;
mod handover;
mod hooks;
mod identity;
mod ids;
mod kernel;
mod layout;
mod members;
mod mounts;
mod netns;
mod object;
mod options;
mod owners;
mod pins;
mod places;
mod sentries;
mod shared;
mod skeleton;
mod slices;
mod sweep;
mod tenants;
mod usage;
mod verdicts;

pub use abilities::{Ability, abilities};
pub use apply::Applied;
pub use check::Finding;
pub use cost::{ProgramTime, time_named};
pub use datapath::Datapath;
pub use doctor::{Requirement, probe};
pub use error::{ApplyError, DatapathError, Failure, Subject};
pub use events::{Decision, Denied, Event, Events, How};
pub use exempt::{cgroup_id, cgroup_path};
pub use explain::{COST_UNIT, Candidate, Client, Explanation, Reason};
pub use foreign::{Foreign, foreign_programs};
pub use groups::{DropReason, Dropped, Drops, Judged};
pub use mounts::{ensure_bpffs, find_cgroup2};
pub use netns::netns_cookie_of_self;
pub use options::{Capacities, Options};
pub use owners::{EVERYWHERE, OwnedPort};
pub use sentries::Way;
pub use sweep::{Means, Sweep, SweepError, SweepReport};
pub use tenants::Behind;
pub use usage::{BackendUsage, Connects, Ejection, ServiceUsage};
pub use verdicts::Ejected;
