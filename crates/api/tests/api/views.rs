//! A node that shows the same at any time.

use api::{
    BackendCounts, BackendStanding, BackendView, CandidateView, Client, ClientView, DecisionView,
    EjectionView, ExplainError, ExplanationView, FailureCounts, LogStream, ProblemView, TimeBucket,
    TraceView, TraceWish, Views, VipPort, VipView, VipsView,
};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use model::{Protocol, TaskId, Timestamp};
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

    fn metrics(&self) -> String {
        "sealane_up 1\n".into()
    }

    fn problems(&self) -> Vec<ProblemView> {
        vec![ProblemView {
            about: "dockerd".into(),
            message: "does not answer".into(),
        }]
    }
}
