//! What a backend or a network is known by in the kernel.
//!
//! A 64-bit digest of what makes it itself, so that a restarted daemon finds its
//! backends again by looking at the maps alone: there is no second record that
//! could disagree with them. Two of a million backends share a digest with a
//! probability of about 3e-8.

use std::net::{IpAddr, SocketAddr};

use vip::{Backend, NetworkKey, ServiceKey};

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
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
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

    fn finish(mut self) -> u64 {
        self.word(0);
        self.0.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use model::Protocol;
    use vip::{BackendState, Near};

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
    fn many_tasks_have_many_identities() {
        let identities: HashSet<_> = (0..100_000)
            .map(|number| backend_identity(&key(), &backend(&format!("web.{number}"))))
            .collect();
        assert_eq!(identities.len(), 100_000);
    }
}
