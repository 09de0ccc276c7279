//! The table's chains and rules, as text for nft.
//!
//! Rules never name a container: what changes with each one is in maps and sets, so
//! that publishing a port adds elements and leaves all rules alone, at any number.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{NatRules, Tunnel};

/// Before others' destination translation, which comes at -100. A port is published
/// here only when nobody listens on it, so that nobody else's rule is overtaken.
const BEFORE_OTHERS: i32 = -105;
/// After others' destination translation: what they lead elsewhere is none of ours.
const AFTER_OTHERS: i32 = -90;
/// Before connection tracking gives answers back the address 127.0.0.1.
const FIRST: i32 = -300;
/// Before others' source translation, which comes at 100.
const LEAVING: i32 = 95;

/// A map or set: its name, its kind and its types.
pub(super) type Declared = (&'static str, &'static str, &'static str);

/// Maps and sets of the ports. A port of all addresses is in the map of its protocol and
/// family, one of a single address in the map's neighbour `_at`: keys of one map are
/// looked up by hash whatever their number, which a wildcard in them would prevent.
pub(super) const PORT_SETS: [Declared; 13] = [
    ("tcp4", "map", "inet_service : ipv4_addr . inet_service"),
    (
        "tcp4_at",
        "map",
        "ipv4_addr . inet_service : ipv4_addr . inet_service",
    ),
    ("tcp6", "map", "inet_service : ipv6_addr . inet_service"),
    (
        "tcp6_at",
        "map",
        "ipv6_addr . inet_service : ipv6_addr . inet_service",
    ),
    ("udp4", "map", "inet_service : ipv4_addr . inet_service"),
    (
        "udp4_at",
        "map",
        "ipv4_addr . inet_service : ipv4_addr . inet_service",
    ),
    ("udp6", "map", "inet_service : ipv6_addr . inet_service"),
    (
        "udp6_at",
        "map",
        "ipv6_addr . inet_service : ipv6_addr . inet_service",
    ),
    // Containers, each beside itself.
    ("self4", "set", "ipv4_addr . ipv4_addr"),
    ("self6", "set", "ipv6_addr . ipv6_addr"),
    // Interfaces towards containers, each beside itself.
    ("hairpin", "set", "ifname . ifname"),
    // Interfaces that may carry connections from 127.0.0.1 and ::1.
    ("localnet", "set", "ifname"),
    // Ports that are led on from ::1.
    ("localhost6", "set", "inet_proto . inet_service"),
];

/// The empty set that tells our table from somebody else's of the same name; its comment
/// tells the layout.
pub(super) const MARK: &str = "made_by_sealane";

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    /// Type, hook and priority; absent for a chain that is jumped to.
    hook: Option<(&'static str, &'static str, i32)>,
    pub(super) rules: Vec<String>,
}

/// All that is in the table but elements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    pub(super) sets: Vec<Declared>,
    pub(super) chains: Vec<Chain>,
}

