use std::time::Duration;

use ::datapath::{BackendUsage, Connects, DropReason, Dropped, Ejection};
use ::vip::{BackendState, Service, ServiceKey, ServiceTable, Settings};
use agent::{Obstacle, Omission, Omissions, ServiceCounts, SweepCounts};
use model::Protocol;

use super::*;
use crate::daemon::rooms::Room;
use crate::daemon::views::vips;

/// VIP ports from 80 on, each with so many backends.
fn usage(ports: u16, backends: u8) -> Vec<ServiceUsage> {
    (0..ports)
        .map(|port| ServiceUsage {
            key: key(80 + port),
            name: Some("web.marathon.l4lb.thisdcos.directory".to_owned()),
            settings: Settings::default(),
            refused: 2,
            backends: (1..=backends).map(backend).collect(),
        })
        .collect()
}

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        address: [11, 0, 0, 1].into(),
        port,
        protocol: if port == 81 {
            Protocol::Udp
        } else {
            Protocol::Tcp
        },
    }
}

fn backend(number: u8) -> BackendUsage {
    BackendUsage {
        identity: number.into(),
        task: Some(format!("web.{number}").parse().unwrap()),
        near: Some(([172, 17, 0, number], 80).into()),
        far: None,
        weight: 1,
        state: Some(BackendState::Ready),
        preferred: true,
        warming: false,
        open: 3,
        pending: 0,
        total: 10,
        connects: Connects {
            time: Duration::from_micros(250),
            times: [1, 2, 0, 0, 0, 0, 0, 4],
            refused: 5,
            ..Connects::default()
        },
        ejection: (number == 1).then_some(Ejection {
            remaining: Duration::ZERO,
            row: 1,
        }),
    }
}

/// Each VIP port was ejected as often as its number says, and probed.
fn counted(usage: &[ServiceUsage]) -> Counted {
    let counts = |it: &ServiceUsage| ServiceCounts {
        ejections: it.key.port.into(),
        answered: 3,
        failed: 4,
        unclear: 5,
    };
    Counted {
        services: usage.iter().map(|it| (it.key, counts(it))).collect(),
        unknown: 6,
        sweeps: SweepCounts {
            ended: 9,
            failed: 1,
        },
    }
}

fn omission(map: &'static str, obstacle: Obstacle) -> Omission {
    Omission {
        map,
        obstacle,
        message: "x".to_owned(),
    }
}

fn datapath() -> DatapathFacts {
    let full = || omission("slots", Obstacle::Full);
    let room = |name| Room {
        name,
        used: 4,
        capacity: 8,
    };
    DatapathFacts {
        there: true,
        findings: 0,
        foreign: 1,
        rooms: vec![room("slots"), room("backends")],
        omissions: std::sync::Arc::new(Omissions {
            services: BTreeMap::from([
                (key(80), full()),
                (key(81), full()),
                (key(82), omission("vips", Obstacle::Refused)),
            ]),
            addresses: BTreeMap::from([(key(80).address, full())]),
        }),
        refused_elsewhere: 11,
        dropped: vec![Dropped {
            reason: DropReason::Groups,
            packets: 12,
        }],
        denied: 13,
        means: Means::Iterator,
    }
}

fn text(usage: &[ServiceUsage], limits: MetricsSection) -> String {
    let omissions = Omissions::default();
    let services = usage.iter().map(|it| {
        let service = Service {
            name: it.name.clone(),
            ..Service::default()
        };
        (it.key, service)
    });
    let table = ServiceTable {
        services: services.collect(),
        ..ServiceTable::default()
    };
    let state = State::default();
    let vips = vips::vips(vips::Sources {
        table: &table,
        usage: Some(usage),
        omissions: &omissions,
        state: &state,
    })
    .vips;
    Metrics::new(limits).text(&Sources {
        state: &state,
        vips: &vips,
        usage,
        datapath: &datapath(),
        counted: &counted(usage),
        reports: &BTreeMap::from([(
            "sweeps",
            Report {
                micros: 1_500,
                runs: 7,
                failures: vec!["x".to_owned()],
                ..Report::default()
            },
        )]),
        traffic: &[],
        dns: None,
    })
}

