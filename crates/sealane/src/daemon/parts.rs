//! The parts of a daemon, made and run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, AgentOptions, NodeOptions};
use anyhow::Context;
use api::ApiContext;
use arc_swap::ArcSwap;
use datapath::Datapath;
use futures::{FutureExt, TryFutureExt};
use ipnet::IpNet;
use leader::{Leader, LeaderOptions};
use model::NodeId;
use networks::{Fabric, HostPorts, HostPortsOptions};
use store::{Mirror, Records, RedbStore};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::directories::{Directories, socket};
use super::docker_plugin::{self, DockerPlugin};
use super::metrics::Metrics;
use super::views::{DatapathPlace, NodeViews};
use super::{Config, cni, containers, host, isolated_ports, routes, serve, virtual_networks};

/// Where the bpf filesystem is mounted by convention.
const BPFFS: &str = "/sys/fs/bpf";

/// Forwarded DNS queries that may be under way at once.
const DNS_IN_FLIGHT: usize = 1024;

/// How long parts may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Everything that a daemon runs.
pub(super) struct Parts {
    agent: Agent,
    leader: Leader,
    dns: Option<dns::Server>,
    api: axum::Router,
    listeners: serve::Listeners,
    /// Where VIPs lie, if this node translates any.
    vip_networks: Vec<IpNet>,
    host_ports: HostPorts,
    docker_plugin: Option<DockerPlugin>,
    cni: Option<cni::Server>,
    /// Keeps the lock on the state directory.
    _directories: Directories,
}

impl Parts {
    /// Makes all parts; whatever cannot work without the others fails here.
    pub(super) async fn assemble(
        config: &Config,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let directories = Directories::prepare(config)?;
        let records = records(&directories).await?;
        let misconfigured = virtual_networks::ensure(config, &records, &directories).await?;
        let mirror = Mirror::start(records.clone());
        let node = node(config, &directories).await?;
        let (names, dns_clients) = (no_names(config, &records).await?, Arc::default());
        let dns = bind_dns(config, &node, &names, &dns_clients);
        let host_ports = host_ports(&directories);
        let networks = containers::networks(config, &directories, &host_ports)?;
        let isolation = isolated_ports::open(config, &directories.run, &node.addresses);
        let fabric = virtual_networks::fabric(config, &directories, &host_ports, &node);
        let docker_plugin = docker_plugin::open(config, &directories, fabric.as_ref(), &host_ports);
        let (opened, place) = open_datapath(config, &directories).await;
        let cni = listen_cni(&directories, &fabric, dns.is_some() && opened.is_some());
        let agent = guarding_links(AgentOptions {
            records: records.clone(),
            mirror: mirror.clone(),
            engines: containers::engines(config, &directories, &node, &networks, &isolation)?,
            networks,
            isolation: isolation.ok(),
            docker_driver: docker_plugin.as_ref().map(|_| config.docker.driver.clone()),
            fabric,
            plugin_files: virtual_networks::plugin_files(&directories)?,
            datapath: opened,
            ranges: config.vips.clone(),
            dns: dns.as_ref().and_then(answers_at),
            names,
            api_port: api_port(config),
            dns_clients,
            logs: directories.logs(),
            exempt: config.datapath.exempt.iter().map(PathBuf::from).collect(),
            own_ports: config.ports.enforce,
            node: node.clone(),
        });
        let leader = leader(config, &records, &mirror);
        let listeners = serve::Listeners::bind(config.api.listen, &socket(config)).await?;
        let views = NodeViews {
            agent: agent.view(),
            leader: leader.report(),
            dns: dns.as_ref().map(dns::Server::statistics),
            mirror,
            misconfigured,
            metrics: Metrics::new(config.metrics),
            datapath: place,
            stop: stop.clone(),
        };
        Ok(Self {
            api: api(config, records, node.id, &listeners, views),
            agent,
            leader,
            dns,
            listeners,
            vip_networks: guarded(config),
            host_ports,
            docker_plugin,
            cni,
            _directories: directories,
        })
    }

