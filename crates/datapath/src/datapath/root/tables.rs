//! A few services and backends in all their states, and tables of them.

use std::net::{IpAddr, SocketAddr};

use model::Protocol;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use vip::{
    Backend, BackendState, Near, NetworkKey, Policy, Service, ServiceKey, ServiceTable, Settings,
};

/// So many backends there are at most.
pub(super) const BACKENDS: u16 = 8;

/// The services that tables have some of. Two share an address.
pub(super) fn keys() -> Vec<ServiceKey> {
    let key = |address: &str, port, protocol| ServiceKey {
        address: address.parse().unwrap(),
        port,
        protocol,
    };
    vec![
        key("11.0.0.1", 80, Protocol::Tcp),
        key("11.0.0.1", 80, Protocol::Udp),
        key("11.0.0.2", 80, Protocol::Tcp),
        key("fd01:c::1", 53, Protocol::Udp),
    ]
}

/// A backend by its number. Some have an address of their own for their network.
pub(super) fn backend(number: u16) -> Backend {
    let near = Near {
        address: SocketAddr::from(([172, 17, 0, number as u8], 80)),
        network: NetworkKey {
            engine: "docker".into(),
            name: "bridge".into(),
        },
    };
    Backend {
        task: format!("web.{number}").parse().unwrap(),
        near: (number % 2 == 1).then_some(near),
        far: Some(SocketAddr::from(([10, 0, 0, 1], 31_000 + number))),
        weight: 1,
        state: BackendState::Ready,
        preferred: true,
    }
}

/// In any order, with any weight and state.
fn backends() -> impl Strategy<Value = Vec<Backend>> {
    let numbers = (0..BACKENDS).collect::<Vec<_>>();
    let some = subsequence(numbers, 0..=BACKENDS as usize).prop_shuffle();
    some.prop_flat_map(|numbers| numbers.into_iter().map(any_state).collect::<Vec<_>>())
}

/// A backend with any weight and state, mostly as most are.
fn any_state(number: u16) -> impl Strategy<Value = Backend> {
    let shape = (
        1_u32..4,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
    );
    shape.prop_map(move |(weight, ready, preferred)| Backend {
        weight,
        preferred,
        state: match ready {
            true => BackendState::Ready,
            false => BackendState::Draining,
        },
        ..backend(number)
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let policies = select(vec![Policy::LeastLoaded, Policy::Random, Policy::Hash]);
    (policies, any::<bool>(), 0_u32..3).prop_map(|(policy, close, failures)| Settings {
        policy,
        close,
        failures,
        ..Settings::default()
    })
}

fn service() -> impl Strategy<Value = Service> {
    (backends(), settings()).prop_map(|(backends, settings)| Service {
        name: None,
        settings,
        backends,
    })
}

/// Any table: some of the services, and addresses without any.
pub(super) fn tables() -> impl Strategy<Value = ServiceTable> {
    let some = subsequence(keys(), 0..=keys().len());
    let services = some.prop_flat_map(|keys| {
        let each = |key| service().prop_map(move |service| (key, service));
        keys.into_iter().map(each).collect::<Vec<_>>()
    });
    let spare: Vec<IpAddr> = ["11.0.0.2", "11.0.0.3", "fd01:c::2"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    (services, subsequence(spare, 0..=3)).prop_map(|(services, addresses)| {
        let mut table = ServiceTable::default();
        table.addresses.extend(addresses);
        for (key, service) in services {
            table.addresses.insert(key.address);
            table.services.insert(key, service);
        }
        table
    })
}

/// The table that follows another.
#[derive(Debug, Clone)]
pub(super) enum Next {
    /// Any.
    Other(ServiceTable),
    /// The same again.
    Same,
    /// The same, with another weight and state for one of its backends.
    Changed(usize, Backend),
    /// The same without one of its backends.
    Without(usize),
}

pub(super) fn nexts() -> impl Strategy<Value = Next> {
    prop_oneof![
        4 => tables().prop_map(Next::Other),
        1 => Just(Next::Same),
        3 => (0_usize..16, any_state(0)).prop_map(|(which, shape)| Next::Changed(which, shape)),
        1 => (0_usize..16).prop_map(Next::Without),
    ]
}

impl Next {
    /// Makes it of the one before.
    pub(super) fn after(self, table: &mut ServiceTable) {
        let (which, shape) = match self {
            Self::Other(other) => return *table = other,
            Self::Same => return,
            Self::Changed(which, shape) => (which, Some(shape)),
            Self::Without(which) => (which, None),
        };
        let keys: Vec<_> = table.services.keys().copied().collect();
        if keys.is_empty() {
            return;
        }
        let Some(service) = table.services.get_mut(&keys[which % keys.len()]) else {
            return;
        };
        if service.backends.is_empty() {
            return;
        }
        let which = which / keys.len() % service.backends.len();
        match shape {
            Some(shape) => {
                let backend = &mut service.backends[which];
                backend.weight = shape.weight;
                backend.state = shape.state;
                backend.preferred = shape.preferred;
            }
            None => drop(service.backends.remove(which)),
        }
    }
}

/// A table that leaves no room: so many services, slots and backends.
pub(super) fn full(services: u16, each: u16) -> ServiceTable {
    let mut table = ServiceTable::default();
    for port in 0..services {
        let key = ServiceKey {
            address: "11.0.0.9".parse().unwrap(),
            port: 1000 + port,
            protocol: Protocol::Tcp,
        };
        let backends = (0..each).map(|number| backend(port * each + number));
        let service = Service {
            name: None,
            settings: Settings::default(),
            backends: backends.collect(),
        };
        table.addresses.insert(key.address);
        table.services.insert(key, service);
    }
    table
}
