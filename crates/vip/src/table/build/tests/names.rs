//! Which names resolve to what, and which addresses are virtual.

use super::*;

/// What `web.marathon` resolves to on `n1`: `A`, `AAAA`, both, or nothing.
fn families(fleet: &Fleet, this_node: &str) -> String {
    let table = fleet.table(this_node);
    let name = format!("web.marathon.{ZONE}");
    let Some(addresses) = table.names.get(&name) else {
        return "unknown".to_owned();
    };
    assert!(
        addresses
            .iter()
            .all(|address| table.addresses.contains(address))
    );
    let kinds = addresses
        .iter()
        .map(|it| if it.is_ipv4() { "A" } else { "AAAA" });
    kinds.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_name_resolves_while_somebody_asks_for_it() {
    let mut fleet = Fleet::of([]);
    assert_eq!(families(&fleet, "n1"), "unknown");
    fleet.declared.insert("web.marathon".to_owned());
    assert_eq!(
        families(&fleet, "n1"),
        "A",
        "an app was accepted, no task is there yet"
    );
    assert!(fleet.table("n1").services.is_empty());

    let records = fleet.records();
    fleet.declared.clear();
    let table = fleet.table_with("n1", &records);
    assert!(table.names.is_empty());
    assert_eq!(
        table.addresses.len(),
        2,
        "the addresses stay reserved, and refused"
    );
}

#[test]
fn a_name_that_nobody_claimed_yet_is_left_out() {
    let fleet = Fleet::of([running(
        "a",
        "n1",
        host("10.0.0.1"),
        vec![web(None, Some(1))],
    )]);
    let table = fleet.table_with("n1", &[]);
    assert_eq!(table, ServiceTable::default());
}

#[test]
fn ipv6_is_announced_once_it_works_for_everybody() {
    let on = |net| Fleet::of([running("a", "n1", net, vec![web(Some(80), None)])]);
    let ipv4 = on(cni(&[("n", &["9.0.0.2"])]));
    assert_eq!(families(&ipv4, "n1"), "A");

    let mut dual = on(cni(&[("n", &["9.0.0.2", "fd02::2"])]));
    assert_eq!(
        families(&dual, "n1"),
        "A",
        "only clients near the container could use IPv6"
    );
    dual.spanning
        .insert(NetworkKey::new(ContainerType::Mesos, "n"));
    assert_eq!(families(&dual, "n1"), "A AAAA");
    assert_eq!(families(&dual, "n2"), "A AAAA");

    let ipv6 = on(cni(&[("n", &["fd02::2"])]));
    assert_eq!(families(&ipv6, "n1"), "AAAA");
    assert_eq!(
        families(&ipv6, "n2"),
        "A",
        "there is no backend at all from here"
    );
}

#[test]
fn a_node_with_an_ipv6_address_first_serves_ipv6() {
    let mut fleet = Fleet::of([running(
        "a",
        "n1",
        host("fd00::1"),
        vec![web(None, Some(80))],
    )]);
    fleet.nodes[0] = node("n1", &["fd00::1", "10.0.0.1"]);
    assert_eq!(families(&fleet, "n2"), "AAAA");
    assert_eq!(
        lines(&fleet.table("n2")),
        ["tcp web:80 nothing", "tcp web:80 a far [fd00::1]:80 (v6)"]
    );
}

#[test]
fn ip_vips_have_no_name() {
    let ports = vec![port(None, Some(80), &[("VIP_0", "198.51.100.77:5000")])];
    let table = Fleet::of([running("a", "n1", host("10.0.0.1"), ports)]).table("n2");
    assert!(table.names.is_empty());
    assert_eq!(
        table.addresses,
        BTreeSet::from(["198.51.100.77".parse().unwrap()])
    );
    assert_eq!(table.services.values().next().unwrap().name, None);
}

#[test]
fn two_records_with_one_address_do_no_harm() {
    let fleet = Fleet::of([running(
        "a",
        "n1",
        host("10.0.0.1"),
        vec![web(None, Some(80))],
    )]);
    let mut records = fleet.records();
    records.push(VipRecord {
        name: "other.marathon".to_owned(),
        ..records[0].clone()
    });
    assert_eq!(
        lines(&fleet.table_with("n1", &records)),
        ["tcp web:80 a far 10.0.0.1:80"]
    );
}
