//! Where a task's port is reached.

use std::net::{IpAddr, SocketAddr};

use crate::{Task, TaskPort, TaskStatus};

impl Task {
    /// The effective address of a port, as Marathon's health checks and load
    /// balancers use it: the node's address with the host port if there is one, also
    /// on a container network, and otherwise the container's with its own port.
    ///
    /// `None` while the needed address is not known.
    #[must_use]
    pub fn endpoint(
        &self,
        port: &TaskPort,
        status: &TaskStatus,
        node: Option<IpAddr>,
    ) -> Option<SocketAddr> {
        if let Some(host_port) = port.host_port {
            return Some(SocketAddr::new(node?, host_port));
        }
        let address = self.container_address(port, status)?;
        Some(SocketAddr::new(address, port.container_port?))
    }

    /// The first address that the container got on a network the port is for.
    #[must_use]
    pub fn container_address(&self, port: &TaskPort, status: &TaskStatus) -> Option<IpAddr> {
        let wanted = |name: Option<&String>| {
            port.network_names.is_empty()
                || name.is_some_and(|name| port.network_names.contains(name))
        };
        let mut infos = status
            .network_infos
            .iter()
            .filter(|info| wanted(info.name.as_ref()));
        infos.find_map(|info| info.addresses().next())
    }
}
