use proptest::option;
use proptest::prelude::*;

use super::Message;
use crate as mesos;
use crate::wire;

/// The bytes of a message with every field set, written out by hand from the field
/// numbers in `mesos.proto`: key = number × 8 + wire type (0 number, 2 length).
#[test]
fn network_info_has_mesos_numbers() {
    let network = mesos::NetworkInfo {
        ip_addresses: vec![mesos::IpAddress {
            protocol: Some(mesos::IpProtocol::IPv6),
            ip_address: Some("::1".into()),
        }],
        name: Some("dcos".into()),
        groups: vec!["dev".into()],
        labels: mesos::Labels {
            labels: vec![mesos::Label {
                key: "k".into(),
                value: Some("v".into()),
            }],
        },
        port_mappings: vec![mesos::PortMapping {
            host_port: 300,
            container_port: 80,
            protocol: Some("tcp".into()),
        }],
    };
    let expected: Vec<u8> = [
        b"\x1a\x03dev".as_slice(),
        b"\x22\x08\x0a\x06\x0a\x01k\x12\x01v",
        b"\x2a\x07\x08\x02\x12\x03::1",
        b"\x32\x04dcos",
        b"\x3a\x0a\x08\xac\x02\x10\x50\x1a\x03tcp",
    ]
    .concat();
    assert_eq!(wire::NetworkInfo::from(&network).encode_to_vec(), expected);
}

#[test]
fn container_info_has_mesos_numbers() {
    let info = mesos::ContainerInfo {
        kind: mesos::ContainerType::Docker,
        volumes: vec![mesos::Volume {
            mode: mesos::VolumeMode::Ro,
            container_path: "/c".into(),
            host_path: Some("/h".into()),
        }],
        hostname: Some("web".into()),
        docker: Some(mesos::DockerInfo {
            image: "nginx".into(),
            network: mesos::DockerNetwork::User,
            port_mappings: vec![mesos::DockerPortMapping {
                host_port: 1,
                container_port: 2,
                protocol: Some("udp".into()),
            }],
            privileged: true,
            parameters: vec![mesos::Parameter {
                key: "ip".into(),
                value: "x".into(),
            }],
            force_pull_image: true,
        }),
        mesos: Some(mesos::MesosInfo {
            image: Some(mesos::Image {
                cached: false,
                ..mesos::Image::docker("img")
            }),
        }),
        network_infos: vec![mesos::NetworkInfo::named("n")],
    };
    let expected: Vec<u8> = [
        b"\x08\x01".as_slice(),
        b"\x12\x0a\x0a\x02/c\x12\x02/h\x18\x02",
        b"\x1a\x21\x0a\x05nginx\x10\x04\x1a\x09\x08\x01\x10\x02\x1a\x03udp\x20\x01",
        b"\x2a\x07\x0a\x02ip\x12\x01x\x30\x01",
        b"\x22\x03web",
        b"\x2a\x0d\x0a\x0b\x08\x02\x1a\x05\x0a\x03img\x20\x00",
        b"\x3a\x03\x32\x01n",
    ]
    .concat();
    assert_eq!(wire::ContainerInfo::from(&info).encode_to_vec(), expected);
}

#[test]
fn appc_images_have_mesos_numbers() {
    let mut appc = mesos::Image::appc("a");
    assert_eq!(
        wire::Image::from(&appc).encode_to_vec(),
        b"\x08\x01\x12\x03\x0a\x01a\x20\x01"
    );
    appc.id = Some("i".into());
    appc.labels.labels = vec![mesos::Label {
        key: "k".into(),
        value: Some("v".into()),
    }];
    assert_eq!(
        wire::Image::from(&appc).encode_to_vec(),
        b"\x08\x01\x12\x10\x0a\x01a\x12\x01i\x1a\x08\x0a\x06\x0a\x01k\x12\x01v\x20\x01"
    );
    assert_eq!(
        serde_json::to_value(&appc).unwrap(),
        serde_json::json!({"type": "APPC", "cached": true,
            "appc": {"name": "a", "id": "i", "labels": {"labels": [{"key": "k", "value": "v"}]}}})
    );
}

fn network(bytes: &[u8]) -> Result<mesos::NetworkInfo, wire::Missing> {
    wire::NetworkInfo::decode(bytes).unwrap().try_into()
}

#[test]
fn the_address_of_mesos_0_25_is_read() {
    let read = network(b"\x08\x02\x12\x03::1\x1a\x01g").unwrap();
    assert_eq!(read.groups, ["g"]);
    assert_eq!(
        read.ip_addresses,
        [mesos::IpAddress {
            protocol: Some(mesos::IpProtocol::IPv6),
            ip_address: Some("::1".into())
        }]
    );
    let both = network(b"\x12\x03old\x2a\x05\x12\x03new").unwrap();
    assert_eq!(both.ip_addresses[0].ip_address.as_deref(), Some("new"));
    assert_eq!(both.ip_addresses.len(), 1);
}

#[test]
fn unknown_fields_and_numbers_are_skipped() {
    // Field 15 does not exist; protocol 9 does not either.
    let read = network(b"\x7a\x01x\x2a\x02\x08\x09\x32\x01n").unwrap();
    assert_eq!(read.name.as_deref(), Some("n"));
    assert_eq!(read.ip_addresses, [mesos::IpAddress::default()]);
}

