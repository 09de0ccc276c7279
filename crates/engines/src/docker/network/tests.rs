use mesos::{DockerNetwork, DockerPortMapping, IpAddress};

use super::*;

fn container(network: DockerNetwork, infos: &[NetworkInfo]) -> ContainerInfo {
    ContainerInfo {
        kind: ContainerType::Docker,
        docker: Some(DockerInfo {
            network,
            ..DockerInfo::default()
        }),
        network_infos: infos.to_vec(),
        ..ContainerInfo::native()
    }
}

fn with_port(network: DockerNetwork, host: u32, inside: u32, protocol: &str) -> ContainerInfo {
    let mut container = container(network, &[NetworkInfo::named("web")]);
    container.docker.as_mut().unwrap().port_mappings = vec![DockerPortMapping {
        host_port: host,
        container_port: inside,
        protocol: (!protocol.is_empty()).then(|| protocol.to_owned()),
    }];
    container
}

fn refusal(container: &ContainerInfo) -> String {
    attachment(container).unwrap_err().to_string()
}

#[test]
fn modes_by_mesos_rules() {
    let named = [NetworkInfo::named("web")];
    for (network, infos, mode) in [
        (DockerNetwork::Host, &named[..], "host"),
        (DockerNetwork::Host, &[], "host"),
        (DockerNetwork::Bridge, &named, "bridge"),
        (DockerNetwork::None, &named, "none"),
        (DockerNetwork::User, &named, "web"),
    ] {
        assert_eq!(
            attachment(&container(network, infos)).unwrap().mode,
            mode,
            "{network:?}"
        );
    }
}

#[test]
fn user_takes_exactly_one_named_network() {
    let refused = |infos: &[NetworkInfo]| refusal(&container(DockerNetwork::User, infos));
    assert!(refused(&[]).contains("No network info"));
    assert!(refused(&[NetworkInfo::default()]).contains("No network name"));
    let two = [NetworkInfo::named("a"), NetworkInfo::named("b")];
    assert!(refused(&two).contains("a single network"));
}

#[test]
fn ports_are_published_on_bridge_and_user_only() {
    for network in [DockerNetwork::Bridge, DockerNetwork::User] {
        let ports = attachment(&with_port(network, 8080, 80, "UDP"))
            .unwrap()
            .ports;
        let binding = ports["80/udp"].as_ref().unwrap()[0].host_port.clone();
        assert_eq!(binding.as_deref(), Some("8080"));
    }
    for network in [DockerNetwork::Host, DockerNetwork::None] {
        assert!(refusal(&with_port(network, 8080, 80, "")).contains("BRIDGE or USER"));
    }
}

#[test]
fn port_numbers_and_protocols_are_checked() {
    for (host, inside, protocol) in [(0, 80, ""), (70000, 80, ""), (1, 0, ""), (1, 80, "icmp")] {
        let refused = attachment(&with_port(DockerNetwork::Bridge, host, inside, protocol));
        assert!(refused.is_err(), "{host} {inside} {protocol}");
    }
}

#[test]
fn a_wished_address_is_handed_on() {
    let wish = |text: &str| IpAddress {
        protocol: None,
        ip_address: Some(text.to_owned()),
    };
    let info = NetworkInfo {
        ip_addresses: vec![wish("10.1.2.3"), wish("fd00::3")],
        ..NetworkInfo::named("web")
    };
    let endpoint = attachment(&container(DockerNetwork::User, &[info]))
        .unwrap()
        .endpoint;
    let ipam = endpoint.unwrap().ipam_config.unwrap();
    assert_eq!(ipam.ipv4_address.as_deref(), Some("10.1.2.3"));
    assert_eq!(ipam.ipv6_address.as_deref(), Some("fd00::3"));
}

#[test]
fn a_container_without_docker_is_refused() {
    assert!(refusal(&ContainerInfo::native()).contains("type DOCKER"));
}
