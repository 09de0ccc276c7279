//! The maps' contents as the loader sees them; `bpf/layout.h` is their truth.
//!
//! What is shared with programs is made of atomics, since both sides touch it at
//! once. The assertions at the end compare every offset with the compiled object's
//! type information, so that a difference is a compile error.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{
    AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed,
};
use std::time::Duration;

use model::Protocol;
use nix::time::{ClockId, clock_gettime};
use vip::ServiceKey;

/// `LAYOUT_VERSION` of `bpf/layout.h`.
pub(crate) const VERSION: u32 = 5;

/// Bits of a slice's first slot; the rest are two counts of equal width.
const FIRST_BITS: u32 = 24;
const COUNT_BITS: u32 = 20;

/// How many slots the array may have, so that a slice's first one fits.
pub(crate) const MAX_SLOTS: u32 = 1 << FIRST_BITS;

/// How many backends a service may have in its alias table, and how many beside it.
pub(crate) const MAX_COUNT: u32 = (1 << COUNT_BITS) - 1;

/// How many networks a place holds.
pub(crate) const PLACE_NETWORKS: usize = 4;

/// Flag: part of its service.
pub(crate) const LIVE: u16 = 1;
/// Flag: only when no other can be used.
pub(crate) const DRAINING: u16 = 2;
/// Flag: within its service's slow start.
pub(crate) const WARMING: u16 = 4;
/// Flag: gone, and the sockets connected to it are to be ended.
pub(crate) const CONDEMNED: u16 = 8;

/// `TICK_SHIFT`: a tick is 2^20 nanoseconds of the monotonic clock.
pub(crate) const TICK_SHIFT: u32 = 20;

/// `EJECTIONS_ROW`: how many ejections in a row there were.
pub(crate) const EJECTIONS_ROW: u32 = 0x7f;

/// `TIME_BUCKETS`.
pub(crate) const TIME_BUCKETS: usize = 8;

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic() -> u64 {
    nanos(ClockId::CLOCK_MONOTONIC)
}

/// The same as programs read it when they choose: up to a few milliseconds behind.
pub(crate) fn monotonic_coarse() -> u64 {
    nanos(ClockId::CLOCK_MONOTONIC_COARSE)
}

fn nanos(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

/// A time in ticks, which wrap after 52 days.
pub(crate) fn ticks(nanos: u64) -> u32 {
    (nanos >> TICK_SHIFT) as u32
}

/// May be shared with programs through memory: any bits are valid, and whatever
/// either side writes while it is shared is atomic.
///
/// # Safety
/// The type must be `repr(C)`, without padding, and consist of atomics.
pub(crate) unsafe trait Shared {}

/// An address in the shape of IPv6, in network byte order.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Address([AtomicU32; 4]);

impl Address {
    pub(crate) fn store(&self, ip: IpAddr) {
        for (word, value) in self.0.iter().zip(address_words(ip)) {
            word.store(value, Relaxed);
        }
    }

    pub(crate) fn load(&self) -> IpAddr {
        let mut octets = [0; 16];
        for (chunk, word) in octets.chunks_exact_mut(4).zip(&self.0) {
            chunk.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        Ipv6Addr::from(octets).to_canonical()
    }
}

/// An element of `services`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ServiceEntry {
    pub(crate) address: Address,
    pub(crate) port: AtomicU16,
    pub(crate) protocol: AtomicU8,
    spare: AtomicU8,
    pub(crate) policy: AtomicU8,
    pub(crate) max_ejected: AtomicU8,
    pub(crate) failures: AtomicU16,
    pub(crate) slice: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) affinity: AtomicU32,
    pub(crate) slow_start: AtomicU32,
    pub(crate) close: AtomicU8,
    spare_too: [AtomicU8; 7],
    room: AtomicU64,
}

