//! Building the service table from records.
//!
//! The result depends on the input alone, not on its order: everything is collected
//! in sorted maps, and backends and problems are sorted and freed of duplicates at
//! the end. One bad label or task never keeps the others out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use model::{Node, NodeId, Protocol, Task, TaskId, TaskPort, TaskStatus};

use super::backends::Instance;
use super::{NetworkKey, Problem, ServiceKey, ServiceTable};
use crate::label::{Host, Label, LabelFlaw, TaskLabel};
use crate::name::{ZONE, in_zone, join, owner};
use crate::ranges::VipRanges;
use crate::record::VipRecord;

/// What a service table is made from: records, in any order, each once.
#[derive(Debug, Clone)]
pub struct TableInput<'a> {
    /// All tasks of the fleet.
    pub tasks: Vec<&'a Task>,
    /// Their statuses; one from another node than the task's is ignored.
    pub statuses: Vec<&'a TaskStatus>,
    /// All claimed names.
    pub vips: Vec<&'a VipRecord>,
    /// The nodes that are alive.
    pub nodes: Vec<&'a Node>,
    /// The node that the table is for.
    pub this_node: &'a NodeId,
    /// Where IP VIPs may lie.
    pub ranges: &'a VipRanges,
    /// Networks whose addresses are valid from everywhere in the fleet.
    pub spanning: &'a BTreeSet<NetworkKey>,
    /// Record names that apps ask for (see [`wanted`](crate::wanted())), so that a name
    /// resolves from the moment when its app is accepted.
    pub declared: &'a BTreeSet<String>,
}

/// Derives the table of one node.
///
/// - Every VIP that a task's label asks for is a service, without backends if need be.
/// - A label that cannot be a VIP is a [`Problem`]; the task's others still count.
/// - A name without a record yet is left out until somebody claims its address.
/// - A name resolves to its IPv4 address unless all its backends are IPv6 ones, and to
///   its IPv6 address as soon as an IPv6 backend is there for clients anywhere.
#[must_use]
pub fn build(input: &TableInput<'_>) -> ServiceTable {
    let mut build = Build::new(input);
    for task in &input.tasks {
        build.add(task);
    }
    build.finish()
}

struct Build<'a> {
    input: &'a TableInput<'a>,
    statuses: HashMap<(&'a TaskId, &'a NodeId), &'a TaskStatus>,
    nodes: HashMap<&'a NodeId, &'a Node>,
    records: BTreeMap<&'a str, &'a VipRecord>,
    /// Record names by address.
    owners: HashMap<IpAddr, &'a str>,
    /// Record names that tasks ask for, with what their backends are.
    used: BTreeMap<&'a str, Families>,
    table: ServiceTable,
}

/// Which kinds of backends a name has.
#[derive(Debug, Clone, Copy, Default)]
struct Families {
    ipv4: bool,
    ipv6: bool,
    /// One that clients anywhere can use.
    far_ipv6: bool,
}

/// A VIP that a task asks for at one of its ports, and the label that says so.
struct Wish<'t> {
    key: &'t str,
    value: &'t str,
    label: Label,
    port: &'t TaskPort,
    /// The VIP's protocol; a task label may differ from the port's declaration.
    protocol: Protocol,
}

impl<'a> Build<'a> {
    fn new(input: &'a TableInput<'a>) -> Self {
        let mut table = ServiceTable::default();
        let mut owners = HashMap::new();
        let records: BTreeMap<_, _> = input
            .vips
            .iter()
            .map(|it| (it.name.as_str(), *it))
            .collect();
        for (name, record) in &records {
            for address in record.addresses() {
                table.addresses.insert(address);
                owners.entry(address).or_insert(*name);
            }
        }
        Self {
            input,
            statuses: input
                .statuses
                .iter()
                .map(|it| ((&it.task, &it.node), *it))
                .collect(),
            nodes: input.nodes.iter().map(|it| (&it.id, *it)).collect(),
            records,
            owners,
            used: BTreeMap::new(),
            table,
        }
    }

    fn add(&mut self, task: &Task) {
        let wishes = self.wishes(task);
        if wishes.is_empty() {
            return;
        }
        let status = self.statuses.get(&(&task.id, &task.node));
        let instance = status.and_then(|status| {
            let node = self.nodes.get(&task.node).copied();
            Instance::of(
                task,
                status,
                node,
                self.input.this_node,
                self.input.spanning,
            )
        });
        for wish in wishes {
            if let Err(flaw) = self.place(task, instance.as_ref(), &wish) {
                self.report(task, flaw.of_label(wish.key, wish.value).to_string());
            }
        }
    }

