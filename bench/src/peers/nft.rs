//! A service as nftables rules with connection tracking.
//!
//! The shape is that of kube-proxy in its nftables mode: one map from address,
//! protocol and port to a chain for the service, which draws an endpoint's chain,
//! which translates the destination. Marking for masquerade is left out, so this is
//! the least that such rules cost.

use std::fs;
use std::net::SocketAddrV4;

use anyhow::{Context, Result};
use testlab::Host;

use crate::process::output;

const TABLE: &str = "bench_services";

/// Rules on a host, gone with this value.
#[derive(Debug)]
pub(crate) struct Rules<'h> {
    host: &'h Host,
}

impl<'h> Rules<'h> {
    /// Loads rules that lead from `service` to `backend`.
    ///
    /// They also make the kernel track every connection of the host, so whoever
    /// measures something else must drop them first.
    pub(crate) fn load(
        host: &'h Host,
        service: SocketAddrV4,
        backend: SocketAddrV4,
    ) -> Result<Self> {
        let path = host.directory().join("service.nft");
        fs::write(&path, ruleset(service, backend))
            .with_context(|| format!("writing {}", path.display()))?;
        output(host.command("nft").arg("-f").arg(&path))?;
        Ok(Self { host })
    }
}

impl Drop for Rules<'_> {
    fn drop(&mut self) {
        if let Err(error) = output(
            self.host
                .command("nft")
                .args(["delete", "table", "ip", TABLE]),
        ) {
            eprintln!("nftables rules stay: {error:#}");
        }
    }
}

fn ruleset(service: SocketAddrV4, backend: SocketAddrV4) -> String {
    let (address, port) = (service.ip(), service.port());
    format!(
        "table ip {TABLE} {{
            chain endpoint_one {{
                meta l4proto tcp dnat to {backend}
            }}
            chain service_one {{
                numgen random mod 1 vmap {{ 0 : goto endpoint_one }}
            }}
            map services {{
                type ipv4_addr . inet_proto . inet_service : verdict
                elements = {{ {address} . tcp . {port} : goto service_one }}
            }}
            chain lookup {{
                ip daddr . meta l4proto . th dport vmap @services
            }}
            chain outgoing {{
                type nat hook output priority -100; policy accept;
                jump lookup
            }}
            chain incoming {{
                type nat hook prerouting priority dstnat; policy accept;
                jump lookup
            }}
        }}\n"
    )
}