/// An element of `slots`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SlotEntry {
    pub(crate) backend: AtomicU32,
    pub(crate) alias: AtomicU32,
    pub(crate) threshold: AtomicU32,
    spare: AtomicU32,
}

/// An element of `backends`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct BackendEntry {
    pub(crate) near: Address,
    pub(crate) far: Address,
    pub(crate) near_port: AtomicU16,
    pub(crate) far_port: AtomicU16,
    pub(crate) weight: AtomicU16,
    pub(crate) flags: AtomicU16,
    pub(crate) network: AtomicU64,
    pub(crate) identity: AtomicU64,
    pub(crate) service: AtomicU32,
    pub(crate) since: AtomicU32,
}

/// An element of `load`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LoadEntry {
    pub(crate) begun: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) ejected_until: AtomicU64,
    pub(crate) stamp: AtomicU64,
    pub(crate) answered: AtomicU32,
    pub(crate) ewma: AtomicU32,
    pub(crate) failing: AtomicI32,
    pub(crate) ejections: AtomicU32,
    pub(crate) refused: AtomicU32,
    pub(crate) unanswered: AtomicU32,
    pub(crate) unroutable: AtomicU32,
    pub(crate) aborted: AtomicU32,
}

/// An element of `times`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct TimesEntry {
    pub(crate) buckets: [AtomicU32; TIME_BUCKETS],
}

/// The element of `control`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ControlEntry {
    pub(crate) exempt: AtomicU32,
    pub(crate) trace: AtomicI32,
    pub(crate) every: AtomicU32,
    pub(crate) owners: AtomicU32,
}

impl LoadEntry {
    /// Makes it that of a new backend.
    pub(crate) fn clear(&self) {
        self.ended.store(0, Relaxed);
        self.begun.store(0, Relaxed);
        self.ejected_until.store(0, Relaxed);
        self.stamp.store(monotonic(), Relaxed);
        self.failing.store(0, Relaxed);
        for counter in [
            &self.answered,
            &self.ewma,
            &self.ejections,
            &self.refused,
            &self.unanswered,
            &self.unroutable,
            &self.aborted,
        ] {
            counter.store(0, Relaxed);
        }
    }

    /// Connections that are being opened.
    pub(crate) fn pending(&self) -> u32 {
        let answered = self.answered.load(Acquire);
        let pending = (self.begun.load(Relaxed) as u32).wrapping_sub(answered);
        if pending > i32::MAX as u32 {
            0
        } else {
            pending
        }
    }

    /// Connections that are open or being opened, and pinned flows.
    pub(crate) fn open(&self) -> u32 {
        // In this order: the first may lag behind the second, never be ahead of it.
        let ended = self.ended.load(Acquire);
        let open = self.begun.load(Relaxed).saturating_sub(ended);
        u32::try_from(open).unwrap_or(u32::MAX)
    }
}

// SAFETY: all of them are `repr(C)` and made of atomics; the assertions below prove
// that their sizes are the sums of their fields.
unsafe impl Shared for ServiceEntry {}
// SAFETY: as above.
unsafe impl Shared for SlotEntry {}
// SAFETY: as above.
unsafe impl Shared for BackendEntry {}
// SAFETY: as above.
unsafe impl Shared for LoadEntry {}
// SAFETY: as above.
unsafe impl Shared for TimesEntry {}
// SAFETY: as above.
unsafe impl Shared for ControlEntry {}
// SAFETY: as above.
unsafe impl Shared for BerthEntry {}
// SAFETY: an atomic itself.
unsafe impl Shared for AtomicU64 {}

/// A service's slots, as the one word that programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SliceWord {
    pub(crate) first: u32,
    pub(crate) ready: u32,
    pub(crate) rest: u32,
}