    /// Runs all parts until `stop` or until one of them fails.
    pub(super) async fn run(self, serving: &Handle, stop: CancellationToken) -> anyhow::Result<()> {
        let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
        tracing::info!(api = %self.listeners.address, socket = %self.listeners.path.display(), "serving");
        let fabric = self.agent.view().fabric;
        if let Some(server) = self.dns {
            let ends = stop.clone();
            let serve = async move {
                if let Err(error) = server.run(ends.cancelled_owned()).await {
                    tracing::error!(%error, "names are not served any more");
                }
                Ok(())
            };
            parts.spawn_on(serve, serving);
        }
        if let Some(plugin) = self.docker_plugin {
            parts.spawn_on(plugin.run(stop.clone()).map(Ok), serving);
        }
        if let Some(server) = self.cni {
            parts.spawn(server.run(stop.clone()).map(Ok));
        }
        let api = serve::run(self.listeners, self.api, stop.clone());
        parts.spawn_on(api.map(Ok), serving);
        parts.spawn(self.leader.run(stop.clone()).map(Ok));
        parts.spawn(self.agent.run(stop.clone()).map_err(anyhow::Error::from));
        let unused = routes::Unused {
            networks: self.vip_networks,
            fabric,
            rules: self.host_ports,
        };
        parts.spawn(unused.keep(stop.clone()).map(Ok));
        drop(sd_notify::notify(&[sd_notify::NotifyState::Ready]));
        let mut failure = None;
        if let Some(ended) = parts.join_next().await {
            failure = failed(ended, stop.is_cancelled());
            stop.cancel();
        }
        let rest = async {
            // A part that fails may end all others first.
            while let Some(ended) = parts.join_next().await {
                failure = failure.take().or_else(|| failed(ended, true));
            }
        };
        if tokio::time::timeout(END_LIMIT, rest).await.is_err() {
            tracing::warn!("some parts did not end in time");
        }
        failure.map_or(Ok(()), Err)
    }
}

fn api(
    config: &Config,
    records: Records,
    node: NodeId,
    listeners: &serve::Listeners,
    views: NodeViews,
) -> axum::Router {
    api::router(ApiContext {
        records,
        mirror: views.mirror.clone(),
        config: config.marathon_config(),
        vip_ranges: config.vips.clone(),
        node,
        leader: listeners.address.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        views: Arc::new(views),
        now: Arc::new(|| std::time::SystemTime::now().into()),
    })
}

async fn records(directories: &Directories) -> anyhow::Result<Records> {
    let store = RedbStore::open(directories.store()).await?;
    Ok(Records::new(Arc::new(store)))
}

/// Names before anything is known of them. Which addresses are named here alone is
/// known from the first question on: those of private networks are nobody else's business.
async fn no_names(
    config: &Config,
    records: &Records,
) -> anyhow::Result<Arc<ArcSwap<dns::Snapshot>>> {
    let state = records.state().await?;
    let subnets = state.networks.values().flat_map(|it| &it.subnets);
    let networks = subnets.map(|it| it.net).chain(config.vips.networks());
    let mut names = dns::Snapshot::awaiting();
    names.set_ranges(networks.collect());
    Ok(Arc::new(ArcSwap::from_pointee(names)))
}

/// Listens to CNI plugins. The DNS server's address, which their containers are told, is
/// a VIP: without translation nothing answers there.
fn listen_cni(
    directories: &Directories,
    fabric: &Option<Fabric>,
    answered: bool,
) -> Option<cni::Server> {
    let resolver = answered.then_some(dns::SERVICE_ADDRESS.into());
    cni::listen(&directories.cni_socket(), fabric.clone(), resolver)
}

fn leader(config: &Config, records: &Records, mirror: &Mirror) -> Leader {
    Leader::new(LeaderOptions {
        records: records.clone(),
        mirror: mirror.clone(),
        schedule: schedule(config),
        ranges: config.vips.clone(),
    })
}

/// The DNS server's own address.
fn answers_at(server: &dns::Server) -> Option<SocketAddr> {
    server.addresses().first().copied()
}

/// Port of the API if others than this host reach it.
fn api_port(config: &Config) -> Option<u16> {
    let listen = config.api.listen;
    (!listen.ip().is_loopback() && listen.port() != 0).then_some(listen.port())
}

/// An agent that has groups stand before each link of a virtual network.
fn guarding_links(options: AgentOptions) -> Agent {
    let agent = Agent::new(options);
    let view = agent.view();
    if let Some(fabric) = &view.fabric {
        fabric.guarded_by(Arc::new(view.guard()));
    }
    agent
}

/// What there is to show of a datapath that runs.
fn place(config: &Config) -> DatapathPlace {
    DatapathPlace {
        cgroup: cgroup(config).unwrap_or_default(),
        capacities: config.datapath.capacities,
        abilities: datapath::abilities(),
    }
}

/// Networks whose unused addresses must not leave this host.
fn guarded(config: &Config) -> Vec<IpNet> {
    if config.datapath.enabled {
        host::vip_networks(&config.vips)
    } else {
        Vec::new()
    }
}

