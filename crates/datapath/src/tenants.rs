//! What `tenants` and `realms` hold, and what they should.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use vip::GroupTable;
use vip::groups::{DEFAULT, MOST};

use crate::identity::group_identity;
use crate::layout::octets;

/// `DEFAULT_GROUP` of `bpf/layout.h`.
const DEFAULT_GROUP: u64 = 1;

/// `TENANT_OPEN`.
const OPEN: u16 = 1;

/// `TENANT_DIRECT`.
const DIRECT: u16 = 2;

/// Bytes of a value of `tenants`.
pub(crate) const TENANT_BYTES: usize = 8 * MOST + 8;

const _: () = {
    use std::mem::{offset_of, size_of};

    use crate::skeleton::types;
    assert!(size_of::<types::tenant>() == TENANT_BYTES);
    assert!(offset_of!(types::tenant, link) == 8 * MOST);
    assert!(offset_of!(types::tenant, count) == 8 * MOST + 4);
    assert!(offset_of!(types::tenant, flags) == 8 * MOST + 6);
};

/// A value of `tenants`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tenant {
    pub(crate) groups: Vec<u64>,
    pub(crate) link: u32,
    pub(crate) open: bool,
    pub(crate) direct: bool,
}

impl Tenant {
    pub(crate) fn pack(&self) -> [u8; TENANT_BYTES] {
        let mut bytes = [0; TENANT_BYTES];
        for (slot, group) in bytes.chunks_exact_mut(8).zip(self.groups.iter().take(MOST)) {
            slot.copy_from_slice(&group.to_ne_bytes());
        }
        let count = self.groups.len().min(MOST) as u16;
        let flags = [(self.open, OPEN), (self.direct, DIRECT)];
        let flags = flags.iter().filter(|(is, _)| *is);
        let flags = flags.fold(0, |all, (_, flag)| all | flag);
        let rest = &mut bytes[8 * MOST..];
        rest[..4].copy_from_slice(&self.link.to_ne_bytes());
        rest[4..6].copy_from_slice(&count.to_ne_bytes());
        rest[6..].copy_from_slice(&flags.to_ne_bytes());
        bytes
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; TENANT_BYTES] = bytes.try_into().ok()?;
        let (groups, rest) = bytes.split_at(8 * MOST);
        let (groups, _) = groups.as_chunks::<8>();
        let count = usize::from(u16::from_ne_bytes([rest[4], rest[5]]));
        let flags = u16::from_ne_bytes([rest[6], rest[7]]);
        Some(Self {
            groups: groups
                .iter()
                .take(count)
                .map(|group| u64::from_ne_bytes(*group))
                .collect(),
            link: u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]),
            open: flags & OPEN != 0,
            direct: flags & DIRECT != 0,
        })
    }
}

/// A key of `tenants`.
pub(crate) fn tenant_key(address: IpAddr) -> [u8; 16] {
    octets(address)
}

/// Reads a key of `tenants`.
pub(crate) fn key_address(bytes: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 16] = bytes.try_into().ok()?;
    Some(Ipv6Addr::from(octets).to_canonical())
}

/// A key of `realms`.
pub(crate) fn realm_key(network: IpAddr, prefix: u8) -> [u8; 20] {
    let mapped = if network.is_ipv4() { 96 } else { 0 };
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&(mapped + u32::from(prefix)).to_ne_bytes());
    bytes[4..].copy_from_slice(&octets(network));
    bytes
}

/// What is known of the container behind a link that is to be guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind<'a> {
    /// All its addresses on the link.
    pub addresses: &'a [IpAddr],
    /// Whether a task in other groups than the default one may be about to start there: then
    /// an address that no table has told yet shares a group with nobody, until a table tells
    /// it or expects nobody.
    pub expecting: bool,
    /// Whether packets of other guarded links of the node may be handed to the container
    /// at once, past the host's routing, its packet filters and the queue of the link,
    /// where a limit would have them wait.
    pub direct: bool,
}

