//! Host ports: ports of the node that lead to containers, and what else the node's one
//! nftables table holds.
//!
//! A table of our own, `inet sealane`, beside whatever others have: nobody's else is read
//! or written. Each protocol and family has a map from ports to containers, and rules look
//! packets up that are addressed to the host itself, whoever sends them: other hosts,
//! processes of this one (127.0.0.1 and, by routed interfaces, `::1` too), other
//! containers, and the container itself. Clients keep their addresses wherever the answer
//! comes back by this host anyway.
//!
//! One change is one transaction of `nft`, and costs the same with one port published or
//! with thousands. Tracked flows that would go on to where a port led before are forgotten.
//!
//! Refused alternatives: iptables, which has a rule a port and rewrites all of them for
//! each; a proxy process a port; talking to the kernel without `nft`, which would save a
//! few milliseconds and cost a second implementation of its encoding.

mod claims;
mod elements;
mod flows;
pub(crate) mod holder;
mod layout;
mod listing;
mod localnet;
mod nft;
mod published;
mod table;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::Mutex;

use crate::NetworkError;
pub(crate) use claims::Port;
use claims::{Claims, container};
use nft::Nft;
pub use published::{Masquerade, NatRules, Published, Tunnel};
use table::Table;

/// Host ports by their owners.
type Owners = BTreeMap<String, Vec<Published>>;

/// The longest name of an owner that fits an element's comment.
const NAME_LIMIT: usize = 120;

/// Settings of [`HostPorts`].
#[derive(Debug, Clone)]
pub struct HostPortsOptions {
    /// The program `nft`: a name to be looked up, or a path.
    pub nft: PathBuf,
    /// The table's name, of this daemon alone on the host.
    pub table: String,
}

impl Default for HostPortsOptions {
    fn default() -> Self {
        Self {
            nft: "nft".into(),
            table: "sealane".to_owned(),
        }
    }
}

/// This node's host ports, as one part of the daemon sees them; clones share everything.
///
/// An owner is `<container>` or `<container>/<anything>`, for example its interface. Two
/// owners of one container, of whatever part, do not take ports from each other.
#[derive(Debug, Clone)]
pub struct HostPorts {
    shared: Arc<Shared>,
    part: &'static str,
}

#[derive(Debug)]
struct Shared {
    /// Held while nft runs.
    table: Mutex<Table>,
    /// Ports are claimed before they are written, and until they are withdrawn.
    claims: SyncMutex<Claims>,
    /// Whether the claims hold all that is published.
    adopted: AtomicBool,
}

impl HostPorts {
    /// Nothing is done until something is asked for.
    #[must_use]
    pub fn new(options: HostPortsOptions) -> Self {
        let nft = Nft {
            program: options.nft,
            table: options.table,
        };
        let shared = Shared {
            table: Mutex::new(Table::new(nft)),
            claims: SyncMutex::default(),
            adopted: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
            part: "native",
        }
    }

