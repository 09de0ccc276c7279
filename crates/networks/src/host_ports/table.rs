//! The table as it should be, and making it so.
//!
//! What should be there is kept in memory, whole; what is there is remembered after each
//! success and read again after each failure. A change writes the difference, as one
//! transaction; where that is refused, because somebody flushed the table, all of it is
//! written anew, as one transaction, too. So a failure leaves the old rules standing.
//!
//! The first look at the kernel adopts what an earlier daemon published, under the owners
//! that the elements' comments name, until each part has settled its own.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use netlink::way::Way;

use super::elements::{self, Elements, elements};
use super::layout::Layout;
use super::nft::Nft;
use super::{NatRules, Published, localnet};
use crate::NetworkError;

/// What should be there.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// By owner, with its part.
    pub(super) ports: BTreeMap<String, Vec<Published>>,
    /// By part.
    pub(super) nat: BTreeMap<&'static str, NatRules>,
    /// Networks whose addresses are refused when they have no route.
    pub(super) unreachable: Vec<IpNet>,
    /// The interfaces towards containers.
    ways: BTreeMap<IpAddr, Way>,
    /// Interfaces that carry 127.0.0.1.
    localnet: BTreeSet<String>,
    /// Whether anything was translated in this daemon's life. The chains then stay: if
    /// they went with the last port, connections that live would not be translated on.
    translates: bool,
}

/// What is there, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// Not known: to be read.
    Nothing,
    /// No table of ours.
    Absent,
    /// The table; a layout that is not as it should be has no sign here.
    Table {
        sign: Option<String>,
        elements: Elements,
    },
}

/// The table and what is wanted of it.
#[derive(Debug)]
pub(super) struct Table {
    nft: Nft,
    pub(super) wanted: Wanted,
    known: Known,
    adopted: bool,
}

impl Wanted {
    fn elements(&self) -> Elements {
        let localnet = self.localnet.iter().cloned();
        let all = elements(&self.ports, &self.ways, localnet);
        if self.translates {
            all
        } else {
            Elements::new()
        }
    }

    fn layout(&self) -> Layout {
        let nat: Vec<NatRules> = self.nat.values().cloned().collect();
        Layout::new(self.translates, &nat, &self.unreachable)
    }
}

impl Table {
    pub(super) fn new(nft: Nft) -> Self {
        Self {
            nft,
            wanted: Wanted::default(),
            known: Known::Nothing,
            adopted: false,
        }
    }

    /// Ports that an earlier daemon published, the first time this is asked.
    pub(super) async fn adopt(&mut self) -> Result<Vec<(String, Vec<Published>)>, NetworkError> {
        if self.adopted {
            return Ok(Vec::new());
        }
        self.look().await?;
        self.adopted = true;
        let Known::Table { elements, .. } = &self.known else {
            return Ok(Vec::new());
        };
        for (key, value) in elements {
            if key.0 == "localnet" {
                self.wanted.localnet.insert(key.1.clone());
            }
            if let Some((owner, port)) = elements::published(key, value) {
                self.wanted.ports.entry(owner).or_default().push(port);
            }
        }
        Ok(self.wanted.ports.clone().into_iter().collect())
    }

    /// Changes what is wanted, and the kernel with it; what fails changes neither. Says
    /// whether the kernel had to be changed. `fresh` are the ports that were changed.
    pub(super) async fn change(
        &mut self,
        fresh: &[Published],
        edit: impl FnOnce(&mut Wanted),
    ) -> Result<bool, NetworkError> {
        let mut wanted = self.wanted.clone();
        edit(&mut wanted);
        for port in fresh {
            // A container with the address of an earlier one may be elsewhere.
            wanted.ways.remove(&port.to.ip());
        }
        let changed = self.make(wanted, fresh).await?;
        localnet::open(fresh, &self.wanted.ways).await;
        Ok(changed)
    }

