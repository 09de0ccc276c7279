//! Labelled containers that are nobody's tasks.

use model::{ExternalPort, ExternalState};

use super::*;

const ID: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A Docker container on node `n1` in network `front`, port 8080 published at 32768.
fn external(name: &str, labels: &[(&str, &str)]) -> External {
    External {
        node: NodeId("n1".to_owned()),
        container: ID.to_owned(),
        name: name.to_owned(),
        kind: ContainerType::Docker,
        state: ExternalState::Ready,
        host_network: false,
        network_infos: vec![got(Some("front"), &["172.19.0.2"])],
        ports: vec![ExternalPort {
            protocol: Protocol::Tcp,
            container_port: Some(8080),
            host_port: Some(32768),
            network_names: Vec::new(),
            labels: pairs(labels),
        }],
        problems: Vec::new(),
    }
}

fn fleet(externals: impl IntoIterator<Item = External>) -> Fleet {
    Fleet {
        externals: externals.into_iter().collect(),
        ..Fleet::of([])
    }
}

const WEB: [(&str, &str); 1] = [("VIP_0", "web:80")];

#[test]
fn a_published_container_is_near_and_far() {
    let fleet = fleet([external("web-1", &WEB)]);
    let vip = "tcp web.docker:80 docker.9f86d081884c";
    assert_eq!(
        views(&fleet),
        [
            [format!(
                "{vip} near docker/front 172.19.0.2:8080, far 10.0.0.1:32768"
            )],
            [format!("{vip} far 10.0.0.1:32768")],
        ]
    );
    let table = fleet.table("n2");
    let names: Vec<_> = table.names.keys().collect();
    assert_eq!(names, ["web.docker.l4lb.thisdcos.directory"]);
    assert!(table.problems.is_empty());
}

#[test]
fn an_unpublished_one_is_near_on_each_of_its_networks() {
    let mut both = external("web-1", &WEB);
    both.ports[0].host_port = None;
    both.network_infos.push(got(Some("back"), &["172.20.0.2"]));
    let [here, there] = views(&fleet([both.clone()]));
    assert_eq!(
        here,
        [
            "tcp web.docker:80 docker.9f86d081884c near docker/front 172.19.0.2:8080",
            "tcp web.docker:80 docker.9f86d081884c near docker/back 172.20.0.2:8080",
        ]
    );
    assert_eq!(there, ["tcp web.docker:80 nothing"]);
    both.ports[0].network_names = vec!["back".to_owned()];
    assert_eq!(views(&fleet([both]))[0].len(), 1);
}

#[test]
fn on_the_nodes_network_it_has_one_address_for_all() {
    let mut on_host = external("web-1", &[("VIP_0", "web:80"), ("sealane.weight", "4")]);
    on_host.host_network = true;
    on_host.network_infos.clear();
    on_host.ports[0].container_port = None;
    on_host.ports[0].host_port = Some(8080);
    let expected = ["tcp web.docker:80 docker.9f86d081884c far 10.0.0.1:8080 weight 4"];
    assert_eq!(views(&fleet([on_host])), [expected, expected]);
}

#[test]
fn states() {
    for (state, unready, expected) in [
        (ExternalState::Ready, "false", Some("")),
        (ExternalState::Draining, "false", Some(" draining")),
        (ExternalState::Starting, "false", None),
        (ExternalState::Draining, "true", Some("")),
        (ExternalState::Starting, "true", Some("")),
    ] {
        let labels = [("VIP_0", "web:80"), ("sealane.unready", unready)];
        let external = External {
            state,
            ..external("web-1", &labels)
        };
        let line = expected.map_or_else(
            || "tcp web.docker:80 nothing".to_owned(),
            |state| format!("tcp web.docker:80 docker.9f86d081884c far 10.0.0.1:32768{state}"),
        );
        let found = views(&fleet([external]));
        assert_eq!(found[1], [line], "{state:?} {unready}");
    }
}

#[test]
fn a_lost_node_suspends_what_runs_there() {
    let mut on_host = external("web-1", &WEB);
    on_host.host_network = true;
    on_host.network_infos = vec![got(None, &["10.0.0.7"])];
    let mut fleet = fleet([on_host]);
    fleet.nodes.remove(0);
    let vip = "tcp web.docker:80 docker.9f86d081884c far 10.0.0.7:32768";
    let [here, there] = views(&fleet);
    assert_eq!(here, [vip]);
    assert_eq!(there, [format!("{vip} draining")]);
}

#[test]
fn what_is_wrong_with_it_names_the_container() {
    let labels = [
        ("VIP_0", "web:80"),
        ("VIP_1", "broken"),
        ("sealane.balance", "fastest"),
    ];
    let mut wrong = external("web-1", &labels);
    wrong.problems = vec!["no port is exposed; say which".to_owned()];
    let table = fleet([wrong]).table("n2");
    assert_eq!(lines(&table).len(), 1);
    let told: Vec<String> = table
        .problems
        .iter()
        .map(|it| format!("{}: {}", it.task, it.message))
        .collect();
    assert_eq!(
        told,
        [
            "docker.9f86d081884c: VIP label 'VIP_1' has value 'broken': no port; write it as \
             name:port, for example myservice:6666",
            "docker.9f86d081884c: label 'sealane.balance' has value 'fastest': 'fastest' is none \
             of least-loaded, random, hash",
            "docker.9f86d081884c: no port is exposed; say which",
        ]
    );
}

#[test]
fn apps_and_containers_have_names_of_their_own_and_share_addresses() {
    let address = [
        ("VIP_0", "web:80"),
        ("VIP_1", "11.1.1.1:80"),
        ("sealane.balance", "hash"),
    ];
    let task_labels = [("VIP_1", "11.1.1.1:80")];
    let mut fleet = fleet([external("web-1", &address)]);
    let (task, status) = running("a", "n2", host("10.0.0.2"), vec![set(80, &task_labels)]);
    fleet.tasks.push(task);
    fleet.statuses.push(status);
    let table = fleet.table("n2");
    assert_eq!(
        lines(&table),
        [
            "tcp 11.1.1.1:80 a far 10.0.0.2:80",
            "tcp 11.1.1.1:80 docker.9f86d081884c far 10.0.0.1:32768",
            "tcp web:80 a far 10.0.0.2:80",
            "tcp web.docker:80 docker.9f86d081884c far 10.0.0.1:32768",
        ]
    );
    assert_eq!(
        messages(&table),
        [
            "VIP 11.1.1.1:80 (tcp) has the settings of port 0 of app /app, not those of \
             container web-1 on n1: sealane.balance is least-loaded and not hash; give both the \
             same labels"
        ]
    );
}

#[test]
fn containers_are_heard_in_the_order_of_their_names() {
    let member = |name: &str, id: char, balance| External {
        container: id.to_string().repeat(64),
        ..external(name, &[("VIP_0", "web:80"), ("sealane.balance", balance)])
    };
    // Ids change with every start; names do not.
    let table = fleet([member("web-2", 'a', "hash"), member("web-1", 'b', "random")]).table("n1");
    let service = table.services.values().next().unwrap();
    assert_eq!(service.settings.policy, crate::Policy::Random);
    assert_eq!(table.problems[0].task.as_str(), "docker.aaaaaaaaaaaa");
}
