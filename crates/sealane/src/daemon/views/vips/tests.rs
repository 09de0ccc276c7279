use std::net::SocketAddr;

use model::{External, Protocol};
use store::Held;
use vip::{Near, NetworkKey, Policy, Problem};

use super::*;

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        address: [11, 0, 0, 1].into(),
        port,
        protocol: Protocol::Tcp,
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// `web.<number>` at 172.17.0.<number>:80 and 10.0.0.1:3100<number>.
fn wanted(number: u8, state: BackendState) -> Backend {
    Backend {
        task: format!("web.{number}").parse().unwrap(),
        near: Some(Near {
            address: SocketAddr::from(([172, 17, 0, number], 80)),
            network: NetworkKey {
                engine: "docker".to_owned(),
                name: "bridge".to_owned(),
            },
        }),
        far: Some(SocketAddr::from((
            [10, 0, 0, 1],
            31_000 + u16::from(number),
        ))),
        weight: 1,
        state,
        preferred: true,
    }
}

fn counted(number: u8, state: Option<BackendState>) -> BackendUsage {
    let backend = wanted(number, BackendState::Ready);
    BackendUsage {
        identity: number.into(),
        task: Some(backend.task),
        near: backend.near.map(|near| near.address),
        far: backend.far,
        weight: 1,
        state,
        preferred: state == Some(BackendState::Ready),
        warming: false,
        open: 2,
        pending: 1,
        total: 7,
        connects: Connects::default(),
        ejection: None,
    }
}

fn service(backends: Vec<Backend>) -> Service {
    Service {
        name: Some("web.marathon.l4lb.thisdcos.directory".to_owned()),
        backends,
        ..Service::default()
    }
}

fn usage(port: u16, backends: Vec<BackendUsage>) -> ServiceUsage {
    ServiceUsage {
        key: key(port),
        name: None,
        settings: Settings {
            policy: Policy::Hash,
            ..Settings::default()
        },
        refused: 3,
        backends,
    }
}

fn table(services: Vec<(u16, Service)>) -> ServiceTable {
    ServiceTable {
        services: services
            .into_iter()
            .map(|(port, it)| (key(port), it))
            .collect(),
        ..ServiceTable::default()
    }
}

fn view(table: &ServiceTable, usage: Option<&[ServiceUsage]>) -> VipsView {
    vips(Sources {
        table,
        usage,
        omissions: &Omissions::default(),
        state: &State::default(),
    })
}

const READY: BackendState = BackendState::Ready;
const DRAINING: BackendState = BackendState::Draining;

