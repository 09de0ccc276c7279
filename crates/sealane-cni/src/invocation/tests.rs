use std::net::IpAddr;

use serde_json::json;

use super::*;
use crate::{Assigned, PortMapping, Protocol};

const ADD: [(&str, &str); 4] = [
    ("CNI_COMMAND", "ADD"),
    ("CNI_CONTAINERID", "web.1"),
    ("CNI_IFNAME", "eth0"),
    ("CNI_NETNS", "/run/netns/web"),
];

mod refused;

/// The variables of an ADD with these changed; an empty one counts as none.
fn environment(changed: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    ADD.iter()
        .chain(changed)
        .map(|(key, value)| (OsString::from(key), OsString::from(value)))
        .collect()
}

fn config(more: &Value) -> Value {
    let mut config = json!({"cniVersion": "1.1.0", "name": "dcos", "type": "sealane"});
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn run(changed: &[(&str, &str)], more: &Value) -> Result<Invocation, Refused> {
    Invocation::read(environment(changed), config(more).to_string().as_bytes())
}

fn add(changed: &[(&str, &str)], more: &Value) -> Add {
    match run(changed, more).unwrap().request {
        Some(Request::Add(add)) => add,
        other => panic!("{other:?}"),
    }
}

/// Code and message of what is refused.
fn refused(changed: &[(&str, &str)], more: &Value) -> (u32, String) {
    let refused = run(changed, more).unwrap_err();
    (refused.failure.code, refused.failure.msg)
}

#[test]
fn a_plain_add() {
    let invocation = run(&[], &json!({})).unwrap();
    assert_eq!(invocation.socket, PathBuf::from(config::DEFAULT_SOCKET));
    let Some(Request::Add(add)) = invocation.request else {
        panic!("{:?}", invocation.request);
    };
    assert_eq!(add.attachment.container, "web.1");
    assert_eq!(add.attachment.ifname, "eth0");
    assert_eq!(add.network, "dcos");
    assert_eq!(add.netns, PathBuf::from("/run/netns/web"));
    assert_eq!((add.mac, add.mtu), (None, None));
    assert_eq!((add.addresses.len(), add.port_mappings.len()), (0, 0));
}

#[test]
fn what_the_configuration_says() {
    let more = json!({"network": "other", "mtu": 1400, "socket": "/x/cni.sock",
        "ipam": {}, "unknown": [1], "capabilities": {"ips": true}});
    let invocation = run(&[], &more).unwrap();
    assert_eq!(invocation.socket, PathBuf::from("/x/cni.sock"));
    let add = add(&[], &more);
    assert_eq!((add.network.as_str(), add.mtu), ("other", Some(1400)));
}

#[test]
fn addresses_by_every_way_and_each_once() {
    let wanted = |changed: &[(&str, &str)], more: &Value| -> Vec<String> {
        let add = add(changed, more);
        add.addresses.iter().map(IpAddr::to_string).collect()
    };
    let mesos = json!({"org.apache.mesos": {"network_info": {"name": "dcos", "groups": ["a"],
        "ip_addresses": [{"ip_address": "9.0.0.8"}, {"protocol": "IPv6"}]}}});
    let all = json!({
        "runtimeConfig": {"ips": ["9.0.0.5/24", "fd01:b::5"]},
        "args": {"cni": {"ips": ["9.0.0.5", "9.0.0.6"]},
            "org.apache.mesos": mesos["org.apache.mesos"]}
    });
    for (changed, more, expected) in [
        (
            vec![],
            json!({"runtimeConfig": {"ips": ["9.0.0.5/24"]}}),
            vec!["9.0.0.5"],
        ),
        (
            vec![],
            json!({"args": {"cni": {"ips": ["9.0.0.6"]}}}),
            vec!["9.0.0.6"],
        ),
        (
            vec![("CNI_ARGS", "IgnoreUnknown=1;IP=9.0.0.7;K8S_POD_NAME=x")],
            json!({}),
            vec!["9.0.0.7"],
        ),
        (
            vec![("CNI_ARGS", "IP=9.0.0.7/24,fd01:b::7/64;")],
            json!({}),
            vec!["9.0.0.7", "fd01:b::7"],
        ),
        (vec![], json!({"args": mesos}), vec!["9.0.0.8"]),
        (
            vec![("CNI_ARGS", "IP=9.0.0.8")],
            all,
            vec!["9.0.0.5", "fd01:b::5", "9.0.0.6", "9.0.0.8"],
        ),
        (
            vec![],
            json!({"runtimeConfig": {"ips": null}, "args": {"cni": null}}),
            vec![],
        ),
    ] {
        assert_eq!(wanted(&changed, &more), expected, "{changed:?} {more}");
    }
}

#[test]
fn hardware_addresses() {
    let capability = json!({"runtimeConfig": {"mac": "02-42-AC-11-00-02"}});
    let mac = |changed: &[(&str, &str)], more: &Value| add(changed, more).mac;
    let args = [("CNI_ARGS", "MAC=02:42:ac:11:00:03")];
    assert_eq!(mac(&args, &json!({})).as_deref(), Some("02:42:ac:11:00:03"));
    assert_eq!(
        mac(&args, &capability).as_deref(),
        Some("02:42:ac:11:00:02")
    );
    assert_eq!(mac(&[], &json!({"runtimeConfig": {"mac": ""}})), None);
    for bad in [
        "x",
        "02:42:ac:11:00",
        "02:42:ac:11:00:02:03",
        "00:00:00:00:00:00",
        "01:00:5e:00:00:01",
        "+2:42:ac:11:00:02",
        "2:42:ac:11:0:2",
    ] {
        let (code, msg) = refused(&[], &json!({"runtimeConfig": {"mac": bad}}));
        assert_eq!(code, code::CONFIGURATION, "{bad}: {msg}");
        assert!(msg.contains(bad), "{msg}");
    }
}

#[test]
fn host_ports_by_both_ways_and_each_once() {
    let more = json!({
        "runtimeConfig": {"portMappings": [
            {"hostPort": 80, "containerPort": 8080, "protocol": "TCP", "hostIP": "127.0.0.1"},
            {"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": ""},
            {"hostPort": 0, "containerPort": 9000, "protocol": "tcp"},
            {"hostPort": 53, "containerPort": 53, "protocol": "udp"}]},
        "args": {"org.apache.mesos": {"network_info": {"port_mappings": [
            {"host_port": 80, "container_port": 8080},
            {"host_port": 81, "container_port": 8081, "protocol": "tcp"}]}}}
    });
    let mapping = |host_port, container_port, protocol, host_ip: Option<&str>| PortMapping {
        host_port,
        container_port,
        protocol,
        host_ip: host_ip.map(|text| text.parse().unwrap()),
    };
    assert_eq!(
        add(&[], &more).port_mappings,
        [
            mapping(80, 8080, Protocol::Tcp, Some("127.0.0.1")),
            mapping(53, 53, Protocol::Udp, None),
            mapping(81, 8081, Protocol::Tcp, None),
        ]
    );
    for (entry, word) in [
        (json!({"hostPort": 70000, "containerPort": 1}), "70000"),
        (json!({"hostPort": -1, "containerPort": 1}), "-1"),
        (json!({"hostPort": 80, "containerPort": 0}), "80"),
        (
            json!({"hostPort": 80, "containerPort": 1, "protocol": "sctp"}),
            "sctp",
        ),
        (
            json!({"hostPort": 80, "containerPort": 1, "hostIP": "me"}),
            "'me'",
        ),
        (json!({"hostPort": 80}), "containerPort"),
        (
            json!({"hostPort": "80", "containerPort": 1}),
            "runtimeConfig",
        ),
    ] {
        let (code, msg) = refused(&[], &json!({"runtimeConfig": {"portMappings": [entry]}}));
        assert_eq!(code, code::CONFIGURATION);
        assert!(msg.contains(word), "{entry}: {msg}");
    }
}

#[test]
fn limits_of_traffic() {
    let bandwidth = |value: &Value| add(&[], &json!({"runtimeConfig": {"bandwidth": value}}));
    let both = json!({"ingressRate": 8_000_000, "ingressBurst": 800_000,
        "egressRate": 4_000_000, "egressBurst": 4_294_967_295_u64});
    let limits = Bandwidth {
        ingress_rate: 8_000_000,
        ingress_burst: 800_000,
        egress_rate: 4_000_000,
        egress_burst: u32::MAX.into(),
    };
    assert_eq!(bandwidth(&both).bandwidth, Some(limits));
    let one = Bandwidth {
        egress_rate: 1000,
        ..Bandwidth::default()
    };
    let more = json!({"egressRate": 1000, "unknown": true});
    assert_eq!(bandwidth(&more).bandwidth, Some(one));
    // Rates of zero limit nothing, whatever the bursts are.
    for none in [
        json!(null),
        json!({}),
        json!({"ingressRate": 0, "egressRate": 0}),
        json!({"ingressBurst": 1600}),
    ] {
        assert_eq!(bandwidth(&none).bandwidth, None, "{none}");
    }
    for bad in [
        json!({"ingressRate": -1}),
        json!({"egressBurst": "1m"}),
        json!({"egressRate": 1.5}),
        json!("10m"),
    ] {
        let (code, msg) = refused(&[], &json!({"runtimeConfig": {"bandwidth": bad}}));
        assert_eq!(code, code::CONFIGURATION, "{bad}: {msg}");
        assert!(msg.contains("runtimeConfig"), "{msg}");
    }
}

#[test]
fn version_is_answered_whatever_is_said() {
    for (stdin, version) in [
        (r#"{"cniVersion": "0.4.0"}"#, "0.4.0"),
        (r#"{"cniVersion": "9.0.0"}"#, "1.1.0"),
        ("", "1.1.0"),
        ("{", "1.1.0"),
    ] {
        let environment = environment(&[("CNI_COMMAND", "VERSION")]);
        let invocation = Invocation::read(environment, stdin.as_bytes()).unwrap();
        assert_eq!(invocation.request, None);
        let printed = invocation.versions();
        assert_eq!(printed["cniVersion"], version, "{stdin}");
        let known = printed["supportedVersions"].as_array().unwrap();
        assert_eq!(known.len(), 7, "{printed}");
    }
}

#[test]
fn leaving_needs_no_namespace() {
    let gone = [("CNI_COMMAND", "DEL"), ("CNI_NETNS", "")];
    let invocation = run(&gone, &json!({"prevResult": null})).unwrap();
    assert!(matches!(invocation.request, Some(Request::Del(_))));
    assert_eq!(invocation.conclude(Answer::Done), Ok(None));
}

#[test]
fn checking_says_what_should_be_there() {
    let previous = json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "sealane00000001"}, {"name": "eth0", "sandbox": "/run/netns/web"}],
        "ips": [{"address": "9.0.0.5/32", "interface": 1}]
    });
    let check = [("CNI_COMMAND", "CHECK")];
    let Some(Request::Check(request)) = run(&check, &json!({"prevResult": previous}))
        .unwrap()
        .request
    else {
        panic!("no request");
    };
    assert_eq!(request.addresses, ["9.0.0.5".parse::<IpAddr>().unwrap()]);
    assert_eq!(request.host_interfaces, ["sealane00000001"]);
    let (code, msg) = refused(&check, &json!({}));
    assert_eq!(code, code::CONFIGURATION);
    assert!(msg.contains("'prevResult'"), "{msg}");
    assert_eq!(
        refused(&[check[0], ("CNI_NETNS", "")], &json!({})).0,
        code::ENVIRONMENT
    );
}

