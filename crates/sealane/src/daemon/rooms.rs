//! How full the datapath's maps are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use datapath::ServiceUsage;

use super::config::Capacities;

/// How much of a capacity is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Its name in `[datapath.capacities]`.
    pub(super) name: &'static str,
    /// How many are in use. What changes leave behind is not counted, since it is freed
    /// when there is no other room.
    pub(super) used: u64,
    /// How many there are.
    pub(super) capacity: u64,
}

/// The maps that may refuse a table, if it has these services and addresses.
pub(super) fn rooms(
    usage: &[ServiceUsage],
    addresses: &BTreeSet<IpAddr>,
    capacities: Capacities,
) -> [Room; 3] {
    let backends = || usage.iter().flat_map(|service| &service.backends);
    // Those that left hold no slot any more.
    let slots = backends().filter(|backend| backend.state.is_some());
    let room = |name, used: usize, capacity: u32| Room {
        name,
        used: used as u64,
        capacity: capacity.into(),
    };
    [
        room("services", services(usage, addresses), capacities.services),
        room("slots", slots.count(), capacities.slots),
        room("backends", backends().count(), capacities.backends),
    ]
}

/// How many services' room is in use. A name has an address of each family, whether
/// something is behind its ports there or not, so that addresses may be what fills it.
fn services(usage: &[ServiceUsage], addresses: &BTreeSet<IpAddr>) -> usize {
    let others: BTreeSet<_> = usage
        .iter()
        .map(|service| service.key.address)
        .filter(|address| !addresses.contains(address))
        .collect();
    let entries = usage.len() + addresses.len() + others.len();
    usage
        .len()
        .max(entries.div_ceil(datapath::Capacities::ENTRIES as usize))
}

impl Room {
    /// What to do while there is still time: less than a tenth is left.
    pub(super) fn shortage(&self) -> Option<String> {
        let left = self.capacity.saturating_sub(self.used);
        (left * 10 < self.capacity).then(|| {
            let Self {
                name,
                used,
                capacity,
            } = self;
            format!(
                "{used} of {capacity} {name} are in use, and tables that do not fit are not put \
                 into force; raise datapath.capacities.{name} in the configuration and restart"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_is_short() {
        let short = |used, capacity| {
            let name = "slots";
            Room {
                name,
                used,
                capacity,
            }
            .shortage()
            .is_some()
        };
        assert!(!short(0, 1) && short(1, 1));
        assert!(!short(90, 100) && short(91, 100) && short(100, 100));
        assert!(short(101, 100), "more than there is");
    }

    fn usage(port: u16, live: &[bool]) -> ServiceUsage {
        ServiceUsage {
            key: vip::ServiceKey {
                address: [11, 0, 0, 1].into(),
                port,
                protocol: model::Protocol::Tcp,
            },
            name: None,
            settings: vip::Settings::default(),
            refused: 0,
            backends: live.iter().map(|live| backend(*live)).collect(),
        }
    }

    #[test]
    fn what_is_counted() {
        let found = rooms(
            &[usage(1, &[true, false]), usage(2, &[true])],
            &BTreeSet::new(),
            Capacities::default(),
        );
        let used: Vec<_> = found.iter().map(|room| (room.name, room.used)).collect();
        assert_eq!(used, [("services", 2), ("slots", 2), ("backends", 3)]);
        assert_eq!(found[0].capacity, 16_384);
    }

    #[test]
    fn addresses_take_room_like_ports() {
        let used = |ports: &[u16], addresses: &[&str]| {
            let usage: Vec<_> = ports.iter().map(|port| usage(*port, &[])).collect();
            let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
            rooms(&usage, &addresses, Capacities::default())[0].used
        };
        assert_eq!(used(&[1], &[]), 1);
        assert_eq!(used(&[1], &["11.0.0.1", "fd01:c::1"]), 1);
        assert_eq!(used(&[1], &["fd01:c::1", "11.0.0.2", "fd01:c::2"]), 2);
        assert_eq!(used(&[1, 2, 3, 4], &["11.0.0.1"]), 4);
    }

    fn backend(live: bool) -> datapath::BackendUsage {
        datapath::BackendUsage {
            identity: 1,
            task: None,
            near: None,
            far: None,
            weight: 1,
            state: live.then_some(vip::BackendState::Ready),
            preferred: true,
            warming: false,
            open: 1,
            pending: 0,
            total: 1,
            connects: datapath::Connects::default(),
            ejection: None,
        }
    }
}
