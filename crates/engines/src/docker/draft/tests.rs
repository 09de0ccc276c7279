use std::net::Ipv4Addr;

use mesos::{ContainerType, NetworkInfo, Parameter};
use model::{AppId, Command, Goal, NodeId, TaskId, Timestamp};

use super::*;

fn task() -> Task {
    let app = AppId::resolve("/web").unwrap();
    Task {
        id: TaskId::for_instance(&app, "1"),
        app,
        framework: "marathon".to_owned(),
        version: Timestamp::from_millis(0),
        node: NodeId("n".to_owned()),
        goal: Goal::Run,
        command: Command::default(),
        env: [("A".to_owned(), "b=c".to_owned())].into(),
        labels: [].into(),
        resources: Resources {
            cpus: 0.5,
            mem: 32.0,
            disk: 0.0,
            gpus: 0,
        },
        container: ContainerInfo {
            kind: ContainerType::Docker,
            docker: Some(DockerInfo {
                image: "nginx:1".to_owned(),
                ..DockerInfo::default()
            }),
            ..ContainerInfo::native()
        },
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::from_millis(0),
    }
}

fn options() -> EngineOptions {
    EngineOptions {
        owner: "me".to_owned(),
        cgroup_parent: None,
        dns_server: Ipv4Addr::new(198, 51, 100, 1),
        node_addresses: Vec::new(),
        logs: "/logs".into(),
        state: "/state".into(),
    }
}

fn made(task: &Task) -> (ContainerCreateBody, HostConfig) {
    let body = body(task, &options(), Some("/mine".to_owned())).unwrap();
    let host = body.host_config.clone().unwrap();
    (body, host)
}

fn parameter(task: &mut Task, key: &str, value: &str) {
    let parameter = Parameter {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    task.container
        .docker
        .as_mut()
        .unwrap()
        .parameters
        .push(parameter);
}

#[test]
fn a_plain_task() {
    let (body, host) = made(&task());
    assert_eq!(body.image.as_deref(), Some("nginx:1"));
    assert_eq!((body.entrypoint, body.cmd), (None, None), "the image's own");
    assert_eq!(body.env.unwrap(), ["A=b=c"]);
    assert_eq!(body.labels.unwrap()[labels::OWNER], "me");
    assert_eq!(host.network_mode.as_deref(), Some("host"));
    assert_eq!(host.cpu_shares, Some(512));
    assert_eq!(host.memory, Some(32 * 1024 * 1024));
    assert_eq!(host.cgroup_parent.as_deref(), Some("/mine"));
    assert_eq!(host.dns.unwrap(), ["198.51.100.1"]);
}

#[test]
fn a_shell_replaces_the_entry_point_and_arguments_follow_it() {
    let mut task = task();
    task.command.args = vec!["-g".to_owned(), "daemon off;".to_owned()];
    let (body, _) = made(&task);
    assert_eq!((body.entrypoint, body.cmd.unwrap().len()), (None, 2));
    task.command = Command {
        shell: Some("echo $A".to_owned()),
        ..Command::default()
    };
    let (body, _) = made(&task);
    assert_eq!(body.entrypoint.unwrap(), ["/bin/sh"]);
    assert_eq!(body.cmd.unwrap(), ["-c", "echo $A"]);
}

#[test]
fn limits_have_floors_and_zero_is_none() {
    let mut task = task();
    task.resources = Resources {
        cpus: 0.001,
        mem: 1.0,
        ..Resources::default()
    };
    let (_, host) = made(&task);
    assert_eq!(
        (host.cpu_shares, host.memory),
        (Some(2), Some(LEAST_MEMORY))
    );
    task.resources = Resources::default();
    let (_, host) = made(&task);
    assert_eq!((host.cpu_shares, host.memory), (None, None));
}

#[test]
fn any_word_of_dns_in_the_parameters_replaces_our_resolver() {
    let mut task = task();
    parameter(&mut task, "dns-search", "example.com");
    assert_eq!(made(&task).1.dns, None);
}

#[test]
fn privileges_are_given_only_when_asked_for() {
    let mut task = task();
    assert_eq!(made(&task).1.privileged, Some(false));
    task.container.docker.as_mut().unwrap().privileged = true;
    assert_eq!(made(&task).1.privileged, Some(true));
}

#[test]
fn volumes_become_binds() {
    let mut task = task();
    let volume = |host: Option<&str>, path: &str| Volume {
        mode: VolumeMode::Ro,
        container_path: path.to_owned(),
        host_path: host.map(str::to_owned),
    };
    task.container.volumes = vec![volume(Some("/srv"), "/data"), volume(None, "/scratch")];
    let (body, host) = made(&task);
    assert_eq!(host.binds.unwrap(), ["/srv:/data:ro"]);
    assert_eq!(body.volumes.unwrap(), ["/scratch"]);
    task.container.volumes = vec![volume(Some("srv"), "/data")];
    assert!(super::body(&task, &options(), None).is_err());
}

#[test]
fn what_cannot_be_had_is_refused() {
    let mut named = task();
    named.container.hostname = Some("a".to_owned());
    let mut gpu = task();
    gpu.resources.gpus = 1;
    let mut alias = task();
    parameter(&mut alias, "network-alias", "db");
    for task in [named, gpu, alias] {
        let error = body(&task, &options(), None).unwrap_err();
        assert!(matches!(error, EngineError::Unsupported(_)), "{error}");
    }
}

#[test]
fn a_user_network_is_mode_and_endpoint() {
    let mut task = task();
    task.container.docker.as_mut().unwrap().network = DockerNetwork::User;
    task.container.network_infos = vec![NetworkInfo::named("web")];
    parameter(&mut task, "network-alias", "db");
    let (body, host) = made(&task);
    assert_eq!(host.network_mode.as_deref(), Some("web"));
    let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
    assert_eq!(endpoints["web"].aliases.as_ref().unwrap()[..], ["db"]);
    assert_eq!(
        labels::network(&body.labels.unwrap()),
        NetworkInfo::named("web")
    );
}