impl SliceWord {
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.first)
            | u64::from(self.ready) << FIRST_BITS
            | u64::from(self.rest) << (FIRST_BITS + COUNT_BITS)
    }

    pub(crate) fn unpack(word: u64) -> Self {
        Self {
            first: word as u32 & (MAX_SLOTS - 1),
            ready: (word >> FIRST_BITS) as u32 & MAX_COUNT,
            rest: (word >> (FIRST_BITS + COUNT_BITS)) as u32 & MAX_COUNT,
        }
    }

    pub(crate) fn count(self) -> u32 {
        self.ready + self.rest
    }
}

/// What `berths` takes.
pub(crate) const BERTHS_BYTES: u64 = BERTH_BYTES * BERTHS as u64;
const BERTH_BYTES: u64 = 64;

/// How many there are.
pub(crate) const BERTHS: u32 = 1 << 15;

/// An element of `berths`: what a connected socket remembers.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct BerthEntry {
    pub(crate) cookie: AtomicU64,
    pub(crate) vip: Address,
    pub(crate) peer: Address,
    pub(crate) vip_port: AtomicU16,
    pub(crate) peer_port: AtomicU16,
    pub(crate) backend: AtomicU32,
    pub(crate) identity: AtomicU32,
    pub(crate) netns: AtomicU32,
    pub(crate) counted: AtomicU32,
    pub(crate) state: AtomicU32,
}

/// `FILTER_BITS` and `FILTER_FACTOR`.
const FILTER_BITS: u32 = 18;
const FILTER_FACTOR: u32 = 0x9e37_79b1;

/// How many words `filter` has.
pub(crate) const FILTER_WORDS: u32 = 1 << (FILTER_BITS - 6);

/// What `filter` takes.
pub(crate) const FILTER_BYTES: u64 = 1 << (FILTER_BITS - 3);

/// Where `filter` has the bit of an address: the word, and the bit in it.
pub(crate) fn filter_bit(ip: IpAddr) -> (u32, u64) {
    let folded = address_words(ip)
        .into_iter()
        .fold(0, |folded, word| folded ^ word);
    let bit = folded.wrapping_mul(FILTER_FACTOR) >> (32 - FILTER_BITS);
    (bit >> 6, 1 << (bit & 63))
}

/// A key of `vips`: 16 bytes of address, port in network order, protocol, zero.
pub(crate) type VipKey = [u8; 20];

/// The key of a service.
pub(crate) fn service_key(key: &ServiceKey) -> VipKey {
    let mut bytes = address_key(key.address);
    bytes[16..18].copy_from_slice(&key.port.to_be_bytes());
    bytes[18] = key.protocol.number();
    bytes
}

/// The key that marks an address as allocated.
pub(crate) fn address_key(ip: IpAddr) -> VipKey {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&octets(ip));
    bytes
}

/// What a key of `vips` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VipEntry {
    Address(IpAddr),
    Service(ServiceKey),
}

/// Reads a key of `vips`; nothing for one that the loader never writes.
pub(crate) fn parse_key(bytes: &[u8]) -> Option<VipEntry> {
    let bytes: &VipKey = bytes.try_into().ok()?;
    let (octets, rest) = bytes.split_first_chunk::<16>()?;
    let address = Ipv6Addr::from(*octets).to_canonical();
    let port = u16::from_be_bytes([rest[0], rest[1]]);
    let protocol = match rest[2] {
        0 if port == 0 => return Some(VipEntry::Address(address)),
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return None,
    };
    Some(VipEntry::Service(ServiceKey {
        address,
        port,
        protocol,
    }))
}

/// A value of `vips`.
pub(crate) fn vip_value(service: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&service.to_ne_bytes());
    bytes
}

/// The service id in a value of `vips`.
pub(crate) fn vip_service(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().map(|id| u32::from_ne_bytes(*id))
}

/// A socket address with the port as maps hold it; port 0 is no address.
pub(crate) fn store_endpoint(address: &Address, port: &AtomicU16, value: Option<SocketAddr>) {
    let value = value.unwrap_or_else(|| SocketAddr::from(([0; 16], 0)));
    address.store(value.ip());
    port.store(value.port().to_be(), Relaxed);
}