#[test]
fn a_required_field_that_is_missing_is_an_error() {
    let error = network(b"\x3a\x02\x08\x01").unwrap_err();
    assert_eq!(
        error.to_string(),
        "message NetworkInfo.PortMapping lacks its required field 'container_port', \
         or has an unknown value there"
    );
    for (bytes, field) in [
        (b"".as_slice(), "type"),
        (b"\x08\x07", "type"),
        (b"\x08\x01\x1a\x00", "image"),
        (b"\x08\x02\x12\x04\x0a\x02/c", "mode"),
        (b"\x08\x02\x2a\x04\x0a\x02\x08\x02", "docker"),
        (b"\x08\x02\x3a\x04\x22\x02\x0a\x00", "key"),
    ] {
        let read = wire::ContainerInfo::decode(bytes).unwrap();
        assert_eq!(
            mesos::ContainerInfo::try_from(read).unwrap_err().field,
            field,
            "{bytes:?}"
        );
    }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~é]{0,12}"
}

fn networks() -> impl Strategy<Value = mesos::NetworkInfo> {
    use mesos::{IpAddress, IpProtocol, Label, Labels, PortMapping};
    let protocol = option::of(prop_oneof![Just(IpProtocol::IPv4), Just(IpProtocol::IPv6)]);
    let address = (protocol, option::of(text())).prop_map(|(protocol, ip_address)| IpAddress {
        protocol,
        ip_address,
    });
    let label = (text(), option::of(text())).prop_map(|(key, value)| Label { key, value });
    let mapping = (any::<u32>(), any::<u32>(), option::of(text())).prop_map(
        |(host_port, container_port, protocol)| PortMapping {
            host_port,
            container_port,
            protocol,
        },
    );
    (
        prop::collection::vec(address, 0..3),
        option::of(text()),
        prop::collection::vec(text(), 0..3),
        prop::collection::vec(label, 0..3),
        prop::collection::vec(mapping, 0..3),
    )
        .prop_map(
            |(ip_addresses, name, groups, labels, port_mappings)| mesos::NetworkInfo {
                ip_addresses,
                name,
                groups,
                labels: Labels { labels },
                port_mappings,
            },
        )
}

fn dockers() -> impl Strategy<Value = mesos::DockerInfo> {
    use mesos::{DockerInfo, DockerNetwork, DockerPortMapping, Parameter};
    let network = prop::sample::select(vec![
        DockerNetwork::Host,
        DockerNetwork::Bridge,
        DockerNetwork::None,
        DockerNetwork::User,
    ]);
    let mapping = (any::<u32>(), any::<u32>(), option::of(text())).prop_map(
        |(host_port, container_port, protocol)| DockerPortMapping {
            host_port,
            container_port,
            protocol,
        },
    );
    let parameter = (text(), text()).prop_map(|(key, value)| Parameter { key, value });
    (
        text(),
        network,
        prop::collection::vec(mapping, 0..3),
        any::<[bool; 2]>(),
        prop::collection::vec(parameter, 0..3),
    )
        .prop_map(
            |(image, network, port_mappings, flags, parameters)| DockerInfo {
                image,
                network,
                port_mappings,
                privileged: flags[0],
                parameters,
                force_pull_image: flags[1],
            },
        )
}

fn containers() -> impl Strategy<Value = mesos::ContainerInfo> {
    use mesos::{ContainerInfo, ContainerType, Image, MesosInfo, Volume, VolumeMode};
    let kind = prop_oneof![Just(ContainerType::Docker), Just(ContainerType::Mesos)];
    let mode = prop_oneof![Just(VolumeMode::Rw), Just(VolumeMode::Ro)];
    let volume =
        (mode, text(), option::of(text())).prop_map(|(mode, container_path, host_path)| Volume {
            mode,
            container_path,
            host_path,
        });
    let image = (
        any::<[bool; 2]>(),
        text(),
        option::of(text()),
        prop::collection::btree_map(text(), text(), 0..3),
    )
        .prop_map(|([appc, cached], name, id, labels)| match appc {
            true => Image {
                id,
                labels: (&labels).into(),
                cached,
                ..Image::appc(name)
            },
            false => Image {
                cached,
                ..Image::docker(name)
            },
        });
    let native = option::of(image).prop_map(|image| MesosInfo { image });
    (
        kind,
        prop::collection::vec(volume, 0..3),
        option::of(text()),
        option::of(dockers()),
        option::of(native),
        prop::collection::vec(networks(), 0..3),
    )
        .prop_map(
            |(kind, volumes, hostname, docker, mesos, network_infos)| ContainerInfo {
                kind,
                volumes,
                hostname,
                docker,
                mesos,
                network_infos,
            },
        )
}

proptest! {
    #[test]
    fn bytes_and_json_read_back(info in containers()) {
        let bytes = wire::ContainerInfo::from(&info).encode_to_vec();
        let read = wire::ContainerInfo::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(&mesos::ContainerInfo::try_from(read).unwrap(), &info);
        let json = serde_json::to_string(&info).unwrap();
        prop_assert_eq!(serde_json::from_str::<mesos::ContainerInfo>(&json).unwrap(), info);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(read) = wire::ContainerInfo::decode(bytes.as_slice()) {
            let _ = mesos::ContainerInfo::try_from(read);
        }
        if let Ok(read) = wire::NetworkInfo::decode(bytes.as_slice()) {
            let _ = mesos::NetworkInfo::try_from(read);
        }
    }

    #[test]
    fn any_container_has_a_plan_or_an_error(info in containers()) {
        if let Ok(plan) = mesos::networks_of(&info) {
            let named = info.named_networks().next().is_some();
            match plan {
                mesos::NetworkPlan::Cni(joined) => {
                    prop_assert_eq!(joined.len(), info.named_networks().count());
                }
                mesos::NetworkPlan::Host if info.kind == mesos::ContainerType::Mesos => {
                    prop_assert!(!named);
                }
                mesos::NetworkPlan::DockerNetwork(network) => prop_assert!(network.name.is_some()),
                _ => {}
            }
        }
    }
}