impl Layout {
    /// What is needed for these; connection tracking costs every packet of a host, so
    /// there is no chain that translates unless something is to be translated.
    pub(super) fn new(translate: bool, nat: &[NatRules], unreachable: &[IpNet]) -> Self {
        let mut layout = Self::default();
        if translate {
            layout.sets.extend(PORT_SETS);
            layout.chains.extend(host_ports());
            layout.chains.push(postrouting(nat));
        }
        let tunnels = nat.iter().filter_map(|rules| rules.tunnel.as_ref());
        layout.chains.extend(tunnels.filter_map(tunnel));
        layout.chains.extend(refusing(unreachable));
        layout
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// The same for the same layout, with any build.
    pub(super) fn sign(&self) -> String {
        let text = self.text("");
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("layout {hash:016x}")
    }

    /// As nft reads it; `mark` is the comment of [`MARK`].
    pub(super) fn text(&self, mark: &str) -> String {
        let mut lines = vec![format!("set {MARK} {{ type mark; comment \"{mark}\"; }}")];
        for (name, kind, types) in &self.sets {
            lines.push(format!("{kind} {name} {{ type {types}; }}"));
        }
        for chain in &self.chains {
            let hook = chain.hook.map(|(kind, hook, priority)| {
                format!(" type {kind} hook {hook} priority {priority}; policy accept;")
            });
            let (hook, rules) = (hook.unwrap_or_default(), chain.rules.join("\n  "));
            lines.push(format!("chain {} {{{hook}\n  {rules}\n}}", chain.name));
        }
        lines.join("\n")
    }
}

fn rules(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

fn host_ports() -> [Chain; 5] {
    let mut lead = Vec::new();
    for (family, ip, suffix) in [("ip", "ip", "4"), ("ip6", "ip6", "6")] {
        for protocol in ["tcp", "udp"] {
            lead.push(format!(
                "dnat {family} to {ip} daddr . {protocol} dport map @{protocol}{suffix}_at"
            ));
            lead.push(format!(
                "dnat {family} to {protocol} dport map @{protocol}{suffix}"
            ));
        }
    }
    [
        Chain {
            name: "prerouting",
            hook: Some(("nat", "prerouting", BEFORE_OTHERS)),
            rules: rules(&["meta l4proto { tcp, udp } fib daddr type local jump host_ports"]),
        },
        Chain {
            name: "output",
            hook: Some(("nat", "output", BEFORE_OTHERS)),
            rules: rules(&["meta l4proto { tcp, udp } fib daddr type local jump local_clients"]),
        },
        Chain {
            name: "local_clients",
            hook: None,
            // Others would wait for an answer that the kernel drops; refused, clients
            // turn to 127.0.0.1.
            rules: rules(&[
                "ip6 daddr ::1 meta l4proto . th dport != @localhost6 return",
                "goto host_ports",
            ]),
        },
        Chain {
            name: "host_ports",
            hook: None,
            rules: lead,
        },
        Chain {
            name: "strangers",
            hook: Some(("filter", "prerouting", FIRST)),
            // An interface that may carry 127.0.0.1 for us would let a container in to
            // what listens there; no packet has the right to bear it on arrival.
            rules: rules(&["iifname @localnet ip daddr 127.0.0.0/8 drop"]),
        },
    ]
}

fn postrouting(nat: &[NatRules]) -> Chain {
    let mut all = rules(&[
        "ct status dnat ip saddr . ip daddr @self4 masquerade",
        "ct status dnat ip6 saddr . ip6 daddr @self6 masquerade",
        // Neighbours on a bridge, who would otherwise be answered past this host.
        "ct status dnat iifname . oifname @hairpin masquerade",
        "ct status dnat ip saddr 127.0.0.0/8 oifname @localnet masquerade",
        "ct status dnat ip6 saddr ::1 oifname @localnet masquerade",
    ]);
    for network in nat.iter().flat_map(|rules| &rules.masquerade) {
        let (ip, many) = match network.from {
            IpNet::V4(_) => ("ip", "224.0.0.0/4"),
            IpNet::V6(_) => ("ip6", "ff00::/8"),
        };
        let spared = braces(&network.except, network.from.addr());
        let from = network.from.trunc();
        all.push(format!(
            "{ip} saddr {from} {ip} daddr != {many}{} masquerade",
            spared.map_or(String::new(), |nets| format!(" {ip} daddr != {nets}"))
        ));
    }
    Chain {
        name: "postrouting",
        hook: Some(("nat", "postrouting", LEAVING)),
        rules: all,
    }
}

/// Only other nodes reach the tunnel's port here, and nobody reaches theirs through this
/// host: a container that could would have packets come out of the tunnel with any source.
/// This host's own packets do not pass here.
fn tunnel(tunnel: &Tunnel) -> Option<Chain> {
    let nodes: Vec<IpNet> = tunnel.nodes.iter().copied().map(IpNet::from).collect();
    let mut all = Vec::new();
    for (ip, of, any) in [
        ("ip", "ipv4", IpAddr::from([0; 4])),
        ("ip6", "ipv6", IpAddr::from([0; 16])),
    ] {
        let here = format!(
            "meta nfproto {of} udp dport {} fib daddr type local",
            tunnel.port
        );
        let Some(nodes) = braces(&nodes, any) else {
            all.push(format!("{here} drop"));
            continue;
        };
        all.push(format!("{here} {ip} saddr != {nodes} drop"));
        all.push(format!("{ip} daddr {nodes} udp dport {} drop", tunnel.port));
    }
    (!nodes.is_empty()).then_some(Chain {
        name: "tunnel",
        hook: Some(("filter", "prerouting", FIRST)),
        rules: all,
    })
}

/// Forwarded packets to addresses that have no route here are refused. The kernel would
/// tell their senders that the address is unreachable, but not all of them: it limits how
/// often it says that. What has a route after all goes there.
fn refusing(unreachable: &[IpNet]) -> Vec<Chain> {
    let any = [("ip", IpAddr::from([0; 4])), ("ip6", IpAddr::from([0; 16]))];
    let caught: Vec<String> = any
        .iter()
        .filter_map(|(ip, family)| {
            let nets = braces(unreachable, *family)?;
            Some(format!(
                "{ip} daddr {nets} fib daddr type != local fib daddr oif missing goto refuse"
            ))
        })
        .collect();
    if caught.is_empty() {
        return Vec::new();
    }
    let caught = Chain {
        name: "unreachable",
        hook: Some(("filter", "prerouting", AFTER_OTHERS)),
        rules: caught,
    };
    let refuse = Chain {
        name: "refuse",
        hook: None,
        rules: rules(&[
            "meta l4proto tcp reject with tcp reset",
            "reject with icmpx port-unreachable",
        ]),
    };
    vec![caught, refuse]
}

/// The networks of one family as an anonymous set, which takes no overlaps.
fn braces(nets: &[IpNet], family: IpAddr) -> Option<String> {
    let nets: Vec<IpNet> = nets
        .iter()
        .filter(|net| net.addr().is_ipv4() == family.is_ipv4())
        .map(IpNet::trunc)
        .collect();
    let texts: Vec<String> = IpNet::aggregate(&nets)
        .iter()
        .map(ToString::to_string)
        .collect();
    (!texts.is_empty()).then(|| format!("{{ {} }}", texts.join(", ")))
}
