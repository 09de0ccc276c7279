use std::sync::Arc;

use model::{External, Task, TaskStatus};
use serde_json::json;
use store::Held;

use super::*;

const ID: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn held<T>(record: T) -> Held<T> {
    Held {
        record: Arc::new(record),
        revision: 1,
    }
}

fn task(state: &mut State, id: &str, app: &str, node: &str, container: &str) {
    let task: Task = serde_json::from_value(json!({
        "id": id, "app": app, "framework": "marathon", "version": "2024-01-01T00:00:00.000Z",
        "node": node, "goal": "run", "command": {}, "env": {}, "labels": {},
        "resources": { "cpus": 0.1, "mem": 1.0, "disk": 0.0, "gpus": 0 },
        "container": { "type": "DOCKER" }, "ports": [], "health_checks": [],
        "kill_grace_ms": 0, "created": "2024-01-01T00:00:00.000Z",
    }))
    .unwrap();
    let status: TaskStatus = serde_json::from_value(json!({
        "task": id, "node": node, "state": "TASK_RUNNING", "container": container,
        "staged": "2024-01-01T00:00:00.000Z",
    }))
    .unwrap();
    state.tasks.insert(task.id.clone(), held(task));
    state.statuses.insert(status.task.clone(), held(status));
}

fn external(state: &mut State, container: &str, name: &str) {
    let external: External = serde_json::from_value(json!({
        "node": "n1", "container": container, "name": name, "kind": "DOCKER", "state": "ready",
    }))
    .unwrap();
    let key = (external.node.clone(), external.container.clone());
    state.externals.insert(key, held(external));
}

fn state() -> State {
    let mut state = State::default();
    task(&mut state, "shop.1", "/shop", "n1", "aaa111");
    task(&mut state, "cart.1", "/cart", "n1", "bbb111");
    task(&mut state, "cart.2", "/cart", "n1", "bbb222");
    task(&mut state, "far.1", "/far", "n2", "ccc111");
    external(&mut state, ID, "shop-web-1");
    external(&mut state, "ddd", "web");
    external(&mut state, "eee", "web-2");
    state
}

/// The container or task that is asked for, or what is said.
fn found(text: &str) -> Result<String, String> {
    let client: Client = text.parse().unwrap();
    match meant(&client, &state(), &NodeId("n1".to_owned())) {
        Ok(Meant {
            name: ClientName::Host,
            view,
        }) => {
            assert!(view.host);
            Ok("the host".to_owned())
        }
        Ok(Meant {
            name: ClientName::Container(name),
            view,
        }) => {
            assert!(!view.host);
            Ok(match view.task {
                Some(task) => format!("{name} of {task}"),
                None => name,
            })
        }
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn tasks_and_containers_by_any_of_their_names() {
    let external = format!("{ID} of docker.9f86d081884c");
    for (text, expected) in [
        ("host", "the host"),
        ("shop.1", "shop.1 of shop.1"),
        ("task:shop.1", "shop.1 of shop.1"),
        ("shop", "shop.1 of shop.1"),
        ("/shop/", "shop.1 of shop.1"),
        ("task:cart.2", "cart.2 of cart.2"),
        ("aaa", "aaa111 of shop.1"),
        ("container:bbb22", "bbb222 of cart.2"),
        ("9f86d0", &external),
        ("docker.9f86d081884c", &external),
        ("container:shop-web-1", &external),
        ("web", "ddd of docker.ddd"),
        // One that has no record here is asked for by its name.
        ("nobodys", "nobodys"),
        ("container:nobodys", "nobodys"),
    ] {
        assert_eq!(found(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_clear_is_told() {
    for (text, says) in [
        (
            "cart",
            "'cart' means several tasks of this node; give one of cart.1, cart.2",
        ),
        (
            "container:bbb",
            "several containers of this node; give one of bbb111, bbb222",
        ),
        ("far.1", "task far.1 runs on node n2; ask there"),
        ("task:nobodys", "see `sealane task list`"),
        ("task:aaa111", "no task or app"),
    ] {
        let error = found(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}
