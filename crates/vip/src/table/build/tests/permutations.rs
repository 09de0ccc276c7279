//! Properties that hold for every fleet.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

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
    ]);
    let number = prop::option::of(select(vec![0, 80, 31000]));
    let names = prop::collection::vec(select(vec!["one".to_owned(), "three".to_owned()]), 0..2);
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp]);
    let labels = prop::collection::vec(label, 0..3);
    (0..3usize, protocol, number.clone(), number, names, labels).prop_map(
        |(index, protocol, container, host, network_names, labels)| TaskPort {
            index,
            protocol,
            network_names,
            ..port(container, host, &labels)
        },
    )
}

fn members() -> impl Strategy<Value = (Task, TaskStatus)> {
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
    )
        .prop_map(
            |((id, on, net), ports, (state, checks, healthy, [stop, passed], label))| {
                let (mut task, mut status) = running(&format!("t{id}"), on, net, ports);
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

fn fleets() -> impl Strategy<Value = Fleet> {
    let spanning = select(vec![None, Some("one"), Some("two")]);
    (prop::collection::vec(members(), 0..8), spanning).prop_map(|(members, spanning)| {
        let unique: BTreeMap<TaskId, _> = members
            .into_iter()
            .map(|member| (member.0.id.clone(), member))
            .collect();
        let mut fleet = Fleet::of(unique.into_values());
        fleet.spanning = spanning
            .map(|name| NetworkKey::new(ContainerType::Mesos, name))
            .into_iter()
            .collect();
        fleet
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
    fn every_backend_is_a_running_task_at_a_usable_address(
        fleet in fleets(),
        this_node in select(vec!["n1", "n2", "n3"]),
    ) {
        let table = fleet.table(this_node);
        for (key, service) in &table.services {
            prop_assert!(table.addresses.contains(&key.address));
            prop_assert!(fleet.ranges.contains(key.address));
            prop_assert!(service.backends.is_sorted_by(|a, b| a < b), "sorted, no duplicates");
            for backend in &service.backends {
                let task = fleet.tasks.iter().find(|it| it.id == backend.task).unwrap();
                let status = fleet.statuses.iter().find(|it| it.task == backend.task).unwrap();
                prop_assert!(matches!(status.state, TaskState::Running | TaskState::Killing));
                let stops = task.goal != Goal::Run || status.state == TaskState::Killing;
                prop_assert!(!stops || backend.state == BackendState::Draining);
                prop_assert!(backend.near.is_none() || task.node.0 == this_node);
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
}