/// Why a part ended, unless it was meant to.
fn failed(
    ended: Result<anyhow::Result<()>, tokio::task::JoinError>,
    asked: bool,
) -> Option<anyhow::Error> {
    let context = "a part of the daemon failed";
    match ended {
        Err(error) => Some(anyhow::Error::from(error).context(context)),
        Ok(Err(error)) => Some(error.context(context)),
        Ok(Ok(())) if asked => None,
        Ok(Ok(())) => Some(anyhow::anyhow!("a part of the daemon ended unasked")),
    }
}

async fn node(config: &Config, directories: &Directories) -> anyhow::Result<NodeOptions> {
    Ok(NodeOptions {
        id: host::name(&config.node)?,
        addresses: vec![host::address(&config.node).await?],
        resources: host::resources(&config.node, &directories.state),
        ports: config.ports()?,
        zone: config.node.zone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn schedule(config: &Config) -> schedule::Config {
    schedule::Config {
        bridge_name: config.marathon.mesos_bridge_name.clone(),
        env_prefix: config.marathon.env_vars_prefix.clone(),
        ..schedule::Config::default()
    }
}

/// The node's nftables table, in the name of this daemon.
pub(super) fn host_ports(directories: &Directories) -> HostPorts {
    HostPorts::new(HostPortsOptions {
        table: directories.table.clone(),
        ..HostPortsOptions::default()
    })
}

/// A node whose DNS cannot be served still runs tasks; `sealane status` says why.
fn bind_dns(
    config: &Config,
    node: &NodeOptions,
    names: &Arc<ArcSwap<dns::Snapshot>>,
    clients: &Arc<ArcSwap<Vec<IpNet>>>,
) -> Option<dns::Server> {
    if !config.dns.enabled {
        return None;
    }
    let upstreams = if config.dns.upstreams.is_empty() {
        dns::Upstreams::ResolvConf("/etc/resolv.conf".into())
    } else {
        let port53 = |address: &std::net::IpAddr| SocketAddr::new(*address, 53);
        dns::Upstreams::Fixed(config.dns.upstreams.iter().map(port53).collect())
    };
    let address = *node.addresses.first()?;
    let options = dns::Options {
        listen: vec![SocketAddr::new(address, config.dns.port)],
        upstreams,
        own: node.addresses.clone(),
        max_in_flight: DNS_IN_FLIGHT,
    };
    match dns::Server::bind(options, Arc::clone(names), Arc::clone(clients)) {
        Ok(server) => Some(server),
        Err(error) => {
            tracing::error!(%error, "names are not served");
            None
        }
    }
}

/// The datapath, and what there is to show of it. A node whose kernel cannot translate still
/// runs tasks; `sealane doctor` says why.
async fn open_datapath(
    config: &Config,
    directories: &Directories,
) -> (Option<Datapath>, Option<DatapathPlace>) {
    if !config.datapath.enabled {
        return (None, None);
    }
    match open(config, directories).await {
        Ok(opened) => (Some(opened), Some(place(config))),
        Err(error) => {
            tracing::error!("VIPs are not translated: {error:#}");
            (None, None)
        }
    }
}

async fn open(config: &Config, directories: &Directories) -> anyhow::Result<Datapath> {
    let cgroup = cgroup(config)?;
    std::fs::create_dir_all(&cgroup)
        .with_context(|| format!("cgroup {} cannot be made", cgroup.display()))?;
    mount_bpffs(&directories.pins)?;
    // Addresses of the range that no VIP has must not leave this host.
    routes::ensure(&host::vip_networks(&config.vips)).await?;
    let options = datapath::Options {
        cgroup,
        pins: directories.pins.clone(),
        capacities: config.datapath.capacities.into(),
    };
    Ok(Datapath::open(&options)?)
}

/// The cgroup whose processes are served.
fn cgroup(config: &Config) -> anyhow::Result<PathBuf> {
    let root = datapath::find_cgroup2()?;
    Ok(root.join(config.cgroup.trim_start_matches('/')))
}

/// Mounts the bpf filesystem where everybody expects it, or over an empty directory:
/// over any other, the mount would hide what is there.
fn mount_bpffs(pins: &Path) -> anyhow::Result<()> {
    let parent = pins
        .parent()
        .context("datapath.pins needs a parent directory")?;
    let place = if pins.starts_with(BPFFS) {
        Path::new(BPFFS)
    } else {
        parent
    };
    let hides_something = place
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some());
    if place == Path::new(BPFFS) || !hides_something {
        datapath::ensure_bpffs(place)?;
    }
    Ok(())
}