/// What is behind a link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Guarded {
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Whether its addresses are in the default group if nobody says otherwise. Until
    /// then they share a group with nobody: a task may be about to say which are its own.
    pub(crate) settled: bool,
    /// Whether packets of neighbours may come without the link's queue.
    pub(crate) direct: bool,
}

/// What is known of groups, and what the maps hold.
#[derive(Debug, Default)]
pub(crate) struct Tenancy {
    /// What `tenants` holds.
    pub(crate) installed: BTreeMap<IpAddr, Tenant>,
    /// What was told last; nothing yet after a restart.
    pub(crate) table: Option<GroupTable>,
    pub(crate) links: BTreeMap<u32, Guarded>,
    names: BTreeMap<u64, String>,
}

impl Tenancy {
    /// What maps that were adopted say.
    pub(crate) fn adopt(installed: BTreeMap<IpAddr, Tenant>) -> Self {
        let mut links = BTreeMap::<u32, Guarded>::new();
        for (address, tenant) in installed.iter().filter(|(_, tenant)| tenant.link != 0) {
            let link = links.entry(tenant.link).or_default();
            link.addresses.insert(*address);
            link.settled |= !tenant.groups.is_empty();
            link.direct |= tenant.direct;
        }
        Self {
            installed,
            links,
            ..Self::default()
        }
    }

    /// What `tenants` should hold.
    pub(crate) fn wanted(&mut self) -> BTreeMap<IpAddr, Tenant> {
        let mut wanted = BTreeMap::new();
        let table = self.table.take();
        match &table {
            Some(table) => {
                for (address, holder) in &table.holders {
                    wanted.insert(*address, self.in_groups(&holder.groups));
                }
                for address in &table.open {
                    wanted.entry(*address).or_default().open = true;
                }
            }
            // What the process before this one was told, but for its links.
            None => wanted.extend(self.installed.iter().filter_map(|(address, tenant)| {
                let known = tenant.open || !tenant.groups.is_empty();
                let tenant = Tenant {
                    link: 0,
                    direct: false,
                    ..tenant.clone()
                };
                known.then_some((*address, tenant))
            })),
        }
        for (link, guarded) in &self.links {
            for address in &guarded.addresses {
                let groups = match guarded.settled {
                    true => vec![DEFAULT_GROUP],
                    false => Vec::new(),
                };
                let unknown = Tenant {
                    groups,
                    ..Tenant::default()
                };
                let tenant = wanted.entry(*address).or_insert(unknown);
                (tenant.link, tenant.direct) = (*link, guarded.direct);
            }
        }
        self.table = table;
        wanted
    }

    /// What is behind a link from now on. An address that another link had is no longer
    /// there.
    pub(crate) fn guard(&mut self, link: u32, behind: &Behind<'_>) {
        let addresses = behind.addresses.iter();
        let addresses: BTreeSet<_> = addresses.map(IpAddr::to_canonical).collect();
        for guarded in self.links.values_mut() {
            guarded.addresses.retain(|it| !addresses.contains(it));
        }
        let guarded = self.links.entry(link).or_default();
        guarded.settled |= !behind.expecting;
        guarded.direct = behind.direct;
        guarded.addresses = addresses;
        self.links
            .retain(|it, guarded| *it == link || !guarded.addresses.is_empty());
    }

    fn in_groups<'g>(&mut self, groups: impl IntoIterator<Item = &'g String>) -> Tenant {
        let mut groups: Vec<_> = groups.into_iter().map(|name| self.digest(name)).collect();
        groups.truncate(MOST);
        Tenant {
            groups,
            ..Tenant::default()
        }
    }

    /// What maps call a group: the same always, unless two names met.
    fn digest(&mut self, name: &str) -> u64 {
        if name == DEFAULT {
            return DEFAULT_GROUP;
        }
        let mut attempt = 0;
        loop {
            let digest = group_identity(name, attempt);
            let taken = digest == DEFAULT_GROUP
                || self.names.get(&digest).is_some_and(|known| known != name);
            if !taken {
                self.names.entry(digest).or_insert_with(|| name.to_owned());
                return digest;
            }
            attempt += 1;
        }
    }
}

#[cfg(test)]
mod tests;
