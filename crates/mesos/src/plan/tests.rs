use super::*;
use crate::docker::DockerPortMapping;

fn native_with(networks: Vec<NetworkInfo>) -> ContainerInfo {
    ContainerInfo {
        network_infos: networks,
        ..ContainerInfo::native()
    }
}

fn docker_with(network: DockerNetwork, networks: Vec<NetworkInfo>) -> ContainerInfo {
    let docker = DockerInfo {
        image: "busybox".into(),
        network,
        ..DockerInfo::default()
    };
    ContainerInfo {
        kind: ContainerType::Docker,
        docker: Some(docker),
        ..native_with(networks)
    }
}

fn unnamed() -> NetworkInfo {
    NetworkInfo {
        groups: vec!["a".into()],
        ..NetworkInfo::default()
    }
}

#[test]
fn native_containers_join_named_entries_in_order() {
    assert_eq!(networks_of(&ContainerInfo::native()), Ok(NetworkPlan::Host));
    assert_eq!(
        networks_of(&native_with(vec![unnamed()])),
        Ok(NetworkPlan::Host)
    );
    let info = native_with(vec![
        NetworkInfo::named("b"),
        unnamed(),
        NetworkInfo::named("a"),
    ]);
    let entries = &info.network_infos;
    assert_eq!(
        networks_of(&info),
        Ok(NetworkPlan::Cni(vec![&entries[0], &entries[2]]))
    );
}

#[test]
fn native_containers_refuse_what_mesos_refused() {
    let twice = native_with(vec![NetworkInfo::named("x"), NetworkInfo::named("x")]);
    assert_eq!(
        networks_of(&twice).unwrap_err().to_string(),
        "Attempted to join CNI network 'x' multiple times"
    );
    let empty = native_with(vec![NetworkInfo::named("")]);
    assert_eq!(
        networks_of(&empty).unwrap_err().to_string(),
        "Unknown CNI network ''"
    );
}

#[test]
fn docker_modes_decide() {
    for (network, expected) in [
        (DockerNetwork::Host, NetworkPlan::Host),
        (DockerNetwork::None, NetworkPlan::None),
        (DockerNetwork::Bridge, NetworkPlan::Bridge),
    ] {
        assert_eq!(
            networks_of(&docker_with(network, vec![])),
            Ok(expected.clone())
        );
        let ignored = vec![NetworkInfo::named("x"), NetworkInfo::named("x")];
        assert_eq!(networks_of(&docker_with(network, ignored)), Ok(expected));
    }
    let user = docker_with(DockerNetwork::User, vec![NetworkInfo::named("front")]);
    assert_eq!(
        networks_of(&user),
        Ok(NetworkPlan::DockerNetwork(&user.network_infos[0]))
    );
}

#[test]
fn docker_user_needs_one_name() {
    for (networks, expected) in [
        (vec![], "No network info found in container info"),
        (vec![unnamed()], "No network name found in network info"),
        (
            vec![NetworkInfo::named("")],
            "No network name found in network info",
        ),
        (
            vec![NetworkInfo::named("a"), NetworkInfo::named("b")],
            "Only a single network can be defined in Docker run",
        ),
    ] {
        let info = docker_with(DockerNetwork::User, networks);
        assert_eq!(networks_of(&info).unwrap_err().to_string(), expected);
    }
    let missing = ContainerInfo {
        docker: None,
        ..docker_with(DockerNetwork::Host, vec![])
    };
    assert_eq!(networks_of(&missing), Err(RuleError::NoDockerInfo));
}

#[test]
fn docker_maps_ports_on_bridge_and_user_only() {
    let mapped = |network| {
        let mut info = docker_with(network, vec![NetworkInfo::named("front")]);
        let mapping = DockerPortMapping {
            host_port: 31000,
            container_port: 80,
            protocol: None,
        };
        info.docker.as_mut().unwrap().port_mappings.push(mapping);
        networks_of(&info).err().map(|error| error.to_string())
    };
    let refused = "Port mappings are only supported for bridge and user-defined networks";
    assert_eq!(mapped(DockerNetwork::Host).as_deref(), Some(refused));
    assert_eq!(mapped(DockerNetwork::None).as_deref(), Some(refused));
    assert_eq!(mapped(DockerNetwork::Bridge), None);
    assert_eq!(mapped(DockerNetwork::User), None);
}
