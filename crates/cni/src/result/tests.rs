use proptest::prelude::*;
use serde_json::json;

use super::*;

fn addresses(value: Value) -> Result<Vec<String>, String> {
    Ok(AddResult::from_value(&value)?
        .addresses()
        .map(|ip| ip.to_string())
        .collect())
}

#[test]
fn every_version_gives_its_addresses() {
    let old = json!({
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.0.0.5/24", "gateway": "10.0.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
        "ip6": {"ip": "2001:db8::5/64"},
        "dns": {"nameservers": ["10.0.0.1"], "domain": "x"}
    });
    let result = AddResult::from_value(&old).unwrap();
    assert_eq!(addresses(old).unwrap(), ["10.0.0.5", "2001:db8::5"]);
    assert_eq!(result.ips[0].gateway, "10.0.0.1".parse().ok());
    assert_eq!(result.ips[0].address.prefix_len(), 24);
    assert_eq!(result.routes[0].dst.to_string(), "0.0.0.0/0");
    assert_eq!(result.dns.nameservers, ["10.0.0.1"]);

    // Mesos' own fixtures give no version, or one that never was.
    assert_eq!(
        addresses(json!({"ip4": {"ip": "203.0.113.3/31"}})).unwrap(),
        ["203.0.113.3"]
    );
    let odd = json!({"cniVersion": "0.2.3", "ip4": {"ip": "203.0.113.3/31"}});
    assert_eq!(addresses(odd).unwrap(), ["203.0.113.3"]);

    let middle = json!({
        "cniVersion": "0.3.1",
        "ips": [
            {"version": "6", "address": "2001:db8::5/64"},
            {"version": "4", "address": "10.0.0.5/24", "gateway": "10.0.0.1"},
            {"version": "4", "address": "10.0.0.6/24"}
        ]
    });
    assert_eq!(
        addresses(middle).unwrap(),
        ["2001:db8::5", "10.0.0.5", "10.0.0.6"]
    );

    let new = json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "br0", "mac": "0a:00:00:00:00:01", "mtu": 1500},
            {"name": "eth0", "sandbox": "/run/netns/x", "socketPath": "", "pciID": ""}
        ],
        "ips": [
            {"address": "10.0.0.1/24", "interface": 0},
            {"address": "10.0.0.5/24", "interface": 1},
            {"address": "10.0.0.6/24", "interface": null}
        ],
        "routes": [{"dst": "10.0.0.0/8", "gw": "10.0.0.1", "mtu": 1400, "scope": 0}],
        "dns": {}
    });
    assert_eq!(addresses(new).unwrap(), ["10.0.0.5", "10.0.0.6"]);
}

#[test]
fn nothing_and_null_are_empty() {
    assert_eq!(addresses(json!({})).unwrap(), [""; 0]);
    let nulls = json!({"ips": null, "routes": null, "interfaces": null, "dns": null, "ip4": null});
    assert_eq!(addresses(nulls).unwrap(), [""; 0]);
    assert_eq!(
        addresses(json!({"ips": [{"address": "10.0.0.5"}]})).unwrap(),
        ["10.0.0.5"]
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (value, expected) in [
        (json!([]), "not a JSON object"),
        (
            json!({"ips": [{"address": "10.0.0.5/99"}]}),
            "'10.0.0.5/99' is not an address",
        ),
        (json!({"ips": [{}]}), "missing field `address`"),
        (json!({"ips": {}}), "invalid type"),
        (json!({"ip4": {"ip": "x"}}), "'x' is not an address"),
        (
            json!({"ip4": {"ip": "10.0.0.5/24", "gateway": "y"}}),
            "'y' is not a gateway",
        ),
        (json!({"routes": [{"dst": "z"}]}), "'z' is not an address"),
    ] {
        let problem = addresses(value.clone()).unwrap_err();
        assert!(problem.contains(expected), "{value}: {problem}");
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "10\\.0\\.0\\.[0-9]{1,3}(/[0-9]{1,3})?|[0-9a-f:/]{0,12}|.{0,8}".prop_map(Value::from),
    ];
    let key = "ip4|ip6|ips|ip|address|gateway|interface|interfaces|routes|dst|gw|dns|sandbox|name";
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_makes_the_parser_panic(value in anything()) {
        if let Ok(result) = AddResult::from_value(&value) {
            let _ = result.addresses().count();
        }
    }
}