    /// Looks at the kernel and repairs what others did.
    pub(super) async fn repair(
        &mut self,
        edit: impl FnOnce(&mut Wanted),
    ) -> Result<bool, NetworkError> {
        self.known = Known::Nothing;
        let mut wanted = self.wanted.clone();
        edit(&mut wanted);
        localnet::prune(&mut wanted.localnet);
        let ports: Vec<Published> = wanted.ports.values().flatten().copied().collect();
        let changed = self.make(wanted, &ports).await?;
        localnet::open(&ports, &self.wanted.ways).await;
        Ok(changed)
    }

    /// Makes this all that is wanted, in the kernel first. The ways to `ports` are to be
    /// known, those to what no port leads to any more are forgotten.
    async fn make(
        &mut self,
        mut wanted: Wanted,
        ports: &[Published],
    ) -> Result<bool, NetworkError> {
        let all = wanted.ports.values().flatten();
        let used: HashSet<IpAddr> = all.map(|port| port.to.ip()).collect();
        wanted.ways.retain(|ip, _| used.contains(ip));
        localnet::find(ports, &mut wanted.ways, &mut wanted.localnet).await;
        let masquerades = wanted
            .nat
            .values()
            .any(|rules| !rules.masquerade.is_empty());
        wanted.translates |= masquerades || !wanted.ports.is_empty();
        let changed = self.write(&wanted).await?;
        self.wanted = wanted;
        Ok(changed)
    }

    /// Removes the table.
    pub(super) async fn remove(&mut self) -> Result<(), NetworkError> {
        self.look().await?;
        self.wanted = Wanted::default();
        self.write(&Wanted::default()).await?;
        Ok(())
    }

    async fn look(&mut self) -> Result<(), NetworkError> {
        self.known = match self.nft.list().await? {
            None => Known::Absent,
            Some(listing) => {
                let whole = listing.has(&self.wanted.layout());
                let sign = listing.sign.filter(|_| whole);
                let elements = listing.elements;
                Known::Table { sign, elements }
            }
        };
        Ok(())
    }

    async fn write(&mut self, wanted: &Wanted) -> Result<bool, NetworkError> {
        if self.known == Known::Nothing {
            self.look().await?;
        }
        // Nothing is known of an attempt that is given up half-way.
        let known = std::mem::replace(&mut self.known, Known::Nothing);
        let (layout, elements) = (wanted.layout(), wanted.elements());
        if let Known::Table {
            sign,
            elements: old,
        } = &known
            && sign.as_deref() == Some(layout.sign().as_str())
        {
            let script = elements::changes(&self.nft.table, old, &elements);
            if script.is_empty() {
                self.known = known;
                return Ok(false);
            }
            if self.nft.write(&script).await.is_ok() {
                self.remember(&layout, elements);
                return Ok(true);
            }
            // Somebody flushed it, or worse: the look tells whose the table is now.
            self.nft.list().await?;
        }
        if layout.is_empty() {
            return self.write_nothing(known).await;
        }
        self.nft.write(&self.whole(&layout, &elements)).await?;
        self.remember(&layout, elements);
        Ok(true)
    }

    async fn write_nothing(&mut self, known: Known) -> Result<bool, NetworkError> {
        let there = known != Known::Absent;
        if there {
            let table = &self.nft.table;
            let script = format!("add table inet {table}\ndelete table inet {table}\n");
            self.nft.write(&script).await?;
        }
        self.known = Known::Absent;
        Ok(there)
    }

    fn remember(&mut self, layout: &Layout, elements: Elements) {
        let sign = Some(layout.sign());
        self.known = Known::Table { sign, elements };
    }

    /// A script that replaces the table by a new one.
    fn whole(&self, layout: &Layout, elements: &Elements) -> String {
        let table = &self.nft.table;
        format!(
            "add table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n{}\n}}\n{}",
            layout.text(&layout.sign()),
            elements::changes(table, &Elements::new(), elements)
        )
    }
}
