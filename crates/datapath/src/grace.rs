//! Waiting until no program can still be reading what was replaced.
//!
//! Programs run inside read-side critical sections of RCU, and may be preempted
//! there for any time, so that no fixed delay is safe. After updating a map of maps
//! the kernel itself waits for all such sections to end; this keeps one for that.

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::libbpf_sys as sys;
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};

use crate::faults::{Point, pass};

/// Waits for running programs.
#[derive(Debug)]
pub(crate) struct Grace {
    outer: MapHandle,
    inner: MapHandle,
}

impl Grace {
    pub(crate) fn new() -> libbpf_rs::Result<Self> {
        let plain = sys::bpf_map_create_opts {
            sz: size_of::<sys::bpf_map_create_opts>() as sys::size_t,
            ..Default::default()
        };
        let inner = MapHandle::create(MapType::Array, Some("sl_grace_inner"), 4, 4, 1, &plain)?;
        let around = sys::bpf_map_create_opts {
            inner_map_fd: inner.as_fd().as_raw_fd() as u32,
            ..plain
        };
        let outer = MapHandle::create(MapType::ArrayOfMaps, Some("sl_grace"), 4, 4, 1, &around)?;
        Ok(Self { outer, inner })
    }

    /// Returns once every program that ran at the call has ended: tens of milliseconds.
    pub(crate) fn wait(&self) -> libbpf_rs::Result<()> {
        pass(Point::Wait)?;
        let fd = self.inner.as_fd().as_raw_fd();
        self.outer
            .update(&0_u32.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)
    }
}
