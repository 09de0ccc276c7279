//! What a service's backends should be in the kernel.

use vip::{Backend, BackendState, Service, ServiceKey};

use crate::identity::backend_identity;

/// When a backend is used; less is sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// In the alias table.
    Drawn,
    /// When none of these can be used.
    Second,
    /// When no ready one can be.
    Draining,
}

/// A backend as it should be in the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'t> {
    pub(crate) identity: u64,
    pub(crate) weight: u16,
    pub(crate) tier: Tier,
    pub(crate) backend: &'t Backend,
}

/// A service's backends in the order of slots: by tier, and by identity in each, so
/// that two tables which mean the same are the same. A backend without any address is
/// left out: no client could use it. Where none is preferred, all that are ready are.
pub(crate) fn wanted<'t>(key: &ServiceKey, service: &'t Service) -> Vec<Wanted<'t>> {
    let ready = |backend: &Backend| backend.state == BackendState::Ready;
    let usable = |backend: &&Backend| backend.near.is_some() || backend.far.is_some();
    let prefers = service
        .backends
        .iter()
        .filter(usable)
        .any(|backend| ready(backend) && backend.preferred);
    let tier = |backend: &Backend| match (ready(backend), backend.preferred) {
        (false, _) => Tier::Draining,
        (true, false) if prefers => Tier::Second,
        (true, _) => Tier::Drawn,
    };
    let mut wanted: Vec<_> = service
        .backends
        .iter()
        .filter(usable)
        .map(|backend| Wanted {
            identity: backend_identity(key, backend),
            weight: u16::try_from(backend.weight.max(1)).unwrap_or(u16::MAX),
            tier: tier(backend),
            backend,
        })
        .collect();
    wanted.sort_unstable_by_key(|wanted| (wanted.tier, wanted.identity));
    wanted.dedup_by_key(|wanted| wanted.identity);
    wanted
}

#[cfg(test)]
mod tests {
    use model::Protocol;
    use vip::{Policy, Settings};

    use super::*;

    fn backend(number: u16, state: BackendState) -> Backend {
        Backend {
            task: format!("web.{number}").parse().unwrap(),
            near: None,
            far: Some(([10, 0, 0, 1], 31_000 + number).into()),
            weight: 0,
            state,
            preferred: true,
        }
    }

    #[test]
    fn ready_ones_come_first_and_useless_ones_not_at_all() {
        let key = ServiceKey {
            address: [11, 0, 0, 1].into(),
            port: 80,
            protocol: Protocol::Tcp,
        };
        let mut backends: Vec<_> = (0..9)
            .map(|number| {
                let odd = number % 2 == 1;
                backend(
                    number,
                    if odd {
                        BackendState::Draining
                    } else {
                        BackendState::Ready
                    },
                )
            })
            .collect();
        backends.push(Backend {
            far: None,
            ..backend(9, BackendState::Ready)
        });
        backends.push(backends[0].clone());
        let service = Service {
            name: None,
            settings: Settings {
                policy: Policy::Random,
                ..Settings::default()
            },
            backends: backends.clone(),
        };

        let wanted_now = wanted(&key, &service);
        assert_eq!(wanted_now.len(), 9);
        assert!(wanted_now.iter().all(|wanted| wanted.weight == 1));
        assert_eq!(
            wanted_now
                .iter()
                .position(|wanted| wanted.tier == Tier::Draining),
            Some(5)
        );

        backends.reverse();
        let reversed = Service {
            backends,
            ..service.clone()
        };
        let order = |wanted: &[Wanted<'_>]| -> Vec<u64> {
            wanted.iter().map(|wanted| wanted.identity).collect()
        };
        assert_eq!(order(&wanted(&key, &reversed)), order(&wanted_now));
    }
}
