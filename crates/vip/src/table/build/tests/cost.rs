//! What a change costs, by the size of the table; run in release with `--run-ignored
//! only --no-capture`.

use std::time::{Duration, Instant};

use super::*;

/// Changes at each size, whose median counts.
const CHANGES: usize = 201;

/// A fleet of services of ten bridged tasks each, on ten nodes.
fn fleet(services: usize) -> Fleet {
    let member = |index: usize| {
        let vip = format!("service-{}:80", index / 10);
        let on = format!("n{}", index % 10);
        let ports = vec![port(Some(80), Some(31_000), &[("VIP_0", &vip)])];
        let bridge = docker(DockerNetwork::Bridge, None, &["172.17.0.2"]);
        let (mut task, status) = running(&format!("task-{index}"), &on, bridge, ports);
        task.app = AppId::resolve(&format!("/service-{}", index / 10)).unwrap();
        (task, status)
    };
    let mut fleet = Fleet::of((0..services * 10).map(member));
    let nodes = (0..10).map(|index| node(&format!("n{index}"), &[&format!("10.0.0.{index}")]));
    fleet.nodes = nodes.collect();
    fleet
}

/// Names with addresses of their own; claiming as the leader does is slow in tests.
fn records(services: usize) -> Vec<VipRecord> {
    let record = |index: usize| VipRecord {
        name: format!("service-{index}.marathon"),
        ipv4: std::net::Ipv4Addr::from_bits((11 << 24) + 1 + index as u32),
        ipv6: Some(std::net::Ipv6Addr::from_bits(
            (0xfd01_000c << 96) + 1 + index as u128,
        )),
    };
    (0..services).map(record).collect()
}

#[test]
#[ignore = "a measurement"]
fn a_status_changes_in_tables_of_any_size() {
    for services in [10, 1_000, 10_000] {
        let fleet = fleet(services);
        let input = fleet.input("n1", &records(services));
        let begun = Instant::now();
        let mut live = LiveTable::from(&input);
        let (mut shown, _) = live.settle();
        let scratch = begun.elapsed();
        let mut times: Vec<Duration> = Vec::new();
        for round in 0..CHANGES {
            let index = round * 7919 % input.tasks.len();
            let state = [TaskState::Killing, TaskState::Running][round % 2];
            let status = TaskStatus {
                state,
                ..fleet.statuses[index].clone()
            };
            let (task, status) = (Arc::clone(&input.tasks[index]), Arc::new(status));
            let begun = Instant::now();
            live.set_task(task, Some(status));
            let (table, changes) = live.settle();
            times.push(begun.elapsed());
            assert!(changes.services.len() <= 1);
            // As a reader does: it takes the new one and lets the former go.
            shown = table;
        }
        assert_eq!(shown.services.len(), services);
        times.sort();
        eprintln!(
            "{services} services of ten: from scratch {scratch:?}, one change {:?} (worst {:?})",
            times[CHANGES / 2],
            times[CHANGES - 1],
        );
    }
}
