//! Properties that hold for every fleet.

use model::{ExternalPort, ExternalState};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::settings::Locality;

fn nets() -> impl Strategy<Value = Net> {
    prop_oneof![
        Just(host("10.0.0.1")),
        Just(docker(DockerNetwork::Host, None, &["10.0.0.1"])),
        Just(docker(DockerNetwork::None, None, &[])),
        Just(docker(DockerNetwork::Bridge, None, &["172.17.0.2"])),
        Just(docker(
            DockerNetwork::User,
            Some("front"),
            &["172.19.0.2", "fd01:b::2"]
        )),
        Just(docker(DockerNetwork::User, None, &["172.19.0.2"])),
        Just(cni(&[
            ("one", &["9.1.0.2"]),
            ("two", &["9.2.0.2", "fd02::2"])
        ])),
        Just(cni(&[("one", &["not an address"])])),
    ]
}

fn ports() -> impl Strategy<Value = TaskPort> {
    let label = select(vec![
        ("VIP_0", "/web:80"),
        ("VIP_0", "web:443"),
        ("VIP_1", "/other/one:80"),
        ("vip_2", "11.1.1.1:80"),
        ("VIP_3", "fd01:c::5:80"),
        ("VIP_4", "broken"),
        ("VIP_5", "10.0.0.1:80"),
        ("unrelated", "web:80"),
        ("sealane.balance", "hash"),
        ("sealane.balance", "fastest"),
        ("sealane.locality", "prefer-zone"),
        ("sealane.locality", "require-node"),
        ("sealane.unready", "true"),
        ("sealane.weight", "7"),
        ("sealane.speed", "1"),
    ]);
    let number = prop::option::of(select(vec![0, 80, 31000]));
    let names = prop::collection::vec(select(vec!["one".to_owned(), "three".to_owned()]), 0..2);
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp]);
    let labels = prop::collection::vec(label, 0..5);
    (0..3usize, protocol, number.clone(), number, names, labels).prop_map(
        |(index, protocol, container, host, network_names, labels)| TaskPort {
            index,
            protocol,
            network_names,
            ..port(container, host, &labels)
        },
    )
}

pub(super) fn members() -> impl Strategy<Value = (Task, TaskStatus)> {
    let states = select(vec![
        TaskState::Running,
        TaskState::Running,
        TaskState::Killing,
        TaskState::Starting,
        TaskState::Lost,
    ]);
    let task_label = select(vec![
        ("vip_port0", "tcp://web:80"),
        ("vip_port1", "udp://a:1"),
        ("x", "y"),
    ]);
    (
        // Few ids would repeat; a fleet has each task once, and so has the map below.
        (any::<u32>(), select(vec!["n1", "n2", "n3"]), nets()),
        prop::collection::vec(ports(), 0..3),
        (
            states,
            0..2usize,
            prop::option::of(any::<bool>()),
            any::<[bool; 2]>(),
            task_label,
        ),
        (select(vec!["/app", "/a/b", "/a-b"]), 0..2i64),
    )
        .prop_map(
            |((id, on, net), ports, (state, checks, healthy, [stop, passed], label), app)| {
                let (mut task, mut status) = running(&format!("t{id}"), on, net, ports);
                task.app = AppId::resolve(app.0).unwrap();
                task.version = Timestamp::from_millis(app.1);
                task.health_checks = vec![health_check(); checks];
                task.labels = pairs(&[label]);
                if stop {
                    task.goal = Goal::Stop {
                        reason: "test".into(),
                    };
                }
                status.state = state;
                status.healthy = healthy;
                let first_success = passed.then(Timestamp::default);
                status.health = vec![
                    HealthState {
                        first_success,
                        ..HealthState::default()
                    };
                    checks
                ];
                (task, status)
            },
        )
}

pub(super) fn externals() -> impl Strategy<Value = External> {
    let states = select(vec![
        ExternalState::Starting,
        ExternalState::Ready,
        ExternalState::Draining,
    ]);
    (
        (any::<u32>(), select(vec!["n1", "n2", "n3"]), states),
        prop::collection::vec(ports(), 0..3),
        any::<bool>(),
    )
        .prop_map(|((id, on, state), ports, host_network)| {
            let ports = ports.into_iter().map(|port| ExternalPort {
                protocol: port.protocol,
                container_port: port.container_port,
                host_port: port.host_port,
                network_names: port.network_names,
                labels: port.labels,
            });
            External {
                node: NodeId(on.to_owned()),
                container: format!("{id:08x}").repeat(8),
                name: format!("c{}", id % 3),
                kind: ContainerType::Docker,
                state,
                host_network,
                network_infos: vec![got(Some("one"), &["172.19.0.2", "fd01:b::2"])],
                ports: ports.collect(),
                problems: Vec::new(),
            }
        })
}

