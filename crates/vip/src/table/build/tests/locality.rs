//! Which backends a node has, and which it prefers, by where they run.

use super::*;

/// Nodes `n1` to `n4` with zones, a task on each, and `sealane.locality` on all ports.
fn fleet(zones: [Option<&str>; 4], locality: &str) -> Fleet {
    let numbered = (1..).zip(zones);
    let mut fleet = Fleet::of(numbered.clone().map(|(number, _)| {
        let ports = vec![set(80, &[("sealane.locality", locality)])];
        let address = format!("10.0.0.{number}");
        running(
            &format!("t{number}"),
            &format!("n{number}"),
            host(&address),
            ports,
        )
    }));
    fleet.nodes = numbered
        .map(|(number, zone)| Node {
            busy: Vec::new(),
            zone: zone.map(str::to_owned),
            ..node(&format!("n{number}"), &[&format!("10.0.0.{number}")])
        })
        .collect();
    fleet
}

/// The backends that a node prefers, and its others: `1 2 / 3 4`.
fn seen(fleet: &Fleet, this_node: &str) -> String {
    let table = fleet.table(this_node);
    assert!(table.problems.is_empty());
    let service = table.services.values().next().unwrap();
    let group = |preferred| {
        let of_group = service
            .backends
            .iter()
            .filter(|it| it.preferred == preferred);
        let numbers: Vec<&str> = of_group.map(|it| &it.task.as_str()[1..]).collect();
        numbers.join(" ")
    };
    format!("{} / {}", group(true), group(false))
        .trim()
        .to_owned()
}

#[test]
fn each_locality_in_a_fleet_of_two_zones() {
    let zones = [Some("a"), Some("a"), Some("b"), None];
    for (locality, on_n1, on_n3, on_n4) in [
        ("any", "1 2 3 4 /", "1 2 3 4 /", "1 2 3 4 /"),
        ("prefer-zone", "1 2 / 3 4", "3 / 1 2 4", "4 / 1 2 3"),
        ("require-zone", "1 2 /", "3 /", "4 /"),
        ("prefer-node", "1 / 2 3 4", "3 / 1 2 4", "4 / 1 2 3"),
        ("require-node", "1 /", "3 /", "4 /"),
    ] {
        let fleet = fleet(zones, locality);
        let found = ["n1", "n3", "n4"].map(|it| seen(&fleet, it));
        assert_eq!(found, [on_n1, on_n3, on_n4], "{locality}");
    }
}

#[test]
fn nodes_without_a_zone_are_in_one_zone_together() {
    let zones = [None, None, Some("b"), None];
    assert_eq!(seen(&fleet(zones, "prefer-zone"), "n1"), "1 2 4 / 3");
    assert_eq!(seen(&fleet(zones, "require-zone"), "n2"), "1 2 4 /");
    assert_eq!(seen(&fleet([None; 4], "require-zone"), "n2"), "1 2 3 4 /");
}

#[test]
fn nobody_near_is_nobody_if_it_is_required_and_everybody_if_not() {
    for (locality, expected) in [
        ("prefer-node", "/ 2 3 4"),
        ("prefer-zone", "/ 2 3 4"),
        ("require-node", "/"),
        ("require-zone", "/"),
    ] {
        let mut fleet = fleet([Some("a"), Some("b"), None, Some("c")], locality);
        fleet.tasks.remove(0);
        assert_eq!(seen(&fleet, "n1"), expected, "{locality}");
    }
}

#[test]
fn a_lost_node_is_in_no_zone_and_this_one_is_always_here() {
    let mut lost = fleet([Some("a"); 4], "prefer-zone");
    lost.nodes.remove(1);
    assert_eq!(seen(&lost, "n1"), "1 3 4 / 2");
    assert_eq!(seen(&lost, "n2"), "2 / 1 3 4", "its own record is gone");
    let mut lost = fleet([None; 4], "require-zone");
    lost.nodes.remove(1);
    assert_eq!(seen(&lost, "n1"), "1 3 4 /");
    assert_eq!(seen(&lost, "n2"), "2 /");
}

#[test]
fn a_family_that_is_not_here_is_not_announced_here() {
    let ports = |locality| vec![set(80, &[("sealane.locality", locality)])];
    let names = |locality| {
        let mut fleet = Fleet::of([
            running("a", "n1", host("10.0.0.1"), ports(locality)),
            running("b", "n2", host("fd00::2"), ports(locality)),
        ]);
        fleet.nodes[1] = node("n2", &["fd00::2"]);
        let table = fleet.table("n1");
        table.names.into_values().next().unwrap().len()
    };
    assert_eq!(names("any"), 2);
    assert_eq!(names("prefer-node"), 2);
    assert_eq!(names("require-node"), 1);
}
