//! Blocks over a real store, on a kernel that is none.

use std::sync::Mutex;

use model::{Block, Network, Node, Resources, Subnet, Timestamp};
use networks::{FabricNetwork, HolderKind, Lease, Usage};
use store::{Change, Expect, RedbStore};

use super::*;

mod claiming;
mod deleting;

/// A kernel's side that notes what it is told.
#[derive(Clone, Default)]
struct Kernel(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    networks: Vec<Arc<FabricNetwork>>,
    usage: Vec<Usage>,
    living: BTreeSet<EndpointId>,
    refuses: bool,
}

impl Kernel {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    /// So many addresses of a block are in use.
    fn leases(&self, network: &str, block: IpNet, used: u64) {
        let lease = |index: u64| Lease {
            address: block.addr(),
            holder: format!("c{index}/eth0"),
            kind: HolderKind::Cni,
            since: Timestamp::default(),
        };
        self.told().usage = vec![Usage {
            network: network.to_owned(),
            block,
            capacity: 253,
            used,
            leases: (0..used).map(lease).collect(),
        }];
    }

    fn network(&self, name: &str) -> Option<FabricNetwork> {
        let told = self.told();
        let mut networks = told.networks.iter();
        networks
            .find(|it| it.network.name == name)
            .map(|it| (**it).clone())
    }
}

#[async_trait::async_trait]
impl Ground for Kernel {
    async fn configure(&self, networks: Vec<FabricNetwork>) -> Result<(), String> {
        let mut told = self.told();
        told.networks = networks.into_iter().map(Arc::new).collect();
        if told.refuses {
            Err("the kernel refused".to_owned())
        } else {
            Ok(())
        }
    }

    fn networks(&self) -> Vec<Arc<FabricNetwork>> {
        self.told().networks.clone()
    }

    /// As the real one, of what it was told to have.
    async fn usage(&self) -> Vec<Usage> {
        let told = self.told();
        let known = |it: &&Usage| {
            told.networks
                .iter()
                .any(|known| known.network.name == it.network)
        };
        told.usage.iter().filter(known).cloned().collect()
    }

    async fn reconcile(&self, living: &BTreeSet<EndpointId>) -> Result<Option<String>, String> {
        self.told().living = living.clone();
        Ok(None)
    }
}

/// A store that several nodes share.
struct Fleet {
    records: Records,
    mirror: Mirror,
    directory: tempfile::TempDir,
}

/// One of its nodes.
struct Member {
    blocks: Blocks<Kernel>,
    kernel: Kernel,
    memory: Memory,
    own: watch::Receiver<Vec<IpNet>>,
}

impl Fleet {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        let mirror = Mirror::start(records.clone());
        mirror.at_least(1).await;
        Self {
            records,
            mirror,
            directory,
        }
    }

    /// A node as it is after a start.
    fn node(&self, name: &str) -> Member {
        let home = self.directory.path().join(name);
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("sealane-cni"), "").unwrap();
        let kernel = Kernel::default();
        let (publish, own) = watch::channel(Vec::new());
        let blocks = Blocks {
            records: self.records.clone(),
            mirror: self.mirror.clone(),
            node: node(name),
            ground: kernel.clone(),
            networks: None,
            files: PluginFiles {
                configs: home.join("net.d"),
                links: home.join("bin"),
                program: home.join("sealane-cni"),
                socket: home.join("cni.sock"),
            },
            troubles: Arc::default(),
            own: publish,
            reports: Reports::default(),
        };
        Member {
            blocks,
            kernel,
            memory: Memory::default(),
            own,
        }
    }

    async fn commit(&self, change: Change) -> Arc<State> {
        match self.records.commit(change).await.unwrap() {
            Outcome::Committed(revision) => self.mirror.at_least(revision).await,
            Outcome::Conflict => panic!("nothing was expected"),
        }
    }

    async fn create(&self, network: &Network) {
        let mut change = Change::new();
        change.put_network(network, Expect::Absent);
        self.commit(change).await;
    }

    async fn delete(&self, name: &str) {
        let mut change = Change::new();
        change.delete_network(name, Expect::Any);
        self.commit(change).await;
    }

    /// A block's nets as the store has them.
    fn block(&self, network: &str, name: &str) -> Option<Vec<IpNet>> {
        let state = self.mirror.state();
        let block = state.blocks.get(&(network.to_owned(), node(name)))?;
        Some(block.nets.clone())
    }
}

impl Member {
    /// Reconciles once; yields the failures.
    async fn run(&mut self) -> Vec<String> {
        self.blocks.reconcile(&mut self.memory).await;
        self.report().failures
    }

    fn report(&self) -> crate::report::Report {
        self.blocks.reports.all()["blocks"].clone()
    }

    fn has_file(&self, network: &str) -> bool {
        let name = format!("{network}.conflist");
        self.blocks.files.configs.join(name).exists()
    }
}

fn node(name: &str) -> NodeId {
    NodeId(name.to_owned())
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A network of addresses that are for documentation, which no host has.
fn lab(block: u8) -> Network {
    network("lab", "198.18.0.0/22", block)
}

fn network(name: &str, subnet: &str, block: u8) -> Network {
    Network {
        name: name.to_owned(),
        subnets: vec![Subnet {
            net: net(subnet),
            block,
        }],
        mtu: None,
        masquerade: true,
        created: Timestamp::from_millis(7),
    }
}