    /// The same table for another part of the daemon: its owners and rules are apart, so
    /// that [`HostPorts::settle_all`] and [`HostPorts::set_nat`] concern this part's alone.
    #[must_use]
    pub fn part(&self, part: &'static str) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            part,
        }
    }

    /// Makes `mappings` all that the owner has, or changes nothing. Repeating it is fine.
    ///
    /// # Errors
    /// [`NetworkError::PortInUse`] says who has a port; [`NetworkError::NoNft`] that the
    /// program is missing.
    pub async fn publish(&self, owner: &str, mappings: &[Published]) -> Result<(), NetworkError> {
        published::check(owner, mappings)?;
        let mappings = &published::plain(mappings);
        let owner = self.name(owner);
        let mut table = self.table().await?;
        let before = self.claims().of(&owner);
        self.claim(&owner, mappings.iter().map(Port::from).collect())
            .await?;
        let old = table.wanted.ports.get(&owner).cloned().unwrap_or_default();
        let edit = |wanted: &mut table::Wanted| set(&mut wanted.ports, &owner, mappings);
        if let Err(error) = table.change(mappings, edit).await {
            self.claims().set(&owner, before);
            return Err(error);
        }
        drop(table);
        flows::forget(&old, mappings).await;
        Ok(())
    }

    /// Withdraws all that the owner has, and ends what goes through it; nothing is fine.
    ///
    /// # Errors
    /// When nft refuses: the owner then has its ports still.
    pub async fn withdraw(&self, owner: &str) -> Result<(), NetworkError> {
        let owner = self.name(owner);
        if self.is_unknown(&owner) {
            return Ok(());
        }
        let mut table = match self.table().await {
            // Then nothing was published either.
            Err(NetworkError::NoNft { .. }) => return Ok(()),
            table => table?,
        };
        let old = table.wanted.ports.get(&owner).cloned().unwrap_or_default();
        if !old.is_empty() {
            let edit = |wanted: &mut table::Wanted| set(&mut wanted.ports, &owner, &[]);
            table.change(&[], edit).await?;
        }
        drop(table);
        self.claims().set(&owner, Vec::new());
        flows::forget(&old, &[]).await;
        Ok(())
    }

    /// Makes these all host ports of this part, and repairs what others did to the table.
    /// To be repeated: others flush rule sets. No owner may be published or withdrawn
    /// between the making of `all` and the end of this.
    ///
    /// # Errors
    /// When nft is missing or refuses, or the table is somebody else's.
    pub async fn settle_all(
        &self,
        all: &BTreeMap<String, Vec<Published>>,
    ) -> Result<(), NetworkError> {
        let all = all.clone();
        let settled = self.settle(async { Ok((all, HashSet::new())) }).await;
        settled.map(drop)
    }

    /// As [`HostPorts::settle_all`]; says whether there was anything to do. `wanted` is
    /// made while nothing can be published or withdrawn, and names containers that are
    /// being changed: these are left as they are.
    pub(crate) async fn settle(
        &self,
        wanted: impl Future<Output = Result<(Owners, HashSet<String>), NetworkError>>,
    ) -> Result<bool, NetworkError> {
        let mut table = self.table().await?;
        let (all, busy) = wanted.await?;
        let prefix = format!("{}/", self.part);
        let settles = |owner: &str| owner.starts_with(&prefix) && !busy.contains(container(owner));
        let own: Owners = all
            .into_iter()
            .filter(|(_, ports)| !ports.is_empty())
            .map(|(owner, ports)| (self.name(&owner), published::plain(&ports)))
            .filter(|(owner, _)| settles(owner))
            .collect();
        let stale = |owner: &str| settles(owner) && !own.contains_key(owner);
        let published = table.wanted.ports.iter();
        let old = published.filter(|(owner, _)| settles(owner));
        let old: Vec<Published> = old.flat_map(|(_, ports)| ports).copied().collect();
        let edit = |wanted: &mut table::Wanted| {
            wanted.ports.retain(|owner, _| !stale(owner));
            wanted.ports.extend(own.clone());
        };
        let changed = table.repair(edit).await?;
        self.claims().settle(stale, &own);
        drop(table);
        let new: Vec<Published> = own.into_values().flatten().collect();
        flows::forget(&old, &new).await;
        Ok(changed)
    }

    /// Makes these all rules of this part for what leaves the node.
    ///
    /// # Errors
    /// When nft is missing or refuses.
    pub async fn set_nat(&self, rules: NatRules) -> Result<(), NetworkError> {
        let mut table = self.table().await?;
        if table
            .wanted
            .nat
            .get(self.part)
            .unwrap_or(&NatRules::default())
            == &rules
        {
            return Ok(());
        }
        let part = self.part;
        let edit = |wanted: &mut table::Wanted| {
            wanted.nat.insert(part, rules);
        };
        table.change(&[], edit).await?;
        Ok(())
    }

    /// Sees that what is forwarded to addresses of `networks` that have no route is
    /// refused at once, TCP by a reset, and repairs what others did to the table; says
    /// whether there was anything to do.
    ///
    /// # Errors
    /// When nft is missing or refuses, or the table is somebody else's.
    pub async fn keep_refused(&self, networks: &[IpNet]) -> Result<bool, NetworkError> {
        let networks = networks.to_vec();
        let mut table = self.table().await?;
        table.repair(|wanted| wanted.unreachable = networks).await
    }

    /// Removes the table with all that any part has in it.
    ///
    /// # Errors
    /// When nft refuses, or the table is somebody else's.
    pub async fn remove(&self) -> Result<(), NetworkError> {
        let mut table = self.shared.table.lock().await;
        table.remove().await?;
        self.claims().settle(|_| true, &BTreeMap::new());
        Ok(())
    }

    /// Reserves ports for a container, whoever leads them there.
    pub(crate) async fn reserve(
        &self,
        container: &str,
        ports: Vec<Port>,
    ) -> Result<(), NetworkError> {
        if !ports.is_empty() {
            // What was published earlier counts. Without nft, nothing was.
            drop(self.table().await);
        }
        self.claim(&reserved(container), ports).await
    }

    /// Makes `ports` all that is reserved for a container, unasked.
    pub(crate) fn set_reserved(&self, container: &str, ports: Vec<Port>) {
        self.claims().set(&reserved(container), ports);
    }

    /// The table, which has been looked at.
    async fn table(&self) -> Result<tokio::sync::MutexGuard<'_, Table>, NetworkError> {
        let mut table = self.shared.table.lock().await;
        for (owner, ports) in table.adopt().await? {
            let mut claims = self.claims();
            // What was reserved meanwhile is newer.
            if claims.of(&owner).is_empty() {
                claims.set(&owner, ports.iter().map(Port::from).collect());
            }
        }
        self.shared.adopted.store(true, Ordering::Release);
        Ok(table)
    }

    /// Whether there is certainly nothing of the owner, so that nft need not be run, nor
    /// waited for.
    fn is_unknown(&self, owner: &str) -> bool {
        self.shared.adopted.load(Ordering::Acquire) && self.claims().of(owner).is_empty()
    }

    /// Looking for who holds a port reads many files, hence away from async threads.
    async fn claim(&self, owner: &str, ports: Vec<Port>) -> Result<(), NetworkError> {
        let (shared, owner) = (Arc::clone(&self.shared), owner.to_owned());
        let work = tokio::task::spawn_blocking(move || lock(&shared.claims).take(&owner, ports));
        match work.await {
            Ok(outcome) => outcome,
            Err(error) => Err(NetworkError::Interrupted(error.to_string())),
        }
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        lock(&self.shared.claims)
    }

    fn name(&self, owner: &str) -> String {
        name(self.part, owner)
    }
}

/// The owner of a container's reservations: a part of its own, which nobody settles.
fn reserved(container: &str) -> String {
    name("reserved", container)
}

fn lock(claims: &SyncMutex<Claims>) -> MutexGuard<'_, Claims> {
    // The map is whole after each statement, so a panic elsewhere spoils nothing.
    claims.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(ports: &mut BTreeMap<String, Vec<Published>>, owner: &str, mappings: &[Published]) {
    if mappings.is_empty() {
        ports.remove(owner);
    } else {
        ports.insert(owner.to_owned(), mappings.to_vec());
    }
}

/// The owner's name with its part, as a comment in the table: short enough, and of
/// characters that need no quoting.
fn name(part: &str, owner: &str) -> String {
    let name = format!("{part}/{owner}");
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._-:@+".contains(c);
    if name.len() <= NAME_LIMIT && name.chars().all(fits) {
        return name;
    }
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let kept: String = name
        .chars()
        .filter(|c| fits(*c))
        .take(NAME_LIMIT - 17)
        .collect();
    format!("{kept}~{hash:016x}")
}