    /// Everything that the task's labels ask for, those of its ports first.
    fn wishes<'t>(&mut self, task: &'t Task) -> Vec<Wish<'t>> {
        let mut wishes = Vec::new();
        for port in &task.ports {
            for (key, value) in &port.labels {
                match Label::parse(key, value) {
                    Some(Ok(label)) => {
                        wishes.push(Wish {
                            key,
                            value,
                            label,
                            port,
                            protocol: port.protocol,
                        });
                    }
                    Some(Err(error)) => self.report(task, error.to_string()),
                    None => {}
                }
            }
        }
        for (key, value) in &task.labels {
            let found = match TaskLabel::parse(key, value) {
                Some(Ok(found)) => found,
                Some(Err(error)) => {
                    self.report(task, error.to_string());
                    continue;
                }
                None => continue,
            };
            match labelled_port(task, &found) {
                Ok(port) => {
                    let TaskLabel {
                        label, protocol, ..
                    } = found;
                    wishes.push(Wish {
                        key,
                        value,
                        label,
                        port,
                        protocol,
                    });
                }
                Err(flaw) => self.report(task, flaw.of_label(key, value).to_string()),
            }
        }
        wishes
    }

    /// Makes the wish's service and adds the task to its backends.
    fn place(
        &mut self,
        task: &Task,
        instance: Option<&Instance<'_>>,
        wish: &Wish<'_>,
    ) -> Result<(), LabelFlaw> {
        match &wish.label.host {
            Host::Address(address) => self.place_address(*address, instance, wish),
            Host::Name(name) => {
                let name = join(name, &owner(&task.framework)?)?;
                // Nothing to do before somebody has claimed an address.
                if let Some((name, record)) = self.records.get_key_value(name.as_str()) {
                    self.place_name(name, record, instance, wish);
                }
                Ok(())
            }
        }
    }

    fn place_address(
        &mut self,
        address: IpAddr,
        instance: Option<&Instance<'_>>,
        wish: &Wish<'_>,
    ) -> Result<(), LabelFlaw> {
        self.input.ranges.check_address(address)?;
        if let Some(name) = self.owners.get(&address) {
            return Err(LabelFlaw::Occupied {
                address,
                name: (*name).to_owned(),
            });
        }
        self.table.addresses.insert(address);
        let service = self
            .table
            .services
            .entry(service_key(address, wish))
            .or_default();
        if let Some(instance) = instance {
            service
                .backends
                .extend(instance.backends(wish.port, address.is_ipv4()));
        }
        Ok(())
    }

    fn place_name(
        &mut self,
        name: &'a str,
        record: &VipRecord,
        instance: Option<&Instance<'_>>,
        wish: &Wish<'_>,
    ) {
        let families = self.used.entry(name).or_default();
        for address in record.addresses() {
            let backends = instance
                .map(|instance| instance.backends(wish.port, address.is_ipv4()))
                .unwrap_or_default();
            let any = !backends.is_empty();
            if address.is_ipv4() {
                families.ipv4 |= any;
            } else if any {
                families.ipv6 = true;
                families.far_ipv6 |= backends.iter().any(|it| it.far.is_some());
            } else {
                // Without it a VIP of IPv4 backends is refused at once, as it should be.
                continue;
            }
            let service = self
                .table
                .services
                .entry(service_key(address, wish))
                .or_default();
            service.name.get_or_insert_with(|| in_zone(name, ZONE));
            service.backends.extend(backends);
        }
    }

    fn report(&mut self, task: &Task, message: String) {
        self.table.problems.push(Problem {
            task: task.id.clone(),
            message,
        });
    }

    fn finish(mut self) -> ServiceTable {
        for service in self.table.services.values_mut() {
            service.backends.sort_unstable();
            service.backends.dedup();
        }
        self.table.problems.sort_unstable();
        self.table.problems.dedup();
        for (name, record) in &self.records {
            let families = match self.used.get(name) {
                Some(families) => *families,
                None if self.input.declared.contains(*name) => Families::default(),
                None => continue,
            };
            let addresses = record
                .addresses()
                .filter(|address| families.resolve(*address));
            self.table
                .names
                .insert(in_zone(name, ZONE), addresses.collect());
        }
        self.table
    }
}

impl Families {
    /// Whether the name resolves to the address. Clients often try IPv6 first, so a
    /// second family must not be announced before it works for all of them.
    fn resolve(self, address: IpAddr) -> bool {
        if address.is_ipv4() {
            self.ipv4 || !self.ipv6
        } else {
            self.far_ipv6 || !self.ipv4 && self.ipv6
        }
    }
}

fn service_key(address: IpAddr, wish: &Wish<'_>) -> ServiceKey {
    ServiceKey {
        address,
        port: wish.label.port,
        protocol: wish.protocol,
    }
}

/// The port that a task label means.
///
/// In HOST mode a port is open for both protocols, whatever its declaration says;
/// elsewhere only what is mapped can be reached.
fn labelled_port<'t>(task: &'t Task, label: &TaskLabel) -> Result<&'t TaskPort, LabelFlaw> {
    let numbers = task.host_ports();
    let (index, protocol) = (label.port_index, label.protocol);
    let number = *numbers.get(index).ok_or(LabelFlaw::NoSuchPort {
        index,
        ports: numbers.len(),
    })?;
    let mut with_number = task
        .ports
        .iter()
        .filter(|port| port.host_port == Some(number));
    let either = task.on_host_network();
    with_number
        .find(|port| either || port.protocol == protocol)
        .ok_or(LabelFlaw::NotMapped { index, protocol })
}

#[cfg(test)]
mod tests;