#[test]
fn the_table_and_the_kernel_are_joined_by_task_and_addresses() {
    let table = table(vec![(
        80,
        service(vec![
            wanted(1, READY),
            wanted(2, DRAINING),
            wanted(3, READY),
        ]),
    )]);
    let mut second = counted(3, Some(READY));
    second.preferred = false;
    let in_kernel = vec![
        counted(2, Some(DRAINING)),
        counted(1, Some(READY)),
        second,
        counted(4, None),
    ];
    let found = view(&table, Some(&[usage(80, in_kernel)]));
    let [vip] = found.vips.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(vip.refused, Some(3));
    assert_eq!(
        vip.settings.policy,
        Policy::LeastLoaded,
        "as the table says"
    );
    let told: Vec<_> = vip
        .backends
        .iter()
        .map(|it| {
            (
                it.task.as_ref().unwrap().to_string(),
                it.state,
                it.counts.is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("web.1".to_owned(), BackendStanding::Ready, true),
            ("web.2".to_owned(), BackendStanding::Draining, true),
            ("web.3".to_owned(), BackendStanding::Second, true),
            ("web.4".to_owned(), BackendStanding::Gone, true),
        ]
    );
    assert_eq!(vip.problems, [""; 0]);
}

#[test]
fn numbers_of_the_kernel() {
    let mut backend = counted(1, Some(READY));
    backend.connects.time = Duration::from_micros(250);
    backend.connects.times = [1, 2, 3, 4, 5, 6, 7, 8];
    backend.connects.unanswered = 9;
    backend.connects.failing = -2;
    backend.ejection = Some(Ejection {
        remaining: Duration::from_millis(1_500),
        row: 2,
    });
    let found = counts(&backend);
    assert_eq!((found.open, found.pending, found.total), (2, 1, 7));
    assert_eq!(found.connect_millis, Some(0.25));
    assert_eq!((found.failures.unanswered, found.failing_in_row), (9, -2));
    let ejection = found.ejection.unwrap();
    assert_eq!((ejection.remaining_millis, ejection.row), (1_500, 2));
    let bounds: Vec<_> = found
        .connect_times
        .iter()
        .map(|it| it.up_to_micros)
        .collect();
    assert_eq!(bounds.len(), 8);
    assert_eq!(
        (bounds[0], bounds[6], bounds[7]),
        (Some(128), Some(524_288), None)
    );
    assert_eq!(found.connect_times[7].count, 8);
    assert_eq!(counts(&counted(1, None)).connect_millis, None);
}

#[test]
fn what_is_on_its_way() {
    let wanted_one = table(vec![(80, service(vec![wanted(1, READY)]))]);
    // Before the first table of a daemon that has come back the kernel knows it all.
    let found = view(
        &ServiceTable::default(),
        Some(&[usage(81, vec![counted(1, Some(READY))])]),
    );
    assert_eq!(found.vips[0].settings.policy, Policy::Hash);
    assert_eq!(found.vips[0].backends[0].state, BackendStanding::Ready);
    // What the kernel did not take.
    let found = view(&wanted_one, Some(&[]));
    assert!(found.vips[0].problems[0].starts_with("it is not in the kernel"));
    assert_eq!(found.vips[0].backends[0].counts, None);
    // Without a datapath nothing is counted, which is no problem of the VIP.
    let found = view(&wanted_one, None);
    assert_eq!(
        (found.vips[0].refused, found.vips[0].problems.len()),
        (None, 0)
    );
}

/// H5: whoever looks at a VIP learns that it was too much.
#[test]
fn what_does_not_fit_is_told_with_its_vip() {
    let omission = |message: &str| Omission {
        map: "slots",
        obstacle: agent::Obstacle::Full,
        message: message.to_owned(),
    };
    let omissions = Omissions {
        services: [80, 81, 82]
            .map(|port| (key(port), omission("all 8 slots are in use")))
            .into(),
        addresses: [(key(80).address, omission("all 4 services are in use"))].into(),
    };
    let wanted = || service(vec![wanted(1, READY)]);
    let table = table(vec![(80, wanted()), (81, wanted()), (83, wanted())]);
    let used = |port| usage(port, vec![counted(1, Some(READY))]);
    let in_kernel = [used(81), used(82), used(83)];
    let found = vips(Sources {
        table: &table,
        usage: Some(&in_kernel),
        omissions: &omissions,
        state: &State::default(),
    });
    let slots = |about: &str| Some(format!("{about}: all 8 slots are in use"));
    let address = "connections to other ports of its address are not refused at once: \
                   all 4 services are in use";
    for (vip, service) in found.vips.iter().zip([
        slots("it is not in the kernel, so connections are refused"),
        slots("its latest change is not in the kernel, which goes on with what it had"),
        slots("it is gone, and the kernel still has it"),
        None,
    ]) {
        let told = service.into_iter().chain([address.to_owned()]);
        assert_eq!(vip.problems, told.collect::<Vec<_>>());
    }
}

#[test]
fn faults_of_a_vip() {
    let mut ejected = counted(1, Some(READY));
    ejected.ejection = Some(Ejection {
        remaining: Duration::ZERO,
        row: 1,
    });
    let mut nowhere = wanted(2, READY);
    (nowhere.near, nowhere.far) = (None, None);
    for (wanted, counted, says) in [
        (vec![], vec![], Some("it has no backend")),
        (vec![], vec![counted(4, None)], Some("it has no backend")),
        (
            vec![wanted(1, DRAINING)],
            vec![counted(1, Some(DRAINING))],
            Some("no backend is ready"),
        ),
        (
            vec![wanted(1, READY)],
            vec![ejected.clone()],
            Some("failed lately"),
        ),
        (
            vec![wanted(1, READY), wanted(3, READY)],
            vec![ejected, counted(3, Some(READY))],
            None,
        ),
        (
            vec![wanted(1, READY), nowhere],
            vec![counted(1, Some(READY))],
            Some("backend web.2 has no address"),
        ),
    ] {
        let table = table(vec![(80, service(wanted))]);
        let found = view(&table, Some(&[usage(80, counted)]));
        let problems = &found.vips[0].problems;
        match says {
            Some(says) => assert!(problems[0].contains(says), "{says}: {problems:?}"),
            None => assert_eq!(*problems, [""; 0]),
        }
        assert_eq!(problems.len(), usize::from(says.is_some()), "{problems:?}");
    }
}

#[test]
fn problems_of_labels_are_told_with_their_vips_and_all_together() {
    const ID: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let external: External = serde_json::from_value(serde_json::json!({
        "node": "n1", "container": ID, "name": "shop-web-1", "kind": "DOCKER", "state": "ready",
    }))
    .unwrap();
    let id = external.id();
    let mut state = State::default();
    state.externals.insert(
        (external.node.clone(), external.container.clone()),
        Held {
            record: std::sync::Arc::new(external),
            revision: 1,
        },
    );
    let mut served = wanted(1, READY);
    served.task = id.clone();
    let mut table = table(vec![
        (80, service(vec![served])),
        (81, service(vec![wanted(2, READY)])),
    ]);
    let problem = |task: &TaskId, message: &str| Problem {
        task: task.clone(),
        message: message.to_owned(),
    };
    table.problems = vec![
        problem(&id, "label 'x'"),
        problem(&"other.1".parse().unwrap(), "label 'y'"),
    ];
    let found = vips(Sources {
        table: &table,
        usage: None,
        omissions: &Omissions::default(),
        state: &state,
    });
    let about = "docker.9f86d081884c (shop-web-1)";
    assert_eq!(found.vips[0].problems, [format!("{about}: label 'x'")]);
    assert_eq!(found.vips[1].problems, [""; 0]);
    let all: Vec<_> = found.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        [
            format!("{about}: label 'x'"),
            "other.1: label 'y'".to_owned()
        ]
    );
    let backend = &found.vips[0].backends[0];
    assert_eq!(backend.container.as_deref(), Some(ID));
    assert_eq!(backend.node, Some(NodeId("n1".to_owned())));
    assert_eq!(backend.far, Some(address("10.0.0.1:31001")));
}

#[test]
fn the_resolver_is_nobodys_vip() {
    let mut table = ServiceTable::default();
    let dns = ServiceKey {
        address: IpAddr::V4(dns::SERVICE_ADDRESS),
        port: 53,
        protocol: Protocol::Udp,
    };
    table.services.insert(dns, service(vec![wanted(1, READY)]));
    assert_eq!(view(&table, None), VipsView::default());
}
