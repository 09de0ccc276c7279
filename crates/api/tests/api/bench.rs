//! The bench: the API, its store, and whoever writes the other records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use api::ApiContext;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use mesos::NetworkInfo;
use model::{
    AppId, Command, Goal, HealthState, Node, NodeId, PortRange, Protocol, Resources, Task, TaskId,
    TaskPort, TaskState, TaskStatus, Timestamp,
};
use serde_json::Value;
use store::{Change, Expect, Mirror, Outcome, Records, RedbStore, State, Store};
use tower::ServiceExt;

use crate::views::FakeViews;

pub(crate) struct Bench {
    pub(crate) records: Records,
    pub(crate) mirror: Mirror,
    router: Router,
    clock: Arc<AtomicI64>,
    _directory: tempfile::TempDir,
}

/// An answer, with its body as JSON if it is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// Asserts the status and returns the body.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).expect(name).to_str().unwrap()
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::over(|store| store).await
    }

    /// Over a store made of the real one.
    pub(crate) async fn over<S: Store + 'static>(wrap: impl FnOnce(RedbStore) -> S) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb"))
            .await
            .unwrap();
        let records = Records::new(Arc::new(wrap(store)));
        let mirror = Mirror::start(records.clone());
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
        let ticking = Arc::clone(&clock);
        let router = api::router(ApiContext {
            records: records.clone(),
            mirror: mirror.clone(),
            config: marathon::Config::default(),
            vip_ranges: vip::VipRanges::default(),
            node: NodeId("one".into()),
            leader: "one.example.com:8080".into(),
            version: "1.2.3".into(),
            views: Arc::new(FakeViews),
            now: Arc::new(move || Timestamp::from_millis(ticking.load(Ordering::SeqCst))),
        });
        Self {
            records,
            mirror,
            router,
            clock,
            _directory: directory,
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
            json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    pub(crate) async fn call(&self, method: &str, uri: &str, body: &str) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::builder().method(method).uri(uri);
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub(crate) async fn get(&self, uri: &str) -> Value {
        self.call("GET", uri, "").await.is(200)
    }

    pub(crate) async fn commit(&self, change: Change) -> Arc<State> {
        match self.records.commit(change).await.unwrap() {
            Outcome::Committed(revision) => self.mirror.at_least(revision).await,
            Outcome::Conflict => panic!("the bench's own change conflicts"),
        }
    }

    /// The leader: all deployments are done.
    pub(crate) async fn finish(&self) {
        let mut change = Change::new();
        for id in self.mirror.state().deployments.keys() {
            change.delete_deployment(id, Expect::Any);
        }
        self.commit(change).await;
    }

    /// Posts an app and lets its deployment be done.
    pub(crate) async fn app(&self, body: &str) {
        self.call("POST", "/v2/apps", body).await.is(201);
        self.finish().await;
    }

    /// A node with an address.
    pub(crate) async fn node(&self) {
        let lease = self.records.grant(600).await.unwrap();
        let mut change = Change::new();
        change.put_node(&node(), lease, Expect::Any);
        self.commit(change).await;
    }

    /// A task of an app, with what its node says of it.
    pub(crate) async fn task(
        &self,
        app: &str,
        unique: &str,
        state: Option<TaskState>,
        healthy: Option<bool>,
    ) -> TaskId {
        let task = task(app, unique);
        let mut change = Change::new();
        change.put_task(&task, Expect::Absent);
        if let Some(state) = state {
            change.put_status(&status(&task, state, healthy), Expect::Absent);
        }
        self.commit(change).await;
        task.id
    }
}

fn node() -> Node {
    Node {
        id: NodeId("one".into()),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        resources: Resources::default(),
        ports: vec![PortRange {
            first: 31000,
            last: 32000,
        }],
        engines: vec!["docker".into()],
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::from_millis(1),
    }
}

/// Port 0 for both protocols, and port 1 without a host port.
fn ports() -> Vec<TaskPort> {
    let port = |index, protocol, host_port, service_port| TaskPort {
        index,
        name: None,
        protocol,
        container_port: Some(80),
        host_port,
        service_port,
        network_names: Vec::new(),
        labels: BTreeMap::new(),
    };
    vec![
        port(0, Protocol::Udp, Some(31001), 10001),
        port(0, Protocol::Tcp, Some(31001), 10001),
        port(1, Protocol::Tcp, None, 10002),
    ]
}

fn task(app: &str, unique: &str) -> Task {
    let app = AppId::resolve(app).unwrap();
    Task {
        id: TaskId::for_instance(&app, unique),
        app,
        framework: "marathon".into(),
        version: Timestamp::from_millis(1024),
        node: NodeId("one".into()),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: mesos::ContainerInfo::native(),
        ports: ports(),
        health_checks: Vec::new(),
        kill_grace_ms: 3000,
        created: Timestamp::from_millis(1024),
    }
}

fn status(task: &Task, state: TaskState, healthy: Option<bool>) -> TaskStatus {
    let addresses = ["10.1.2.3".parse().unwrap(), "fd01::3".parse().unwrap()];
    let checked = HealthState {
        alive: healthy,
        consecutive_failures: 2,
        first_success: Some(Timestamp::from_millis(3000)),
        last_failure_cause: Some("refused".into()),
        ..HealthState::default()
    };
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state,
        message: None,
        network_infos: vec![NetworkInfo::named("dcos").assigned(&addresses)],
        healthy,
        health: vec![checked],
        container: None,
        staged: Timestamp::from_millis(1024),
        started: (state == TaskState::Running).then(|| Timestamp::from_millis(2048)),
        ended: None,
        exit_code: None,
    }
}
