//! Tracked flows that go on to where a port led before.
//!
//! Datagrams to a port that leads elsewhere now would go to a container that is gone for
//! as long as the client sends; and those to a port that had led nowhere would go on to
//! the host itself. Connections through a port that is withdrawn are forgotten as well:
//! their clients hear from the host, at once, that there is none.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use model::Protocol;
use netlink::conntrack::{self, Flow, Narrow};

use super::Published;

/// Ports that are looked for one by one: a look at one port's flows costs the kernel a
/// walk over all, but us none of them.
const LOOKS: usize = 8;

/// Forgets what the change from `old` to `new` leaves behind. What fails is logged.
pub(super) async fn forget(old: &[Published], new: &[Published]) {
    let gone: Vec<Published> = old.iter().filter(|p| !new.contains(p)).copied().collect();
    let come = new
        .iter()
        .filter(|p| p.protocol == Protocol::Udp && !old.contains(p));
    let come: Vec<Published> = come.copied().collect();
    if gone.is_empty() && come.is_empty() {
        return;
    }
    let local = if come.is_empty() {
        HashSet::new()
    } else {
        let local = netlink::address::local().await.unwrap_or_default();
        local
            .into_iter()
            .map(|address| address.net.addr())
            .collect()
    };
    let looks = looks(gone.iter().chain(&come));
    let work = tokio::task::spawn_blocking(move || {
        let stale = |flow: &Flow| is_stale(flow, &gone, &come, &local);
        let counts = looks.iter().map(|look| conntrack::forget(*look, stale));
        counts.sum::<Result<usize, _>>()
    });
    match work.await {
        Ok(Ok(count)) => tracing::debug!(count, "forgot flows of changed host ports"),
        Ok(Err(error)) => tracing::warn!(
            %error, "flows of changed host ports may go on to where these led before"
        ),
        Err(error) => tracing::warn!(%error, "flows were not looked through"),
    }
}

/// How to look through the flows: at those of each port, or at all of them once.
fn looks<'a>(ports: impl Iterator<Item = &'a Published>) -> Vec<Option<Narrow>> {
    let all: BTreeSet<(u8, u16, bool)> = ports
        .map(|port| (port.protocol.number(), port.host_port, port.to.is_ipv4()))
        .collect();
    if all.len() > LOOKS {
        return vec![None];
    }
    all.into_iter()
        .map(|(protocol, port, ipv4)| {
            Some(Narrow {
                ipv4,
                protocol,
                port,
            })
        })
        .collect()
}

fn is_stale(flow: &Flow, gone: &[Published], come: &[Published], local: &HashSet<IpAddr>) -> bool {
    let is_to = |port: &Published| {
        port.protocol.number() == flow.protocol
            && port.host_port == flow.destination.port()
            && port.to.is_ipv4() == flow.destination.is_ipv4()
            && port.host_ip.is_none_or(|ip| ip == flow.destination.ip())
    };
    let to = flow.destination.ip();
    let is_ours = flow.is_redirected() || to.is_loopback() || local.contains(&to);
    gone.iter()
        .any(|port| is_to(port) && flow.answers == port.to)
        || come
            .iter()
            .any(|port| is_to(port) && flow.answers != port.to && is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(destination: &str, answers: &str) -> Flow {
        Flow {
            protocol: 17,
            source: "10.0.0.1:4000".parse().unwrap(),
            destination: destination.parse().unwrap(),
            answers: answers.parse().unwrap(),
        }
    }

    fn udp(host_port: u16, to: &str) -> Published {
        Published {
            host_port,
            protocol: Protocol::Udp,
            host_ip: None,
            to: to.parse().unwrap(),
        }
    }

    #[test]
    fn only_flows_that_the_change_concerns_are_forgotten() {
        let (old, new) = (udp(53, "172.16.0.2:53"), udp(53, "172.16.0.3:53"));
        let local = HashSet::from(["10.0.0.9".parse().unwrap()]);
        for (destination, answers, withdrawn, published) in [
            ("10.0.0.9:53", "172.16.0.2:53", true, true),
            ("10.0.0.9:53", "172.16.0.3:53", false, false),
            // To the host itself, before the port led anywhere.
            ("10.0.0.9:53", "10.0.0.9:53", false, true),
            ("127.0.0.1:53", "127.0.0.1:53", false, true),
            // A container's question to a server elsewhere.
            ("8.8.8.8:53", "8.8.8.8:53", false, false),
            ("10.0.0.9:54", "172.16.0.2:53", false, false),
        ] {
            let flow = flow(destination, answers);
            assert_eq!(is_stale(&flow, &[old], &[], &local), withdrawn, "{flow:?}");
            assert_eq!(is_stale(&flow, &[], &[new], &local), published, "{flow:?}");
        }
        let one = Narrow {
            ipv4: true,
            protocol: 17,
            port: 53,
        };
        assert_eq!(looks([old, new].iter()), [Some(one)]);
        let many: Vec<Published> = (1..10).map(|port| udp(port, "172.16.0.2:53")).collect();
        assert_eq!(looks(many.iter()), [None]);
    }
}
