use serde_json::json;

use crate::{ContainerInfo, DockerInfo, DockerNetwork, Image, IpAddress, IpProtocol, NetworkInfo};

fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_request_as_mesos_writes_it() {
    let network: NetworkInfo = read(json!({
        "ip_addresses": [{"protocol": "IPv6"}, {"ip_address": "10.0.0.7"}],
        "name": "dcos",
        "groups": ["dev"],
        "labels": {"labels": [{"key": "rack", "value": "7"}, {"key": "bare"}]},
        "port_mappings": [{"host_port": 31000, "container_port": 80, "protocol": "tcp"}],
    }));
    assert_eq!(network.ip_addresses[0].protocol, Some(IpProtocol::IPv6));
    assert_eq!(
        network.addresses().collect::<Vec<_>>(),
        ["10.0.0.7".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(network.labels.labels[1].value, None);
    assert_eq!(network.port_mappings[0].host_port, 31000);
}

#[test]
fn unknown_fields_nulls_and_literals_are_unset() {
    let network: NetworkInfo = read(json!({
        "name": null,
        "groups": null,
        "labels": {"labels": null},
        "port_mappings": null,
        "ip_addresses": [{"protocol": "IPv5", "ip_address": null, "more": 1}],
        "invented": {"later": true},
    }));
    let expected = NetworkInfo {
        ip_addresses: vec![IpAddress::default()],
        ..NetworkInfo::default()
    };
    assert_eq!(network, expected);
    let docker: DockerInfo =
        read(json!({"image": "x", "network": "host", "privileged": null, "port_mappings": null}));
    assert_eq!(
        docker,
        DockerInfo {
            image: "x".into(),
            ..DockerInfo::default()
        }
    );
    assert_eq!(docker.network, DockerNetwork::Host);
}

#[test]
fn what_mesos_requires_is_required() {
    for bad in [
        json!({"port_mappings": [{"host_port": 1}]}),
        json!({"labels": {"labels": [{"value": "x"}]}}),
        json!({"ip_addresses": "10.0.0.1"}),
        json!({"name": 7}),
    ] {
        assert!(
            serde_json::from_value::<NetworkInfo>(bad.clone()).is_err(),
            "{bad}"
        );
    }
    for bad in [
        json!({}),
        json!({"type": "docker"}),
        json!({"type": "ROCKET"}),
    ] {
        assert!(
            serde_json::from_value::<ContainerInfo>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn the_address_of_mesos_0_25_is_read() {
    let network: NetworkInfo = read(json!({"protocol": "IPv6", "ip_address": "::1"}));
    let expected = IpAddress {
        protocol: Some(IpProtocol::IPv6),
        ip_address: Some("::1".into()),
    };
    assert_eq!(network.ip_addresses, [expected]);
    assert_eq!(
        serde_json::to_value(&network).unwrap(),
        json!({"ip_addresses": [{"protocol": "IPv6", "ip_address": "::1"}]})
    );
    let both: NetworkInfo =
        read(json!({"ip_address": "10.0.0.1", "ip_addresses": [{"ip_address": "10.0.0.2"}]}));
    assert_eq!(both.ip_addresses.len(), 1);
    assert_eq!(both.ip_addresses[0].ip_address.as_deref(), Some("10.0.0.2"));
}

#[test]
fn images_keep_their_name_in_a_message_of_their_kind() {
    let written = json!({"type": "DOCKER", "docker": {"name": "nginx"}, "cached": false});
    let image = Image {
        cached: false,
        ..Image::docker("nginx")
    };
    assert_eq!(read::<Image>(written.clone()), image);
    assert_eq!(serde_json::to_value(&image).unwrap(), written);
    let appc: Image = read(json!({"type": "APPC", "appc": {"name": "a", "id": "sha512-0"}}));
    assert_eq!(
        appc,
        Image {
            id: Some("sha512-0".into()),
            ..Image::appc("a")
        }
    );
    let error = serde_json::from_value::<Image>(json!({"type": "DOCKER"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an image of type DOCKER needs 'docker' with a name"
    );
}
