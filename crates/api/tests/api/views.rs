//! A node that shows the same at any time.

use std::collections::BTreeMap;

use api::{
    BackendCounts, BackendStanding, BackendView, BlockView, CandidateView, Client, ClientView,
    DecisionView, DropView, EjectionView, ExplainError, ExplanationView, FailureCounts,
    GroupEndView, GroupWhyError, GroupWhyView, LeaseView, LogStream, NetworksView,
    OtherNetworkView, PortsView, ProblemView, StatisticsView, TimeBucket, TraceView, TraceWish,
    TrafficControlView, Views, VipPort, VipView, VipsView,
};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use model::{Occupied, Protocol, TaskId, Timestamp};
use serde_json::Value;

pub(crate) struct FakeViews;

fn port(name: &str, address: &str, port: u16, protocol: Protocol) -> VipPort {
    VipPort {
        name: Some(format!("{name}.l4lb.thisdcos.directory")),
        address: address.parse().unwrap(),
        port,
        protocol,
    }
}

fn vip(at: VipPort, backends: Vec<BackendView>) -> VipView {
    VipView {
        at,
        settings: vip::Settings::default().into(),
        refused: Some(7),
        backends,
        problems: Vec::new(),
    }
}

fn backend() -> BackendView {
    BackendView {
        task: Some("web.1".parse().unwrap()),
        container: Some("c1".into()),
        node: Some(model::NodeId("one".into())),
        near: Some("172.17.0.2:8080".parse().unwrap()),
        far: None,
        weight: 2,
        state: BackendStanding::Second,
        counts: Some(BackendCounts {
            warming: true,
            open: 3,
            pending: 1,
            total: 9,
            connect_millis: Some(0.25),
            failures: FailureCounts {
                refused: 4,
                ..FailureCounts::default()
            },
            failing_in_row: 2,
            ejection: Some(EjectionView {
                remaining_millis: 1500,
                row: 2,
            }),
            connect_times: vec![
                TimeBucket {
                    up_to_micros: Some(128),
                    count: 5,
                },
                TimeBucket {
                    up_to_micros: None,
                    count: 0,
                },
            ],
        }),
    }
}

#[async_trait::async_trait]
impl Views for FakeViews {
    fn vips(&self) -> VipsView {
        VipsView {
            vips: vec![
                vip(
                    port("web.marathon", "11.0.0.1", 80, Protocol::Tcp),
                    vec![backend()],
                ),
                vip(
                    port("web.marathon", "11.0.0.1", 81, Protocol::Udp),
                    Vec::new(),
                ),
                vip(
                    port("web.docker", "11.0.0.2", 80, Protocol::Tcp),
                    Vec::new(),
                ),
            ],
            problems: self.problems(),
        }
    }

    fn group_why(&self, from: &str, to: &str) -> Result<Vec<GroupWhyView>, GroupWhyError> {
        if from == "nobody" {
            return Err(GroupWhyError::Nobody("'nobody' is no address".to_owned()));
        }
        if to == "::1" {
            return Err(GroupWhyError::Apart(
                "no address of the same family".to_owned(),
            ));
        }
        let end = |task: &str, address: &str, group: &str| GroupEndView {
            address: address.parse().unwrap(),
            task: Some(task.to_owned()),
            side: "task",
            groups: [group.to_owned()].into(),
        };
        Ok(vec![GroupWhyView {
            from: end(from, "9.0.1.2", "a"),
            to: end(to, "9.0.1.3", "b"),
            shared: std::collections::BTreeSet::new(),
            allowed: false,
            drops: vec![DropView {
                from: "9.0.1.2".parse().unwrap(),
                to: "9.0.1.3".parse().unwrap(),
                link: "sealane0a1b2c3d".to_owned(),
                reason: "groups",
                packets: 3,
                ago_ms: 5,
            }],
        }])
    }

    async fn explain(
        &self,
        vip: &VipPort,
        client: &Client,
    ) -> Result<ExplanationView, ExplainError> {
        match client {
            Client::Host => Ok(ExplanationView {
                vip: vip.clone(),
                client: ClientView {
                    host: true,
                    ..ClientView::default()
                },
                summary: "the only one".into(),
                refused: 0.0,
                stays_seconds: None,
                candidates: vec![CandidateView {
                    task: Some("web.1".parse().unwrap()),
                    node: None,
                    state: BackendStanding::Ready,
                    address: Some("172.17.0.2:8080".parse().unwrap()),
                    chance: 1.0,
                    weight: 1,
                    open: 2,
                    pending: 0,
                    connect_millis: None,
                    cost: 1.5,
                    ejection: None,
                    why: "it is the only one".into(),
                }],
            }),
            Client::Task(id) => Err(ExplainError::NoClient(format!("no task {id} here"))),
            Client::Container(_) => Err(ExplainError::Unclear("two of them".into())),
            Client::Any(_) => Err(ExplainError::Unavailable("no datapath".into())),
        }
    }

