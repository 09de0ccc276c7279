//! Host ports, by whichever way they were asked for.

use std::net::IpAddr;

use serde::Deserialize;

use crate::config::{Config, bad};
use crate::{Failure, PortMapping, Protocol};

/// An entry of the capability `portMappings`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuntimeMapping {
    #[serde(default)]
    host_port: i64,
    container_port: i64,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default, rename = "hostIP")]
    host_ip: Option<String>,
}

/// An entry of Mesos' `NetworkInfo.port_mappings`.
#[derive(Debug, Deserialize)]
pub(crate) struct MesosMapping {
    host_port: i64,
    container_port: i64,
    #[serde(default)]
    protocol: Option<String>,
}

/// All host ports that a configuration asks for. A runtime that speaks both ways
/// sends each twice; the capability, which can name an address, counts then.
pub(crate) fn mappings(config: &Config) -> Result<Vec<PortMapping>, Failure> {
    let mut all: Vec<PortMapping> = Vec::new();
    for entry in &config.runtime.port_mappings {
        let wanted = mapping(entry.host_port, entry.container_port, &entry.protocol)?;
        let Some(wanted) = wanted else { continue };
        let host_ip = host_ip(entry.host_ip.as_deref())?;
        let wanted = PortMapping { host_ip, ..wanted };
        if !all.contains(&wanted) {
            all.push(wanted);
        }
    }
    for entry in &config.args.mesos.network_info.port_mappings {
        let wanted = mapping(entry.host_port, entry.container_port, &entry.protocol)?;
        let Some(wanted) = wanted else { continue };
        let same = |known: &PortMapping| {
            let known = PortMapping {
                host_ip: None,
                ..*known
            };
            known == wanted
        };
        if !all.iter().any(same) {
            all.push(wanted);
        }
    }
    Ok(all)
}

/// Host port 0 is none, as Kubernetes has it.
fn mapping(
    host_port: i64,
    container_port: i64,
    protocol: &Option<String>,
) -> Result<Option<PortMapping>, Failure> {
    let port = |what: &str, port: i64| {
        u16::try_from(port)
            .map_err(|_| bad(format!("{what} port {port} of a port mapping is no port")))
    };
    let (host_port, container_port) =
        (port("host", host_port)?, port("container", container_port)?);
    if host_port == 0 {
        return Ok(None);
    }
    if container_port == 0 {
        return Err(bad(format!(
            "the port mapping of host port {host_port} has no container port"
        )));
    }
    let text = protocol.as_deref().unwrap_or_default();
    let protocol = match text.to_ascii_lowercase().as_str() {
        "" | "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => {
            return Err(bad(format!(
                "protocol '{}' of host port {host_port} is not tcp or udp",
                text.escape_debug()
            )));
        }
    };
    Ok(Some(PortMapping {
        host_port,
        container_port,
        protocol,
        host_ip: None,
    }))
}

/// The unspecified address stands for all, of its family.
fn host_ip(text: Option<&str>) -> Result<Option<IpAddr>, Failure> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        bad(format!(
            "hostIP '{}' of a port mapping is no address",
            text.escape_debug()
        ))
    })
}
