//! Services, in the one form that all contenders are given them.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};
use model::Protocol;
use vip::{Backend, BackendState, Service, ServiceKey, ServiceTable, Settings};

/// Where the first of many services is; an address of the range for VIPs.
const FIRST: Ipv4Addr = Ipv4Addr::new(11, 1, 0, 1);
/// Where the first of backends is that nobody connects to.
const FIRST_BACKEND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The port of every service.
const PORT: u16 = 80;

/// A service and its backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) from: SocketAddrV4,
    pub(crate) protocol: Protocol,
    pub(crate) to: Vec<SocketAddrV4>,
}

impl Forward {
    /// The service at address `number` of the range.
    pub(crate) fn new(number: u32, protocol: Protocol, to: &[SocketAddrV4]) -> Self {
        let address = Ipv4Addr::from_bits(FIRST.to_bits().saturating_add(number));
        Self {
            from: SocketAddrV4::new(address, PORT),
            protocol,
            to: to.to_vec(),
        }
    }

    /// `count` services with the same backends.
    pub(crate) fn alike(count: u32, protocol: Protocol, to: &[SocketAddrV4]) -> Vec<Self> {
        let numbers = 0..count;
        numbers
            .map(|number| Self::new(number, protocol, to))
            .collect()
    }

    /// `count` services of `each` backends, none of which is another's.
    pub(crate) fn different(count: u32, each: u32) -> Vec<Self> {
        let backend = |number: u32| {
            let address = FIRST_BACKEND.to_bits().saturating_add(number);
            SocketAddrV4::new(Ipv4Addr::from_bits(address), 8080)
        };
        let service = |number: u32| {
            let to: Vec<_> = (number * each..(number + 1) * each).map(backend).collect();
            Self::new(number, Protocol::Tcp, &to)
        };
        (0..count).map(service).collect()
    }
}

/// The service in the middle, which is neither the best nor the worst place in a list.
pub(crate) fn middle(forwards: &[Forward]) -> Result<&Forward> {
    forwards.get(forwards.len() / 2).context("no service")
}

/// The table that a daemon would make of services.
pub(crate) fn table<'f>(
    forwards: impl IntoIterator<Item = &'f Forward>,
    settings: Settings,
) -> Result<ServiceTable> {
    let mut table = ServiceTable::default();
    for forward in forwards {
        let key = key(forward);
        let backends = forward.to.iter().enumerate();
        let service = Service {
            name: None,
            settings,
            backends: backends
                .map(|(index, address)| backend(index, *address))
                .collect::<Result<_>>()?,
        };
        table.addresses.insert(key.address);
        table.services.insert(key, service);
    }
    Ok(table)
}

/// The key of a service in a table.
pub(crate) fn key(forward: &Forward) -> ServiceKey {
    ServiceKey {
        address: (*forward.from.ip()).into(),
        port: forward.from.port(),
        protocol: forward.protocol,
    }
}

/// A backend of a table, in the order of `index`.
pub(crate) fn backend(index: usize, address: SocketAddrV4) -> Result<Backend> {
    Ok(Backend {
        task: format!("bench-{index:07}").parse()?,
        near: None,
        far: Some(address.into()),
        weight: 1,
        state: BackendState::Ready,
        preferred: true,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn services_and_backends_are_different() {
        let forwards = Forward::different(300, 10);
        let from: BTreeSet<_> = forwards.iter().map(|forward| forward.from).collect();
        let to: BTreeSet<_> = forwards.iter().flat_map(|forward| &forward.to).collect();
        assert_eq!((from.len(), to.len()), (300, 3000));
        assert_eq!(forwards[299].from.to_string(), "11.1.1.44:80");
        assert_eq!(middle(&forwards).unwrap(), &forwards[150]);
    }

    #[test]
    fn a_table_has_every_service_with_its_address() {
        let forwards = Forward::different(20, 3);
        let table = table(&forwards, Settings::default()).unwrap();
        assert_eq!((table.services.len(), table.addresses.len()), (20, 20));
        let service = table.services.get(&key(&forwards[7])).unwrap();
        let far: Vec<_> = service.backends.iter().filter_map(|b| b.far).collect();
        assert_eq!(far.len(), 3);
        assert_eq!(far[2], forwards[7].to[2].into());
        assert!(service.backends.is_sorted_by_key(|backend| &backend.task));
    }
}
