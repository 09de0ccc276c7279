//! Which addresses a name resolves to.

use std::net::IpAddr;

use super::candidate::Candidate;
use crate::record::VipRecord;
use crate::settings::Settings;

/// Which kinds of backends a name has, on all its ports.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Families {
    ipv4: bool,
    ipv6: bool,
    /// One that clients anywhere can use.
    far_ipv6: bool,
}

impl Families {
    /// Those of candidates under a service's settings.
    pub(super) fn of<'a>(
        candidates: impl IntoIterator<Item = &'a Candidate>,
        settings: &Settings,
    ) -> Self {
        let mut families = Self::default();
        for candidate in candidates {
            if !candidate.serves(settings) {
                continue;
            }
            if candidate.is_ipv4() {
                families.ipv4 = true;
            } else {
                families.ipv6 = true;
                families.far_ipv6 |= candidate.far.is_some();
            }
        }
        families
    }

    /// Without backends that no address leads to.
    pub(super) fn within(self, record: &VipRecord) -> Self {
        let ipv6 = record.ipv6.is_some();
        Self {
            ipv4: self.ipv4,
            ipv6: self.ipv6 && ipv6,
            far_ipv6: self.far_ipv6 && ipv6,
        }
    }

    /// Notes what another port of the name has.
    pub(super) fn extend(&mut self, other: Self) {
        self.ipv4 |= other.ipv4;
        self.ipv6 |= other.ipv6;
        self.far_ipv6 |= other.far_ipv6;
    }

    /// Whether the name resolves to the address. Clients often try IPv6 first, so a
    /// second family must not be announced before it works for all of them.
    pub(super) fn resolve(self, address: IpAddr) -> bool {
        if address.is_ipv4() {
            self.ipv4 || !self.ipv6
        } else {
            self.far_ipv6 || !self.ipv4 && self.ipv6
        }
    }
}
