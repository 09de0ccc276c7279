//! What a backend or a network is known by in the kernel.
//!
//! A 64-bit digest of what makes it itself, so that a restarted daemon finds its
//! backends again by looking at the maps alone: there is no second record that
//! could disagree with them. Two of a million backends share a digest with a
//! probability of about 3e-8.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use vip::{Backend, BackendState, NetworkKey, Service, ServiceKey};

/// Who a backend is: its service, its task and its addresses. Weight and state are
/// not part of it: they may change under open connections.
pub(crate) fn backend_identity(key: &ServiceKey, backend: &Backend) -> u64 {
    let mut digest = Digest::new(1);
    digest.address(SocketAddr::new(key.address, key.port));
    digest.word(u64::from(key.protocol.number()));
    digest.text(backend.task.as_str());
    match &backend.near {
        Some(near) => {
            digest.address(near.address);
            digest.word(network_identity(&near.network));
        }
        None => digest.word(0),
    }
    match backend.far {
        Some(far) => digest.address(far),
        None => digest.word(0),
    }
    digest.finish()
}

/// What a network is called in the kernel; never 0.
pub(crate) fn network_identity(network: &NetworkKey) -> u64 {
    let mut digest = Digest::new(2);
    digest.text(&network.engine);
    digest.text(&network.name);
    digest.finish()
}

/// Tells a service from what it was in the table before, names included. Only this
/// process compares it. A copy to compare with was refused: it doubles the memory
/// that a table takes and is slower, since twice as much is read.
pub(crate) fn fingerprint(service: &Service) -> u64 {
    let mut digest = Digest::new(3);
    digest.text(service.name.as_deref().unwrap_or_default());
    let settings = service.settings;
    digest.word(settings.policy as u64 | u64::from(settings.close) << 8);
    digest.word(u64::from(settings.affinity) << 32 | u64::from(settings.slow_start));
    digest.word(u64::from(settings.failures) << 32 | u64::from(settings.max_ejected));
    for backend in &service.backends {
        // Each starts anew, so that the processor works on several at a time.
        digest.word(backend_fingerprint(backend));
    }
    digest.finish()
}

fn backend_fingerprint(backend: &Backend) -> u64 {
    let mut digest = Digest::new(4);
    // So that neither address can be taken for the other.
    let shape = u64::from(backend.near.is_some()) | u64::from(backend.far.is_some()) << 1;
    let draining = u64::from(backend.state == BackendState::Draining);
    let preferred = u64::from(backend.preferred);
    digest.word(u64::from(backend.weight) << 32 | preferred << 3 | draining << 2 | shape);
    digest.text(backend.task.as_str());
    if let Some(near) = &backend.near {
        digest.short_address(near.address);
        digest.text(&near.network.engine);
        digest.text(&near.network.name);
    }
    if let Some(far) = backend.far {
        digest.short_address(far);
    }
    digest.finish()
}

/// What maps call a group. Not a cryptographic digest: whoever takes names in notices two
/// that meet, and asks for another `attempt`.
pub(crate) fn group_identity(name: &str, attempt: u64) -> u64 {
    let mut digest = Digest::new(6);
    digest.word(attempt);
    digest.text(name);
    digest.finish()
}

/// What clients are hashed with here: another one on every host, the same until it is
/// started anew, as the cookies of its namespaces are.
pub(crate) fn hash_seed() -> u64 {
    let mut digest = Digest::new(5);
    // Without it all hosts hash alike, which is worse and still right.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    digest.text(boot.trim());
    digest.finish()
}

/// A word at a time, since a table of 100,000 backends is digested at each change.
struct Digest(u64);

impl Digest {
    fn new(domain: u64) -> Self {
        Self(0x5ea1_a4e0_0000_0000 | domain)
    }