#[test]
fn collecting_takes_both_keys_and_refuses_none() {
    let gc = [
        ("CNI_COMMAND", "GC"),
        ("CNI_CONTAINERID", ""),
        ("CNI_IFNAME", ""),
    ];
    let valid = |more: &Value| match run(&gc, more).unwrap().request {
        Some(Request::Gc(collect)) => collect
            .valid
            .iter()
            .map(|one| format!("{}/{}", one.container, one.ifname))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let one = |container: &str| json!([{"containerID": container, "ifname": "eth0"}]);
    let (new, old) = ("cni.dev/valid-attachments", "cni.dev/attachments");
    assert_eq!(valid(&json!({new: one("a")})), ["a/eth0"]);
    assert_eq!(valid(&json!({old: one("b")})), ["b/eth0"]);
    assert_eq!(
        valid(&json!({new: one("a"), old: one("b")})),
        ["a/eth0", "b/eth0"]
    );
    assert!(
        valid(&json!({new: null})).is_empty(),
        "as Go writes an empty list"
    );
    let (code, msg) = refused(&gc, &json!({}));
    assert_eq!(code, code::CONFIGURATION);
    assert!(msg.contains("what is in use"), "{msg}");
    let (code, _) = refused(
        &gc,
        &json!({new: [{"containerID": "../a", "ifname": "eth0"}]}),
    );
    assert_eq!(code, code::ENVIRONMENT);
}

fn assigned() -> Assigned {
    Assigned {
        host_interface: "sealane00000001".to_owned(),
        host_mac: None,
        mac: "02:00:00:00:00:01".to_owned(),
        mtu: 1500,
        addresses: vec!["9.0.0.5/32".parse().unwrap()],
        gateways: vec!["169.254.1.1".parse().unwrap()],
        routes: vec!["0.0.0.0/0".parse().unwrap()],
        nameservers: vec!["198.51.100.1".parse().unwrap()],
    }
}

#[test]
fn whose_resolvers_count() {
    let own = json!({"nameservers": ["10.0.0.1"], "search": ["a"]});
    let asked = json!({"dns": {"servers": ["10.0.0.2"], "options": ["ndots:1"]}});
    let before = json!({"dns": {"nameservers": ["10.0.0.3"]}});
    for (more, expected) in [
        (json!({}), json!({"nameservers": ["198.51.100.1"]})),
        (json!({"dns": {}}), json!({"nameservers": ["198.51.100.1"]})),
        (
            json!({"prevResult": before}),
            json!({"nameservers": ["10.0.0.3"]}),
        ),
        (json!({"prevResult": before, "dns": own}), own.clone()),
        (
            json!({"dns": own, "runtimeConfig": asked}),
            json!({"nameservers": ["10.0.0.2"], "options": ["ndots:1"]}),
        ),
    ] {
        let invocation = run(&[], &more).unwrap();
        let printed = invocation
            .conclude(Answer::Added(assigned()))
            .unwrap()
            .unwrap();
        assert_eq!(printed["dns"], expected, "{more}");
    }
}

#[test]
fn answers_are_concluded() {
    let invocation = run(&[], &json!({"cniVersion": "0.3.1"})).unwrap();
    let printed = invocation
        .conclude(Answer::Added(assigned()))
        .unwrap()
        .unwrap();
    assert_eq!(printed["cniVersion"], "0.3.1");
    assert_eq!(printed["interfaces"][1]["sandbox"], "/run/netns/web");
    let failure = Failure::new(code::FULL, "full");
    let refused = invocation
        .conclude(Answer::Failed(failure.clone()))
        .unwrap_err();
    assert_eq!(refused.failure, failure);
    let refused = invocation.conclude(Answer::Done).unwrap_err();
    assert_eq!(refused.failure.code, code::INTERNAL);
}
