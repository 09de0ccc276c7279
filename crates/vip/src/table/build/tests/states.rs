//! Which tasks are backends, and which of them take new connections.

use super::*;

const READY: &str = "tcp web:80 a far 10.0.0.1:31000";
const DRAINING: &str = "tcp web:80 a far 10.0.0.1:31000 draining";
const NOTHING: &str = "tcp web:80 nothing";

fn member() -> (Task, TaskStatus) {
    running("a", "n1", host("10.0.0.1"), vec![web(None, Some(31000))])
}

fn seen(task: Task, status: TaskStatus) -> String {
    views(&Fleet::of([(task, status)]))[1].join("; ")
}

#[test]
fn states() {
    use TaskState::{Failed, Finished, Killed, Killing, Lost, Running, Staging, Starting};
    for (state, goal, expected) in [
        (Running, Goal::Run, READY),
        (
            Running,
            Goal::Stop {
                reason: "scaled".into(),
            },
            DRAINING,
        ),
        (Killing, Goal::Run, DRAINING),
        (
            Killing,
            Goal::Stop {
                reason: "scaled".into(),
            },
            DRAINING,
        ),
        (Staging, Goal::Run, NOTHING),
        (Starting, Goal::Run, NOTHING),
        (Finished, Goal::Run, NOTHING),
        (Failed, Goal::Run, NOTHING),
        (Killed, Goal::Run, NOTHING),
        (Lost, Goal::Run, NOTHING),
    ] {
        let (mut task, mut status) = member();
        status.state = state;
        task.goal = goal;
        assert_eq!(seen(task, status), expected, "{state:?}");
    }
}

#[test]
fn a_task_is_no_backend_before_its_first_health() {
    let never = HealthState::default();
    let once = HealthState {
        first_success: Some(Timestamp::default()),
        ..never.clone()
    };
    let pass = std::slice::from_ref(&once);
    for (checks, healthy, health, expected) in [
        (0, None, [].as_slice(), READY),
        (0, Some(false), &[], READY),
        (1, None, &[], NOTHING),
        (1, Some(false), std::slice::from_ref(&never), NOTHING),
        (1, Some(true), pass, READY),
        (1, Some(true), &[], READY),
        (1, Some(false), pass, DRAINING),
        (1, None, pass, DRAINING),
        (2, Some(false), &[once.clone(), never.clone()], NOTHING),
        (2, Some(false), &[once.clone(), once.clone()], DRAINING),
    ] {
        let (mut task, mut status) = member();
        task.health_checks = vec![health_check(); checks];
        status.healthy = healthy;
        status.health = health.to_vec();
        assert_eq!(
            seen(task, status),
            expected,
            "{checks} checks, {healthy:?}, {health:?}"
        );
    }
    let (mut task, mut status) = member();
    task.health_checks = vec![health_check()];
    status.state = TaskState::Killing;
    assert_eq!(
        seen(task, status),
        NOTHING,
        "it ends without ever having been healthy"
    );
}

#[test]
fn a_status_counts_only_from_the_tasks_own_node() {
    let (task, mut status) = member();
    status.node = NodeId("n2".to_owned());
    assert_eq!(seen(task.clone(), status), NOTHING);
    let mut fleet = Fleet::of([member()]);
    fleet.statuses.clear();
    assert_eq!(views(&fleet)[0], [NOTHING]);
}

#[test]
fn a_lost_node_suspends_its_backends() {
    let mut fleet = Fleet::of([member()]);
    fleet.nodes.retain(|node| node.id.0 != "n1");
    let [here, there] = views(&fleet);
    assert_eq!(there, [DRAINING], "its status still says where it was");
    assert_eq!(
        here,
        [READY],
        "a node that sees its own record gone is alive nevertheless"
    );

    let net = docker(DockerNetwork::Bridge, None, &["172.17.0.2"]);
    let bridged = running("a", "n1", net, vec![web(Some(80), Some(31000))]);
    let mut fleet = Fleet::of([bridged]);
    fleet.nodes.retain(|node| node.id.0 != "n1");
    let [here, there] = views(&fleet);
    assert_eq!(here, ["tcp web:80 a near docker/bridge 172.17.0.2:80"]);
    assert_eq!(there, [NOTHING]);
}
