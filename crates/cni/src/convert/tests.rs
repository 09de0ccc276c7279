use proptest::prelude::*;
use serde_json::json;

use super::*;

const ALL: [&str; 7] = [
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// A dual-stack result of 1.1 with all that there is, and a key of the plugin's own.
fn newest() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "br0", "mac": "0a:00:00:00:00:01"},
            {"name": "eth0", "mac": "0a:00:00:00:00:02", "sandbox": "/ns", "mtu": 1400,
                "socketPath": "/s", "pciID": "0000:00:1f.6"}
        ],
        "ips": [
            {"address": "10.0.0.5/24", "gateway": "10.0.0.1", "interface": 1},
            {"address": "10.0.0.6/24", "interface": 1},
            {"address": "fd00::5/64", "gateway": "fd00::1", "interface": 1}
        ],
        "routes": [
            {"dst": "0.0.0.0/0", "gw": "10.0.0.1", "mtu": 1400, "advmss": 1360,
                "priority": 7, "table": 100, "scope": 0},
            {"dst": "::/0"}
        ],
        "dns": {"nameservers": ["10.0.0.1"], "search": ["a.example"]},
        "theirs": {"kept": true}
    })
}

#[test]
fn from_the_newest_to_every_version() {
    let to = |text| convert(&newest(), version(text)).unwrap();
    assert_eq!(to("1.1.0"), newest());

    let mut plain = newest();
    plain["cniVersion"] = "1.0.0".into();
    plain["interfaces"][1] = json!({"name": "eth0", "mac": "0a:00:00:00:00:02", "sandbox": "/ns"});
    plain["routes"][0] = json!({"dst": "0.0.0.0/0", "gw": "10.0.0.1"});
    assert_eq!(to("1.0.0"), plain);

    for old in ["0.3.0", "0.3.1", "0.4.0"] {
        let mut with_families = plain.clone();
        with_families["cniVersion"] = old.into();
        for (index, family) in ["4", "4", "6"].iter().enumerate() {
            with_families["ips"][index]["version"] = (*family).into();
        }
        assert_eq!(to(old), with_families);
    }
    for oldest in ["0.1.0", "0.2.0"] {
        let expected = json!({
            "cniVersion": oldest,
            "ip4": {"ip": "10.0.0.5/24", "gateway": "10.0.0.1",
                "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}]},
            "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1", "routes": [{"dst": "::/0"}]},
            "dns": {"nameservers": ["10.0.0.1"], "search": ["a.example"]}
        });
        assert_eq!(to(oldest), expected);
    }
}

#[test]
fn from_the_oldest_to_every_version() {
    let old = json!({"ip4": {"ip": "10.0.0.5/24", "routes": [{"dst": "0.0.0.0/0"}]},
        "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1"}, "dns": {"domain": "x"}});
    for text in ALL {
        let told = convert(&old, version(text)).unwrap();
        assert_eq!(told["cniVersion"], text);
        assert_eq!(told["dns"], old["dns"]);
        if version(text) < Version::LISTS {
            assert_eq!((&told["ip4"], &told["ip6"]), (&old["ip4"], &old["ip6"]));
            continue;
        }
        assert_eq!((told.get("ip4"), told.get("ip6")), (None, None));
        assert_eq!(told["routes"], json!([{"dst": "0.0.0.0/0"}]));
        let mut ips = json!([{"address": "10.0.0.5/24"},
            {"address": "fd00::5/64", "gateway": "fd00::1"}]);
        if version(text) < Version::PLAIN {
            ips[0]["version"] = "4".into();
            ips[1]["version"] = "6".into();
        }
        assert_eq!(told["ips"], ips, "{text}");
    }
}

#[test]
fn what_has_no_form_is_refused() {
    let none = json!({"interfaces": [{"name": "eth0"}]});
    let problem = convert(&none, version("0.2.0")).unwrap_err();
    assert!(problem.contains("no address"), "{problem}");
    convert(&none, version("0.3.0")).unwrap();
    for bad in [json!([]), json!(null), json!({"ips": [{"address": "x"}]})] {
        convert(&bad, version("1.0.0")).unwrap_err();
    }
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        (any::<[u8; 4]>(), 0..=32u8).prop_map(|(a, l)| format!("{}/{l}", IpAddr::from(a))),
        (any::<[u16; 8]>(), 0..=128u8).prop_map(|(a, l)| format!("{}/{l}", IpAddr::from(a))),
    ]
}

/// Results that are right, in the shape of any version.
fn result() -> impl Strategy<Value = Value> {
    let ips = proptest::collection::vec((address(), any::<bool>()), 1..5);
    let routes = proptest::collection::vec((address(), any::<Option<u16>>()), 0..4);
    (ips, routes, 0..3usize).prop_map(|(ips, routes, shape)| {
        let routes: Vec<Value> = routes
            .into_iter()
            .map(|(dst, mtu)| json!({"dst": dst, "mtu": mtu}))
            .collect();
        if shape == 0 {
            return json!({"ip4": {"ip": ips[0].0, "routes": routes}});
        }
        let ip = |(address, inside): (String, bool)| {
            let mut ip = json!({"address": address, "interface": usize::from(inside)});
            if shape == 1 {
                let family = if address.contains(':') { "6" } else { "4" };
                ip["version"] = family.into();
            }
            ip
        };
        let ips: Vec<Value> = ips.into_iter().map(ip).collect();
        json!({"ips": ips, "routes": routes, "cniVersion": "0.9.9",
            "interfaces": [{"name": "br0"}, {"name": "eth0", "sandbox": "/ns"}]})
    })
}

proptest! {
    #[test]
    fn addresses_and_routes_survive_and_twice_is_once(result in result(), to in 0..ALL.len()) {
        let to = version(ALL[to]);
        let told = convert(&result, to).unwrap();
        prop_assert_eq!(&convert(&told, to).unwrap(), &told);
        let before = AddResult::from_value(&result).unwrap();
        let after = AddResult::from_value(&told).unwrap();
        if to >= Version::LISTS {
            prop_assert_eq!(&after.ips, &before.ips);
            prop_assert_eq!(&after.routes, &before.routes);
            prop_assert_eq!(after.addresses().collect::<Vec<_>>(), before.addresses().collect::<Vec<_>>());
        } else if !has_families(result.as_object().unwrap()) {
            for ipv4 in [true, false] {
                let first = |r: &AddResult| r.ips.iter().map(|ip| ip.address)
                    .find(|net| net.addr().is_ipv4() == ipv4);
                prop_assert_eq!(first(&after), first(&before));
            }
        }
    }

    #[test]
    fn a_result_that_went_up_comes_down_the_same(result in result()) {
        let up = convert(&result, Version::NEWEST).unwrap();
        let down = convert(&result, Version::CHECK).unwrap();
        prop_assert_eq!(convert(&up, Version::CHECK).unwrap(), down);
    }
}