fn fleets() -> impl Strategy<Value = Fleet> {
    let spanning = select(vec![None, Some("one"), Some("two")]);
    let zones = any::<[Option<bool>; 2]>();
    let records = (
        prop::collection::vec(members(), 0..8),
        prop::collection::vec(externals(), 0..3),
    );
    (records, spanning, zones).prop_map(|((members, externals), spanning, zones)| {
        let unique: BTreeMap<TaskId, _> = members
            .into_iter()
            .map(|member| (member.0.id.clone(), member))
            .collect();
        let mut fleet = Fleet::of(unique.into_values());
        fleet.externals = externals;
        for (node, zone) in fleet.nodes.iter_mut().zip(zones) {
            node.zone = zone.map(|it| it.to_string());
        }
        fleet.spanning = spanning
            .map(|name| NetworkKey::new(ContainerType::Mesos, name))
            .into_iter()
            .collect();
        fleet
    })
}

/// What the fleet says of a backend's task or external.
struct Member {
    node: NodeId,
    runs: bool,
    ends: bool,
}

fn member(fleet: &Fleet, id: &TaskId) -> Option<Member> {
    if let Some(external) = fleet.externals.iter().find(|it| it.id() == *id) {
        return Some(Member {
            node: external.node.clone(),
            runs: true,
            ends: external.state == ExternalState::Draining,
        });
    }
    let task = fleet.tasks.iter().find(|it| it.id == *id)?;
    let status = fleet.statuses.iter().find(|it| it.task == *id)?;
    Some(Member {
        node: task.node.clone(),
        runs: matches!(status.state, TaskState::Running | TaskState::Killing),
        ends: task.goal != Goal::Run || status.state == TaskState::Killing,
    })
}

proptest! {
    #[test]
    fn order_means_nothing(
        (fleet, shuffled) in fleets().prop_flat_map(|fleet| {
            let tasks = Just(fleet.tasks.clone()).prop_shuffle();
            let statuses = Just(fleet.statuses.clone()).prop_shuffle();
            (Just(fleet), tasks, statuses).prop_map(|(fleet, tasks, statuses)| {
                let mut shuffled = Fleet { tasks, statuses, ..fleet.clone() };
                shuffled.nodes.reverse();
                shuffled.externals.reverse();
                (fleet, shuffled)
            })
        }),
        this_node in select(vec!["n1", "n2", "n3"]),
    ) {
        let mut records = fleet.records();
        let table = fleet.table_with(this_node, &records);
        records.reverse();
        prop_assert_eq!(&shuffled.table_with(this_node, &records), &table);
        let json = serde_json::to_string(&table).unwrap();
        prop_assert_eq!(serde_json::from_str::<ServiceTable>(&json).unwrap(), table);
    }

    #[test]
    fn every_backend_runs_and_is_at_a_usable_address(
        fleet in fleets(),
        this_node in select(vec!["n1", "n2", "n3"]),
    ) {
        let table = fleet.table(this_node);
        for (key, service) in &table.services {
            prop_assert!(table.addresses.contains(&key.address));
            prop_assert!(fleet.ranges.contains(key.address));
            prop_assert!(service.backends.is_sorted_by(|a, b| a < b), "sorted, no duplicates");
            let settings = &service.settings;
            for backend in &service.backends {
                let member = member(&fleet, &backend.task).unwrap();
                prop_assert!(member.runs);
                let ready = settings.unready || !member.ends;
                prop_assert!(ready || backend.state == BackendState::Draining);
                let local = member.node.0 == this_node;
                prop_assert!(backend.near.is_none() || local);
                prop_assert!(settings.locality != Locality::RequireNode || local);
                let all_alike = matches!(
                    settings.locality,
                    Locality::Any | Locality::RequireNode | Locality::RequireZone
                );
                prop_assert!(backend.preferred || !(all_alike || local));
                prop_assert!([1, 7].contains(&backend.weight));
                let near = backend.near.as_ref().map(|near| near.address);
                let addresses: Vec<_> = near.into_iter().chain(backend.far).collect();
                prop_assert!(!addresses.is_empty());
                for address in addresses {
                    prop_assert_eq!(address.is_ipv4(), key.address.is_ipv4());
                    prop_assert_ne!(address.port(), 0);
                }
            }
        }
        for addresses in table.names.values() {
            prop_assert!(!addresses.is_empty() && addresses.is_subset(&table.addresses));
        }
    }

    #[test]
    fn addresses_of_a_name_have_the_same_settings(fleet in fleets()) {
        let table = fleet.table("n1");
        let mut found = BTreeMap::new();
        for (key, service) in &table.services {
            let vip = (service.name.clone(), key.port, key.protocol);
            if service.name.is_some() {
                let settings = found.entry(vip).or_insert(service.settings);
                prop_assert_eq!(*settings, service.settings);
            }
        }
    }
}
