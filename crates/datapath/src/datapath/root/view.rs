//! What programs see in the maps, whatever ids and slots it has: equal views behave
//! alike. And what must hold between the maps and the book at any time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use libbpf_rs::{MapCore, MapFlags};
use model::Protocol;
use vip::ServiceKey;

use super::tables::{BACKENDS, backend, keys};

use crate::datapath::Datapath;
use crate::identity::backend_identity;
use crate::layout::{
    CONDEMNED, DRAINING, LIVE, ServiceEntry, SliceWord, VipEntry, filter_bit, load_endpoint,
    parse_key, service_key, vip_service,
};

/// Everything in the maps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct View {
    pub(super) services: BTreeMap<ServiceKey, ServiceView>,
    pub(super) addresses: BTreeSet<IpAddr>,
}

/// A service, its backends in the order of their slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceView {
    settings: [u64; 6],
    ready: u32,
    pub(super) backends: Vec<BackendView>,
}

/// A backend, and the slot that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BackendView {
    pub(super) identity: u64,
    weight: u16,
    flags: u16,
    near: Option<SocketAddr>,
    far: Option<SocketAddr>,
    network: u64,
    alias: u64,
    threshold: u32,
}

impl View {
    pub(super) fn of(datapath: &Datapath) -> Self {
        let mut view = Self::default();
        for bytes in datapath.kernel.maps.vips.keys() {
            match parse_key(&bytes).unwrap() {
                VipEntry::Address(address) => drop(view.addresses.insert(address)),
                VipEntry::Service(key) => {
                    let service = ServiceView::of(datapath, &key);
                    view.services.insert(key, service);
                }
            }
        }
        view
    }
}

/// The service that programs find at a key.
fn found<'d>(datapath: &'d Datapath, key: &ServiceKey) -> (u32, &'d ServiceEntry) {
    let maps = &datapath.kernel.maps;
    let value = maps.vips.lookup(&service_key(key), MapFlags::ANY).unwrap();
    let id = vip_service(&value.unwrap()).unwrap();
    let entry = maps.services.get(id).unwrap();
    assert_eq!(entry.address.load(), key.address);
    assert_eq!(u16::from_be(entry.port.load(Relaxed)), key.port);
    assert_eq!(entry.protocol.load(Relaxed), key.protocol.number());
    (id, entry)
}

impl ServiceView {
    fn of(datapath: &Datapath, key: &ServiceKey) -> Self {
        let maps = &datapath.kernel.maps;
        let (id, entry) = found(datapath, key);
        let slice = SliceWord::unpack(entry.slice.load(Relaxed));
        let identity = |id| maps.backends.get(id).unwrap().identity.load(Relaxed);
        let backends = (0..slice.count()).map(|offset| {
            let slot = maps.slots.get(slice.first + offset).unwrap();
            let backend = maps.backends.get(slot.backend.load(Relaxed)).unwrap();
            assert_eq!(backend.service.load(Relaxed), id, "{key:?}");
            BackendView {
                identity: backend.identity.load(Relaxed),
                weight: backend.weight.load(Relaxed),
                flags: backend.flags.load(Relaxed) & (LIVE | DRAINING),
                near: load_endpoint(&backend.near, &backend.near_port),
                far: load_endpoint(&backend.far, &backend.far_port),
                network: backend.network.load(Relaxed),
                alias: identity(slot.alias.load(Relaxed)),
                threshold: slot.threshold.load(Relaxed),
            }
        });
        Self {
            settings: [
                entry.policy.load(Relaxed).into(),
                entry.max_ejected.load(Relaxed).into(),
                entry.failures.load(Relaxed).into(),
                entry.affinity.load(Relaxed).into(),
                entry.slow_start.load(Relaxed).into(),
                entry.close.load(Relaxed).into(),
            ],
            ready: slice.ready,
            backends: backends.collect(),
        }
    }
}

/// Whether a backend is one of a UDP service: sockets that are connected to it are to be
/// ended when it is gone, whatever the settings.
fn of_udp(identity: u64) -> bool {
    let udp = keys()
        .into_iter()
        .filter(|key| key.protocol == Protocol::Udp);
    udp.into_iter()
        .any(|key| (0..BACKENDS).any(|number| backend_identity(&key, &backend(number)) == identity))
}

/// What must hold at any time: nothing is shared, nothing is seen that the book does not
/// know, and nobody is passed over on the way to `vips`.
pub(super) fn assert_sound(datapath: &Datapath) {
    let (maps, book) = (&datapath.kernel.maps, &datapath.kernel.book);
    let view = View::of(datapath);
    assert!(view.services.keys().eq(book.services.keys()));
    assert_eq!(view.addresses, book.addresses);
    let (mut services, mut backends) = (HashSet::new(), HashSet::new());
    let mut slots = HashSet::new();
    for (key, installed) in &book.services {
        let (id, entry) = found(datapath, key);
        assert_eq!(id, installed.id);
        assert!(services.insert(id), "service {id} is shared");
        let slice = SliceWord::unpack(entry.slice.load(Relaxed));
        assert_eq!(slice, installed.slice);
        for (offset, member) in installed.members.iter().enumerate() {
            let slot = slice.first + offset as u32;
            assert!(slots.insert(slot), "slot {slot} is shared");
            assert!(
                backends.insert(member.id),
                "backend {} is shared",
                member.id
            );
            let seen = maps.slots.get(slot).unwrap().backend.load(Relaxed);
            assert_eq!(seen, member.id);
            let identity = maps.backends.get(member.id).unwrap().identity.load(Relaxed);
            assert_eq!(identity, member.identity);
        }
    }
    for (identity, departed) in &book.departed {
        assert!(backends.insert(departed.id), "{} is shared", departed.id);
        let entry = maps.backends.get(departed.id).unwrap();
        assert_eq!(entry.identity.load(Relaxed), *identity);
        let condemned = entry.flags.load(Relaxed) & CONDEMNED != 0;
        assert_eq!(condemned, departed.condemned);
        assert!(condemned || !of_udp(*identity), "its sockets would stay");
    }
    for id in 1..maps.backends.len() {
        let live = maps.backends.get(id).unwrap().flags.load(Relaxed) & LIVE != 0;
        let member = book.services.values().flat_map(|it| &it.members);
        assert_eq!(
            live,
            member.into_iter().any(|it| it.id == id),
            "backend {id}"
        );
    }
    let reached = view.services.keys().map(|key| key.address);
    for address in reached.chain(view.addresses) {
        let (word, bit) = filter_bit(address);
        assert!(maps.filter.get(word).unwrap().load(Relaxed) & bit != 0);
    }
}
