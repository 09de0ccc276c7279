//! A port as VIPs see it, of a task or of an external.

use std::collections::BTreeMap;

use model::{ExternalPort, Protocol, TaskPort};

/// One port for one protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port<'a> {
    /// Position of its declaration; two protocols of one declaration share it.
    pub(super) index: usize,
    pub(super) protocol: Protocol,
    pub(super) container_port: Option<u16>,
    pub(super) host_port: Option<u16>,
    /// Networks it is for; empty means all.
    pub(super) network_names: &'a [String],
    pub(super) labels: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a TaskPort> for Port<'a> {
    fn from(port: &'a TaskPort) -> Self {
        Self {
            index: port.index,
            protocol: port.protocol,
            container_port: port.container_port,
            host_port: port.host_port,
            network_names: &port.network_names,
            labels: &port.labels,
        }
    }
}

impl<'a> From<(usize, &'a ExternalPort)> for Port<'a> {
    fn from((index, port): (usize, &'a ExternalPort)) -> Self {
        Self {
            index,
            protocol: port.protocol,
            container_port: port.container_port,
            host_port: port.host_port,
            network_names: &port.network_names,
            labels: &port.labels,
        }
    }
}
