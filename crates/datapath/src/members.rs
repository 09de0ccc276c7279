//! What a service's backends should be in the kernel.

use vip::{Backend, BackendState, Service, ServiceKey};

use crate::identity::backend_identity;

/// A backend as it should be in the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'t> {
    pub(crate) identity: u64,
    pub(crate) weight: u32,
    pub(crate) draining: bool,
    pub(crate) backend: &'t Backend,
}

/// A service's backends in the order of slots: ready ones, then draining ones, each
/// by identity, so that two tables which mean the same are the same. A backend
/// without any address is left out: no client could use it.
pub(crate) fn wanted<'t>(key: &ServiceKey, service: &'t Service) -> Vec<Wanted<'t>> {
    let mut wanted: Vec<_> = service
        .backends
        .iter()
        .filter(|backend| backend.near.is_some() || backend.far.is_some())
        .map(|backend| Wanted {
            identity: backend_identity(key, backend),
            weight: backend.weight.max(1),
            draining: backend.state == BackendState::Draining,
            backend,
        })
        .collect();
    wanted.sort_unstable_by_key(|wanted| (wanted.draining, wanted.identity));
    wanted.dedup_by_key(|wanted| wanted.identity);
    wanted
}

#[cfg(test)]
mod tests {
    use model::Protocol;
    use vip::Policy;

    use super::*;

    fn backend(number: u16, state: BackendState) -> Backend {
        Backend {
            task: format!("web.{number}").parse().unwrap(),
            near: None,
            far: Some(([10, 0, 0, 1], 31_000 + number).into()),
            weight: 0,
            state,
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
            policy: Policy::Random,
            backends: backends.clone(),
        };

        let wanted_now = wanted(&key, &service);
        assert_eq!(wanted_now.len(), 9);
        assert!(wanted_now.iter().all(|wanted| wanted.weight == 1));
        assert_eq!(
            wanted_now.iter().position(|wanted| wanted.draining),
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
