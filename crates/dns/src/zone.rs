//! The zones that are answered here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::key::{Key, LONGEST, ancestors};
use crate::{SERVICE_ADDRESS, Source};

/// A zone that this server has authority over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Its apex in wire form, without the root.
    pub(crate) apex: &'static [u8],
    /// The zone whose records it shows; itself unless it is an alias.
    pub(crate) canonical: &'static [u8],
}

const L4LB: &[u8] = b"\x04l4lb\x08thisdcos\x09directory";
const MESOS: &[u8] = b"\x05mesos";
const DIRECTORY: &[u8] = b"\x08thisdcos\x09directory";
const LOCALHOST: &[u8] = b"\x09localhost";
const SPARTAN: &[u8] = b"\x07spartan";

/// Where name servers are.
pub(crate) static SERVER: [IpAddr; 1] = [IpAddr::V4(SERVICE_ADDRESS)];

/// A deeper zone stands before the zone that holds it.
///
/// The aliases are DC/OS's (dcos_dns_router: `dclb` was minuteman's name for `l4lb`,
/// `.global` the older spelling of `.directory`), where the zone of Mesos-DNS had a copy
/// under `mesos.thisdcos.directory`. `spartan` holds the name by which DC/OS tools ask
/// whether the name server is there.
static ZONES: [Zone; 11] = [
    Zone {
        apex: L4LB,
        canonical: L4LB,
    },
    Zone {
        apex: b"\x04l4lb\x08thisdcos\x06global",
        canonical: L4LB,
    },
    Zone {
        apex: b"\x04dclb\x08thisdcos\x09directory",
        canonical: L4LB,
    },
    Zone {
        apex: b"\x04dclb\x08thisdcos\x06global",
        canonical: L4LB,
    },
    Zone {
        apex: b"\x05mesos\x08thisdcos\x09directory",
        canonical: MESOS,
    },
    Zone {
        apex: b"\x05mesos\x08thisdcos\x06global",
        canonical: MESOS,
    },
    Zone {
        apex: MESOS,
        canonical: MESOS,
    },
    Zone {
        apex: DIRECTORY,
        canonical: DIRECTORY,
    },
    Zone {
        apex: b"\x08thisdcos\x06global",
        canonical: DIRECTORY,
    },
    Zone {
        apex: LOCALHOST,
        canonical: LOCALHOST,
    },
    Zone {
        apex: SPARTAN,
        canonical: SPARTAN,
    },
];

/// The innermost zone that holds `name`; `None` for what is forwarded.
pub(crate) fn holding(name: &Key) -> Option<&'static Zone> {
    ZONES
        .iter()
        .find(|zone| name.ancestors().any(|part| part == zone.apex))
}

impl Zone {
    /// `name`, which lies in this zone, as the canonical zone spells it; `None` if it
    /// gets too long there, so that nothing can have that name.
    pub(crate) fn canonical_name(&self, name: &Key) -> Option<Key> {
        if self.apex == self.canonical {
            return Some(*name);
        }
        name.with_suffix(self.apex.len(), self.canonical)
    }

    /// A canonical name as it is spelt in this zone, if it lies there; other names are
    /// what they are.
    pub(crate) fn shown_name(&self, canonical: &[u8]) -> Vec<u8> {
        let inside = ancestors(canonical).any(|part| part == self.canonical);
        let kept = canonical.len() - if inside { self.canonical.len() } else { 0 };
        let suffix = if inside { self.apex } else { &[] };
        let kept = canonical.get(..kept).unwrap_or_default();
        // A name that gets too long there is told as it is.
        if kept.len() + suffix.len() > LONGEST {
            return canonical.to_vec();
        }
        [kept, suffix].concat()
    }

    /// Whether `canonical` names of this zone may come from a snapshot.
    pub(crate) fn published(&self) -> bool {
        [L4LB, MESOS, DIRECTORY].contains(&self.canonical)
    }

    /// Who publishes this zone's names.
    pub(crate) fn source(&self) -> Source {
        if self.canonical == L4LB {
            Source::Vips
        } else {
            Source::Tasks
        }
    }

    /// The addresses of names that are the same on every node.
    pub(crate) fn fixed(&self, canonical: &Key) -> Option<&'static [IpAddr]> {
        static LOOPBACK: [IpAddr; 2] = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        // RFC 6761, 6.3: every name below localhost is the loopback address.
        if self.canonical == LOCALHOST {
            return Some(&LOOPBACK);
        }
        let host = canonical.as_bytes().strip_suffix(self.canonical)?;
        match host {
            b"\x05ready" if self.canonical == SPARTAN => Some(&LOOPBACK[..1]),
            b"\x02ns" => Some(&SERVER),
            // Mesos-DNS called its servers by numbers.
            b"\x03ns1" if self.canonical == MESOS => Some(&SERVER),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn innermost_zone_and_its_canonical_name() {
        for (name, canonical) in [
            ("a.b.l4lb.thisdcos.directory", "a.b.l4lb.thisdcos.directory"),
            ("A.b.dclb.ThisDcos.Global", "a.b.l4lb.thisdcos.directory"),
            ("l4lb.thisdcos.global", "l4lb.thisdcos.directory"),
            ("leader.mesos", "leader.mesos"),
            ("leader.mesos.thisdcos.global", "leader.mesos"),
            (
                "x.autoip.dcos.thisdcos.global",
                "x.autoip.dcos.thisdcos.directory",
            ),
        ] {
            let key = Key::from_text(name).unwrap();
            let found = holding(&key).unwrap().canonical_name(&key).unwrap();
            assert_eq!(found, Key::from_text(canonical).unwrap(), "{name}");
        }
        for foreign in [
            "example.com",
            "directory",
            "notthisdcos.directory",
            "localhost.com",
        ] {
            assert_eq!(
                holding(&Key::from_text(foreign).unwrap()),
                None,
                "{foreign}"
            );
        }
    }
}
