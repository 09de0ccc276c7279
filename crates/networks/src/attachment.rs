//! What a container got.

use std::net::IpAddr;
use std::path::PathBuf;

use cni::{AddResult, Dns};
use mesos::NetworkInfo;

/// A container's namespace and what its networks assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Path of the network namespace, a bind mount.
    pub netns: PathBuf,
    /// The named requests in their order, with the addresses assigned.
    pub network_infos: Vec<NetworkInfo>,
    /// Resolver settings that the networks ask for, merged as Mesos merged them:
    /// lists are joined in the order of the networks, repetitions included, and the
    /// domain is the last network's that has one. Without name servers the
    /// container gets the daemon's.
    pub dns: Dns,
    /// All addresses, first network's first: for `/etc/hosts`.
    pub addresses: Vec<IpAddr>,
}

impl Attachment {
    /// Puts together what each request was assigned, in order.
    pub(crate) fn assemble(netns: PathBuf, assigned: &[(NetworkInfo, AddResult)]) -> Self {
        let (mut network_infos, mut dns, mut all) = (Vec::new(), Dns::default(), Vec::new());
        for (request, result) in assigned {
            let addresses: Vec<IpAddr> = result.addresses().collect();
            network_infos.push(request.assigned(&addresses));
            all.extend(addresses);
            dns.nameservers.extend_from_slice(&result.dns.nameservers);
            dns.search.extend_from_slice(&result.dns.search);
            dns.options.extend_from_slice(&result.dns.options);
            dns.domain = result.dns.domain.clone().or(dns.domain);
        }
        Self {
            netns,
            network_infos,
            dns,
            addresses: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn networks_are_merged_in_their_order() {
        let first = json!({
            "ips": [{"address": "10.0.0.5/24"}, {"address": "2001:db8::5/64"}],
            "dns": {"nameservers": ["10.0.0.1"], "domain": "one", "search": ["a"]}
        });
        let second = json!({
            "ip4": {"ip": "10.1.0.5/24"},
            "dns": {"nameservers": ["10.1.0.1"], "search": ["a"], "options": ["ndots:2"]}
        });
        let result = |value| AddResult::from_value(&value).unwrap();
        let asked = NetworkInfo {
            groups: vec!["g".to_owned()],
            ..NetworkInfo::named("one")
        };
        let attachment = Attachment::assemble(
            "/ns".into(),
            &[
                (asked, result(first)),
                (NetworkInfo::named("two"), result(second)),
            ],
        );
        let text = |ips: Vec<IpAddr>| ips.iter().map(ToString::to_string).collect::<Vec<_>>();
        let infos = &attachment.network_infos;
        assert_eq!(
            text(infos[0].addresses().collect()),
            ["10.0.0.5", "2001:db8::5"]
        );
        assert_eq!(infos[0].groups, ["g"]);
        assert_eq!(text(infos[1].addresses().collect()), ["10.1.0.5"]);
        assert_eq!(
            text(attachment.addresses),
            ["10.0.0.5", "2001:db8::5", "10.1.0.5"]
        );
        assert_eq!(attachment.dns.nameservers, ["10.0.0.1", "10.1.0.1"]);
        assert_eq!(attachment.dns.search, ["a", "a"]);
        assert_eq!(attachment.dns.domain.as_deref(), Some("one"));
    }
}
