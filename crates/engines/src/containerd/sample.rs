//! A task for tests.

use mesos::ContainerInfo;
use model::{AppId, Command, Goal, NodeId, Resources, Task, Timestamp};

pub(super) fn task() -> Task {
    Task {
        id: "sample.instance-1._app.1".parse().unwrap(),
        app: AppId::resolve("/sample").unwrap(),
        framework: "marathon".to_owned(),
        version: Timestamp::default(),
        node: NodeId("node".to_owned()),
        goal: Goal::Run,
        command: Command::default(),
        env: [].into(),
        labels: [].into(),
        resources: Resources::default(),
        container: ContainerInfo::native(),
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 3000,
        created: Timestamp::default(),
    }
}
