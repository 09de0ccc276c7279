//! What programs know of a socket, asked from outside: the questions of `bpf/sweep.h`.

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use libbpf_rs::libbpf_sys as sys;
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use super::SweepError;
use super::message::{Found, PIN_BYTES};
use crate::layout::{BERTHS, BackendEntry, BerthEntry, CONDEMNED, Shared, load_endpoint};

/// More than any of the programs has.
const MAPS: usize = 64;

/// The maps in which translations are remembered.
#[derive(Debug)]
pub(super) struct Witness {
    berths: MapHandle,
    backends: MapHandle,
    sockets: MapHandle,
}

impl Witness {
    /// Through programs that use the maps, since a job has no part in the datapath's.
    pub(super) fn of<'p>(
        programs: impl IntoIterator<Item = BorrowedFd<'p>>,
    ) -> Result<Self, SweepError> {
        let (mut berths, mut backends, mut sockets) = (None, None, None);
        for id in programs.into_iter().flat_map(map_ids) {
            let Ok(map) = MapHandle::from_map_id(id) else {
                continue;
            };
            match map.name().to_str() {
                Some("berths") => berths = Some(map),
                Some("backends") => backends = Some(map),
                Some("sockets") => sockets = Some(map),
                _ => {}
            }
            if berths.is_some() && backends.is_some() && sockets.is_some() {
                break;
            }
        }
        let missing = |map| {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound).into();
            SweepError::Map { map, source }
        };
        Ok(Self {
            berths: berths.ok_or_else(|| missing("berths"))?,
            backends: backends.ok_or_else(|| missing("backends"))?,
            sockets: sockets.ok_or_else(|| missing("sockets"))?,
        })
    }

    /// The socket storage that the kernel is asked to show with each socket.
    pub(super) fn storage(&self) -> BorrowedFd<'_> {
        self.sockets.as_fd()
    }

    /// Whether a socket was translated to where it is connected, and that backend is
    /// gone and its sockets are to be ended.
    pub(super) fn is_condemned(&self, found: &Found) -> Result<bool, SweepError> {
        let index = found.cookie as u32 & (BERTHS - 1);
        let berth = element::<BerthEntry>(&self.berths, index)
            .map_err(failed("berths"))?
            .filter(|berth| berth.cookie.load(Acquire) == found.cookie);
        let Some(berth) = berth.or_else(|| stored(found)) else {
            return Ok(false);
        };
        if load_endpoint(&berth.peer, &berth.peer_port) != Some(found.peer) {
            return Ok(false);
        }
        let id = berth.backend.load(Relaxed);
        let backend = element::<BackendEntry>(&self.backends, id).map_err(failed("backends"))?;
        Ok(backend.is_some_and(|backend| {
            backend.identity.load(Relaxed) as u32 == berth.identity.load(Relaxed)
                && backend.flags.load(Relaxed) & CONDEMNED != 0
        }))
    }
}

/// What came along with the socket, in the shape of a berth.
fn stored(found: &Found) -> Option<BerthEntry> {
    let mut bytes = found.cookie.to_ne_bytes().to_vec();
    bytes.extend_from_slice(found.storage.as_ref()?);
    parse(&bytes)
}

fn element<T: Shared>(map: &MapHandle, index: u32) -> libbpf_rs::Result<Option<T>> {
    let bytes = map.lookup(&index.to_ne_bytes(), MapFlags::ANY)?;
    Ok(bytes.as_deref().and_then(parse))
}

fn parse<T: Shared>(bytes: &[u8]) -> Option<T> {
    // SAFETY: there are as many bytes as read, and any are a valid `T`, by `T: Shared`.
    (bytes.len() == size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Ids of the maps that a program uses; none if the kernel does not tell.
fn map_ids(program: BorrowedFd<'_>) -> Vec<u32> {
    let mut ids = vec![0_u32; MAPS];
    let mut info = sys::bpf_prog_info {
        nr_map_ids: MAPS as u32,
        map_ids: ids.as_mut_ptr() as u64,
        ..Default::default()
    };
    let mut length = size_of::<sys::bpf_prog_info>() as u32;
    // SAFETY: the descriptor is open, `info` has `length` bytes, `map_ids` has room for
    // `nr_map_ids`, and its other lengths of 0 say that no buffer is behind its pointers.
    let status = unsafe {
        let fd = program.as_raw_fd();
        sys::bpf_prog_get_info_by_fd(fd, &raw mut info, &raw mut length)
    };
    ids.truncate(if status < 0 {
        0
    } else {
        info.nr_map_ids as usize
    });
    ids
}

fn failed(map: &'static str) -> impl FnOnce(libbpf_rs::Error) -> SweepError {
    move |source| SweepError::Map { map, source }
}

/// A berth is a cookie and a pin.
const _: () = assert!(size_of::<BerthEntry>() == size_of::<u64>() + PIN_BYTES);
