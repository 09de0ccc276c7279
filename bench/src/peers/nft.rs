//! Services as nftables rules with connection tracking.
//!
//! The shape is that of kube-proxy in its nftables mode: one map from address,
//! protocol and port to a chain for the service, which draws an endpoint's chain,
//! which translates the destination. Marking for masquerade is left out, so this is
//! the least that such rules cost.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use testlab::Host;

use crate::forward::Forward;
use crate::process::output;

/// Loads rules for services into a host, in one transaction; they go with the host.
///
/// They also make the kernel track every connection of the host, so whoever measures
/// something else does that on another one.
pub(crate) fn load(host: &Host, forwards: &[Forward]) -> Result<()> {
    apply(host, &prepare(host, forwards)?)
}

/// Writes the rules to a file.
pub(crate) fn prepare(host: &Host, forwards: &[Forward]) -> Result<String> {
    let path = host.directory().join("services.nft");
    fs::write(&path, ruleset(forwards)).with_context(|| format!("writing {}", path.display()))?;
    Ok(path.display().to_string())
}

/// Loads rules from a file.
pub(crate) fn apply(host: &Host, path: &str) -> Result<()> {
    output(host.command("nft").args(["-f", path])).map(drop)
}

fn ruleset(forwards: &[Forward]) -> String {
    let mut text = "table ip bench_services {\n".to_owned();
    let mut elements = Vec::with_capacity(forwards.len());
    for (index, forward) in forwards.iter().enumerate() {
        let protocol = forward.protocol;
        let mut verdicts = Vec::with_capacity(forward.to.len());
        for (number, backend) in forward.to.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "chain endpoint_{index}_{number} {{ meta l4proto {protocol} dnat to {backend}; }}"
            );
            verdicts.push(format!("{number} : goto endpoint_{index}_{number}"));
        }
        let count = verdicts.len();
        let _ = writeln!(
            text,
            "chain service_{index} {{ numgen random mod {count} vmap {{ {} }}; }}",
            verdicts.join(", ")
        );
        let (address, port) = (forward.from.ip(), forward.from.port());
        elements.push(format!(
            "{address} . {protocol} . {port} : goto service_{index}"
        ));
    }
    let _ = writeln!(
        text,
        "map services {{\n type ipv4_addr . inet_proto . inet_service : verdict\n \
         elements = {{ {} }}\n}}",
        elements.join(",\n ")
    );
    text.push_str(
        "chain lookup { ip daddr . meta l4proto . th dport vmap @services; }\n\
         chain outgoing { type nat hook output priority -100; policy accept; jump lookup; }\n\
         chain incoming { type nat hook prerouting priority dstnat; policy accept; jump lookup; }\n}\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use model::Protocol;

    use super::*;

    #[test]
    fn a_service_leads_to_its_endpoints() {
        let to = ["10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap()];
        let rules = ruleset(&[Forward::new(0, Protocol::Udp, &to)]);
        for part in [
            "chain endpoint_0_1 { meta l4proto udp dnat to 10.0.0.2:2; }",
            "numgen random mod 2 vmap { 0 : goto endpoint_0_0, 1 : goto endpoint_0_1 }",
            "elements = { 11.1.0.1 . udp . 80 : goto service_0 }",
        ] {
            assert!(rules.contains(part), "{part} in {rules}");
        }
    }
}