/// Every sample has a head, none is there twice, and all values are numbers.
pub(super) fn check(text: &str) {
    let mut heads = std::collections::BTreeSet::new();
    let mut samples = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let name = head.split(' ').next().unwrap();
            assert!(heads.insert(name), "{name} has two heads");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(samples.insert(sample), "{sample} is there twice");
            value.parse::<f64>().unwrap();
            let name = sample.split('{').next().unwrap();
            let family = name.trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(
                heads.contains(name) || heads.contains(family),
                "{name} has no head"
            );
        }
    }
}

const ALL: MetricsSection = MetricsSection {
    vips: 100,
    backends: 100,
    tasks: 100,
};

#[test]
fn a_vip_and_its_backends() {
    let text = text(&usage(2, 2), ALL);
    check(&text);
    let vip =
        r#"vip="web.marathon.l4lb.thisdcos.directory",address="11.0.0.1",port="80",protocol="tcp""#;
    for line in [
        format!("sealane_vip_connects_total{{{vip}}} 20"),
        format!("sealane_vip_refused_total{{{vip}}} 2"),
        format!("sealane_vip_open_connections{{{vip}}} 6"),
        format!("sealane_vip_connect_failures_total{{{vip},kind=\"refused\"}} 10"),
        format!("sealane_vip_ejected_backends{{{vip}}} 1"),
        format!("sealane_vip_backends{{{vip},state=\"ready\"}} 2"),
        format!("sealane_vip_connect_seconds_bucket{{{vip},le=\"0.000128\"}} 2"),
        format!("sealane_vip_connect_seconds_bucket{{{vip},le=\"0.000512\"}} 6"),
        format!("sealane_vip_connect_seconds_bucket{{{vip},le=\"+Inf\"}} 14"),
        format!("sealane_vip_connect_seconds_count{{{vip}}} 14"),
        format!(
            "sealane_backend_open_connections{{{vip},task=\"web.1\",near=\"172.17.0.1:80\"}} 3"
        ),
        format!("sealane_backend_ejected{{{vip},task=\"web.2\",near=\"172.17.0.2:80\"}} 0"),
        format!(
            "sealane_backend_connect_seconds{{{vip},task=\"web.2\",near=\"172.17.0.2:80\"}} 0.00025"
        ),
        "sealane_metrics_summed{what=\"vips\"} 0".to_owned(),
        "sealane_metrics_summed{what=\"backends\"} 0".to_owned(),
        "sealane_datapath_healthy 1".to_owned(),
        "sealane_datapath_foreign_programs 1".to_owned(),
        "sealane_datapath_used{map=\"slots\"} 4".to_owned(),
        "sealane_datapath_capacity{map=\"slots\"} 8".to_owned(),
        "sealane_datapath_left_out{what=\"ports\",map=\"slots\",why=\"full\"} 2".to_owned(),
        "sealane_datapath_left_out{what=\"addresses\",map=\"slots\",why=\"full\"} 1".to_owned(),
        "sealane_datapath_left_out{what=\"ports\",map=\"backends\",why=\"full\"} 0".to_owned(),
        "sealane_datapath_left_out{what=\"ports\",map=\"vips\",why=\"refused\"} 1".to_owned(),
        "sealane_datapath_refused_elsewhere_total 11".to_owned(),
        "sealane_groups_dropped_packets_total{reason=\"groups\"} 12".to_owned(),
        "sealane_ports_denied_binds 13".to_owned(),
        format!("sealane_vip_ejections_total{{{vip}}} 80"),
        "sealane_vip_ejections_total{vip=\"unknown\"} 6".to_owned(),
        format!("sealane_vip_probes_total{{{vip},result=\"answered\"}} 3"),
        format!("sealane_vip_probes_total{{{vip},result=\"failed\"}} 4"),
        format!("sealane_vip_probes_total{{{vip},result=\"unclear\"}} 5"),
        "sealane_sweep_ended_sockets_total{by=\"iterator\"} 9".to_owned(),
        "sealane_sweep_ended_sockets_total{by=\"diagnosis\"} 0".to_owned(),
        "sealane_sweep_failures_total{by=\"iterator\"} 1".to_owned(),
        "sealane_vips 2".to_owned(),
        "sealane_reconciler_runs_total{reconciler=\"sweeps\"} 7".to_owned(),
        "sealane_reconciler_seconds{reconciler=\"sweeps\"} 0.0015".to_owned(),
        "sealane_reconciler_failures{reconciler=\"sweeps\"} 1".to_owned(),
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
    let of_udp = |line: &str| line.contains("port=\"81\"");
    for of_tcp in ["connect_seconds_bucket", "vip_ejections", "vip_probes"] {
        let found = text
            .lines()
            .find(|line| line.contains(of_tcp) && of_udp(line));
        assert_eq!(found, None);
    }
}

#[test]
fn what_is_beyond_the_limits_is_summed_up() {
    let usage = usage(5, 2);
    let limits = MetricsSection {
        vips: 3,
        backends: 5,
        tasks: 0,
    };
    let text = text(&usage, limits);
    check(&text);
    for line in [
        // Two of five VIPs, and two and two of ten backends in two ways.
        "sealane_vip_connects_total{vip=\"other\"} 40",
        "sealane_vip_connect_seconds_count{vip=\"other\"} 28",
        "sealane_vip_ejections_total{vip=\"other\"} 167",
        "sealane_vip_probes_total{vip=\"other\",result=\"failed\"} 8",
        "sealane_backend_connects_total{vip=\"other\",task=\"other\"} 40",
        "sealane_backend_ejected{vip=\"other\",task=\"other\"} 2",
        "sealane_metrics_summed{what=\"vips\"} 2",
        "sealane_metrics_summed{what=\"backends\"} 6",
        "sealane_metrics_summed{what=\"tasks\"} 0",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
    let of_82 = |line: &&str| {
        line.starts_with("sealane_backend_connects_total") && line.contains("port=\"82\"")
    };
    let lines: Vec<_> = text.lines().filter(of_82).collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("task=\"other\"} 20"), "{lines:?}");
    // Nothing of a sum is lost: all connects are in the samples of VIPs, and again in
    // those of backends.
    for family in [
        "sealane_vip_connects_total{",
        "sealane_backend_connects_total{",
    ] {
        let values = text.lines().filter(|line| line.starts_with(family));
        let sum: u64 = values
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum();
        assert_eq!(sum, 100, "{family}");
    }
}

#[test]
fn cardinality_is_bounded_by_the_configuration() {
    let limits = MetricsSection {
        vips: 10,
        backends: 20,
        tasks: 0,
    };
    let some = text(&usage(20, 4), limits).lines().count();
    let many = text(&usage(400, 9), limits).lines().count();
    assert!(many <= some + 10 * 9, "{many} lines, {some} for less");
    check(&text(
        &usage(400, 9),
        MetricsSection {
            vips: 0,
            backends: 0,
            tasks: 0,
        },
    ));
}

#[test]
fn a_node_without_a_datapath() {
    let state = State::default();
    let text = Metrics::default().text(&Sources {
        state: &state,
        vips: &[],
        usage: &[],
        datapath: &DatapathFacts::default(),
        counted: &Counted::default(),
        reports: &BTreeMap::new(),
        traffic: &[],
        dns: Some(&::dns::Statistics::default()),
    });
    check(&text);
    assert!(text.contains("sealane_datapath_healthy 0\n"));
    assert!(!text.contains("sealane_datapath_left_out") && !text.contains("sealane_sweep"));
    assert!(text.contains("sealane_dns_udp_queries_total 0\n"));
}