    /// One decision that tells the wish, and one loss.
    fn trace(&self, wish: TraceWish) -> Result<BoxStream<'static, TraceView>, String> {
        if wish.every == 99 {
            return Err("too many watch already".into());
        }
        let at = Timestamp::from_millis(1_700_000_000_000);
        let decision = DecisionView {
            at,
            vip: port("web.marathon", "11.0.0.1", 80, Protocol::Tcp),
            how: "drawn",
            task: Some("web.1".parse().unwrap()),
            address: Some("172.17.0.2:8080".parse().unwrap()),
            client: ClientView {
                container: Some("c9".into()),
                netns: Some(5),
                ..ClientView::default()
            },
            pid: 77,
            comm: format!("{:?}", wish.only.unwrap_or_default().len()),
        };
        let lost = TraceView::Lost {
            at,
            count: Some(3),
            why: "too many decisions a second; watch fewer with every=10".into(),
        };
        Ok(stream::iter([TraceView::Decision(Box::new(decision)), lost]).boxed())
    }

    async fn readiness(&self) -> BTreeMap<String, String> {
        [("yard".to_owned(), "no datastore".to_owned())].into()
    }

    /// A block of `lab`, full but for one address, and networks of others.
    async fn networks(&self) -> NetworksView {
        let other = |name: &str, engine, plugins: &[&str], file: Option<&str>| OtherNetworkView {
            name: name.into(),
            engine,
            plugins: plugins.iter().map(|it| (*it).to_owned()).collect(),
            file: file.map(Into::into),
            problem: None,
        };
        NetworksView {
            blocks: vec![BlockView {
                network: "lab".into(),
                net: "10.9.1.0/24".parse().unwrap(),
                capacity: 253,
                used: 252,
                leases: vec![LeaseView {
                    address: "10.9.1.2".parse().unwrap(),
                    holder: "web.1/eth0".into(),
                    since: Timestamp::from_millis(1_700_000_000_000),
                }],
            }],
            problems: [("lab".to_owned(), vec!["nearly full".to_owned()])].into(),
            others: vec![
                other(
                    "yard",
                    "cni",
                    &["bridge", "portmap"],
                    Some("/etc/cni/net.d/10-yard.conflist"),
                ),
                other("street", "docker", &[], None),
            ],
            engines: ["cni"].into(),
            occupied: vec![Occupied::new(
                "10.0.0.0/24".parse().unwrap(),
                "interface eth0",
            )],
        }
    }

    fn status(&self) -> Value {
        serde_json::json!({ "datapath": "attached" })
    }

    async fn logs(
        &self,
        task: &TaskId,
        stream: LogStream,
        tail: Option<usize>,
    ) -> Result<Option<Bytes>, String> {
        match stream {
            LogStream::Stdout if task.as_str() == "unknown" => Ok(None),
            LogStream::Stdout => Ok(Some(format!("{task} {tail:?}").into())),
            LogStream::Stderr => Err("the engine does not answer; is dockerd running?".into()),
        }
    }

    async fn statistics(&self, task: &TaskId) -> Result<Option<StatisticsView>, String> {
        match task.as_str().split('.').next() {
            Some("deaf") => Err("the kernel does not tell".to_owned()),
            Some("isolated") => Ok(Some(StatisticsView {
                net_rx_packets: 1,
                net_tx_rate_limit: Some(125_000),
                net_traffic_control_statistics: vec![TrafficControlView {
                    id: "bw_limit",
                    drops: 3,
                    ..TrafficControlView::default()
                }],
                net_ephemeral_ports: PortsView {
                    begin: 16_384,
                    end: 16_639,
                },
                refused: [("port", 4)].into(),
                ..StatisticsView::default()
            })),
            _ => Ok(None),
        }
    }

    async fn metrics(&self) -> String {
        "sealane_up 1\n".into()
    }

    fn problems(&self) -> Vec<ProblemView> {
        vec![ProblemView {
            about: "dockerd".into(),
            message: "does not answer".into(),
        }]
    }
}
