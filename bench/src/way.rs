//! A way from a client to a server: what contenders are.

use std::net::SocketAddrV4;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};
use datapath::Datapath;
use model::Protocol;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use vip::Settings;

use crate::forward::{Forward, middle, table};
use crate::peers::haproxy::{self, HaProxy, Listen};
use crate::peers::{iptables, nft};
use crate::process::{Running, report, settle};
use crate::site::{Half, Server, Site};

/// Sealane's own way among contenders.
pub(crate) const VIP: &str = "vip";
/// To the server's own address on a machine without Sealane.
pub(crate) const DIRECT: &str = "direct";
/// To the server's own address on a machine with it.
pub(crate) const ATTACHED: &str = "direct-attached";
/// Through destination NAT by verdict maps.
pub(crate) const NFTABLES: &str = "nftables";
/// Through a proxy.
pub(crate) const HAPROXY: &str = "haproxy";

/// A part that serves, and its options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving {
    pub(crate) part: &'static str,
    pub(crate) options: &'static [&'static str],
    pub(crate) protocol: Protocol,
    /// Whether client, server and proxy share one core. Where they wait for each other
    /// all the time, nothing is lost by that, and else the time that the machine takes
    /// to wake another core would be most of what is measured.
    pub(crate) one_core: bool,
}

impl Serving {
    /// Starts the server.
    fn start(self, site: &Site, half: Half) -> Result<Rc<Server>> {
        let core = core()?.to_string();
        let mut options = self.options.to_vec();
        if self.one_core {
            options.extend(["--core", &core]);
        }
        site.serve(self.part, half, &options)
    }
}

/// The core that is shared: the last one, since the first has the machine's interrupts.
fn core() -> Result<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let last = (0..CpuSet::count()).rfind(|core| allowed.is_set(*core).unwrap_or(false));
    last.context("no core is allowed")
}

/// A way from a client to a server. Its fields end in this order.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Where a client connects to.
    pub(crate) target: SocketAddrV4,
    /// Where the client stands.
    half: Half,
    /// The only core that a client may use.
    core: Option<usize>,
    datapath: Option<Datapath>,
    haproxy: Option<HaProxy>,
    pub(crate) server: Rc<Server>,
    site: Rc<Site>,
}

impl Way {
    /// To a server's own address.
    pub(crate) fn direct(site: &Rc<Site>, half: Half, serving: Serving) -> Result<Self> {
        let server = serving.start(site, half)?;
        let name = match half {
            Half::Plain => DIRECT,
            Half::Attached => ATTACHED,
        };
        Self::to(name, site, half, serving, &server)
    }

    /// Through the datapath, with `count` services in its table.
    pub(crate) fn vip(site: &Rc<Site>, serving: Serving, count: u32) -> Result<Self> {
        let server = serving.start(site, Half::Attached)?;
        let forwards = Forward::alike(count, serving.protocol, &[server.address]);
        let datapath = site.datapath(&table(&forwards, Settings::default())?)?;
        let target = middle(&forwards)?.from;
        let way = Self::to(VIP, site, Half::Attached, serving, &server)?;
        Ok(Self {
            target,
            datapath: Some(datapath),
            ..way
        })
    }

    /// Through nftables with `count` services, on a host of its own: tracking slows
    /// every connection of a host.
    pub(crate) fn nftables(serving: Serving, count: u32) -> Result<Self> {
        Self::rules(NFTABLES, serving, count, nft::load)
    }

    /// Through iptables with `count` services, on a host of its own.
    pub(crate) fn iptables(name: &'static str, serving: Serving, count: u32) -> Result<Self> {
        Self::rules(name, serving, count, iptables::load)
    }

    fn rules(
        name: &'static str,
        serving: Serving,
        count: u32,
        load: impl FnOnce(&testlab::Host, &[Forward]) -> Result<()>,
    ) -> Result<Self> {
        let site = Site::new("bench-rules")?;
        let server = serving.start(&site, Half::Plain)?;
        let forwards = Forward::alike(count, serving.protocol, &[server.address]);
        load(&site.host, &forwards)?;
        let target = middle(&forwards)?.from;
        let way = Self::to(name, &site, Half::Plain, serving, &server)?;
        Ok(Self { target, ..way })
    }

    /// Through a proxy that listens for `count` services, before a server of its own:
    /// it may go on talking to it when its client has gone.
    pub(crate) fn haproxy(site: &Rc<Site>, serving: Serving, count: u32) -> Result<Self> {
        let server = serving.start(site, Half::Plain)?;
        let forwards = Forward::alike(count, serving.protocol, &[server.address]);
        let core = serving.one_core.then(core).transpose()?;
        let listens = forwards.iter().map(|forward| Listen {
            forward,
            section: "",
            server: "",
        });
        let haproxy = HaProxy::start(&site.host, &listens.collect::<Vec<_>>(), core)?;
        let target = haproxy::address(middle(&forwards)?);
        let way = Self::to(HAPROXY, site, Half::Plain, serving, &server)?;
        Ok(Self {
            target,
            haproxy: Some(haproxy),
            ..way
        })
    }

    fn to(
        name: &'static str,
        site: &Rc<Site>,
        half: Half,
        serving: Serving,
        server: &Rc<Server>,
    ) -> Result<Self> {
        Ok(Self {
            name,
            target: server.address,
            half,
            core: serving.one_core.then(core).transpose()?,
            datapath: None,
            haproxy: None,
            server: Rc::clone(server),
            site: Rc::clone(site),
        })
    }

    /// A command for a client of this way.
    pub(crate) fn client(&self, part: &str) -> Result<Command> {
        let mut command = self.site.part(part, self.half)?;
        command.args(["--target", &self.target.to_string()]);
        if let Some(core) = self.core {
            command.args(["--core", &core.to_string()]);
        }
        Ok(command)
    }

    /// Runs a client for so long and returns what it reports, once nobody works on
    /// what it left.
    pub(crate) fn go<T: DeserializeOwned>(
        &self,
        part: &str,
        millis: u64,
        options: &[&str],
    ) -> Result<T> {
        let mut command = self.client(part)?;
        command
            .args(["--millis", &millis.to_string()])
            .args(options);
        let done = report(&mut command)?;
        settle(&self.processes())?;
        Ok(done)
    }

    fn processes(&self) -> Vec<&Running> {
        let proxy = self.haproxy.as_ref().map(|haproxy| &haproxy.process);
        proxy.into_iter().chain([&self.server.process]).collect()
    }

    /// The datapath of Sealane's own way.
    pub(crate) fn datapath(&self) -> Result<&Datapath> {
        self.datapath.as_ref().context("this way has no datapath")
    }
}

/// Their names, in order.
pub(crate) fn names(ways: &[Way]) -> Vec<&'static str> {
    ways.iter().map(|way| way.name).collect()
}
