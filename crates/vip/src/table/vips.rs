//! All VIPs, with what is asked of them, and what becomes of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::families::Families;
use super::target::{PortKey, Target, Virtual};
use super::vip_port::VipPort;
use super::{Problem, Service, ServiceKey};
use crate::label::{Host, LabelFlaw};
use crate::name::{ZONE, in_zone};
use crate::record::VipRecord;
use crate::settings::Settings;

/// A VIP's ports that somebody asks for.
pub(super) type Ports = BTreeMap<PortKey, VipPort>;

/// All names and addresses that anybody asks for or has.
#[derive(Debug, Default)]
pub(super) struct Vips {
    pub(super) names: HashMap<Arc<str>, Named>,
    pub(super) addresses: HashMap<IpAddr, Addressed>,
}

/// A name.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) record: Option<Arc<VipRecord>>,
    /// How many apps ask for it, whether they have tasks or not.
    pub(super) declared: usize,
    pub(super) ports: Ports,
}

/// An address.
#[derive(Debug, Default)]
pub(super) struct Addressed {
    /// The names that have it: one, unless records contradict each other.
    pub(super) owners: BTreeSet<Arc<str>>,
    /// What labels that give the address ask for.
    pub(super) ports: Ports,
}

impl Vips {
    /// The port that a target is, if anybody asks for it.
    pub(super) fn port(&self, target: &Target) -> Option<&VipPort> {
        match &target.vip {
            Virtual::Name(name) => self.names.get(name)?.ports.get(&target.port),
            Virtual::Address(address) => self.addresses.get(address)?.ports.get(&target.port),
        }
    }

    /// The ports of a name or address.
    pub(super) fn ports_mut(&mut self, vip: &Virtual) -> &mut Ports {
        match vip {
            Virtual::Name(name) => &mut self.names.entry(Arc::clone(name)).or_default().ports,
            Virtual::Address(address) => &mut self.addresses.entry(*address).or_default().ports,
        }
    }

    /// The addresses at which a target's port is a service.
    pub(super) fn addresses_of(&self, vip: &Virtual) -> Vec<IpAddr> {
        match vip {
            Virtual::Name(name) => {
                let record = self.names.get(name).and_then(|it| it.record.as_ref());
                record.map_or_else(Vec::new, |record| record.addresses().collect())
            }
            Virtual::Address(address) => vec![*address],
        }
    }

    /// The settings that count at a target's port, and what is wrong there.
    pub(super) fn judge(&self, target: &Target) -> (Settings, Vec<Problem>) {
        let Some(port) = self.port(target) else {
            return Default::default();
        };
        let draft = port.draft();
        let problems = match &target.vip {
            // Nothing to do before somebody has claimed an address.
            Virtual::Name(name) if !self.is_claimed(name) => Vec::new(),
            Virtual::Name(_) => draft.conflicts(target),
            Virtual::Address(address) => match self.owner(address) {
                Some(name) => occupied(port, target, *address, name),
                None => draft.conflicts(target),
            },
        };
        (draft.settings(), problems)
    }

    /// The service at a key. It is up to date once its targets are.
    pub(super) fn service(&self, key: &ServiceKey) -> Option<Service> {
        let at = self.addresses.get(&key.address)?;
        if at.owners.is_empty() {
            let port = at.ports.get(&PortKey::of(key))?;
            return Some(Service {
                name: None,
                settings: port.settings,
                backends: port.backends(key.address.is_ipv4()),
            });
        }
        let mut service: Option<Service> = None;
        for name in &at.owners {
            let named = self.names.get(name);
            let Some(port) = named.and_then(|it| it.ports.get(&PortKey::of(key))) else {
                continue;
            };
            let backends = port.backends(key.address.is_ipv4());
            // Without a service a VIP of IPv4 backends is refused at once over IPv6, as
            // it should be.
            if key.address.is_ipv6() && backends.is_empty() {
                continue;
            }
            match &mut service {
                // Two records with one address would be somebody's mistake, not a reason
                // to fail.
                Some(service) => {
                    service.backends.extend(backends);
                    service.backends.sort_unstable();
                }
                None => {
                    service = Some(Service {
                        name: Some(in_zone(name, ZONE)),
                        settings: port.settings,
                        backends,
                    });
                }
            }
        }
        service
    }

    /// Whether anybody has the address or asks for it.
    pub(super) fn holds(&self, address: &IpAddr) -> bool {
        let at = self.addresses.get(address);
        at.is_some_and(|it| !it.owners.is_empty() || !it.ports.is_empty())
    }

    /// What a name resolves to; `None` if nobody asks for it or no address is claimed.
    pub(super) fn resolved(&self, name: &str) -> Option<BTreeSet<IpAddr>> {
        let named = self.names.get(name)?;
        let record = named.record.as_ref()?;
        if named.ports.is_empty() && named.declared == 0 {
            return None;
        }
        let mut families = Families::default();
        for port in named.ports.values() {
            families.extend(port.families);
        }
        let families = families.within(record);
        let addresses = record.addresses();
        Some(addresses.filter(|it| families.resolve(*it)).collect())
    }

    /// Forgets a name that is neither asked for nor claimed.
    pub(super) fn prune_name(&mut self, name: &str) {
        let unused = |it: &Named| it.record.is_none() && it.declared == 0 && it.ports.is_empty();
        if self.names.get(name).is_some_and(unused) {
            self.names.remove(name);
        }
    }

    /// Forgets an address that is neither asked for nor claimed.
    pub(super) fn prune_address(&mut self, address: &IpAddr) {
        if !self.holds(address) {
            self.addresses.remove(address);
        }
    }

    fn is_claimed(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|it| it.record.is_some())
    }

    fn owner(&self, address: &IpAddr) -> Option<&Arc<str>> {
        self.addresses.get(address)?.owners.first()
    }
}

/// A problem for each label that gives an address which a name has.
fn occupied(port: &VipPort, target: &Target, address: IpAddr, name: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in port.members.values() {
        let wishes = member.origin.wishes();
        let this = wishes.found.iter().filter(|wish| {
            wish.label.host == Host::Address(address)
                && wish.label.port == target.port.number
                && wish.protocol == target.port.protocol
        });
        problems.extend(this.map(|wish| {
            Problem {
                task: member.origin.id().clone(),
                message: wish
                    .error(LabelFlaw::Occupied {
                        address,
                        name: name.to_owned(),
                    })
                    .to_string(),
            }
        }));
    }
    problems
}
