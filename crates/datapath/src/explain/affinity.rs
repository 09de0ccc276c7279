//! With whom a client stays.

use std::path::Path;

use libbpf_rs::{MapCore, MapFlags, MapHandle};

/// An element of `affinity`.
pub(super) struct Affinity {
    pub(super) identity: u64,
    /// Nanoseconds of the monotonic clock.
    pub(super) last: u64,
    pub(super) backend: u32,
}

impl Affinity {
    /// The one of a client's namespace and a service, in the map that is pinned there.
    pub(super) fn find(map: &Path, netns: u64, service: u32) -> Option<Self> {
        let map = MapHandle::from_pinned_path(map).ok()?;
        let mut key = [0; 16];
        key[..8].copy_from_slice(&netns.to_ne_bytes());
        key[8..12].copy_from_slice(&service.to_ne_bytes());
        Self::read(&map.lookup(&key, MapFlags::ANY).ok()??)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let long = |offset: usize| bytes.get(offset..)?.first_chunk().copied();
        Some(Self {
            identity: u64::from_ne_bytes(long(0)?),
            last: u64::from_ne_bytes(long(8)?),
            backend: u32::from_ne_bytes(bytes.get(16..)?.first_chunk().copied()?),
        })
    }
}

/// [`Affinity`] and its key against the compiled object.
const _: () = {
    use crate::skeleton::types;
    use std::mem::offset_of;
    assert!(offset_of!(types::affinity_key, netns) == 0);
    assert!(offset_of!(types::affinity_key, service) == 8);
    assert!(size_of::<types::affinity_key>() == 16);
    assert!(offset_of!(types::affinity, identity) == 0);
    assert!(offset_of!(types::affinity, last) == 8);
    assert!(offset_of!(types::affinity, backend) == 16);
};