/// Reads what [`store_endpoint`] wrote.
pub(crate) fn load_endpoint(address: &Address, port: &AtomicU16) -> Option<SocketAddr> {
    let port = u16::from_be(port.load(Relaxed));
    (port != 0).then(|| SocketAddr::new(address.load(), port))
}

pub(crate) fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn address_words(ip: IpAddr) -> [u32; 4] {
    let octets = octets(ip);
    std::array::from_fn(|word| {
        u32::from_ne_bytes(std::array::from_fn(|byte| octets[word * 4 + byte]))
    })
}

/// Compares the types above with the compiled object's.
mod assertions {
    use std::mem::{offset_of, size_of};

    use super::{
        BackendEntry, BerthEntry, ControlEntry, LoadEntry, ServiceEntry, SlotEntry, TimesEntry,
    };
    use crate::skeleton::types;

    macro_rules! same {
        ($ours:ty, $theirs:ty: $($field:ident),*) => {
            const _: () = assert!(size_of::<$ours>() == size_of::<$theirs>());
            $(const _: () = assert!(offset_of!($ours, $field) == offset_of!($theirs, $field));)*
        };
    }

    same!(
        ServiceEntry, types::service:
        policy, max_ejected, failures, slice, refused, affinity, slow_start, close, room
    );
    const _: () = assert!(offset_of!(ServiceEntry, port) == offset_of!(types::vip_key, port));
    const _: () =
        assert!(offset_of!(ServiceEntry, protocol) == offset_of!(types::vip_key, protocol));
    same!(SlotEntry, types::slot: backend, alias, threshold, spare);
    same!(
        BackendEntry, types::backend:
        near, far, near_port, far_port, weight, flags, network, identity, service, since
    );
    same!(BerthEntry, types::berth: cookie);
    const _: () = assert!(size_of::<BerthEntry>() == super::BERTH_BYTES as usize);
    macro_rules! same_in_pin {
        ($($field:ident),*) => {
            $(const _: () = assert!(
                offset_of!(BerthEntry, $field)
                    == offset_of!(types::berth, pin) + offset_of!(types::pin, $field)
            );)*
        };
    }
    same_in_pin!(
        vip, peer, vip_port, peer_port, backend, identity, netns, counted, state
    );
    same!(
        LoadEntry, types::load:
        begun, ended, ejected_until, stamp, answered, ewma, failing, ejections, refused,
        unanswered, unroutable, aborted
    );
    same!(TimesEntry, types::times: buckets);
    same!(ControlEntry, types::control: exempt, trace, every, owners);
    const _: () = assert!(size_of::<types::vip_key>() == size_of::<super::VipKey>());
    const _: () = assert!(size_of::<types::vip>() == 8);
    const _: () = assert!(size_of::<types::place>() == 8 * super::PLACE_NETWORKS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_one_word() {
        let slice = SliceWord {
            first: MAX_SLOTS - 1,
            ready: MAX_COUNT,
            rest: 5,
        };
        assert_eq!(SliceWord::unpack(slice.pack()), slice);
        let slice = SliceWord {
            first: 1,
            ready: 0,
            rest: MAX_COUNT,
        };
        assert_eq!(SliceWord::unpack(slice.pack()), slice);
    }

    #[test]
    fn keys_read_back() {
        for text in ["11.0.0.1", "fd01:c::1"] {
            let address = text.parse().unwrap();
            assert_eq!(
                parse_key(&address_key(address)),
                Some(VipEntry::Address(address))
            );
            let key = ServiceKey {
                address,
                port: 5353,
                protocol: Protocol::Udp,
            };
            assert_eq!(parse_key(&service_key(&key)), Some(VipEntry::Service(key)));
        }
        assert_eq!(parse_key(&[1; 20]), None);
        assert_eq!(parse_key(&[]), None);
    }
}
