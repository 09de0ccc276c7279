//! Maps that somebody else has written into: what makes no sense is dropped, and one
//! table later all is as it should be.

use std::sync::atomic::Ordering::Relaxed;

use libbpf_rs::{MapCore, MapFlags};
use proptest::prelude::*;
use vip::ServiceTable;

use super::bed::Bed;
use super::histories::{ROOM, config};
use super::tables::{BACKENDS, full, tables};
use super::view::{View, assert_sound};
use crate::datapath::Datapath;
use crate::layout::{service_key, vip_value};

/// Something that is overwritten, and with what.
#[derive(Debug, Clone, Copy)]
enum Scribble {
    /// A service's slice.
    Slice(u32, u64),
    /// A service's port and protocol.
    Key(u32, u16, u8),
    /// A slot's backend.
    Slot(u32, u32),
    /// A backend's service, flags and identity.
    Backend(u32, u32, u16, u64),
    /// Where the first few VIPs lead.
    Vip(usize, u32),
    /// An entry that nobody has ever written.
    Stranger([u8; 20]),
}

fn scribbles() -> impl Strategy<Value = Vec<Scribble>> {
    let id = 0_u32..10;
    let slice = prop_oneof![
        any::<u64>(),
        (0_u64..70, 0_u64..20, 0_u64..20)
            .prop_map(|(first, ready, rest)| { first | ready << 24 | rest << 44 }),
    ];
    let one = prop_oneof![
        (id.clone(), slice).prop_map(|(id, slice)| Scribble::Slice(id, slice)),
        (id.clone(), any::<u16>(), any::<u8>()).prop_map(|(id, a, b)| Scribble::Key(id, a, b)),
        (0_u32..64, 0_u32..60).prop_map(|(slot, backend)| Scribble::Slot(slot, backend)),
        (0_u32..50, id.clone(), any::<u16>(), any::<u64>())
            .prop_map(|(at, id, flags, identity)| Scribble::Backend(at, id, flags, identity)),
        (0_usize..5, id).prop_map(|(which, id)| Scribble::Vip(which, id)),
        any::<[u8; 20]>().prop_map(Scribble::Stranger),
    ];
    prop::collection::vec(one, 1..8)
}

fn scribble(datapath: &Datapath, what: Scribble) {
    let maps = &datapath.kernel.maps;
    match what {
        Scribble::Slice(id, slice) => {
            if let Some(entry) = maps.services.get(id) {
                entry.slice.store(slice, Relaxed);
            }
        }
        Scribble::Key(id, port, protocol) => {
            if let Some(entry) = maps.services.get(id) {
                entry.port.store(port, Relaxed);
                entry.protocol.store(protocol, Relaxed);
            }
        }
        Scribble::Slot(slot, backend) => {
            if let Some(entry) = maps.slots.get(slot) {
                entry.backend.store(backend, Relaxed);
            }
        }
        Scribble::Backend(id, service, flags, identity) => {
            if let Some(entry) = maps.backends.get(id) {
                entry.service.store(service, Relaxed);
                entry.flags.store(flags, Relaxed);
                entry.identity.store(identity, Relaxed);
            }
        }
        Scribble::Vip(which, id) => {
            let keys = datapath.kernel.book.services.keys();
            if let Some(key) = keys.map(service_key).nth(which) {
                maps.vips
                    .update(&key, &vip_value(id), MapFlags::ANY)
                    .unwrap();
            }
        }
        // A full map takes no more.
        Scribble::Stranger(key) => drop(maps.vips.update(&key, &vip_value(1), MapFlags::ANY)),
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn one_table_is_enough_after_nonsense(
        first in tables(),
        nonsense in scribbles(),
        last in tables(),
    ) {
        let bed = Bed::new(ROOM);
        let mut datapath = bed.open().unwrap();
        datapath.apply(&first).unwrap();
        for what in nonsense {
            scribble(&datapath, what);
        }
        drop(datapath);

        let mut datapath = bed.open().unwrap();
        let applied = datapath.apply(&last).unwrap();
        prop_assert!(applied.failures.is_empty(), "{:?}", applied.failures);
        let fresh = Bed::new(ROOM);
        let mut wanted = fresh.open().unwrap();
        wanted.apply(&last).unwrap();
        prop_assert_eq!(View::of(&datapath), View::of(&wanted));
        assert_sound(&datapath);

        prop_assert!(datapath.apply(&ServiceTable::default()).unwrap().failures.is_empty());
        let applied = datapath.apply(&full(6, BACKENDS)).unwrap();
        prop_assert!(applied.failures.is_empty(), "{:?}", applied.failures);
    }
}
