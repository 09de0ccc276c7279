//! A link that hosts share.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, bail};

use crate::mark::Mark;
use crate::netns::Netns;
use crate::tool;

/// A switch with the networks 10.99.0.0/24 and fd99::/64, in a namespace of its own.
///
/// The switch answers at .254 and is the hosts' default gateway, but leads nowhere.
/// Lives as long as the longest-lived of its clones and hosts.
#[derive(Debug, Clone)]
pub struct Lan(Arc<Switch>);

#[derive(Debug)]
struct Switch {
    netns: Netns,
    next: AtomicU8,
}

impl Lan {
    /// A link without hosts; add them with [`crate::Host::on`].
    ///
    /// # Errors
    /// Without root, or when `ip` is missing.
    pub fn new() -> Result<Self> {
        let netns = Netns::add(Mark::new("lan")?.netns())?;
        tool::ip_batch(
            netns.name(),
            "link add br0 type bridge forward_delay 0\n\
             addr add 10.99.0.254/24 dev br0\n\
             addr add fd99::fe/64 dev br0 nodad\n\
             link set br0 up\n",
        )?;
        Ok(Self(Arc::new(Switch {
            netns,
            next: AtomicU8::new(1),
        })))
    }

    /// Gives the namespace `host` an `eth0` on this link, and returns its addresses.
    pub(crate) fn join(&self, host: &Netns) -> Result<(Ipv4Addr, Ipv6Addr)> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        if !(1..254).contains(&number) {
            bail!("a link has room for 253 hosts");
        }
        let (address, address6) = addresses(0, number);
        let switch = self.0.netns.name();
        let port = format!("port{number}");
        tool::ip_batch(
            switch,
            &format!(
                "link add {port} type veth peer name eth0 netns {}\n\
                 link set {port} master br0 up\n",
                host.name()
            ),
        )?;
        configure(host, address, address6, 0)?;
        Ok((address, address6))
    }
}

/// Gives `host` an `eth0` with nobody at the other end, and returns its addresses.
pub(crate) fn join_alone(host: &Netns) -> Result<(Ipv4Addr, Ipv6Addr)> {
    let (address, address6) = addresses(1, 1);
    tool::ip_batch(
        host.name(),
        "link add eth0 type veth peer name eth0-far\n\
         link set eth0-far up\n",
    )?;
    configure(host, address, address6, 1)?;
    Ok((address, address6))
}

fn addresses(lan: u8, number: u8) -> (Ipv4Addr, Ipv6Addr) {
    let v6 = Ipv6Addr::new(0xfd99, 0, 0, lan.into(), 0, 0, 0, number.into());
    (Ipv4Addr::new(10, 99, lan, number), v6)
}

fn configure(host: &Netns, v4: Ipv4Addr, v6: Ipv6Addr, lan: u8) -> Result<()> {
    let gateway6 = Ipv6Addr::new(0xfd99, 0, 0, lan.into(), 0, 0, 0, 0xfe);
    tool::ip_batch(
        host.name(),
        &format!(
            "addr add {v4}/24 dev eth0\n\
             addr add {v6}/64 dev eth0 nodad\n\
             link set eth0 up\n\
             route add default via 10.99.{lan}.254\n\
             route add default via {gateway6}\n"
        ),
    )
}