    fn word(&mut self, word: u64) {
        // Multiplying to twice the width and folding lets every bit reach every other.
        let wide = u128::from(self.0.rotate_left(23) ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (wide as u64) ^ ((wide >> 64) as u64);
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let last = rest.iter().rev();
            self.word(last.fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn address(&mut self, address: SocketAddr) {
        let bits = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        self.word((bits >> 64) as u64);
        self.word(bits as u64);
        self.word(u64::from(address.port()));
    }

    /// One word for IPv4.
    fn short_address(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => self.word(u64::from(ip.to_bits()) << 32 | u64::from(address.port())),
            IpAddr::V6(_) => self.address(address),
        }
    }

    fn finish(mut self) -> u64 {
        self.word(0);
        self.0.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use model::Protocol;
    use vip::{Near, Policy, Settings};

    use super::*;

    fn key() -> ServiceKey {
        ServiceKey {
            address: "11.0.0.1".parse().unwrap(),
            port: 80,
            protocol: Protocol::Tcp,
        }
    }

    fn backend(task: &str) -> Backend {
        Backend {
            task: task.parse().unwrap(),
            near: Some(Near {
                address: "172.17.0.2:80".parse().unwrap(),
                network: NetworkKey {
                    engine: "docker".into(),
                    name: "bridge".into(),
                },
            }),
            far: Some("10.0.0.1:31000".parse().unwrap()),
            weight: 1,
            state: BackendState::Ready,
            preferred: true,
        }
    }

    #[test]
    fn an_identity_is_the_same_in_every_release() {
        // A new value means that an upgraded daemon takes every backend for a new one.
        assert_eq!(
            backend_identity(&key(), &backend("web.1")),
            18_252_207_718_764_018_562
        );
        let lab = NetworkKey {
            engine: "cni".into(),
            name: "lab".into(),
        };
        assert_eq!(network_identity(&lab), 15_873_889_394_006_573_440);
    }

    #[test]
    fn all_that_makes_a_backend_counts_and_nothing_else() {
        let same = Backend {
            weight: 9,
            state: BackendState::Draining,
            ..backend("web.1")
        };
        assert_eq!(
            backend_identity(&key(), &same),
            backend_identity(&key(), &backend("web.1"))
        );

        let others = [
            (key(), backend("web.1")),
            (key(), backend("web.2")),
            (ServiceKey { port: 81, ..key() }, backend("web.1")),
            (
                ServiceKey {
                    protocol: Protocol::Udp,
                    ..key()
                },
                backend("web.1"),
            ),
            (
                key(),
                Backend {
                    near: None,
                    ..backend("web.1")
                },
            ),
            (
                key(),
                Backend {
                    far: None,
                    ..backend("web.1")
                },
            ),
            (
                key(),
                Backend {
                    far: Some("10.0.0.1:31001".parse().unwrap()),
                    ..backend("web.1")
                },
            ),
        ];
        let identities: HashSet<_> = others
            .iter()
            .map(|(key, backend)| backend_identity(key, backend))
            .collect();
        assert_eq!(identities.len(), others.len());
    }

    #[test]
    fn whatever_changes_in_a_service_changes_its_fingerprint() {
        let service = |name: &str, backends: &[Backend]| Service {
            name: Some(name.to_owned()),
            settings: Settings {
                policy: Policy::Random,
                ..Settings::default()
            },
            backends: backends.to_vec(),
        };
        let settings = |settings| Service {
            settings,
            ..service("a", &[])
        };
        let defaults = Settings::default();
        let one = backend("web.1");
        let other = |change: fn(&mut Backend)| {
            let mut other = one.clone();
            change(&mut other);
            service("a", &[other])
        };
        let variants = [
            service("a", &[]),
            service("b", &[]),
            settings(defaults),
            settings(Settings {
                close: true,
                ..defaults
            }),
            settings(Settings {
                affinity: 60,
                ..defaults
            }),
            other(|_| {}),
            service("a", &[one.clone(), one.clone()]),
            service("a", &[backend("web.2")]),
            other(|one| one.weight = 2),
            other(|one| one.state = BackendState::Draining),
            other(|one| one.preferred = false),
            other(|one| one.near = None),
            other(|one| one.far = None),
        ];
        let different: HashSet<_> = variants.iter().map(fingerprint).collect();
        assert_eq!(different.len(), variants.len());
        assert_eq!(fingerprint(&variants[3]), fingerprint(&variants[3].clone()));
    }

    #[test]
    fn many_tasks_have_many_identities() {
        let identities: HashSet<_> = (0..100_000)
            .map(|number| backend_identity(&key(), &backend(&format!("web.{number}"))))
            .collect();
        assert_eq!(identities.len(), 100_000);
    }
}
