//! How much an endpoint may send and receive, as the kernel is told it.
//!
//! Each direction has a token bucket where it leaves an interface: what comes to the
//! container at the host's end of its links, what it sends at its own end.
//!
//! Refused alternative: what the reference plugin `bandwidth` does for what a container
//! sends, which is to lead it through a third link (`ifb`) from an ingress queue of the
//! host's end. That place is taken by the filters of groups, and every packet would take
//! one turn more. The price is that a container which may change its own interfaces can
//! lift the limit of what it sends; CHECK tells.

use std::collections::HashMap;

use cni::Bandwidth;
use netlink::{Batch, Queue};

use super::{EndpointRequest, FabricError};

/// The kernel counts bursts in 32 bits, and the reference plugin takes one byte less.
const MOST: u64 = u32::MAX as u64 - 1;

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Bytes a second.
    rate: u64,
    /// Bytes at once; what fits the rate if absent.
    burst: Option<u32>,
}

/// The limits of an endpoint, from the container's side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of what comes to it.
    pub(crate) ingress: Option<Limit>,
    /// Of what it sends.
    pub(crate) egress: Option<Limit>,
}

impl Limit {
    /// Puts the bucket where this link's packets leave.
    pub(crate) fn put(self, batch: &mut Batch, link: u32, mtu: u16) {
        match self.burst {
            Some(burst) => batch.limit_with_burst(link, self.rate, burst, mtu.into()),
            None => batch.limit(link, self.rate, mtu.into()),
        }
    }

    /// Whether it is among the buckets that were found.
    pub(crate) fn is_at(self, link: u32, found: &HashMap<u32, Queue>) -> bool {
        found.get(&link).is_some_and(|it| it.rate == self.rate)
    }
}

/// What a request asks for.
pub(crate) fn limits(request: &EndpointRequest) -> Result<Limits, FabricError> {
    let Some(asked) = &request.bandwidth else {
        return Ok(Limits::default());
    };
    let Bandwidth {
        ingress_rate,
        ingress_burst,
        egress_rate,
        egress_burst,
    } = *asked;
    Ok(Limits {
        ingress: limit(ingress_rate, ingress_burst)?,
        egress: limit(egress_rate, egress_burst)?,
    })
}

/// From bits.
fn limit(rate: u64, burst: u64) -> Result<Option<Limit>, FabricError> {
    let invalid = |what, bits: u64, rule| {
        let value = bits.to_string();
        Err(FabricError::Invalid { what, value, rule })
    };
    let bytes = rate / 8;
    if rate == 0 {
        return Ok(None);
    }
    if bytes == 0 {
        let rule = "at least 8 bits a second, or 0 for no limit";
        return invalid("rate of 'bandwidth'", rate, rule);
    }
    match u32::try_from(burst / 8) {
        Ok(at_once) if u64::from(at_once) <= MOST => Ok(Some(Limit {
            rate: bytes,
            burst: (burst != 0).then_some(at_once),
        })),
        _ => {
            let rule = "less than 34359738360 bits (4 GiB), or 0 for one that fits the rate";
            invalid("burst of 'bandwidth'", burst, rule)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rate and burst in bytes for these bits.
    fn of(rate: u64, burst: u64) -> Option<(u64, Option<u32>)> {
        let found = limit(rate, burst).unwrap();
        found.map(|limit| (limit.rate, limit.burst))
    }

    #[test]
    fn bits_become_bytes() {
        let most = u64::from(u32::MAX);
        for (rate, burst, expected) in [
            (0, 0, None),
            (0, 1600, None),
            // Impossible, but of a direction without limit.
            (0, u64::MAX, None),
            (8_000_000, 800_000, Some((1_000_000, Some(100_000)))),
            (8, 800_000, Some((1, Some(100_000)))),
            (8_000_000, 0, Some((1_000_000, None))),
            (u64::MAX, 0, Some((u64::MAX / 8, None))),
            (8_000_000, 1, Some((1_000_000, Some(0)))),
            // What Kubernetes' runtimes send, and the most that is taken.
            (8_000_000, most, Some((1_000_000, Some(u32::MAX / 8)))),
            (
                8_000_000,
                most * 8 - 1,
                Some((1_000_000, Some(u32::MAX - 1))),
            ),
        ] {
            assert_eq!(of(rate, burst), expected, "{rate} {burst}");
        }
    }

    #[test]
    fn what_the_kernel_cannot_count_is_refused() {
        for (rate, burst, word) in [
            (7, 0, "rate of 'bandwidth' '7'"),
            (8, u64::from(u32::MAX) * 8, "'34359738360'"),
            (8, u64::MAX, "less than 34359738360 bits"),
        ] {
            let refused = limit(rate, burst).unwrap_err();
            assert!(refused.to_string().contains(word), "{refused}");
        }
    }

    #[test]
    fn records_without_limits_are_read() {
        let request = r#"{"id": {"container": "a", "ifname": "eth0"}, "network": "dcos",
            "netns": "/run/netns/a"}"#;
        let request: EndpointRequest = serde_json::from_str(request).unwrap();
        assert_eq!(limits(&request).unwrap(), Limits::default());
    }
}
