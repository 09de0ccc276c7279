//! Whom a sweep concerns.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use model::Protocol;

use crate::book::Book;
use crate::layout::{LoadEntry, load_endpoint};
use crate::object::Maps;

/// Whom a sweep concerns.
#[derive(Debug, Default)]
pub(super) struct Concern {
    pub(super) tcp: Sockets,
    pub(super) udp: Sockets,
    /// Where they are connected to.
    pub(super) peers: BTreeSet<SocketAddr>,
    /// Low halves of the cookies of namespaces that are known to have some.
    pub(super) namespaces: BTreeSet<u32>,
}

/// How many sockets of a protocol a sweep concerns.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: u64,
    berthed: u64,
}

/// A backend that is gone, and whose sockets are to be ended.
struct Condemned {
    /// The low half of it.
    identity: u32,
    /// Both, if nobody knows after a restart.
    protocols: &'static [Protocol],
}

impl Sockets {
    /// Those that are not among the berths but in socket storage, which cannot be
    /// listed: nobody knows in which namespace they are. Flows of unconnected sockets
    /// are always there.
    pub(super) fn hidden(&self) -> u64 {
        self.open.saturating_sub(self.berthed)
    }
}

impl Concern {
    /// Whose sockets.
    pub(super) fn protocols(&self) -> impl Iterator<Item = Protocol> {
        let some = [(Protocol::Tcp, &self.tcp), (Protocol::Udp, &self.udp)];
        some.into_iter()
            .filter_map(|(protocol, sockets)| (sockets.open > 0).then_some(protocol))
    }

    fn of(&mut self, protocol: Protocol) -> &mut Sockets {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
        }
    }

    /// Adds where sockets among the berths are. Berths change meanwhile, so that this
    /// is only where to look.
    fn look_at_berths(&mut self, maps: &Maps, condemned: &HashMap<u32, Condemned>) {
        for berth in (0..maps.berths.len()).filter_map(|index| maps.berths.get(index)) {
            if berth.cookie.load(Acquire) == 0 || berth.counted.load(Relaxed) == 0 {
                continue;
            }
            let identity = berth.identity.load(Relaxed);
            let backend = condemned.get(&berth.backend.load(Relaxed));
            let Some(backend) = backend.filter(|backend| backend.identity == identity) else {
                continue;
            };
            self.namespaces.insert(berth.netns.load(Relaxed));
            for protocol in backend.protocols {
                self.of(*protocol).berthed += 1;
            }
        }
    }
}

/// Whom a sweep concerns; nobody, nearly always.
pub(super) fn concern(book: &Book, maps: &Maps) -> Option<Concern> {
    let mut concern = Concern::default();
    let mut condemned = HashMap::new();
    for (identity, departed) in book.departed.iter().filter(|(_, left)| left.condemned) {
        let open = maps.load.get(departed.id).map_or(0, LoadEntry::open);
        let Some(entry) = maps.backends.get(departed.id).filter(|_| open > 0) else {
            continue;
        };
        let protocols: &[_] = match departed.from.map(|from| from.protocol) {
            Some(Protocol::Tcp) => &[Protocol::Tcp],
            Some(Protocol::Udp) => &[Protocol::Udp],
            None => &[Protocol::Tcp, Protocol::Udp],
        };
        for protocol in protocols {
            concern.of(*protocol).open += u64::from(open);
        }
        let near = load_endpoint(&entry.near, &entry.near_port);
        let far = load_endpoint(&entry.far, &entry.far_port);
        concern.peers.extend(near.into_iter().chain(far));
        let identity = *identity as u32;
        condemned.insert(
            departed.id,
            Condemned {
                identity,
                protocols,
            },
        );
    }
    if condemned.is_empty() {
        return None;
    }
    concern.look_at_berths(maps, &condemned);
    Some(concern)
}
