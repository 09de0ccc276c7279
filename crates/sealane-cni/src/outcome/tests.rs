use serde_json::json;

use super::*;

fn assigned() -> Assigned {
    Assigned {
        host_interface: "sealane5f3a9c01".to_owned(),
        host_mac: Some("ee:ee:ee:ee:ee:ee".to_owned()),
        mac: "02:42:09:00:01:02".to_owned(),
        mtu: 1420,
        addresses: vec![
            "9.0.1.2/32".parse().unwrap(),
            "fd01:b::2/128".parse().unwrap(),
        ],
        gateways: vec!["169.254.1.1".parse().unwrap(), "fe80::1".parse().unwrap()],
        routes: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        nameservers: vec!["198.51.100.1".parse().unwrap()],
    }
}

fn read(value: Value) -> Outcome {
    serde_json::from_value(value).unwrap()
}

fn printed(outcome: &Outcome, version: &str) -> Value {
    outcome.to_value(Version::parse(version).unwrap()).unwrap()
}

#[test]
fn one_result_in_every_version() {
    let outcome = Outcome::default().with(&assigned(), "eth0", "/run/netns/a");
    let routes = json!([{"dst": "0.0.0.0/0", "gw": "169.254.1.1"},
        {"dst": "::/0", "gw": "fe80::1"}]);
    let dns = json!({"nameservers": ["198.51.100.1"]});
    let old = json!({
        "ip4": {"ip": "9.0.1.2/32", "gateway": "169.254.1.1",
            "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]},
        "ip6": {"ip": "fd01:b::2/128", "gateway": "fe80::1",
            "routes": [{"dst": "::/0", "gw": "fe80::1"}]},
        "dns": dns
    });
    let interfaces = json!([
        {"name": "sealane5f3a9c01", "mac": "ee:ee:ee:ee:ee:ee"},
        {"name": "eth0", "mac": "02:42:09:00:01:02", "sandbox": "/run/netns/a"}]);
    let mut newest = interfaces.clone();
    newest[0]["mtu"] = json!(1420);
    newest[1]["mtu"] = json!(1420);
    let ips = json!([
        {"address": "9.0.1.2/32", "gateway": "169.254.1.1", "interface": 1},
        {"address": "fd01:b::2/128", "gateway": "fe80::1", "interface": 1}]);
    let mut with_family = ips.clone();
    with_family[0]["version"] = json!("4");
    with_family[1]["version"] = json!("6");
    let lists = |interfaces: &Value, ips: &Value| json!({"interfaces": interfaces, "ips": ips, "routes": routes, "dns": dns});
    for (version, expected) in [
        ("0.1.0", old.clone()),
        ("0.2.0", old),
        ("0.3.0", lists(&interfaces, &with_family)),
        ("0.3.1", lists(&interfaces, &with_family)),
        ("0.4.0", lists(&interfaces, &with_family)),
        ("1.0.0", lists(&interfaces, &ips)),
        ("1.1.0", lists(&newest, &ips)),
    ] {
        let mut expected = expected;
        expected["cniVersion"] = json!(version);
        assert_eq!(printed(&outcome, version), expected, "{version}");
    }
}

#[test]
fn what_was_printed_is_read_again() {
    let outcome = Outcome::default().with(&assigned(), "eth0", "/run/netns/a");
    for version in Version::RELEASED {
        let again: Outcome = read(outcome.to_value(version).unwrap());
        assert_eq!(again.ips.len(), 2, "{version}");
        assert_eq!(again.routes, outcome.routes, "{version}");
        assert_eq!(again.dns, outcome.dns, "{version}");
        if version >= Version::LISTS {
            assert_eq!(again.ips, outcome.ips, "{version}");
            assert_eq!(again.interfaces.len(), 2, "{version}");
        }
    }
    let newest = read(outcome.to_value(Version::NEWEST).unwrap());
    assert_eq!(newest, outcome);
}

#[test]
fn results_of_others_are_gone_on_from() {
    let before = read(json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "dummy0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/a",
            "pciID": "0000:00:1f.6"}],
        "ips": [{"address": "10.0.0.5/24", "interface": 0}],
        "routes": [{"dst": "10.1.0.0/16", "gw": "10.0.0.1", "priority": 100}],
        "dns": {"nameservers": ["10.0.0.1"], "search": null}
    }));
    let value = printed(&before.with(&assigned(), "eth1", "/run/netns/a"), "1.1.0");
    assert_eq!(value["interfaces"][0]["pciID"], "0000:00:1f.6");
    assert_eq!(value["interfaces"][2]["name"], "eth1");
    assert_eq!(
        value["ips"][0],
        json!({"address": "10.0.0.5/24", "interface": 0})
    );
    assert_eq!(value["ips"][1]["interface"], 2);
    assert_eq!(value["routes"][0]["priority"], 100);
    assert_eq!(value["routes"].as_array().unwrap().len(), 3);
    assert_eq!(value["dns"], json!({"nameservers": ["10.0.0.1"]}));
}

#[test]
fn old_results_name_one_address_of_a_family_or_none_at_all() {
    let mut two = assigned();
    two.addresses = vec!["9.0.1.2/32".parse().unwrap(), "9.0.1.3/32".parse().unwrap()];
    let outcome = Outcome::default().with(&two, "eth0", "/ns");
    let value = printed(&outcome, "0.2.0");
    assert_eq!(value["ip4"]["ip"], "9.0.1.2/32");
    assert_eq!(value.get("ip6"), None);
    let problem = Outcome::default().to_value(Version::OLDEST).unwrap_err();
    assert_eq!(problem.code, code::INCOMPATIBLE_VERSION);
}

#[test]
fn addresses_of_one_interface() {
    let attachment = Attachment {
        container: "web.1".to_owned(),
        ifname: "eth0".to_owned(),
    };
    let outcome = read(json!({
        "interfaces": [{"name": "eth0"}, {"name": "eth0", "sandbox": "/ns"},
            {"name": "eth1", "sandbox": "/ns"}, {"name": "host1", "sandbox": ""}],
        "ips": [{"address": "10.0.0.1/24", "interface": 0}, {"address": "10.0.0.2/24", "interface": 1},
            {"address": "10.0.0.3/24", "interface": 2}, {"address": "10.0.0.4/24", "interface": 9},
            {"address": "10.0.0.5/24"}, {"address": "fd00::6/64", "interface": 1, "gateway": ""}]
    }));
    let found: Vec<String> = outcome
        .addresses_of(&attachment)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, ["10.0.0.2", "10.0.0.5", "fd00::6"]);
    assert_eq!(outcome.host_interfaces(), ["eth0", "host1"]);
}

#[test]
fn results_that_are_none() {
    for (value, word) in [
        (
            json!({"ips": [{"address": "10.0.0.300/24"}]}),
            "10.0.0.300/24",
        ),
        (json!({"ips": [{"gateway": "10.0.0.1"}]}), "address"),
        (
            json!({"ips": [{"address": "10.0.0.1/24", "gateway": "x"}]}),
            "'x'",
        ),
        (json!({"ips": {}}), "sequence"),
        (json!({"ip4": {"ip": 5}}), "integer"),
        (json!({"routes": [{"dst": ""}]}), "''"),
        (json!("text"), "invalid"),
    ] {
        let problem = serde_json::from_value::<Outcome>(value.clone())
            .unwrap_err()
            .to_string();
        assert!(problem.contains(word), "{value}: {problem}");
    }
}
