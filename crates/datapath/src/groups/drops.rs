//! Packets that groups have kept from somebody.

use std::net::IpAddr;
use std::time::Instant;

use libbpf_rs::{MapCore, MapFlags};

use crate::Datapath;
use crate::events::instant;
use crate::sentries;
use crate::tenants::key_address;

/// Why a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// Its two ends share no group.
    Groups,
    /// A container sent it with an address that is not its own.
    Source,
    /// It is neither IP nor ARP, or is cut short.
    Shape,
}

impl DropReason {
    const ALL: [Self; 3] = [Self::Groups, Self::Source, Self::Shape];

    /// One word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Source => "source",
            Self::Shape => "shape",
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Groups => 0,
            Self::Source => 1,
            Self::Shape => 2,
        }
    }
}

/// How many packets were dropped for a reason, since the maps were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The reason.
    pub reason: DropReason,
    /// How many.
    pub packets: u64,
}

/// Packets of one pair of addresses that were dropped at one link. The pairs that were
/// seen longest ago are forgotten first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drops {
    /// Who sent them, or said so.
    pub from: IpAddr,
    /// Whom they were for.
    pub to: IpAddr,
    /// The link's name, or its number if it is gone.
    pub link: String,
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub packets: u64,
    /// When the last of them was.
    pub last: Instant,
}

impl Datapath {
    /// Packets that were dropped at guarded links, by reason.
    #[must_use]
    pub fn dropped(&self) -> Vec<Dropped> {
        let map = &self.kernel.maps.dropped;
        let count = |reason: DropReason| {
            let key = reason.number().to_ne_bytes();
            let values = map.lookup_percpu(&key, MapFlags::ANY).ok().flatten();
            let values = values.unwrap_or_default();
            values.iter().map(|value| long(value, 0)).sum()
        };
        let all = DropReason::ALL.into_iter();
        all.map(|reason| Dropped {
            reason,
            packets: count(reason),
        })
        .collect()
    }

    /// Packets that were dropped, by pairs of addresses.
    #[must_use]
    pub fn drops(&self) -> Vec<Drops> {
        let map = &self.kernel.maps.drops;
        let keys: Vec<_> = map.keys().collect();
        let drops = keys.iter().filter_map(|key| {
            let values = map.lookup_percpu(key, MapFlags::ANY).ok()??;
            let packets = values.iter().map(|value| long(value, 0)).sum();
            let last = values.iter().map(|value| long(value, 8)).max()?;
            let link = word(key, 32);
            let reason = word(key, 36);
            Some(Drops {
                from: key_address(key.get(..16)?)?,
                to: key_address(key.get(16..32)?)?,
                link: sentries::name_of(link).unwrap_or_else(|| link.to_string()),
                reason: DropReason::ALL
                    .into_iter()
                    .find(|known| known.number() == reason)?,
                packets,
                last: instant(last),
            })
        });
        let mut drops: Vec<_> = drops.collect();
        drops.sort_by(|a, b| (a.from, a.to, &a.link).cmp(&(b.from, b.to, &b.link)));
        drops
    }
}

fn long(bytes: &[u8], offset: usize) -> u64 {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

fn word(bytes: &[u8], offset: usize) -> u32 {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}
